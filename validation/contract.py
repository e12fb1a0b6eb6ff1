"""The contract between the levels of description: digital, step, waveform, ideal SPICE; and what must break it."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from analogrnn import datasets, library
from analogrnn.agreement import Agreement, AgreementSetup, check_agreement, thermometer
from analogrnn.agreement.check import Level
from analogrnn.chip import ChipFactory, draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.kernels.waveform import dpi_step
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.mismatch import spread, threshold_terms
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import Cmru, Network, Pooling, forward
from analogrnn.network.files import load
from analogrnn.schedule import CONTROLS, Control
from analogrnn.simulate import ladder_waveforms, simulate, simulate_waveforms
from analogrnn.spice.engine import run_deck
from analogrnn.spice.ideal_ladder import RUNIT
from analogrnn.spice.ideal_network import ladder_deck
from analogrnn.stimulus import ladder_exercise
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured, Topic, equal, unequal

TOPIC = Topic("contract")
NETWORKS = ("digits_d16_k2", "digits_d32_k4")
LEVELS: dict[Level, str] = {"waveform": "the waveform level", "ideal": "ngspice with ideal cells"}
BOUND = 12.0  # largest input of the random ladders, in units


@lru_cache(maxsize=4)
def _digits(name: str) -> tuple[Network, Design, np.ndarray, np.ndarray]:
    network = load(library.network_path(name))
    clips = datasets.spoken_digits("test")
    assert network.encoding is not None
    return network, map_network(network, load_technology()), network.encoding(clips.features), clips.labels


def random_ladders(stages: int, cells: int, seed: int) -> tuple[Network, Design]:
    """Ladders of one layer whose candidates are their inputs, with thresholds over a factor of ten."""
    rng = np.random.Generator(np.random.Philox(key=[seed, stages]))
    threshold = np.exp(rng.uniform(np.log(0.12), np.log(1.2), cells))
    k_min = -int(rng.integers(0, stages + 1))
    layer = Cmru(
        "cell",
        np.eye(cells),
        np.zeros(cells),
        threshold=threshold,
        alpha=np.ones(cells),
        k_min=k_min,
        k_max=k_min + stages,
    )
    network = Network((layer, Pooling("pool")))
    options = MappingOptions(input_bound=BOUND, cell_w=4e-6, cell_l=4e-6)
    return network, map_network(network, load_technology(), options)


def _random(level: Level, steps: int, cells: int, sizes: range, control: Control = "none") -> tuple[int, int]:
    """Steps equal and checked over ladders of all sizes."""
    equal_steps = checked = 0
    for stages in sizes:
        network, design = random_ladders(stages, cells, seed=7)
        layer = network.layers[0]
        assert isinstance(layer, Cmru)
        x = np.clip(ladder_exercise(layer.threshold, steps, stages), -BOUND, BOUND)[:, None, :]
        found = check_agreement(network, design, x, AgreementSetup(level, control))
        equal_steps, checked = equal_steps + found.steps_equal, checked + found.steps_checked
    return equal_steps, checked


@TOPIC.measure(
    "step-clips", "The step level gives the same stages as the digital network on all test clips of both networks."
)
def step_clips(quick: bool) -> Measured:
    found = [check_agreement(n, d, x, AgreementSetup("step")) for n, d, x, _ in map(_digits, NETWORKS)]
    return equal(sum(a.steps_equal for a in found), sum(a.steps_checked for a in found), {"clips": 300})


@TOPIC.measure(
    "waveform-clips", "The waveform level gives the same stages as the digital network on test clips of both networks."
)
def waveform_clips(quick: bool) -> Measured:
    clips = 4 if quick else 60
    found = [
        check_agreement(n, d, x[:, :: 300 // clips], AgreementSetup("waveform"))
        for n, d, x, _ in map(_digits, NETWORKS)
    ]
    return equal(sum(a.steps_equal for a in found), sum(a.steps_checked for a in found), {"clips per network": clips})


@TOPIC.measure(
    "ngspice-clips", "ngspice with ideal cells gives the same stages as the digital network on the clips of the demo."
)
def ngspice_clips(quick: bool) -> Measured:
    found: list[Agreement] = []
    for name in NETWORKS[:1] if quick else NETWORKS:
        network, design, x, _ = _digits(name)
        chosen = np.linspace(0, x.shape[1] - 1, 3).astype(int)[: 1 if quick else None]
        found.append(check_agreement(network, design, x[:, chosen], AgreementSetup("ideal")))
    return equal(
        sum(a.steps_equal for a in found), sum(a.steps_checked for a in found), {"clips per network": len(chosen)}
    )


@TOPIC.measure(
    "ngspice-flat", "ngspice with the whole network in one deck gives the same stages as the digital network."
)
def ngspice_flat(quick: bool) -> Measured:
    network, design, x, _ = _digits("digits_d16_k2" if quick else "digits_d32_k4")
    found = check_agreement(network, design, x[:8, :1] if quick else x[:, :1], AgreementSetup("ideal", flat=True))
    return equal(found.steps_equal, found.steps_checked, {"largest logit error": f"{found.logit_error:.1e} units"})


@TOPIC.measure("step-random", "The step level gives the same stages as the digital recurrence on random ladders.")
def step_random(quick: bool) -> Measured:
    return equal(*_random("step", 200, 8, range(1, 17)), {"stages per ladder": "1 to 16"})


@TOPIC.measure(
    "waveform-random", "The waveform level gives the same stages as the digital recurrence on random ladders."
)
def waveform_random(quick: bool) -> Measured:
    return equal(*_random("waveform", 100 if quick else 200, 8, range(1, 17)), {"stages per ladder": "1 to 16"})


@TOPIC.measure(
    "ngspice-random", "ngspice with ideal cells gives the same stages as the digital recurrence on random ladders."
)
def ngspice_random(quick: bool) -> Measured:
    sizes = range(1, 17, 5) if quick else range(1, 17)
    return equal(*_random("ideal", 32 if quick else 160, 2 if quick else 4, sizes), {"stages per ladder": "1 to 16"})


def _broken(name: str, claim: str) -> None:
    """The waveform level must show what happens beyond an inequality; a model that can't fail predicts nothing."""

    @TOPIC.measure(f"broken-{name}", f"The waveform level departs from the digital recurrence with {claim}.")
    def broken(quick: bool) -> Measured:
        network, design = random_ladders(8, 8, seed=7)
        timing = design.timing
        if name == "shift":
            timing = replace(timing, tau=timing.pulse)
        elif name == "settle":
            timing = replace(timing, period=timing.pulse + 1.5 * timing.tau)
        else:
            timing = replace(timing, pulse=timing.pulse / 24.0, tau=timing.tau / 24.0, period=timing.period / 24.0)
        layer = network.layers[0]
        assert isinstance(layer, Cmru)
        x = ladder_exercise(layer.threshold, 200, 3)[:, None, :]
        found = check_agreement(network, replace(design, timing=timing), x, AgreementSetup("waveform"))
        return unequal(found.steps_equal, found.steps_checked)


