"""The main job from end to end: a trained network classifies spoken digits in analog.

Loads the network, maps it, simulates the held-out clips (nominal, with noise, on mismatched chips), runs every ladder
of a few clips in ngspice, and writes the summary, the bill of materials, the decks and the pictures.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from analogrnn import bill_of_materials, datasets, library
from analogrnn.agreement import Agreement, AgreementSetup, Progress, check_agreement
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import MissingDependencyError, ParameterError, SpiceError, in_range
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.montecarlo import MonteCarlo, Variability, run_monte_carlo
from analogrnn.network import DigitalRun, Network, forward
from analogrnn.network.files import load
from analogrnn.outputs.files import make_folder, write_json, write_text
from analogrnn.simulate import simulate
from analogrnn.spice.engine import find_ngspice, run_deck
from analogrnn.spice.ideal_network import ladder_deck, network_deck
from analogrnn.technology import load_technology

SMALL = 4e-6  # m, the second device size of the Monte Carlo


class Narrator(Protocol):
    """Reports progress and results to a person."""

    def say(self, text: str) -> None: ...

    def table(self, title: str, rows: Sequence[tuple[str, str]]) -> None: ...

    def progress(self, title: str) -> AbstractContextManager[Progress]: ...


@dataclass(frozen=True)
class DemoOptions:
    """What to run."""

    out: Path
    network: str = "digits_d32_k4"
    chips: int = 100
    spice_clips: int = 3
    seed: int = 1


@dataclass(frozen=True, eq=False)
class _Job:
    """The shared inputs of all parts of the demo."""

    options: DemoOptions
    narrator: Narrator
    folder: Path
    network: Network
    design: Design
    x: np.ndarray
    labels: np.ndarray
    reference: DigitalRun

    @property
    def spice_clips(self) -> np.ndarray:
        """Indices of the clips that run in ngspice, spread over the test set."""
        return np.linspace(0, len(self.labels) - 1, self.options.spice_clips).astype(int)


def run_demo(options: DemoOptions, narrator: Narrator) -> dict[str, Any]:
    """Run the demo; return the content of `summary.json`.

    Without ngspice only the behavioural part runs, and `agreement` is None. Raises MissingDependencyError without the
    data, OutputError if the folder can't be written.
    """
    started = time.perf_counter()
    job = _prepare(options, narrator)
    accuracy: dict[str, Any] = {"digital": _score(job.reference.classes, job.labels)}
    narrator.say(f"1. {job.network.name}: {len(job.labels)} held-out clips, digital accuracy {accuracy['digital']:.1%}")
    rows = bill_of_materials.write_bill_of_materials(job.design, job.folder / "bill_of_materials.csv")
    narrator.table("2. The circuit", bill_of_materials.summary_rows(job.design))
    narrator.say(f"   bill of materials: {rows} trained parameters, one row each")
    accuracy |= _simulate(job)
    campaigns = _campaigns(job)
    accuracy |= {"mc": campaigns[0].statistics(), "mc_4um": campaigns[1].statistics()}
    decks = _write_decks(job)
    waveform, spice = _agree(job)
    summary: dict[str, Any] = {
        "task": job.network.metadata.get("task", ""),
        "network": job.network.name,
        "accuracy": accuracy,
        "agreement": None if spice is None else spice.as_dict() | {"clip_indices": job.spice_clips.tolist()},
        "agreement_waveform": waveform.as_dict(),
        "design": bill_of_materials.summary(job.design),
        "decks": decks,
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started, 2),
    }
    write_json(job.folder / "summary.json", summary)
    _draw(job, campaigns, with_spice=spice is not None)
    narrator.say(
        f"5. {job.folder}: summary.json, bill_of_materials.csv, {len(decks)} decks, 4 pictures; "
        f"{summary['seconds']:.0f} s"
    )
    return summary


def _prepare(options: DemoOptions, narrator: Narrator) -> _Job:
    in_range("DemoOptions.spice_clips", options.spice_clips, 1, 300)
    folder = make_folder(options.out)
    network = load(library.network_path(options.network))
    clips = datasets.spoken_digits("test")
    if network.encoding is None:
        raise ParameterError(f"{network.name} has no encoding; the demo takes a spoken-digit network.")
    x = network.encoding(clips.features)
    design = map_network(network, load_technology(), MappingOptions())
    return _Job(options, narrator, folder, network, design, x, clips.labels, forward(network, x))


def _simulate(job: _Job) -> dict[str, float]:
    chip = nominal_chip(job.design)
    nominal = _score(simulate(chip, job.x).classes, job.labels)
    noisy = _score(simulate(chip, job.x, noise_seed=job.options.seed).classes, job.labels)
    job.narrator.say(f"3. analog, nominal {nominal:.1%}, with noise {noisy:.1%}")
    return {"nominal": nominal, "noisy": noisy}


def _campaigns(job: _Job) -> list[MonteCarlo]:
    """Mismatched chips with the design's device size, and with a smaller one."""
    chips, variability = job.options.chips, Variability(job.options.seed)
    small = map_network(job.network, job.design.technology, MappingOptions(cell_w=SMALL, cell_l=SMALL))
    campaigns = []
    for design in (job.design, small):
        size = f"{design.sizing.cell.w * 1e6:g} um devices"
        with job.narrator.progress(f"   {chips} chips, {size}") as progress:
            campaign = run_monte_carlo(design, job.x, job.labels, chips, variability, progress=progress)
        s = campaign.statistics()
        figures = f"mean {s['mean']:.1%}, spread {s['std']:.1%}, 5th percentile {s['p05']:.1%}, worst {s['min']:.1%}"
        job.narrator.say(f"   {chips} mismatched chips with noise, {size}: {figures}")
        campaigns.append(campaign)
    return campaigns


