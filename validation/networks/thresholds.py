"""Input-dependent thresholds in the circuit: the soft threshold, at all levels, corners and on mismatched chips.

One ladder of four stages at the standard stage; its two inputs are the candidate c and the threshold b themselves. b
has either sign and a magnitude of 0.3 to 4 floors; |c| keeps a relative distance from the threshold of at least
`margin`.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, AgreementSetup, check_agreement, thermometer
from analogrnn.analysis.power.spice import slice_power
from analogrnn.analysis.sensitivity.changed_chips import Change, changed_chips
from analogrnn.calibrate.bench import CalibrationBench, Setup
from analogrnn.calibrate.soft_thresholds import BEYOND, THRESHOLDS, operating_points, soft_probe
from analogrnn.cells import cmru_loop
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mapping import map_network
from analogrnn.mismatch import SOFT_DEVICES
from analogrnn.network import Cmru, Network, forward
from analogrnn.simulate import simulate
from analogrnn.soft_threshold import soft_candidates
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.streams import stream
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Figures, Measured, Topic
from validation.networks.bench import WORKERS, memory_of

STAGES, STEPS, CLIPS, CHIPS = 4, 16, 5, 10
NEAR, CLEAR = 0.1, 0.4  # margins: of the nominal circuit, and of corners and mismatched chips
SOFT = {f"rec.{device}": 1.0 for device in SOFT_DEVICES}
_ROW = ("weight", "bias", "rail_in", "rail_out")
ROWS = {"rec.input": 1.0} | {f"{rows}.{device}": 1.0 for rows in ("rec", "rec_b") for device in _ROW}
TYPICAL = TransistorOptions()
SLOW = TransistorOptions(corner="ss", temperature=-20.0, supply=1.62)
FAST = TransistorOptions(corner="ff", temperature=85.0, supply=1.98)


@lru_cache(maxsize=1)
def bench() -> tuple[Network, Design]:
    """The network of one ladder, and its circuit."""
    one = np.ones(1)
    cell = Cmru(
        "rec",
        np.array([[1.0, 0.0]]),
        np.zeros(1),
        threshold=np.zeros(1),
        alpha=0.5 * one,
        k_min=0,
        k_max=STAGES,
        initial=np.zeros(1),
        threshold_weight=np.array([[0.0, 1.0]]),
        threshold_floor=one,
    )
    network = Network((cell,))
    return network, map_network(network, load_technology(), stage="standard", input_bound=6.5)


def clips(margin: float, count: int, steps: int = STEPS) -> np.ndarray:
    """Inputs (steps, count, 2): random c and b, in floors; just over half of the steps move the ladder."""
    if count == 1:  # a quick run takes the first clip of the long one
        return clips(margin, 3, steps)[:, :1]
    rng, shape = stream(1, "thr"), (steps, count)
    b = rng.uniform(0.3, 4.0, shape) * rng.choice([-1.0, 1.0], shape)
    moves = rng.random(shape) < 0.55
    size = np.where(moves, rng.uniform(1.0 + margin, 1.6, shape), rng.uniform(0.1, 1.0 - margin, shape))
    c = np.maximum(np.abs(b), 1.0) * size * rng.choice([-1.0, 1.0], shape)
    return np.round(np.stack([np.clip(c, -6.0, 6.0), b], axis=-1), 3)


def best_constant(x: np.ndarray) -> float:
    """Largest share of steps that one constant threshold follows; chosen with the answers known."""
    network, _ = bench()
    states = forward(network, x).states["rec"]
    initial = np.zeros(1)
    return max(
        float(np.mean(cmru_loop(x[..., :1], np.array([t]), initial, k_min=0, k_max=STAGES) == states))
        for t in np.linspace(0.3, 5.0, 95)
    )


@lru_cache(maxsize=4)
def transistors(quick: bool, options: TransistorOptions = TYPICAL) -> AgreementSetup:
    """Transistors, with the readings of finished decks kept in long runs."""
    return AgreementSetup("transistor", workers=WORKERS, options=options, memory=memory_of(quick))


@lru_cache(maxsize=32)
def run(margin: float, count: int, setup: AgreementSetup) -> Agreement:
    """The bench at one setup."""
    network, design = bench()
    return check_agreement(network, design, clips(margin, count), setup)


def figures(found: Agreement, margin: float) -> Figures:
    """What the rows share."""
    distances = [error.distance for error in found.first_errors]
    return {
        "stage": "standard",
        "margin": margin,
        "equal steps": f"{found.steps_equal} of {found.steps_checked}",
        "first errors": len(distances),
        "failed runs": len(found.failures),
    }


def _share(found: Agreement) -> float:
    return found.steps_equal / max(found.steps_checked, 1)


def block(quick: bool) -> Measured:
    """The output of the nominal block over its operating points."""
    del quick  # one deck of a few seconds
    probe = soft_probe(CalibrationBench(Setup(find_pdk())))
    b, c = np.array(operating_points()).T
    ((_, waves),) = run_decks([probe.job], 1)
    if isinstance(waves, SpiceError):
        raise waves
    numbers = probe.read(waves)
    error = np.abs(np.asarray(numbers["u"]) - soft_candidates(c[:, None], b[:, None], np.ones(1))[:, 0])
    return Measured(
        float(error.max()),
        "delta",
        Bound.below(0.02),
        {"operating points": len(b), "|b|": f"{THRESHOLDS} delta", "output": f"{BEYOND} delta"},
    )


def ideal(quick: bool) -> Measured:
    """Ideal subcircuits compared with the digital network."""
    found = run(NEAR, 2 if quick else CLIPS, AgreementSetup("ideal", workers=WORKERS))
    return Measured(_share(found), "of steps", Bound.equals(1.0), figures(found, NEAR))


def nominal(quick: bool) -> Measured:
    """Nominal transistors compared with the digital network."""
    count = 3 if quick else CLIPS  # one clip alone may have a constant threshold that follows it
    found = run(NEAR, count, transistors(quick))
    constant = best_constant(clips(NEAR, count))
    rms = float("nan") if found.candidate is None else found.candidate.rms
    return Measured(
        _share(found),
        "of steps",
        Bound.at_least(0.99),
        {
            **figures(found, NEAR),
            "rms error of the candidate behind the soft threshold": f"{rms:.4f} delta",
            "share that the best constant threshold follows": round(constant, 3),
        },
        also={"more steps than by a constant threshold": _share(found) > constant},
    )


def corners(quick: bool) -> Measured:
    """Transistors in the slow, cold corner at a low supply and in the fast, hot one at a high supply."""
    setups = [transistors(quick, options) for options in (SLOW, FAST)]
    found = [run(CLEAR, 1 if quick else CLIPS, setup) for setup in setups]
    equal, checked = (sum(getattr(a, name) for a in found) for name in ("steps_equal", "steps_checked"))
    return Measured(
        equal / checked,
        "of steps",
        Bound.at_least(0.99),
        {
            "stage": "standard",
            "margin": CLEAR,
            "ss, -20 C, 1.62 V": f"{found[0].steps_equal} of {found[0].steps_checked}",
            "ff, 85 C, 1.98 V": f"{found[1].steps_equal} of {found[1].steps_checked}",
        },
    )


def _chips(margin: float, quick: bool) -> tuple[list[Agreement], np.ndarray, np.ndarray]:
    """Agreements of mismatched chips with their models; (chips,) steps equal to the digital network, and checked."""
    network, design = bench()
    count = 1 if quick else 3
    x = clips(margin, count)
    digital = thermometer(forward(network, x).states["rec"], design.ladders[0])
    found = [run(margin, count, replace(transistors(quick), chip=number)) for number in range(2 if quick else CHIPS)]
    equal = np.array([(a.readings["rec"] == digital).all(axis=-1).sum() for a in found])
    return found, equal, np.array([a.steps_checked for a in found])


def chips(quick: bool) -> Measured:
    """Mismatched chips compared with the digital network."""
    network, design = bench()
    _, equal, checked = _chips(CLEAR, quick)
    x = clips(CLEAR, 50)
    states = forward(network, x).states["rec"]

    def predicted(change: Change) -> float:
        factory = changed_chips(design, 1, change)
        return float(
            np.mean([simulate(factory.chip(n), x).levels["rec"] == states for n in range(20 if quick else 200)])
        )

    return Measured(
        float(equal.sum() / checked.sum()),
        "of steps",
        Bound(),
        {
            "stage": "standard",
            "margin": CLEAR,
            "chips": len(equal),
            "chips without an error": int((equal == checked).sum()),
            "equal steps": f"{equal.sum()} of {checked.sum()}",
            "predicted with all mismatch": round(predicted(Change()), 3),
            "predicted with mismatch in the soft threshold only": round(predicted(Change(factor=SOFT, rest=0.0)), 3),
            "predicted with mismatch in the rows of weights only": round(predicted(Change(factor=ROWS, rest=0.0)), 3),
        },
    )


def model(quick: bool) -> Measured:
    """Mismatched chips compared with the behavioural model of the same chip."""
    near, clear = _chips(NEAR, quick), _chips(CLEAR, quick)
    found = near[0] + clear[0]
    equal, checked = (sum(getattr(a, name) for a in found) for name in ("steps_equal", "steps_checked"))
    digital = float((near[1].sum() + clear[1].sum()) / checked)
    distances = [error.distance for a in found for error in a.first_errors]
    return Measured(
        equal / checked,
        "of steps",
        Bound.at_least(0.97),
        {
            "stage": "standard",
            "margins": f"{NEAR} and {CLEAR}",
            "chips": len(near[0]),
            "equal steps": f"{equal} of {checked}",
            "share that the digital network predicts": round(digital, 3),
            "first errors": len(distances),
            "distance of a first error from its threshold, largest": f"{max(distances, default=0.0):.3f}",
        },
        also={"better than the digital network": equal / checked >= digital},
    )


def power(quick: bool) -> Measured:
    """Predicted supply current of the ladder with its rows and its soft threshold."""
    _, design = bench()
    (found,) = slice_power(design, clips(NEAR, 1, 8 if quick else STEPS)[:, 0], [0], 1)
    return Measured(
        found.total_predicted / found.total,
        "predicted over measured",
        Bound.near(1.0, 0.05),
        {"supply current": f"{found.total * 1e9:.1f} nA", "steps": 8 if quick else STEPS},
        also={"levels as predicted": found.same_levels},
    )


def register(topic: Topic) -> None:
    """Add the rows to a topic."""
    rows = {
        "block": (block, "Error of a nominal soft threshold in transistors near its decisions, worst."),
        "ideal": (ideal, "Steps of a ladder with input-dependent thresholds in ideal subcircuits, equal to digital."),
        "nominal": (
            nominal,
            "Steps of a ladder with input-dependent thresholds in nominal transistors, equal to digital.",
        ),
        "corners": (corners, "The same in the slow, cold and in the fast, hot corner, at supplies of +-10 %."),
        "chips": (chips, "The same on mismatched chips."),
        "chips-model": (
            model,
            "Steps of mismatched chips with input-dependent thresholds as the behavioural model of the chip predicts.",
        ),
        "power": (power, "Supply current of a ladder with an input-dependent threshold, prediction over ngspice."),
    }
    for name, (function, claim) in rows.items():
        topic.measure(f"thresholds-{name}", claim)(function)
