"""Random networks for the conversions: graphs of every kind of layer, with skips, sums and pooling."""

import hypothesis.strategies as st
import numpy as np

from analogrnn.network import (
    INPUT,
    Activation,
    AlphaCmru,
    Cmru,
    FirstQuadrantBmru,
    Glu,
    LayerNorm,
    Linear,
    Network,
    Pooling,
    ReLU,
    Scale,
)

RECURRENT = ("cmru", "bmru", "first", "alpha_cmru")
KINDS = ("linear", "scale", "relu", "norm", "activation", "glu", *RECURRENT)
POOLED = ("linear", "scale", "relu", "activation")


def cmru(name, d, inputs, draw, *, eps=1.0, follow=False, **fields):
    """A CMRU with negative and zero alphas, real initial states and thresholds of either sign."""
    alpha = draw.normal(size=d) * (draw.uniform(size=d) > 0.2)
    bounded = bool(fields)
    initial = np.zeros(d) if bounded else np.where(draw.uniform(size=d) < 0.3, 0.0, draw.uniform(-1.0, 1.0, d))
    initial = np.sign(draw.normal(size=d)) if eps == 0.0 else initial
    weight = draw.normal(size=(d, inputs)) * 0.3 if follow else None
    floor = draw.uniform(0.0, 0.3, d) if draw.uniform() < 0.3 else None
    given = {"initial": initial, "threshold_weight": weight, "threshold_floor": floor}
    matrix, bias, threshold = draw.normal(size=(d, inputs)), draw.normal(size=d) * 0.3, draw.normal(size=d)
    return Cmru(name, matrix, bias, threshold, alpha, eps, **given, **fields)


def plain(kind, name, width, draw):
    """One layer without a memory for inputs of this width."""
    d = int(draw.integers(1, 5))
    functions = ["gelu", "gelu_tanh", "sigmoid", "silu", "tanh"]
    made = {
        "linear": lambda: Linear(name, draw.normal(size=(d, width)), draw.normal(size=d)),
        "scale": lambda: Scale(name, draw.normal(size=width), draw.normal(size=width)),
        "relu": lambda: ReLU(name),
        "norm": lambda: LayerNorm(name, draw.normal(size=width), draw.normal(size=width), epsilon=1e-3),
        "activation": lambda: Activation(name, str(draw.choice(functions))),
        "glu": lambda: Glu(name),
    }
    return made[kind]()


def recurrent(kind, name, width, draw):
    """One recurrent layer for inputs of this width."""
    d = int(draw.integers(1, 5))
    matrix = draw.normal(size=(d, width))
    match kind:
        case "bmru":
            return cmru(name, d, width, draw, eps=0.0)
        case "first":
            low = draw.uniform(0.0, 0.5, d) * (draw.uniform(size=d) > 0.3)
            window = low, low + draw.uniform(0.1, 0.6, d)
            initial = (draw.uniform(size=d) > 0.5).astype(float)
            return FirstQuadrantBmru(name, matrix, np.zeros(d), *window, draw.normal(size=d), initial)
        case "alpha_cmru":
            steps = draw.normal(size=d), draw.normal(size=(d, width)), draw.normal(size=d)
            return AlphaCmru(name, matrix, np.zeros(d), *steps)
    ends = {} if draw.uniform() < 0.6 else {"k_min": -3, "k_max": draw.integers(1, 4, d)}
    return cmru(name, d, width, draw, follow=bool(draw.uniform() < 0.5), **ends)


def random_network(seed, kinds=KINDS):
    """A network of up to eight layers; each reads the layer before it, or a sum with earlier layers of its width."""
    draw = np.random.default_rng(seed)
    inputs = int(draw.integers(2, 5))
    values = {INPUT: (inputs, False)}  # width, after the pooling
    layers, pool_at = [], int(draw.integers(-3, 7))
    count = int(draw.integers(2, 9))
    for at in range(count):
        before = layers[-1].name if layers else INPUT
        width, pooled = values[before]
        kind = str(draw.choice(POOLED if pooled else kinds))
        if not layers and "norm" in kinds and draw.uniform() < 0.15:
            kind = "norm"
        if layers and isinstance(layers[-1], LayerNorm) and "cmru" in kinds and not pooled and draw.uniform() < 0.6:
            kind = "cmru"
        if kind == "glu" and width % 2:
            kind = "relu"
        if kind == "norm" and width == 1:  # of one value, a norm makes a constant
            kind = "scale"
        made = (recurrent if kind in RECURRENT else plain)(kind, f"l{at}", width, draw)
        if at == pool_at and not pooled:
            made = Pooling(f"l{at}", str(draw.choice(["last", "mean", "vote"])))
        also = [n for n, value in values.items() if value == (width, pooled) and n != before and draw.uniform() < 0.4]
        if also:
            object.__setattr__(made, "sources", (before, *also))
        layers.append(made)
        out = {"Pooling": width, "ReLU": width, "Activation": width, "Glu": width // 2}
        values[made.name] = (out.get(type(made).__name__) or made.width, pooled or isinstance(made, Pooling))
    return (
        Network(tuple(layers))
        if weighted(layers)
        else Network((Linear("l", np.eye(inputs), np.zeros(inputs)), *layers))
    )


def weighted(layers):
    """Whether the width of the inputs follows from the layers."""
    try:
        return bool(Network(tuple(layers)).inputs)
    except ValueError:
        return False


def inputs_for(network, seed, steps=12, clips=5):
    return np.random.default_rng(seed).normal(size=(steps, clips, network.inputs)) * 1.5


SEEDS = st.integers(0, 2**32 - 1)
