"""How fast each level of description runs the same network, and where the time of a transistor deck goes."""

import re
import tempfile
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn.chip import nominal_chip
from analogrnn.errors import SpiceError
from analogrnn.simulate import simulate
from analogrnn.spice.deck import Tran
from analogrnn.spice.engine import RAW, find_ngspice, run_process, write_job
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.raw import read_raw
from analogrnn.spice.reading import ProbedDeck, read_deck
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.spice.transistor_network import TransistorSetup, ladder_slice, network_transistors
from validation.bounds import Bound
from validation.claims import Measured
from validation.network.topic import TOPIC, digits

NAME = "digits_d16_k2"
# what the decks of single ladders ran with until now: Gear, and no better start than zero
BEFORE = ("gmin=1e-16", "abstol=1e-15", "chgtol=1e-17", "reltol=1e-3", "method=gear")
TIGHT = ("gmin=1e-16", "abstol=1e-15", "chgtol=1e-19", "reltol=1e-5", "vntol=1e-8", "method=trap", "xmu=0.49")


@dataclass(frozen=True)
class Account:
    """ngspice's own account of one run, s, and its wall time."""

    wall: float
    parsing: float
    operating_point: float
    transient: float
    points: int
    iterations: int


def account(deck: ProbedDeck) -> tuple[Account, np.ndarray, np.ndarray]:
    """Run one deck alone; return its account, its stages, and its candidates in A."""
    job = deck.with_deck(deck.deck.with_options("acct")).job()
    with tempfile.TemporaryDirectory(prefix="analogrnn-") as name:
        folder = Path(name)
        write_job(job, folder)
        started = time.perf_counter()
        outcome = run_process(
            [str(find_ngspice().executable), "-n", "-b", "-r", RAW, "deck.cir"], folder, timeout=3600.0
        )
        wall = time.perf_counter() - started
        reading = read_deck(deck, read_raw(folder / RAW)[0])

    def number(label: str) -> float:
        found = re.search(rf"(?m)^{re.escape(label)} = (\S+)", outcome.log)
        if found is None:
            raise SpiceError(f"ngspice's account has no {label!r}", log=outcome.log)
        return float(found[1])

    parts = ("Netlist loading time", "Subckt and Param expansion time", "Netlist parsing time")
    transient = number("Transient analysis time")
    seen = Account(
        wall,
        sum(number(part) for part in parts),
        number("Total analysis time (seconds)") - transient,
        transient,
        int(number("Accepted timepoints")),
        int(number("Total iterations")),
    )
    stages = np.concatenate([value.ravel() for value in reading.stages.values()])
    return seen, stages, np.concatenate([value.ravel() for value in reading.candidates.values()])


@lru_cache(maxsize=2)
def rates(quick: bool) -> dict[str, float]:
    """Cell-steps a second of each level on one core, same network, same clip."""
    _, design, x, _ = digits(NAME, quick=quick)
    chip = nominal_chip(design)
    given = x[:1, :1] if quick else x[:, :1]
    cells = sum(ladder.width for ladder in design.ladders)
    simulate(chip, x)  # compiles
    started = time.perf_counter()
    simulate(chip, x)
    found = {"behavioural": cells * x.shape[0] * x.shape[1] / (time.perf_counter() - started)}
    for level, setup in (("ideal", None), ("transistor", TransistorSetup())):
        started = time.perf_counter()
        run_network(design, given, Simulation(setup, workers=1))
        found[level] = cells * given.shape[0] * given.shape[1] / (time.perf_counter() - started)
    return found


def _rate(level: str) -> None:
    @TOPIC.measure(f"speed-{level}", f"Speed of the {level} level on one core, one run.")
    def measured(quick: bool) -> Measured:
        found = rates(quick)
        return Measured(
            found[level],
            "cell-steps per second",
            Bound(),
            {"network": NAME, "over the transistor level": f"{found[level] / found['transistor']:,.4g}-fold"},
        )


for _level in ("behavioural", "ideal", "transistor"):
    _rate(_level)


@lru_cache(maxsize=2)
def one_slice(quick: bool) -> ProbedDeck:
    _, design, x, _ = digits(NAME)
    return ladder_slice(design, design.ladders[0], [0], x[: 1 if quick else 32, 0], find_pdk(), TransistorSetup())


@TOPIC.measure("speed-where", "Time of one ladder in transistors on one clip, and where it goes.")
def where(quick: bool) -> Measured:
    seen, _, _ = account(one_slice(quick))
    return Measured(
        seen.wall,
        "s",
        Bound(),
        {
            "network": NAME,
            "parsing": f"{seen.parsing:.3f} s",
            "operating point": f"{seen.operating_point:.3f} s",
            "transient": f"{seen.transient:.3f} s",
            "time points": seen.points,
            "iterations": seen.iterations,
        },
    )


