"""Further tasks: speakers from sequences of 7 to 29 frames, and a regression over long noise."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn import datasets
from analogrnn.agreement import Agreement, AgreementSetup, Level, Observed, check_agreement, compare, simulation_of
from analogrnn.agreement.reference import nominal_reference
from analogrnn.chip import nominal_chip
from analogrnn.datasets import Clips
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.metrics import METRICS
from analogrnn.montecarlo.score import Variability, reduce_chips, score_chips
from analogrnn.network import Network, forward
from analogrnn.simulate import simulate
from analogrnn.spice.run_network import run_network
from analogrnn.statistics import proportion_interval
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks.agreements import transistor_rows
from validation.networks.bench import CALIBRATION, TOPIC, WORKERS, clips, encoding, imported, memory_of, spread_clips

CHIPS = 50
QUICK_CELLS = (2, 5)
COPIES, COPY_CHIPS = 200, 20  # test sequences of the regression, and chips
CLIPS: dict[Level, int] = {"ideal": 5, "transistor": 3}
SIZES = {"10um": 10e-6, "4um": 4e-6}
STEPS = (100, 300, 1000)


@lru_cache(maxsize=1)
def vowels() -> Network:
    """The imported network with the encoding of its training, so that sequences of any length come in."""
    return replace(imported("japanese_vowels"), encoding=encoding("japanese_vowels"))


def at_size(network: Network, size: float) -> Design:
    """The network on square devices."""
    return map_network(network, load_technology(), MappingOptions(cell_w=size, cell_l=size, input_bound=3.0))


@TOPIC.measure(
    "vowels-digital", "Test accuracy of a ladder network (d = 16, levels -4..4) on JapaneseVowels, as imported."
)
def digital(quick: bool) -> Measured:
    test = datasets.japanese_vowels("test")
    labels = np.asarray(test.labels)
    right = forward(vowels(), vowels().encode(test.features)).classes == labels
    low, high = proportion_interval(int(right.sum()), len(right))
    return Measured(
        float(right.mean()),
        "accuracy",
        Bound.at_least(0.94),
        {
            "test clips": len(right),
            "frames": f"{test.lengths.min()} to {test.lengths.max()}",
            "interval": f"{low:.3f} to {high:.3f}",
            "trained by": "other_tasks.py",
        },
    )


@TOPIC.measure(
    "vowels-nominal", "Steps at which the nominal chip of the network for JapaneseVowels equals the digital network."
)
def nominal(quick: bool) -> Measured:
    x = clips("japanese_vowels", "test").x
    found = simulate(nominal_chip(at_size(vowels(), 10e-6)), x).levels["cell"] == forward(vowels(), x).states["cell"]
    return Measured(
        float(found.mean()), "of steps", Bound.equals(1.0), {"test clips": x.shape[1], "unit-steps": found.size}
    )


def _vowel_chips(label: str) -> None:
    @TOPIC.measure(
        f"vowels-chips-{label}", f"Mean test accuracy of mismatched {label} chips on JapaneseVowels, with noise."
    )
    def on_chips(quick: bool) -> Measured:
        test, chips = clips("japanese_vowels", "test"), 5 if quick else CHIPS
        design = at_size(vowels(), SIZES[label])
        found = (score_chips(design, test.x, range(chips), Variability(seed=1)) == test.labels).mean(axis=1)
        return Measured(
            float(found.mean()),
            "accuracy",
            Bound(),
            {
                "chips": chips,
                "test clips": len(test),
                "standard error": f"{found.std(ddof=1) / np.sqrt(chips):.4f}",
                "worst chip": f"{found.min():.3f}",
            },
        )


for _label in SIZES:
    _vowel_chips(_label)


@lru_cache(maxsize=4)
def agreement(level: Level, quick: bool) -> Agreement:
    """The network in ngspice at the standard stage; quick: the first steps of one clip, two of its units."""
    x = clips("japanese_vowels", "test").x
    x = x[:3, :1] if quick else x[:, spread_clips(x.shape[1], CLIPS[level])]
    design = map_network(vowels(), load_technology(), replace(MappingOptions.standard(), input_bound=3.0))
    setup = AgreementSetup(level, workers=WORKERS, memory=memory_of(quick))
    if not quick:
        return check_agreement(vowels(), design, x, setup)
    simulation = replace(simulation_of(design, setup), cells=QUICK_CELLS)
    reference = nominal_reference(design, forward(vowels(), x))
    return compare(level, design, reference, Observed.of(run_network(design, x, simulation)))


@TOPIC.measure(
    "vowels-ideal", "Stages of the network for JapaneseVowels with ideal subcircuits equal to the digital network."
)
def ideal(quick: bool) -> Measured:
    a = agreement("ideal", quick)
    worst = max((error.distance for error in a.first_errors), default=0.0)
    return Measured(
        a.stage_steps_equal / max(a.stage_steps_checked, 1),
        "of stage-steps",
        Bound.at_least(0.99),
        {
            "clips": a.clips,
            "stage-steps": a.stage_steps_checked,
            "first errors": len(a.first_errors),
            "farthest from its threshold": f"{100 * worst:.2g} %",
        },
        also={f"first errors within {100 * CALIBRATION:g} % of a threshold": worst <= CALIBRATION},
    )


transistor_rows(
    "vowels", "the network for JapaneseVowels", {"stage": "standard"}, lambda quick: agreement("transistor", quick)
)


@lru_cache(maxsize=4)
def copy_clips(steps: int) -> Clips:
    """Test sequences of the copy-first-input task, which are inputs as they are."""
    return datasets.copy_first_input("test", steps).clips()


def _copy(steps: int) -> None:
    @TOPIC.measure(
        f"copy-{steps}",
        f"Mean absolute error of the first of {steps} inputs (targets -1 to 1; d = 16, levels -2..2, trained at "
        "100), digital network.",
    )
    def error(quick: bool) -> Measured:
        test, mae = copy_clips(steps), METRICS["mae"]
        test = test.take(slice(0, 10 if quick else COPIES))
        network, truth = imported("copy_first_input"), test.truth
        assert truth is not None
        run = forward(network, test.x)
        figures: dict[str, int | float | str] = {"test clips": len(test), "constant 0": f"{np.abs(truth).mean():.3f}"}
        for label, size in SIZES.items():
            design = at_size(network, size)
            found = simulate(nominal_chip(design), test.x)
            chips = 2 if quick else COPY_CHIPS
            errors = reduce_chips(
                design, test.x, range(chips), Variability(seed=1), lambda outputs: np.array(mae.score(outputs, truth))
            )
            figures |= {
                f"nominal, {label}": f"{mae.score(found.logits, truth):.3f}",
                f"{chips} chips with noise, {label}": f"{errors.mean():.3f} (median {np.median(errors):.3f})",
            }
        return Measured(
            mae.score(run.logits, truth), "1", Bound.at_most(0.15) if steps == STEPS[0] else Bound(), figures
        )


for _steps in STEPS:
    _copy(_steps)
