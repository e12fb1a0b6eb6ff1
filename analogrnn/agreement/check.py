"""Runs clips at one level of description and compares them with the digital network, or with a chip's fast model."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from analogrnn.agreement.compare import Agreement, Bound, Reference, compare, thermometer
from analogrnn.agreement.reference import chip_reference, nominal_reference
from analogrnn.chip import Chip, draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.network import Network, forward
from analogrnn.schedule import Control
from analogrnn.simulate import simulate, simulate_waveforms
from analogrnn.spice.engine import Ngspice
from analogrnn.spice.run_network import Memory, Simulation, run_network
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.spice.transistor_network import TransistorSetup, chip_setup

LEVELS = ("step", "waveform", "ideal", "transistor")
# What transistors must reach. A first miss may lie as far from its threshold as thresholds are calibrated and as
# candidates are exact: see docs/network-on-transistors.md. A chip's fast model is as exact as its composed draws.
SILICON_BOUND = Bound(stage_steps=0.99, classes=0.99, miss=0.02)
CHIP_BOUND = Bound(stage_steps=0.97, classes=0.9, miss=np.inf)


@dataclass(frozen=True, eq=False)
class Bench:
    """What to run, and against what.

    >>> bench = ar.Bench(level="waveform")

    level    `step`, `waveform`, `ideal` (ngspice, ideal subcircuits) or `transistor` (ngspice, foundry models)
    control  breaks the ladder on purpose: see `analogrnn.schedule.CONTROLS`
    flat     the whole network in one deck a clip, with its readout; else one deck a ladder
    workers  simulators at a time; None = one a CPU
    chip     number of a mismatched chip, held against its own fast model; None: nominal, against digital
    silicon  corner, temperature, supply of the transistor level
    memory   keeps the readings of finished decks
    """

    level: str = "ideal"
    control: Control = "none"
    flat: bool = False
    workers: int | None = None
    ngspice: Ngspice | None = None
    chip: int | None = None
    seed: int = 1
    silicon: TransistorOptions = field(default_factory=TransistorOptions)
    bound: Bound | None = None
    timeout: float = 3600.0
    memory: Memory | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ParameterError(f"Bench.level = {self.level!r} is unknown; known: {list(LEVELS)}.")
        if self.level == "step" and self.control != "none":
            raise ParameterError("Bench: the step level has no waveforms to break; use level 'waveform' or 'ideal'.")
        if self.level == "ideal" and self.chip is not None:
            raise ParameterError("Bench.chip: ideal subcircuits have no devices to draw; use level 'transistor'.")

    @property
    def wanted(self) -> Bound:
        """The bound that decides."""
        if self.bound is not None:
            return self.bound
        if self.level != "transistor":
            return Bound()
        return SILICON_BOUND if self.chip is None else CHIP_BOUND


def check_agreement(
    network: Network,
    design: Design,
    x: np.ndarray,
    bench: Bench | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Agreement:
    """Run encoded clips x (T, S, D) on `bench` and compare step by step.

    >>> found = ar.check_agreement(network, design, x, ar.Bench(level="waveform"))

    A simulator run that fails is reported in `failures`, and the others go on. Raises ParameterError for a control
    that doesn't exist or inputs that the circuit can't carry, MissingDependencyError without ngspice or models.
    """
    bench = bench or Bench()
    chip, reference = _chip(design, bench), reference_of(network, design, x, bench)
    if bench.level == "step":
        run = simulate(chip, x)
        stages = {ladder.name: thermometer(run.levels[ladder.name], ladder) for ladder in design.ladders}
        logits = run.logits if run.logits.ndim == 2 else run.logits[-1]
        same = np.argmax(logits, axis=-1) == reference.classes
        error = float(np.abs(logits - reference.logits).max())
        return compare(
            bench.level,
            design,
            reference,
            stages,
            bound=bench.wanted,
            classes_equal=int(same.sum()),
            classes_checked=len(same),
            logit_error=error,
        )
    if bench.level == "waveform":
        candidates = {name: layer.candidates for name, layer in reference.layers.items()}
        stages = _waveform_stages(chip, candidates, bench.control)
        return compare(bench.level, design, reference, stages, bound=bench.wanted)
    found = run_network(design, x, simulation_of(design, bench), progress=progress)
    return compare(bench.level, design, reference, found.stages, found, bound=bench.wanted)


def _waveform_stages(chip: Chip, candidates: dict[str, np.ndarray], control: Control) -> dict[str, np.ndarray]:
    return {
        layer.name: simulate_waveforms(chip, layer, candidates[layer.name], control=control) for layer in chip.ladders
    }


def reference_of(network: Network, design: Design, x: np.ndarray, bench: Bench) -> Reference:
    """What `bench` is held against: the digital network, or a chip's own fast model."""
    if bench.chip is None:
        return nominal_reference(design, forward(network, x))
    return chip_reference(_chip(design, bench), x)


def _chip(design: Design, bench: Bench) -> Chip:
    return nominal_chip(design) if bench.chip is None else draw_chip(design, bench.seed, bench.chip)


def simulation_of(design: Design, bench: Bench) -> Simulation:
    """How the SPICE levels of `bench` run."""
    silicon = None
    if bench.level == "transistor":
        options = TransistorOptions(**{**vars(bench.silicon), "control": bench.control})
        silicon = (
            TransistorSetup(options) if bench.chip is None else chip_setup(design, bench.seed, bench.chip, options)
        )
    return Simulation(
        silicon,
        bench.control,
        bench.flat,
        workers=bench.workers,
        timeout=bench.timeout,
        ngspice=bench.ngspice,
        memory=bench.memory,
    )