@TOPIC.measure(
    "speed-settings",
    "Speed of the present simulator settings over Gear without a start, one ladder on one clip, with the stages "
    "of a ten times tighter tolerance.",
)
def settings(quick: bool) -> Measured:
    """The settings of the network decks compared with the former ones and with ten times tighter ones."""
    deck, record = one_slice(quick), one_slice(quick).deck
    assert isinstance(record.analysis, Tran)
    finer = replace(record.analysis, longest=deck.schedule.timing.period / 10.0)
    former = replace(record, options=BEFORE, nodesets={}, analysis=finer)
    (now, stages, candidates), (before, _, _), (tight, exact, right) = (
        account(deck.with_deck(each)) for each in (record, former, replace(record, options=TIGHT))
    )
    error = float(np.abs(candidates - right).max())
    return Measured(
        before.wall / now.wall,
        "-fold",
        Bound() if quick else Bound.above(1),
        {
            "damped trapezoid, free step, coarse start": f"{now.wall:.2f} s ({now.iterations} iterations)",
            "Gear without a start": f"{before.wall:.2f} s ({before.iterations})",
            "reltol 1e-5": f"{tight.wall:.2f} s",
            "candidates differ by": f"{error * 1e12:.2f} pA",
        },
        also={"same stages": bool(np.all(stages == exact))},
    )


@TOPIC.measure("speed-bypass", "Speed of bypass=1, which our decks do not use, over the present settings.")
def bypass(quick: bool) -> Measured:
    deck = one_slice(quick)
    (now, stages, candidates), (fast, same, rough) = (
        account(item) for item in (deck, deck.with_deck(deck.deck.with_options("bypass=1")))
    )
    return Measured(
        now.wall / fast.wall,
        "-fold",
        Bound(),
        {
            "stages": f"{'the same' if np.all(stages == same) else 'OTHER'}",
            "candidates within": f"{np.abs(candidates - rough).max() * 1e12:.2f} pA",
        },
    )


@TOPIC.measure("speed-one-deck", "Speed of one flat deck over the slices of all ladders, one core.")
def one_deck(quick: bool) -> Measured:
    """Sixteen ladders in one deck share input diodes, parsing and start, but also each other's time points."""
    _, design, x, _ = digits(NAME, quick=quick)
    given, cells = x[: 1 if quick else 12, 0], range(design.ladders[0].width)
    flat, _, _ = account(network_transistors(design, given, find_pdk(), TransistorSetup()))
    slices = [
        account(ladder_slice(design, design.ladders[0], [cell], given, find_pdk(), TransistorSetup()))[0]
        for cell in cells
    ]
    alone = sum(s.wall for s in slices)
    return Measured(
        alone / flat.wall,
        "-fold",
        Bound(),
        {
            "network": NAME,
            "steps": len(given),
            "slices": f"{len(cells)}, {alone:.1f} s",
            "flat deck with readout": f"{flat.wall:.1f} s",
            "its operating point": f"{flat.operating_point:.1f} s",
            "its time points": flat.points,
            "time points of a slice": f"{np.mean([s.points for s in slices]):.0f}",
        },
    )


@TOPIC.measure(
    "speed-trimmed-models",
    "Speed with the model library cut to the devices in use, one ladder on one clip: not worth a second copy of "
    "the foundry's text.",
)
def trimmed(quick: bool) -> Measured:
    """The same deck with a library cut to the two device families in use, in the run's own folder."""
    deck, pdk = one_slice(quick), find_pdk()
    design_file, _, switches = deck.deck.models
    text = replace(deck.deck, models=(design_file, ".include trimmed.lib", switches)).text
    short = cut_library(pdk.models.read_text(encoding="latin-1"))
    walls = {}
    for name, body, files in (("whole", deck.text, {}), ("trimmed", text, {"trimmed.lib": short})):
        job = replace(deck.job(), deck=body, files=files)
        with tempfile.TemporaryDirectory(prefix="analogrnn-") as place:
            write_job(job, Path(place))
            started = time.perf_counter()
            run_process(
                [str(find_ngspice().executable), "-n", "-b", "-r", RAW, "deck.cir"], Path(place), timeout=3600.0
            )
            walls[name] = time.perf_counter() - started
            ended = read_raw(Path(place) / RAW)[0].axis[-1]
            assert abs(ended / deck.schedule.duration - 1.0) < 1e-6
    return Measured(
        walls["whole"] / walls["trimmed"],
        "-fold",
        Bound(),
        {"whole library": f"{walls['whole']:.2f} s", "cut library": f"{walls['trimmed']:.2f} s"},
    )


def cut_library(text: str) -> str:
    """What the section `typical` brings for nfet_03v3 and pfet_03v3, as one file without sections."""
    sections = {m[1].lower(): m[2] for m in re.finditer(r"(?mis)^\.lib +(\w+) *$(.*?)^\.endl", text)}
    wanted, out = ["typical"], []
    while wanted:
        body = sections[wanted.pop(0)]
        for line in body.splitlines():
            if found := re.match(r"(?i)\.lib +\S+ +(\w+)", line.strip()):
                if re.search(r"(?i)03v3|mos|typ|noise|stat", found[1]):
                    wanted.append(found[1].lower())
            else:
                out.append(line)
    return "\n".join(out) + "\n"