def _write_decks(job: _Job) -> list[str]:
    target = make_folder(job.folder / "decks")
    names = []
    for clip in job.spice_clips:
        name = f"{job.design.name}_clip{clip}.spice"
        write_text(target / name, network_deck(job.design, job.x[:, clip]).text)
        names.append(f"decks/{name}")
    return names


def _agree(job: _Job) -> tuple[Agreement, Agreement | None]:
    """Compare behavioural waveforms, and ngspice if it is installed, with the digital network."""
    x, say = job.x[:, job.spice_clips], job.narrator.say
    waveform = check_agreement(job.network, job.design, x, AgreementSetup(level="waveform"))
    say(
        f"4. behavioural waveforms: {waveform.steps_equal} of {waveform.steps_checked} steps equal to digital on all "
        f"{waveform.stages} stages, {waveform.clips} clips"
    )
    try:
        ngspice = find_ngspice()
    except MissingDependencyError as error:
        say(f"   ngspice part skipped: {error}")
        return waveform, None
    with job.narrator.progress(f"   ngspice {ngspice.version}, every ladder of {waveform.clips} clips") as progress:
        try:
            spice = check_agreement(job.network, job.design, x, AgreementSetup(ngspice=ngspice), progress=progress)
        except SpiceError as error:
            say(f"   ngspice part failed: {error}")
            return waveform, None
    say(f"   ngspice {ngspice.version}, ideal cells: {spice.steps_equal} of {spice.steps_checked} steps equal")
    for failure in spice.failures:
        say(f"   failed: {failure}")
    return waveform, spice


def _draw(job: _Job, campaigns: list[MonteCarlo], *, with_spice: bool) -> None:
    from analogrnn.figures.ladder import View, busiest_cell, draw_hysteresis, draw_ladder, draw_levels  # noqa: PLC0415 (matplotlib costs 0.4 s)
    from analogrnn.figures.montecarlo import draw_accuracy_over_chips  # noqa: PLC0415

    chip, clip = nominal_chip(job.design), int(job.spice_clips[0])
    layer = chip.ladders[0]
    cell = busiest_cell(job.reference, layer.name, clip)
    view = View(chip, layer, cell)
    spice = None
    if with_spice:
        deck = ladder_deck(job.design, layer.ladder, cell, job.x[:, clip])
        try:
            spice = (deck, run_deck(deck.text, stop_time=deck.schedule.duration))
        except SpiceError as error:
            job.narrator.say(f"   the picture shows no ngspice: {error}")
    draw_ladder(view, job.reference, clip, job.folder / "ladder_waveforms.png", spice)
    others = [draw_chip(job.design, job.options.seed, number) for number in range(30)]
    draw_hysteresis(view, others, job.folder / "hysteresis_loop.png")
    draw_levels(view, others, job.folder / "fixed_points.png")
    sizes = [f"{size * 1e6:g} um devices" for size in (job.design.sizing.cell.w, SMALL)]
    scores = {size: campaign.accuracy for size, campaign in zip(sizes, campaigns, strict=True)}
    digital = _score(job.reference.classes, job.labels)
    title = f"{job.design.name}: {job.options.chips} chips, mismatch and noise"
    draw_accuracy_over_chips(scores, digital, title, job.folder / "accuracy_over_chips.png")


def _score(classes: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(classes == labels))
