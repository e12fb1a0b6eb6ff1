"""Probe of the soft threshold: what it makes of a candidate and an input-dependent threshold, at operating points."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe, Setup, list_of
from analogrnn.calibrate.entries import Entry
from analogrnn.spice.deck import number
from analogrnn.spice.nodesets import soft_bias_nodesets, soft_nodesets
from analogrnn.spice.raw import Waveforms

# in half windows, which are the floor delta: |b| on both sides of delta, and how far |c| passes e = max(|b| - delta, 0)
THRESHOLDS = (0.5, 2.0, 4.0)
BEYOND = (0.5, 1.0, 1.5)
ABOUT = "absolute and soft_threshold with soft_bias and cascode_bias, .op, into the diode of a line at rest"
METHOD = (
    "least squares of |u| = gain |c| - loss max(|b| - delta, 0) + offset over both signs of b, |b| of 0.5 to 4 and "
    "|c| of 0.5 to 1.5 half windows beyond; uncertainty: largest residual, in half windows, absolute"
)


def soft_probe(bench: CalibrationBench) -> Probe:
    """The output of a soft threshold over candidates and thresholds of both signs, in half windows."""
    setup = bench.setup
    source = f"wr={number(setup.device.w / 4)} lr={number(setup.device.l)}"
    lines = "vbn vbp bcn bcp vdd 0"
    body = [
        f"Iref vdd nref {number(setup.unit)}",
        f"Xref nref bcn 0 bias_reference_cascode {source} q=16",
        f"Xcas nref bcn bcp vdd 0 cascode_bias {source} {setup.size}",
        f"Xsoft nref vbn vbp vdd 0 soft_bias {source} {setup.size}",
    ]
    points = operating_points()
    for k, (b, c) in enumerate(points):
        body += [
            f"Ib{k} 0 b{k} {number(b * setup.unit)}",
            f"Xa{k} b{k} e{k} {lines} absolute {setup.size}",
            f"Xd{k} nref e{k} bcn 0 bias_sink_cascode p=16 {source}",
            # the block inverts
            f"Ix{k} 0 x{k} {number(-c * setup.unit)}",
            f"Xs{k} x{k} e{k} out{k} {lines} soft_threshold {setup.size}",
            f"Vu{k} out{k} line{k} 0",
            f"Ib_{k} vdd line{k} {number(setup.base_ratio * setup.unit)}",
            f"Xl{k} line{k} line{k} 0 0 nfet {setup.size}",
        ]
    names = [f"i(vu{k})" for k in range(len(points))]
    guess = {"nref": 0.4, "bcn": 0.5, "bcp": setup.supply - 0.7} | soft_bias_nodesets(setup.supply, "xsoft")
    for k, _ in enumerate(points):
        guess |= soft_nodesets((f"x{k}", f"b{k}", f"e{k}"), f"xa{k}", f"xs{k}", setup.supply) | {f"line{k}": 0.4}

    def read(waves: Waveforms) -> Numbers:
        return {"u": [float(waves[name][0]) / setup.unit for name in names]}

    deck = bench.deck(body, ("ladder_bias", "synapse", "soft_threshold"), ".op", static=True).with_saves(*names)
    # without a guess ngspice steps gmin
    return Probe(f"{setup.label}soft_threshold", bench.job(replace(deck, nodesets=guess)), read)


def soft_entries(setup: Setup, results: Mapping[str, Numbers]) -> dict[str, Entry]:
    """Gain, loss and offset of the output, of positive (up) and negative (down) candidates."""
    u = list_of(results, f"{setup.label}soft_threshold", "u")
    b, c = np.array(operating_points()).T
    found = {}
    for name, sign in (("up", 1.0), ("down", -1.0)):
        ours = np.sign(c) == sign
        terms = np.stack([np.abs(c), -np.maximum(np.abs(b) - 1.0, 0.0), np.ones_like(c)], axis=1)[ours]
        values, *_ = np.linalg.lstsq(terms, sign * u[ours], rcond=None)
        residual = max(float(np.abs(terms @ values - sign * u[ours]).max()), 1e-4)
        for part, value in zip(("gain", "loss", "offset"), values, strict=True):
            entry = Entry(float(value), ABOUT, METHOD, int(ours.sum()), residual)
            found[setup.entry(f"soft_{part}_{name}")] = entry
    return found


def operating_points() -> list[tuple[float, float]]:
    """(b, c) of every operating point, in half windows."""
    return [
        (sign * size, side * (max(size - 1.0, 0.0) + beyond))
        for size, beyond, sign, side in itertools.product(THRESHOLDS, BEYOND, (1.0, -1.0), (1.0, -1.0))
    ]
