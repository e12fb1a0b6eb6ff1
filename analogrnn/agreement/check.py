"""Runs clips at one level and compares them with the digital network, or with a chip's behavioural model."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from analogrnn.agreement.compare import Agreement, AgreementBound, Observed, Reference, compare, thermometer
from analogrnn.agreement.reference import chip_reference, nominal_reference
from analogrnn.chip import Chip, draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.mapping import circuit_form
from analogrnn.network import Network, forward
from analogrnn.schedule import Control
from analogrnn.simulate import simulate, simulate_waveforms
from analogrnn.spice.engine import Ngspice
from analogrnn.spice.run_network import Memory, Simulation, run_network
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.spice.transistor_network import TransistorSetup, chip_setup

Level = Literal["step", "waveform", "ideal", "transistor"]
LEVELS: tuple[Level, ...] = get_args(Level)
# Default bounds of the transistor level. The distance of a first error from its threshold is bounded by the accuracy of
# calibrated thresholds and candidates, see docs/network-on-transistors.md; for a mismatched chip it is not bounded.
TRANSISTOR_BOUND = AgreementBound(stage_steps=0.99, classes=0.99, first_error=0.02)
CHIP_BOUND = AgreementBound(stage_steps=0.97, classes=0.9, first_error=np.inf)


@dataclass(frozen=True, eq=False)
class AgreementSetup:
    """What to run, and what to compare it with.

    >>> setup = ar.AgreementSetup(level="waveform")

    level    `step`, `waveform`, `ideal` (ngspice, ideal subcircuits) or `transistor` (ngspice, foundry models)
    control  negative control that breaks the ladder: see `analogrnn.schedule.CONTROLS`
    flat     the whole network in one deck per clip, with its readout; else one deck per ladder
    workers  number of simulators in parallel; None: one per CPU
    chip     number of a mismatched chip, compared with its behavioural model; None: nominal, with the digital network
    seed     seed of the chip
    options  corner, temperature, supply of the transistor level
    bound    when the comparison holds; None: the default bound of the level
    timeout  s of real time per simulator run
    memory   stores the readings of finished decks
    """

    level: Level = "ideal"
    control: Control = "none"
    flat: bool = False
    workers: int | None = None
    ngspice: Ngspice | None = None
    chip: int | None = None
    seed: int = 1
    options: TransistorOptions = field(default_factory=TransistorOptions)
    bound: AgreementBound | None = None
    timeout: float = 3600.0
    memory: Memory | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ParameterError(f"AgreementSetup.level = {self.level!r} is unknown; known: {list(LEVELS)}.")
        if self.level == "step" and self.control != "none":
            raise ParameterError(
                "AgreementSetup: the step level has no waveforms to break; use level 'waveform' or 'ideal'."
            )
        if self.level == "ideal" and self.chip is not None:
            raise ParameterError(
                "AgreementSetup.chip: ideal subcircuits have no devices to draw; use level 'transistor'."
            )

    @property
    def deciding_bound(self) -> AgreementBound:
        """The bound that applies: `bound`, or the default of the level."""
        if self.bound is not None:
            return self.bound
        if self.level != "transistor":
            return AgreementBound()
        return TRANSISTOR_BOUND if self.chip is None else CHIP_BOUND


def check_agreement(
    network: Network,
    design: Design,
    x: np.ndarray,
    setup: AgreementSetup | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Agreement:
    """Run encoded clips x (T, S, D) on `setup` and compare step by step.

    >>> found = ar.check_agreement(network, design, x, ar.AgreementSetup(level="waveform"))

    A simulator run that fails is reported in `failures`, and the others continue. Raises ParameterError for an unknown
    control or inputs that the circuit can't carry, SpiceError if all runs fail, MissingDependencyError without ngspice
    or models.
    """
    setup = setup or AgreementSetup()
    chip, reference = _chip(design, setup), reference_of(network, design, x, setup)
    if setup.level == "step":
        run = simulate(chip, x)
        stages = {ladder.name: thermometer(run.levels[ladder.name], ladder) for ladder in design.ladders}
        observed = Observed(stages, logits=run.logits)
    elif setup.level == "waveform":
        candidates = {name: layer.candidates for name, layer in reference.layers.items()}
        observed = Observed(_waveform_stages(chip, candidates, setup.control))
    else:
        observed = Observed.of(run_network(design, x, simulation_of(design, setup), progress=progress))
    return compare(setup.level, design, reference, observed, setup.deciding_bound)


def _waveform_stages(chip: Chip, candidates: dict[str, np.ndarray], control: Control) -> dict[str, np.ndarray]:
    return {
        layer.name: simulate_waveforms(chip, layer, candidates[layer.name], control=control) for layer in chip.ladders
    }


def reference_of(network: Network, design: Design, x: np.ndarray, setup: AgreementSetup) -> Reference:
    """The reference of a run on x (T, S, D): the digital network, or the behavioural model of the chip."""
    if setup.chip is None:
        return nominal_reference(design, forward(circuit_form(network), x))
    return chip_reference(_chip(design, setup), x)


def _chip(design: Design, setup: AgreementSetup) -> Chip:
    return nominal_chip(design) if setup.chip is None else draw_chip(design, setup.seed, setup.chip)


def simulation_of(design: Design, setup: AgreementSetup) -> Simulation:
    """The simulation that runs the SPICE levels of `setup`."""
    transistors = None
    if setup.level == "transistor":
        options = replace(setup.options, control=setup.control)
        transistors = (
            TransistorSetup(options) if setup.chip is None else chip_setup(design, setup.seed, setup.chip, options)
        )
    return Simulation(
        transistors,
        setup.control,
        setup.flat,
        workers=setup.workers,
        timeout=setup.timeout,
        ngspice=setup.ngspice,
        memory=setup.memory,
    )
