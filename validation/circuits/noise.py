"""Noise of the comparator, and how much of a stage's input noise reaches its output."""

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn import library
from analogrnn.bench_ladder import digital_stages
from analogrnn.errors import SpiceError
from analogrnn.noise import candidate_noise
from analogrnn.schedule import READ_AT
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import find_ngspice, run_decks, run_process
from analogrnn.spice.pdk import find_pdk, model_lines
from analogrnn.spice.raw import read_raw
from analogrnn.spice.reading import read_deck
from analogrnn.spice.transistor_ladder import block_name
from validation.bounds import Bound
from validation.circuits.bench import STANDARD, WORKERS, Case, build, ladder_design
from validation.circuits.topic import TOPIC
from validation.claims import Measured, equal

STAGES = 4
SIZE = f"w={STANDARD.cell_w:g} l={STANDARD.cell_l:g}"


@lru_cache(maxsize=1)
def spectrum() -> tuple[np.ndarray, np.ndarray, float]:
    """Frequencies (Hz), density at the state node (A/rtHz), and the rms value referred to the input (A).

    The state node is held at 1.5 V (cell OFF, in its window, as in a hold state) and its current noise read.
    """
    design = ladder_design(STAGES)
    ladder = design.ladders[0]
    i_th, i_in = float(ladder.i_th[0]), float(ladder.i_th[0] - ladder.i_hyst[0] / 2.0)
    pdk = find_pdk()
    lines = ["Vdd vdd 0 1.8"]
    for name, current in (("bth", i_th), ("bhyst", float(ladder.i_hyst[0])), ("bon", 0.1e-9)):
        lines += [f"X{name} {name} {name} vdd vdd pfet {SIZE}", f"I{name} {name} 0 {current:g}"]
    lines += [
        f"Iin 0 n DC {i_in:g} AC 1",
        f"Xc n a o vdd 0 bth bhyst bon bmru_cell {SIZE}",
        "Va a 0 1.5",
        "Vo o 0 0.5",
        "Hx x 0 Va 1e9",
        "Rx x 0 1e12",
    ]
    deck = Deck(
        "comparator noise",
        tuple(lines),
        ".noise v(x) Iin dec 20 0.1 1e6",
        models=model_lines(pdk),
        blocks=tuple(library.circuit("gf180mcu", name).rstrip() for name in ("devices", "bmru_cell")),
        options=("gmin=1e-16",),
    )
    with tempfile.TemporaryDirectory(prefix="analogrnn-") as folder:
        for path in pdk.paths:
            (Path(folder) / path.name).symlink_to(path)
        (Path(folder) / "deck.cir").write_text(deck.text, encoding="ascii")
        # two plots, the densities and their integral, where the engine wants one
        outcome = run_process(
            [str(find_ngspice().executable), "-n", "-b", "-r", "out.raw", "deck.cir"], Path(folder), timeout=60.0
        )
        if not (Path(folder) / "out.raw").is_file():
            raise SpiceError("ngspice left no noise spectrum", log=outcome.log)
        plot = next(p for p in read_raw(Path(folder) / "out.raw") if p.axis_name == "frequency")
    out, gained = np.real(plot["onoise_spectrum"]) / 1e9, np.real(plot["inoise_spectrum"])
    f = plot.axis
    # the cell follows its input up to its own pole: only noise that passes it can switch the cell
    gain = out / gained / 1e9 if gained.max() > 1e3 * out.max() else out / gained
    pole = f[np.argmax(gain < gain[0] / np.sqrt(2.0))]
    passed = out / np.sqrt(1.0 + (f / pole) ** 2)
    return f, out, float(np.sqrt(np.trapezoid(passed**2, f)))


