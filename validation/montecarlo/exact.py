"""Exact: a chip by itself, and the distribution of its answers."""

import json
import subprocess
import sys

import numpy as np
import xarray as xr
from scipy.stats import chi2_contingency

from analogrnn.chip import Chip, ChipFeedForward, ChipLadder, draw_chip
from analogrnn.design import Design
from analogrnn.montecarlo import Variability
from analogrnn.montecarlo.score import score_chips
from analogrnn.simulate.steps import preset_candidates
from validation.bounds import Bound
from validation.claims import Measured
from validation.montecarlo.bench import NETWORK, TOPIC, environment, mc_command, run, study_of, temporary


@TOPIC.measure(
    "simulate-reproduces", "`analogrnn simulate --chip K` with noise gives the answers of chip K of the campaign."
)
def simulate_reproduces(quick: bool) -> Measured:
    """`analogrnn simulate --chip K` compared with that chip in the file of `analogrnn mc`."""
    chips = 40
    words = ["--cell-size", "4um", "--noise", "on", "--json"]
    differ = compared = 0
    with temporary() as folder:
        run(mc_command(folder, chips))
        with xr.open_dataset(folder / "monte_carlo.nc") as data:
            for chip in (17,) if quick else range(0, chips, 4):
                command = [sys.executable, "-m", "analogrnn", "simulate", NETWORK, "--chip", str(chip), *words]
                said = subprocess.run(command, check=True, env=environment(), capture_output=True)
                alone = np.array(json.loads(said.stdout)["classes"])
                differ += int((alone != data.predicted.sel(chip=chip).values[0]).sum())
                compared += len(alone)
    return Measured(differ, "answers differ", Bound.equals(0), {"answers": compared})


@TOPIC.measure(
    "class-distribution",
    "Classes under noise are distributed as in a float64 loop with numpy's Gaussians: least p of chi-square "
    "tests per clip.",
)
def class_distribution(quick: bool) -> Measured:
    """Classes under noise: as campaigns draw it, compared with a float64 loop with numpy's own Gaussians.

    One mismatched chip is evaluated many times on the clips that it is least sure of; each clip is a chi-square test of
    two samples of classes. The smallest p of n clips exceeds p0 with probability (1 - p0)^n; five sigma is
    p0 = 5.7e-7 / n.
    """
    repeats, clips = (400, 6) if quick else (20000, 12)
    study = study_of(1)
    assert isinstance(study.design, Design)
    chip = draw_chip(study.design, 1, 0)
    first = np.stack([_plain_classes(chip, study.x, seed) for seed in range(20)])
    unsure = np.argsort([-len(np.unique(column)) - np.mean(column != column[0]) for column in first.T])[:clips]
    worst = 1.0
    for clip in unsure:
        x = np.repeat(study.x[:, [clip]], repeats, axis=1)
        ours = score_chips(study.design, x, [0], Variability(1))[0]
        counts = np.stack([np.bincount(c, minlength=10) for c in (ours, _plain_classes(chip, x, 1000 + int(clip)))])
        counts = counts[:, counts.sum(axis=0) >= 10]
        if counts.shape[1] > 1:
            worst = min(worst, float(chi2_contingency(counts).pvalue))
    bound = 5.7e-7 / clips
    return Measured(worst, "1", Bound.above(bound, note="5 sigma"), {"clips": clips, "repeats per clip": repeats})


def _plain_classes(chip: Chip, x: np.ndarray, seed: int) -> np.ndarray:
    """The step level in plain numpy: one Gaussian per step and cell, one comparison; presets without noise."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 99]))
    ladder, out = chip.ladders[0], chip.layers[-1]
    assert isinstance(out, ChipFeedForward)
    assert ladder.ladder.return_to_zero
    on = np.zeros((x.shape[1], ladder.ladder.width), dtype=int)
    for pulse in preset_candidates(ladder):
        on = _plain_step(ladder, on, pulse)
    for frame in x:
        clean = frame @ ladder.synapses.weight.T + ladder.synapses.bias
        on = _plain_step(ladder, on, clean + ladder.noise * rng.standard_normal(clean.shape))
    levels = ladder.output[np.arange(ladder.ladder.width), on]
    return np.argmax(levels @ out.synapses.weight.T + out.synapses.bias, axis=1)


def _plain_step(ladder: ChipLadder, on: np.ndarray, u: np.ndarray) -> np.ndarray:
    """One move by the threshold that is exceeded by more; then the rest at zero, where a drifted one moves it."""
    rise, fall = _excess(ladder, on, u)
    on = on + ((rise >= 0.0) & (rise > fall)) - ((fall >= 0.0) & (fall > rise))
    rise, fall = _excess(ladder, on, np.zeros_like(u))
    up = rise > 0.0
    return on + up - ((fall > 0.0) & ~up)


def _excess(ladder: ChipLadder, on: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much a candidate exceeds the next threshold up, and the next down; -inf at the ends of the ladder."""
    rows, stages = np.arange(ladder.ladder.width), ladder.ladder.stages
    rise = np.where(on < stages, u - ladder.up[rows, np.minimum(on, stages - 1)], -np.inf)
    fall = np.where(on > 0, ladder.down[rows, np.maximum(on, 1) - 1] - u, -np.inf)
    return rise, fall