_broken("shift", "a pulse as long as tau (x = 1): 2 exp(-x) < 1")
_broken("settle", "1.5 tau between pulses")
_broken("pulse", "a pulse of half an input time constant")


def _control(name: Control, level: Level) -> None:
    @TOPIC.measure(
        f"{level}-{name.replace('_', '-')}",
        f"Negative control '{name}': {LEVELS[level]} no longer follows the digital recurrence.",
    )
    def control(quick: bool) -> Measured:
        steps, cells = (60, 2) if level == "ideal" else (200, 8)
        return unequal(*_random(level, steps, cells, range(4, 5), control=name))


for _level in LEVELS:
    for _name in CONTROLS[1:]:
        _control(_name, _level)


@TOPIC.measure(
    "waveform-error", "NRMSE of the input current of each stage, worst stage: the waveform level compared with ngspice."
)
def waveform_error(quick: bool) -> Measured:
    """Input current of every stage, waveform level compared with ngspice, over one random run."""
    _, design = random_ladders(4, 2, seed=7)
    chip = nominal_chip(design)
    layer = chip.ladders[0]
    x = ladder_exercise(layer.ladder.threshold[:, 1], 60, 5)
    worst = 0.0
    for cell in range(2):
        wave = ladder_waveforms(chip, layer, cell, x[:, cell], points_per_t_in=32)
        deck = ladder_deck(design, layer.ladder, cell, x)
        waves = run_deck(deck.text, stop_time=deck.schedule.duration)
        # evenly in time, but for the edges of the pulses, where a shift of a microsecond is the whole range
        period = design.timing.period
        times = np.arange(3.0 * period, deck.schedule.duration, period / 400.0)
        times = times[times % period > 2.0 * design.timing.pulse]
        for j in range(4):
            theirs = np.interp(times, waves.axis, waves[f"v(xladder_cell_{cell}.n{j + 1})"] / RUNIT)
            ours = np.interp(times, wave.time, wave.i_in[:, j])
            error = np.sqrt(np.mean((ours - theirs) ** 2)) / np.ptp(theirs)
            worst = max(worst, float(error))
    return Measured(worst, "of range", Bound.below(0.05), {"steps": 60})