@TOPIC.measure("noise-density", "Noise current density at the state node of the standard cell at 1 kHz.")
def density(quick: bool) -> Measured:
    f, out, rms = spectrum()
    design = ladder_design(STAGES)
    ladder = design.ladders[0]
    model = float(candidate_noise(design, ladder)[0])
    at = [float(np.interp(x, f, out)) * 1e12 for x in (1.0, 1e3)]
    return Measured(
        at[1] * 1e3,
        "fA/rtHz",
        Bound(),
        {
            "at 1 Hz": f"{at[0] * 1e3:.2f} fA/rtHz",
            "rms from 0.1 Hz through the cell's pole": f"{rms * 1e12:.2f} pA",
            "rms in the behavioural model": f"{model * 1e12:.2f} pA",
        },
    )


@TOPIC.measure(
    "noise-margin",
    "Distance of a hold of half the threshold from its threshold in rms values of one stage's noise, nominal "
    "thresholds.",
)
def margin(quick: bool) -> Measured:
    _, _, rms = spectrum()
    ladder = ladder_design(STAGES).ladders[0]
    value = 0.5 * float(ladder.beta[0]) / rms
    return Measured(value, "sigma", Bound.above(7))


# the trapezoid rings in the current of the output's 0 V source; with steps this small Gear does not overshoot
DAMPED = ("trtol=1", "method=gear")


WALK = (2.0, 0.0, 0.2, 2.0, -0.2, 0.0, -2.0, 0.1)  # four times; the short one holds and moves both ways, too
SHORT = (2.0, 0.2, 2.0, -0.2, -2.0)


@lru_cache(maxsize=2)
def transient(quick: bool) -> tuple[int, int, float, float, float]:
    """Steps right and checked; rms of the injected noise; rms of a level's output in a hold state and after a step."""
    _, _, rms = spectrum()
    design = ladder_design(STAGES)
    noise, sample = 5.0 * rms, design.timing.pulse / 8.0
    candidates = np.array(SHORT) if quick else np.tile(WALK, 4)
    sources = [f"In{j} vss n{j} DC 0 TRNOISE({noise:g} {sample:g} 0 0)" for j in range(1, STAGES + 1)]

    def noisy(deck: Deck) -> Deck:
        block = block_name(design.ladders[0], 0)
        return deck.with_options(*DAMPED).with_elements(*sources, inside=block, before="Vstages")

    made = build(Case(design, candidates, change=noisy))
    deck = made.deck
    waves = next(iter(run_decks([made.job], workers=WORKERS)))[1]
    if isinstance(waves, SpiceError):
        raise waves
    times = deck.schedule.read_times()
    on = read_deck(deck, waves).stages[deck.cell]
    right = (on == digital_stages(design, candidates)).all(axis=1)
    level, output = on.sum(axis=1), waves["i(vh)"]
    moved = np.diff(level, prepend=0) != 0
    spreads: dict[bool, list[float]] = {True: [], False: []}
    for at, n, stepped in zip(times, level, moved, strict=True):
        # after the pulse, at rest again
        calm = at - READ_AT * design.timing.period + design.timing.lead + 5.0 * design.timing.pulse
        window = (waves.axis > calm) & (waves.axis < at)
        if n:
            spreads[bool(stepped)].append(float(output[window].std()))
    hold, step = (float(np.sqrt(np.mean(np.square(spreads[key])))) for key in (False, True))
    return int(right.sum()), len(right), noise, hold, step


@TOPIC.measure(
    "noise-transient",
    "A transistor ladder gives the stages of the digital ladder with independent noise at every stage's input, "
    "five times the measured noise.",
)
def follows_with_noise(quick: bool) -> Measured:
    right, checked, noise, _, _ = transient(quick)
    return equal(right, checked, {"stages": STAGES, "noise": f"{noise * 1e12:.1f} pA rms"})


@TOPIC.measure(
    "noise-rejection",
    "Noise rejection: rms noise current into each stage over the rms of the ladder's output current within a "
    "step (our definition).",
)
def cut(quick: bool) -> Measured:
    """Published: at least 20-fold at each cell boundary; its definition is not."""
    _, _, noise, hold, step = transient(quick)
    value = noise / max(hold, step)
    return Measured(
        value,
        "-fold",
        Bound.at_least(20),
        {
            "in hold states": f"{noise / hold:.0f}-fold",
            "in steps with a move, after the pulse": f"{noise / step:.0f}-fold",
        },
    )
