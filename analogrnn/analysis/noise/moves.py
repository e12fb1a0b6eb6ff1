"""Noise at the step level, exactly: the probability of each move, the distribution of
the level, and the noise that reaches the output.

A candidate u with Gaussian noise of rms sigma meets the thresholds of the present level n: the ladder moves up with

    Phi((u - max(up[n], m)) / sigma),   down with   Phi((min(down[n-1], m) - u) / sigma),   m = (up[n] + down[n-1]) / 2

(the middle m decides only where mismatch makes both moves possible: the larger overdrive wins). After the pulse, a
level whose threshold has the wrong sign drifts one further. Steps are independent, so the level is a Markov chain.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from analogrnn.chip import ChipLadder
from analogrnn.errors import ParameterError, finite_array, in_range
from analogrnn.simulate.steps import preset_candidates


@dataclass(frozen=True, eq=False)
class Moves:
    """Probabilities (..., d, N + 1) that a step moves each level up and down, drift at rest not included."""

    up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True, eq=False)
class NoiseRejection:
    """Noise rejection of a hold state against the rms of its input noise.

    sigma  (n,) rms of the candidate's noise, in beta
    slip   (n,) probability that a step moves the level
    ratio  (n,) rms of the input noise over rms of the output's change within a step, in the same current
    """

    sigma: np.ndarray
    slip: np.ndarray
    ratio: np.ndarray

    def noise_at(self, ratio: float) -> float:
        """The largest noise, in beta, of this sweep up to which the rejection is at least `ratio`; 0 if it never is."""
        enough = self.ratio >= ratio
        last = len(enough) if enough.all() else int(np.argmin(enough))
        return float(self.sigma[last - 1]) if last else 0.0


def move_probabilities(layer: ChipLadder, candidates: np.ndarray, sigma: np.ndarray | None = None) -> Moves:
    """Probability of each move from each level, for candidates (..., d); sigma (d,) defaults to the cells' own noise.

    Both in the unit of the trained candidate; sigma 0 gives certainties. Raises ParameterError for a wrong shape or a
    negative noise.
    """
    u = np.asarray(candidates, dtype=np.float64)
    if u.ndim < 1 or u.shape[-1] != layer.ladder.width or not np.isfinite(u).all():
        raise ParameterError(f"candidates has shape {u.shape}; expected (..., {layer.ladder.width}), finite.")
    rms = finite_array("sigma", layer.noise if sigma is None else sigma, (layer.ladder.width,))
    if np.any(rms < 0.0):
        raise ParameterError(f"sigma[{int(np.argmin(rms))}] = {rms.min():g} is negative; an rms value is not.")
    ends = np.full((layer.ladder.width, 1), np.inf)
    up, down = np.hstack([layer.up, ends]), np.hstack([-ends, layer.down])
    with np.errstate(invalid="ignore"):  # inf - inf at an end that can't be reached
        middle = (up + down) / 2.0
    rise = np.where(np.isfinite(middle), np.maximum(up, middle), up)
    fall = np.where(np.isfinite(middle), np.minimum(down, middle), down)
    return Moves(_chance(u[..., None] - rise, rms[:, None]), _chance(fall - u[..., None], rms[:, None]))


def level_distribution(
    layer: ChipLadder, candidates: np.ndarray, start: np.ndarray, sigma: np.ndarray | None = None
) -> np.ndarray:
    """Exact distribution (T, S, d, N + 1) of the stages ON after each step, for candidates (T, S, d) without noise.

    start  (d,) stages ON before the first step
    sigma  (d,) rms of the noise, default the cells' own
    """
    u = finite_array("candidates", candidates, (None, None, layer.ladder.width))
    first = finite_array("start", start, (layer.ladder.width,)).astype(int)
    if np.any((first < 0) | (first > layer.ladder.stages)):
        raise ParameterError(f"start leaves 0 .. {layer.ladder.stages} stages ON.")
    p = np.zeros((u.shape[1], layer.ladder.width, layer.ladder.stages + 1))
    p[:, np.arange(layer.ladder.width), first] = 1.0
    out, drift = np.empty((len(u), *p.shape)), _drift(layer)
    for t in range(len(u)):
        moves = move_probabilities(layer, u[t], sigma)
        rising, falling = p * moves.up, p * moves.down
        p = p - rising - falling
        p[..., 1:] += rising[..., :-1]
        p[..., :-1] += falling[..., 1:]
        p = np.einsum("sdn,dnm->sdm", p, drift)
        out[t] = p
    return out


def start_levels(layer: ChipLadder) -> np.ndarray:
    """(d,) stages ON after the preset pulses, without noise; on a mismatched chip a start may drift."""
    preset = preset_candidates(layer)
    if not len(preset):
        return np.zeros(layer.ladder.width, dtype=int)
    none = np.zeros(layer.ladder.width)
    return np.asarray(level_distribution(layer, preset[:, None, :], none, none)[-1, 0].argmax(axis=-1))


def wrong_moves(layer: ChipLadder, candidates: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
    """(..., d, N + 1) probability that a step ends at another level than without noise, drift at rest included."""
    drift = _drift(layer).argmax(axis=-1)
    noisy, sure = move_probabilities(layer, candidates, sigma), move_probabilities(layer, candidates, 0.0 * layer.noise)
    levels = np.arange(layer.ladder.stages + 1)
    ends = [
        np.take_along_axis(drift, np.broadcast_to(np.clip(levels + m, 0, levels[-1]), drift.shape), axis=-1)
        for m in (-1, 0, 1)
    ]
    correct = np.where(sure.up > 0.5, ends[2], np.where(sure.down > 0.5, ends[0], ends[1]))
    stay = 1.0 - noisy.up - noisy.down
    return np.asarray(sum(p * (end != correct) for p, end in zip((noisy.down, stay, noisy.up), ends, strict=True)))


def noise_rejection(sigma: np.ndarray, *, alpha_over_beta: float = 1.0, sides: int = 2) -> NoiseRejection:
    """Noise from a cell's input to its output, in a hold state at candidate zero of a nominal ladder.

    The output changes by alpha if the level slips, by nothing otherwise: rms alpha sqrt(p), p = sides Phi(-beta/sigma).
    Without slips the rejection is unbounded in this model; what else a circuit lets through, SPICE measures.

    sigma            (n,) rms of the candidate's noise, in beta
    alpha_over_beta  output current of a level over beta
    sides            2 for an inner level, 1 for an end of the ladder
    """
    rms = np.asarray(sigma, dtype=float)
    if np.any(~(rms > 0.0)):
        raise ParameterError("sigma has a noise that is not above 0; give rms values in beta.")
    in_range("alpha_over_beta", alpha_over_beta, 1e-9, 1e9)
    in_range("sides", sides, 1, 2)
    slip = sides * ndtr(-1.0 / rms)
    with np.errstate(divide="ignore"):
        return NoiseRejection(rms, slip, rms / (alpha_over_beta * np.sqrt(slip)))


def _chance(distance: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Phi(distance / sigma); at sigma 0 a certainty, and a tie moves."""
    certain = np.broadcast_to(sigma == 0.0, distance.shape)
    return np.where(certain, distance >= 0.0, ndtr(distance / np.where(sigma == 0.0, 1.0, sigma)))


def _drift(layer: ChipLadder) -> np.ndarray:
    """(d, N + 1, N + 1) where each level is at the end of a step: itself, or the neighbour that it drifts to."""
    n = layer.ladder.stages
    if not layer.ladder.return_to_zero:
        return np.broadcast_to(np.eye(n + 1), (layer.ladder.width, n + 1, n + 1))
    out = np.zeros((layer.ladder.width, n + 1, n + 1))
    for level in range(n + 1):
        up = layer.up[:, level] < 0.0 if level < n else np.zeros(layer.ladder.width, dtype=bool)
        down = layer.down[:, level - 1] > 0.0 if level > 0 else np.zeros(layer.ladder.width, dtype=bool)
        end = np.where(up, level + 1, np.where(down, level - 1, level))
        out[np.arange(layer.ladder.width), level, end] = 1.0
    return out
