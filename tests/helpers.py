"""Small random networks and candidate patterns for the tests, all drawn from named streams."""

from dataclasses import replace

import numpy as np

from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU, forward
from analogrnn.streams import stream
from analogrnn.technology import load_technology

TECHNOLOGY = load_technology()
BOUND = 20.0  # largest magnitude of the inputs drawn here
# A candidate this near to its threshold, as a part of it, is not drawn. After 12 t_in the input node lacks exp(-12) =
# 6e-6 of the pulse; ngspice runs at reltol 1e-4. Ten times that leaves no case that only rounding decides.
NEAR = 1e-3


def cmru(name="cell", d=2, inputs=3, *, ladder=(-2, 2), eps=1.0, seed=1, **changes):
    """A random CMRU; at eps = 0 a BMRU."""
    draw = stream(seed, "test", name, d, inputs)
    low, high = ladder
    initial = draw.integers(low, high + 1, d) if eps else draw.choice([-1, 1], d)
    return Cmru(
        **{
            "name": name,
            "weight": mirrors(draw, d, inputs),
            "bias": draw.uniform(-0.4, 0.4, d),
            "threshold": draw.uniform(0.3, 1.5, d),
            "alpha": draw.uniform(0.2, 1.0, d),
            "eps": eps,
            "k_min": low,
            "k_max": high,
            "initial": initial,
        }
        | changes
    )


def gated(name="cell", d=2, inputs=3, *, seed=1, **changes):
    """A CMRU whose thresholds depend on its inputs, with levels from zero and floors below most of its thresholds."""
    draw = stream(seed, "test", "gated", name, d, inputs)
    own = {
        "threshold": draw.uniform(0.5, 1.0, d),
        "threshold_weight": 0.1 * mirrors(draw, d, inputs),
        "threshold_floor": draw.uniform(0.4, 0.6, d),
        "initial": np.zeros(d),
    }
    return cmru(name, d, inputs, ladder=(0, 3), seed=seed, **own | changes)


def first_quadrant(name="cell", d=2, inputs=3, *, seed=1, **changes):
    """A random first-quadrant BMRU that starts OFF."""
    draw = stream(seed, "test", name, d, inputs)
    b_lo = draw.uniform(0.2, 0.6, d)
    return FirstQuadrantBmru(
        **{
            "name": name,
            "weight": mirrors(draw, d, inputs),
            "bias": draw.uniform(0.0, 1.0, d),
            "b_lo": b_lo,
            "b_hi": b_lo + draw.uniform(0.3, 1.2, d),
            "alpha": draw.uniform(0.2, 1.0, d),
        }
        | changes
    )


def linear(name="out", d=3, inputs=2, *, seed=1):
    draw = stream(seed, "test", name, d, inputs)
    return Linear(name, mirrors(draw, d, inputs), draw.uniform(-0.4, 0.4, d))


def mirrors(draw, *shape):
    """Weights that a mirror can have: none between zero and the smallest ratio."""
    return draw.choice([-1.0, 1.0], shape) * draw.uniform(0.1, 1.5, shape)


def network(*layers, readout=True, seed=1):
    """Layers in a chain, with the last step read out by a linear layer unless `readout` is False."""
    tail = (Pooling("pool"), linear(inputs=layers[-1].width, seed=seed)) if readout else ()
    return Network((*layers, *tail), metadata={"name": "random"})


def kinds():
    """One network of each kind that a circuit can hold."""
    return {
        "signed": network(cmru()),
        "unsigned": network(cmru(ladder=(0, 3))),
        "offset": network(cmru(ladder=(-1, 4))),
        "bmru": network(cmru(eps=0.0, ladder=(-1, 1))),
        "first_quadrant": network(first_quadrant()),
        "input_dependent": network(gated()),
        "stacked": network(cmru("low", 2, 3), cmru("high", 2, 2, ladder=(0, 3))),
        "rectified": network(linear("front", 4, 3), ReLU("relu"), cmru("cell", 2, 4)),
        "not_pooled": network(cmru(), readout=False),
    }


