"""The three workloads: arrays that every contestant is given alike."""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import ChipFactory
from analogrnn.design import Design
from analogrnn.library import network_path
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network.files import load
from analogrnn.noise import candidate_noise
from analogrnn.streams import stream
from analogrnn.technology import load_technology


@dataclass(frozen=True, eq=False)
class Classify:
    """Workload A: a network on clips. The peers are given the tables of all chips; ours draws them itself."""

    design: Design
    x: np.ndarray  # (T, S, D)
    chips: int

    @property
    def cell_steps(self) -> int:
        return self.chips * self.x.shape[0] * self.x.shape[1] * self.design.ladders[0].width


@dataclass(frozen=True, eq=False)
class Recurrence:
    """Workload B, and the core of A: candidates (T, S, d) or weights, and the tables of each chip. float64."""

    candidates: np.ndarray  # (T, S, d), common to all chips
    up: np.ndarray  # (C, d, N)
    down: np.ndarray  # (C, d, N)
    sigma: np.ndarray  # (d,)

    @property
    def cell_steps(self) -> int:
        return len(self.up) * self.candidates.size


@dataclass(frozen=True, eq=False)
class Waves:
    """Workload C: ladders side by side in continuous time, on one grid. SI units, axes as in kernels/waveform.py."""

    line: np.ndarray  # (P, C)
    dt: float
    t_in: float
    tau: float
    ratio: float
    floor: float
    stage: np.ndarray  # (5, N, C)

    @property
    def stage_steps(self) -> int:
        return self.line.size * self.stage.shape[1]


def classify(chips: int, clips: int, frames: int = 32) -> Classify:
    """The shipped digits network, |k| <= 4, on clips as its encoding makes them: 13 clipped features and a ramp."""
    network = load(network_path("digits_d32_k4"))
    design = map_network(network, load_technology(), MappingOptions())
    x = np.clip(stream(1, "benchmark", "clips").normal(0.0, 1.2, (frames, clips, network.inputs)), -3.0, 3.0)
    x[:, :, -1] = np.linspace(-1.0, 1.0, frames)[:, None]
    return Classify(design, x, chips)


def recurrence(chips: int, samples: int, steps: int, cells: int, stages: int = 8) -> Recurrence:
    """Candidates of which a third move a level; thresholds 1 that spread by 10 %, noise 5 % of them, as at 10 um."""
    draw = stream(1, "benchmark", "recurrence")
    candidates = draw.normal(0.0, 1.0, (steps, samples, cells))
    up, down = (sign + 0.1 * draw.normal(0.0, 1.0, (chips, cells, stages)) for sign in (1.0, -1.0))
    return Recurrence(candidates, up, down, np.full(cells, 0.05))


def waves(cells: int, points: int, stages: int = 8) -> Waves:
    """Ladders at the recommended currents, spread by 3 %, driven by random pulses of T_p = 0.15 tau every 6 tau.

    Ours takes a multiple of 16 of them, in double precision of 8.
    """
    draw = stream(1, "benchmark", "waves")
    beta, tau = 2.15e-9, 100e-6
    t_in = 0.15 * tau / 12.0
    dt = t_in / 2.0
    centre, shift = 3.4 * beta, 1.8 * beta
    stage = np.empty((5, stages, cells))
    stage[:] = np.array([centre + beta, centre - beta, 1.0, shift, shift])[:, None, None]
    stage *= 1.0 + 0.03 * draw.normal(0.0, 1.0, stage.shape)
    stage[4, -1] = 0.0
    period, pulse = round(6.0 * tau / dt), round(0.15 * tau / dt)
    high = 2.0 * beta * draw.choice([-1.0, 0.0, 1.0, 1.0], (points // period + 1, cells))
    place = np.arange(points)
    line = np.maximum(centre - shift + high[place // period] * (place % period < pulse)[:, None], 0.0)
    return Waves(line, dt, t_in, tau, 25.0, 1e-3, stage)


def tables_of(work: Classify, chips: int) -> dict[str, np.ndarray]:
    """Weights, biases, tables and noise of the first chips of workload A, for the peers."""
    design, ladder = work.design, work.design.ladders[0]
    first, readout = ChipFactory(design, 1).tables(np.arange(chips, dtype=np.uint64))
    unit = ladder.synapses.scale * design.unit_current
    assert first.up is not None
    assert first.down is not None
    assert first.output is not None
    return {
        "weight": first.weight,
        "bias": first.bias,
        "up": first.up,
        "down": first.down,
        "output": first.output,
        "readout": readout.weight,
        "offset": readout.bias,
        "sigma": candidate_noise(design, ladder) / unit,
        "start": ladder.preset_pulses,
    }
