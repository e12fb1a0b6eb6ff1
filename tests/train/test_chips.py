"""Chips in training are those of campaigns: the same classes, no mismatch at scale 0, seeds of their own."""

import numpy as np
import pytest
from helpers import BOUND, cmru, inputs_of, kinds, linear, network
from numpy.testing import assert_allclose, assert_array_equal

import analogrnn as ar
from analogrnn import train
from analogrnn.chip import draw_chip
from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import MappingOptions
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import Network, Pooling, Scale, forward
from analogrnn.streams import stream, training_seed
from analogrnn.technology import load_technology

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
CHIPS = 6


def hardware(size=3e-6):
    options = MappingOptions(cell_w=size, cell_l=size, input_bound=BOUND)
    return train.Hardware("test", load_technology(), options)


def networks():
    draw = stream(8, "chips")
    skip = Network(
        (
            cmru("low", 3, 3),
            Scale("scale", draw.uniform(0.5, 1.0, 3), draw.normal(size=3), sources=("low", "input")),
            cmru("high", 4, 3, initial=np.zeros(4), k_min=np.array([-1, -2, -1, -1]), k_max=np.array([1, 3, 1, 2])),
            Pooling("pool", "mean"),
            linear(inputs=4),
        )
    )
    gated = cmru("cell", 4, 3, threshold_weight=draw.uniform(0.1, 0.5, (4, 3)), threshold_floor=np.full(4, 0.5))
    found = {name: net for name, net in kinds().items() if name != "not_pooled"}
    return found | {
        "negative_alpha": network(cmru(d=3, alpha=np.array([0.5, -0.7, -0.3]))),
        "skip": skip,
        "gated": network(gated),
        "voted": Network((cmru(d=3), linear(inputs=3), Pooling("pool", "vote"))),
        "folded": Network(
            (linear("front", 4, 3), cmru("cell", 5, 4), Pooling("pool"), linear("a", 4, 5), linear("b", 3, 4))
        ),
    }


EVERY = networks()
every_network = pytest.mark.parametrize("kind", EVERY)


def classes(model, x, pool, row, **options):
    with torch.no_grad():
        return train.on_chips(model, torch.tensor(x), pool, chips=torch.tensor([row]), **options).argmax(-1).numpy()


@every_network
def test_a_chip_of_the_pool_gives_the_classes_of_the_campaign_on_every_clip(kind):
    net = EVERY[kind]
    x = inputs_of(net, 24, 60, near=0.0) if kind != "gated" else 1.5 * stream(2, "x").normal(size=(24, 60, 3))
    model = train.from_network(net).eval()
    pool = train.ChipPool(hardware(), model, chips=CHIPS, seed=3)
    expected = score_chips(pool.design, x, list(range(CHIPS)), Variability(pool.seed, noise=False))
    found = np.array([classes(model, x, pool, row, noise=False) for row in range(CHIPS)])
    assert_array_equal(found, expected)
    digital = forward(net, x).classes
    assert (found != digital).any() or kind == "first_quadrant", "mismatch was meant to matter"


@every_network
def test_without_mismatch_a_chip_is_the_digital_network(kind):
    net = EVERY[kind]
    x = inputs_of(net, 24, 20) if kind != "gated" else 1.5 * stream(2, "x").normal(size=(24, 20, 3))
    model = train.from_network(net).eval()
    pool = train.ChipPool(hardware(), model, chips=2)
    pool.draw(model, scale=0.0)
    with torch.no_grad():
        found = train.on_chips(model, torch.tensor(x), pool, noise=False).numpy()
    # sums of a few products of order one, in another order
    assert_allclose(found, forward(net, x).logits, rtol=1e-11, atol=1e-11)


def test_a_shipped_network_on_chips_of_the_standard_stage_gives_the_classes_of_the_campaign():
    net = ar.load_network("digits_d16_k2")
    x = stream(5, "clips").uniform(-3.0, 3.0, (32, 100, net.inputs))
    model = train.from_network(net)
    pool = train.ChipPool("gf180mcu/standard", model, chips=8, encoding=net.encoding)
    expected = score_chips(pool.design, x, list(range(8)), Variability(pool.seed, noise=False))
    assert_array_equal(np.array([classes(model, x, pool, row, noise=False) for row in range(8)]), expected)


def test_the_noise_of_a_chip_has_the_strength_that_campaigns_give_it():
    net = ar.load_network("digits_d16_k2")
    model = train.from_network(net)
    pool = train.ChipPool("4um", model, chips=1, encoding=net.encoding)
    ladder = pool.design.ladders[0]
    from analogrnn.noise import candidate_noise

    wanted = candidate_noise(pool.design, ladder) / pool.design.candidate_units(ladder.synapses)
    # one division and one multiplication more
    assert_allclose(pool.part(0).noise.numpy() * np.abs(net.layer("cell").threshold), wanted, rtol=1e-14)