@TOPIC.measure("dpi-step", "Rise of a DPI from its floor: largest error of the kernel compared with an ODE solver.")
def dpi_against_ode(quick: bool) -> Measured:
    """The kernel's DPI compared with an adaptive solver of its equation, rise from the floor."""
    tau, ratio, floor = 1e-3, 25.0, 1e-6
    times = np.linspace(0.0, 6.0 * tau, 301)
    span = ratio - 1.0
    exact = solve_ivp(
        lambda _, d: span * d * (1 - d) / (1 + span * d) / tau,
        (0, times[-1]),
        [floor],
        t_eval=times,
        rtol=1e-11,
        atol=1e-15,
        method="LSODA",
    ).y[0]
    d, ours = floor, [floor]
    for _ in times[1:]:
        d = dpi_step(d, True, times[1], tau, ratio, floor)
        ours.append(d)
    error = float(np.abs(np.array(ours) - exact).max())
    return Measured(error, "of I_set", Bound.below(1e-3))


@TOPIC.measure(
    "sigma",
    "Standard deviation of cell thresholds over drawn chips, compared with the composed Pelgrom formula: worst "
    "threshold.",
)
def sigma_of_thresholds(quick: bool) -> Measured:
    """Sample sigma over chips compared with the composed log-normal formula, in standard errors.

    A large standing current keeps every down threshold within reach of the line: an unreachable one has no sigma.
    """
    network, _ = random_ladders(4, 1, seed=7)
    options = MappingOptions(input_bound=BOUND, base_ratio=5.0, shift_ratio=5.0)
    design = map_network(network, load_technology(), options)
    ladder, chips = design.ladders[0], 2000
    drawn, worst = ChipFactory(design, 1).tables(np.arange(chips, dtype=np.uint64))[0], 0.0
    for stage in (0, 3):
        for upper in (True, False):
            thresholds = drawn.up if upper else drawn.down
            assert thresholds is not None
            table = thresholds[:, 0, stage]
            if not np.isfinite(table).all():
                return Measured(
                    math.inf, "standard errors", Bound.below(5), {"failure": "a threshold is out of the line's reach"}
                )
            _, sigma = spread(design, ladder, threshold_terms(ladder, stage, upper=upper))
            expected = sigma[0] / design.candidate_units(ladder.synapses)[0]
            # standard error of a sample sigma, with the sample's own kurtosis
            centred = (table - table.mean()) / table.std()
            error = expected * np.sqrt((np.mean(centred**4) - 1.0) / (4.0 * chips))
            worst = max(worst, abs(table.std(ddof=1) - expected) / error)
    return Measured(float(worst), "standard errors", Bound.below(5), {"chips": chips, "thresholds": 4})


