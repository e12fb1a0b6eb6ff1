"""Training for hardware: are its chips those of campaigns, are its kernels right and fast, and what does it gain?"""

import time

import numpy as np

from analogrnn import datasets, train
from analogrnn.datasets import parse_name
from analogrnn.design import Design
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import Network, forward
from analogrnn.network.files import load_network
from analogrnn.streams import stream
from validation.bounds import Bound
from validation.claims import Measured, Topic

TOPIC = Topic("train")
SCORED = 200  # fresh chips on the test clips, under a seed of scores


def _pool(hardware: str) -> None:
    @TOPIC.measure(
        f"chips-{hardware}",
        f"Chips of a training pool ({hardware}, shipped d = 16 network) classify clips as the same chips of a Monte "
        "Carlo campaign do, without noise.",
    )
    def chips(quick: bool) -> Measured:
        import torch  # noqa: PLC0415 (optional)

        network, count = load_network("digits_d16_k2"), 4 if quick else 64
        assert network.encoding is not None
        x = network.encoding(datasets.spoken_digits("test").features[: 60 if quick else None])
        model = train.from_network(network)
        pool = train.ChipPool(hardware, model, chips=count, encoding=network.encoding)
        wanted = score_chips(pool.design, x, list(range(count)), Variability(pool.seed, noise=False))
        with torch.no_grad():
            found = [
                train.on_chips(model, torch.tensor(x), pool, chips=torch.tensor([row]), noise=False).argmax(-1).numpy()
                for row in range(count)
            ]
        equal = int((np.array(found) == wanted).sum())
        digital = forward(network, x).classes
        return Measured(
            equal,
            "classes",
            Bound.equals(wanted.size),
            {"chips": count, "clips": x.shape[1], "as the digital network": f"{np.mean(wanted == digital):.3f}"},
        )


for _hardware in ("4um", "standard"):
    _pool(_hardware)


@TOPIC.measure(
    "kernels",
    "The compiled kernels of training and plain torch: the same states of ladders on mismatched tables, and gradients "
    "equal to rounding (largest difference over the largest gradient).",
)
def kernels(quick: bool) -> Measured:
    found = [_way(compiled, 32 if quick else 256) for compiled in (True, False)]
    (fast, fast_grads, fast_time), (slow, slow_grads, slow_time) = found
    worst = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(fast_grads, slow_grads, strict=True))
    figures: dict[str, int | float | str] = {
        "stage-steps": fast.size,
        "steps per second, compiled": f"{fast.size / fast_time:.3g}",
        "steps per second, torch": f"{fast.size / slow_time:.3g}",
    }
    return Measured(worst, "1", Bound.below(1e-10), figures, {"states equal": bool(np.array_equal(fast, slow))})


def _way(compiled: bool, samples: int) -> tuple[np.ndarray, list[np.ndarray], float]:
    """States, gradients and the time, s, of a forward and a backward pass."""
    import torch  # noqa: PLC0415 (optional)

    from analogrnn.train.states import TableRule  # noqa: PLC0415 (needs torch)

    draw, (steps, cells, stages) = stream(1, "kernels"), (32, 32, 8)
    c = torch.tensor(1.5 * draw.normal(size=(steps, samples, cells)), requires_grad=True)
    up, down = (
        torch.tensor(centre + 0.4 * draw.normal(size=(16, cells, stages)), requires_grad=True) for centre in (1.0, -1.0)
    )
    chip, start = torch.arange(samples) % 16, torch.zeros(samples, cells, dtype=torch.int64)
    best = np.inf
    for _ in range(3):
        for leaf in (c, up, down):
            leaf.grad = None
        began = time.perf_counter()
        states = train.table_states(c, up, down, chip, start, TableRule(compiled=compiled))
        states.sum().backward()
        best = min(best, time.perf_counter() - began)
    grads = [np.array(leaf.grad) for leaf in (c, up, down)]
    return states.detach().numpy(), grads, best


@TOPIC.measure(
    "d16-4um",
    f"Spoken digits, d = 16, levels -2 to 2, trained for cells of 4 um (40 epochs, one seed): mean accuracy of "
    f"{SCORED} fresh chips with noise on the test clips.",
)
def accuracy(quick: bool) -> Measured:
    clips, hardware = datasets.spoken_digits("test"), train.Hardware.of("4um")
    task = train.task_of(parse_name("spoken_digits"))
    recipe = train.Recipe(epochs=4 if quick else 40, chips=64 if quick else 512)
    model = train.model_for(task, train.ModelShape(16, 2), recipe.seed)
    network = train.Training(model, task, hardware, recipe).run().network
    count = 20 if quick else SCORED
    chips, digital = _scores(network, hardware.map(network), clips, count)
    shipped = load_network("digits_d16_k2")
    plain, _ = _scores(shipped, hardware.map(shipped), clips, count)
    figures = {
        "5th percentile": f"{np.percentile(chips, 5):.3f}",
        "without mismatch": f"{digital:.3f}",
        "shipped network of this size on such chips": f"{plain.mean():.3f}",
        "its 5th percentile": f"{np.percentile(plain, 5):.3f}",
    }
    return Measured(float(chips.mean()), "1", Bound.at_least(0.2 if quick else 0.75), figures)


def _scores(network: Network, design: Design, clips: datasets.Sequences, count: int) -> tuple[np.ndarray, float]:
    """(count,) accuracies of fresh chips with noise, and the accuracy of the digital network."""
    assert network.encoding is not None
    x, y = network.encoding(clips.features), clips.labels
    found = score_chips(design, x, list(range(count)), Variability(7))
    return (found == y).mean(axis=1), float((forward(network, x).classes == y).mean())