def direct(stages, *, d=2, seed=1, k_min=0, threshold=None, initial=None):
    """A CMRU whose candidates are its inputs; thresholds and initial levels drawn, unless given."""
    draw = stream(seed, "test", "direct", stages, d)
    drawn = draw.uniform(0.3, 1.5, d)
    cell = cmru(
        "cell",
        d,
        d,
        ladder=(k_min, k_min + stages),
        seed=seed,
        weight=np.eye(d),
        bias=np.zeros(d),
        threshold=drawn if threshold is None else np.full(d, threshold),
    )
    if initial is not None:
        cell = replace(cell, initial=np.full(d, initial))
    return network(cell, readout=False)


def mapped(net, **options) -> Design:
    return map_network(net, TECHNOLOGY, MappingOptions(**{"input_bound": BOUND} | options))


def inputs_of(net, steps=20, clips=3, *, seed=1, near=NEAR):
    """Random inputs (steps, clips, D) of which no candidate lies nearer than `near` to a threshold of its cell."""
    draw = stream(seed, "test", "inputs", steps, clips)
    x = np.clip(draw.normal(0.0, 1.5, (steps, clips, net.inputs)), -BOUND, BOUND)
    for _ in range(100):
        run = forward(net, x)
        bad = np.zeros((steps, clips), dtype=bool)
        for layer in net.layers:
            if layer.name in run.candidates:
                bad |= too_near(run.candidates[layer.name], layer, near).any(axis=-1)
        if not bad.any():
            return x
        x[bad] = np.clip(draw.normal(0.0, 1.5, (int(bad.sum()), net.inputs)), -BOUND, BOUND)
    raise AssertionError("no inputs clear of every threshold")


def too_near(candidates, cell, near=NEAR):
    """Where a candidate (..., d) lies within `near` of a threshold, as a part of it."""
    edges = [cell.b_lo, cell.b_hi] if isinstance(cell, FirstQuadrantBmru) else [cell.threshold, -cell.threshold]
    return np.any([np.abs(candidates - edge) < near * np.abs(edge) for edge in edges], axis=0)


def patterns(draw, steps, stages, *, top=8.0, near=NEAR):
    """(steps,) candidates over the threshold: noise, saturation, reversals, long holds, below and over the range.

    Nothing is drawn within `near` of +-1. `top` is the largest magnitude.
    """
    parts, length = [], 0
    while length < steps:
        kind, sign = draw.integers(7), draw.choice([-1.0, 1.0])
        n = int(draw.integers(2, stages + 6))
        part = [
            draw.normal(0.0, 2.0, n),
            sign * draw.uniform(1.0 + near, 3.0, n + stages),  # into saturation
            np.resize([sign, -sign], n) * draw.uniform(1.0 + near, 3.0, n),  # reversals
            np.zeros(n + 4),  # a long hold
            draw.choice([-1.0, 1.0], n) * draw.uniform(0.0, 1.0 - near, n),  # below the threshold
            draw.choice([-1.0, 1.0], n) * draw.uniform(3.0, top, n),  # over the range
            draw.choice([-1.0, 1.0], n) * draw.choice([1.0 - near, 1.0 + near], n),  # at the edges of the window
        ][kind]
        parts.append(np.clip(part, -top, top))
        length += len(parts[-1])
    out = np.concatenate(parts)[:steps]
    inside = np.abs(np.abs(out) - 1.0) < near * (1.0 - 1e-9)
    return np.where(inside, np.sign(out) * (1.0 + near), out)


def clips_for(net, steps, clips, *, seed=1, near=NEAR, top=8.0):
    """Inputs (steps, clips, d) of a `direct` network: independent `patterns` for every ladder."""
    cell = net.layers[0]
    stages = cell.k_max - cell.k_min
    x = np.empty((steps, clips, cell.width))
    for clip in range(clips):
        for i in range(cell.width):
            draw = stream(seed, "test", "pattern", stages, clip, i)
            x[:, clip, i] = cell.threshold[i] * patterns(draw, steps, stages, near=near, top=top)
    return x