def _mismatched(size_um: float, bound: float) -> None:
    """The step level knows one level per step, drift and unreachable thresholds; the waveform level knows the rest."""

    @TOPIC.measure(
        f"step-against-waveform-{size_um:g}um",
        "The step level gives the same stages as the waveform level on mismatched chips.",
    )
    def mismatched(quick: bool) -> Measured:
        network, _, x, _ = _digits("digits_d16_k2")
        size = size_um * 1e-6
        design = map_network(network, load_technology(), MappingOptions(cell_w=size, cell_l=size))
        same = checked = 0
        for index in range(4 if quick else 20):
            chip = draw_chip(design, 1, index)
            layer = chip.ladders[0]
            run = simulate(chip, x[:, index::50])
            stages = simulate_waveforms(chip, layer, run.candidates["cell"])
            good = (stages == thermometer(run.levels["cell"], layer.ladder)).all(axis=-1)
            same, checked = same + int(good.sum()), checked + good.size
        share = same / checked
        return Measured(share, "of steps", Bound.at_least(bound), {"device size": f"{size_um:g} um", "steps": checked})


_mismatched(4.0, 0.99)
_mismatched(10.0, 0.999)


@TOPIC.measure("zero-mismatch", "A chip drawn with zero mismatch is bit-identical to the nominal chip.")
def zero_mismatch(quick: bool) -> Measured:
    differ = 0
    for _, design, x, _ in map(_digits, NETWORKS):
        nominal = simulate(nominal_chip(design), x[:, :50])
        still = simulate(draw_chip(design, 1, 5, scale=0.0), x[:, :50])
        differ += int((nominal.logits != still.logits).sum())
        differ += sum(int((nominal.levels[k] != still.levels[k]).sum()) for k in nominal.levels)
    return Measured(differ, "numbers differ", Bound.equals(0))


@TOPIC.measure(
    "nominal-accuracy",
    "The nominal analog chip has the accuracy of the digital network: largest difference over both networks.",
)
def nominal_accuracy(quick: bool) -> Measured:
    worst = 0.0
    for network, design, x, labels in map(_digits, NETWORKS):
        digital = np.mean(forward(network, x).classes == labels)
        analog = np.mean(simulate(nominal_chip(design), x).classes == labels)
        worst = max(worst, abs(float(digital - analog)))
    return Measured(worst, "accuracy", Bound.equals(0))


def _trained(name: str, goal: float) -> None:
    @TOPIC.measure(
        f"trained-{name.replace('_', '-')}",
        f"Mean test accuracy of {name} over training seeds, as recorded by the training script.",
    )
    def trained(quick: bool) -> Measured:
        network, _, x, labels = _digits(name)
        here = float(np.mean(forward(network, x).classes == labels))
        mean = float(network.metadata["accuracy_test_mean"])
        return Measured(
            mean,
            "accuracy",
            Bound.at_least(goal),
            {"seeds": f"{network.metadata['seeds']}", "shipped network here": f"{here:.3f}"},
        )


_trained("digits_d32_k4", 0.94)
_trained("digits_d16_k2", 0.86)


def _accuracy(name: str, size_um: float) -> None:
    @TOPIC.measure(
        f"mc-{name.replace('_', '-')}-{size_um:g}um", f"Mean accuracy of mismatched chips of {name} with noise."
    )
    def accuracy(quick: bool) -> Measured:
        network, _, x, labels = _digits(name)
        size = size_um * 1e-6
        design = map_network(network, load_technology(), MappingOptions(cell_w=size, cell_l=size))
        s = run_monte_carlo(design, x, labels, 20 if quick else 200, Variability(1)).statistics()
        return Measured(
            s["mean"],
            "accuracy",
            Bound(),
            {
                "device size": f"{size_um:g} um",
                "chips": s["chips"],
                "spread": f"{s['std']:.3f}",
                "5th percentile": f"{s['p05']:.3f}",
                "worst": f"{s['min']:.3f}",
            },
        )


for _network in NETWORKS:
    for _size in (4.0, 10.0):
        _accuracy(_network, _size)