def test_training_seeds_never_meet_the_seeds_of_scores():
    seeds = [training_seed(seed, use) for seed in range(50) for use in ("chips", "selection")]
    assert len(set(seeds)) == 100
    assert min(seeds) >= 2**64
    net = network(cmru())
    pool = train.ChipPool(hardware(), train.from_network(net), chips=2, seed=1)
    assert not np.array_equal(
        draw_chip(pool.design, pool.seed, 0).ladders[0].up, draw_chip(pool.design, 1, 0).ladders[0].up
    )


def test_each_draw_has_new_chips_and_a_seed_repeats_them():
    model = train.from_network(network(cmru()))
    one, other = (train.ChipPool(hardware(), model, chips=4, seed=1) for _ in range(2))
    torch.testing.assert_close(one.part(0).rise, other.part(0).rise, rtol=0, atol=0)
    before = one.part(0).rise
    one.draw(model)
    assert not (one.part(0).rise == before).any()
    assert_array_equal(one.numbers, [4, 5, 6, 7])


def test_gradients_on_a_chip_are_those_of_finite_differences_where_no_state_moves():
    """Weights of the readout, and the bias and the outputs of the cell through rails, offsets and alpha."""
    net = network(cmru(d=4))
    model = train.from_network(net)
    pool = train.ChipPool(hardware(), model, chips=3)
    x = torch.tensor(inputs_of(net, 24, 6, near=0.05))
    chips = torch.arange(3)

    def loss():
        return train.on_chips(model, x, pool, chips=chips, noise=False).square().sum()

    loss().backward()
    for parameter in (model.out.weight, model.out.bias, model.cell.alpha):
        flat, grad = parameter.data.view(-1), parameter.grad.view(-1)
        for i in range(len(flat)):
            step, kept = 1e-6, float(flat[i])
            values = []
            for sign in (1, -1):
                flat[i] = kept + sign * step
                with torch.no_grad():
                    values.append(float(loss()))
            flat[i] = kept
            # rounding 1e-16 of a loss of some 100 over 2e-6, and the third derivative
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(grad[i]), rel=1e-5, abs=1e-5)
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.cell.threshold.grad.abs().max() > 0


def test_every_clip_of_a_batch_meets_a_chip_whatever_the_sizes():
    net = network(cmru(d=3))
    model = train.from_network(net)
    pool = train.ChipPool(hardware(), model, chips=8)
    x = torch.tensor(inputs_of(net, 10, 7))
    for groups in (1, 2, 3, 7, 32):
        assert train.on_chips(model, x, pool, chips=groups).shape == (7, 3)


def test_a_training_step_of_your_own_lowers_the_loss_on_chips():
    draw = stream(4, "toy")
    y = torch.tensor(draw.integers(0, 3, 200))
    x = torch.tensor(draw.uniform(-1.0, 1.0, (16, 200, 4)), dtype=torch.float32)
    x[:, torch.arange(200), y] += 0.7
    generator = torch.Generator().manual_seed(1)
    model = torch.nn.Sequential(
        train.CMRU(4, 8, k_min=-2, k_max=2, start="off", generator=generator), train.Pooling(), torch.nn.Linear(8, 3)
    )
    pool = train.ChipPool(hardware(4e-6), model, chips=64)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(train.on_chips(model, x, pool, generator=generator), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_what_training_on_chips_does_not_do_is_refused():
    net = network(cmru())
    with pytest.raises(MappingError, match=r"network has no encoding, so the range of its input currents is unknown"):
        train.ChipPool("4um", train.from_network(net))
    with pytest.raises(ParameterError, match=r"ChipPool\.chips = 0 is outside"):
        train.ChipPool(hardware(), train.from_network(net), chips=0)
    model = train.from_network(net)
    pool = train.ChipPool(hardware(), model, chips=2)
    other = train.from_network(network(cmru("another")))
    with pytest.raises(
        ParameterError, match=r"out of the circuit reads cell, but in the model it does not: the pool's chips are"
    ):
        train.on_chips(other, torch.zeros(4, 2, 3).double(), pool)
    model.cell.threshold.data[0] = 1e-5
    before = pool.part(0)
    with pytest.raises(MappingError, match=r"cell\.threshold\[0\] = 1e-05 leaves no window"):
        pool.draw(model)
    assert pool.part(0) is before
