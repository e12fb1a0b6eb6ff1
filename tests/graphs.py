"""Networks that are graphs: several cells, ReLU layers, and skips between them, drawn from named streams."""

import numpy as np

from analogrnn.network import Cmru, Linear, Network, Pooling, ReLU, Scale
from analogrnn.streams import stream
from tests.helpers import cmru, mirrors


def rows(name, d, inputs, *, sources=(), seed=1):
    """A linear layer with weights that a mirror can have."""
    draw = stream(seed, "test", "rows", name, d, inputs)
    return Linear(name, mirrors(draw, d, inputs), draw.uniform(-0.4, 0.4, d), sources=sources)


def with_skip(*, pooling="last", seed=1):
    """Two cells and a ReLU layer between them; the second cell and the readout read the inputs or a cell as well."""
    return Network(
        (
            cmru("low", 2, 3, ladder=(-1, 2), seed=seed),
            rows("middle", 3, 2, seed=seed),
            ReLU("relu"),
            rows("up", 2, 3, seed=seed),
            rows("across", 2, 3, sources=("input",), seed=seed),
            Scale("halved", np.full(2, 0.5), np.array([0.1, -0.1]), sources=("across",)),
            cmru("high", 2, 2, ladder=(-2, 1), seed=seed, sources=("up", "halved")),
            rows("readout", 3, 2, sources=("high",), seed=seed),
            rows("skip", 3, 2, sources=("low",), seed=seed),
            Scale("sum", np.ones(3), np.zeros(3), sources=("readout", "skip")),
            Pooling("pool", pooling),
        ),
        metadata={"name": "skips"},
    )


def small_skip(*, seed=1):
    """The least network with all of it: two cells of one unit, a ReLU row between them, and two skips."""
    return Network(
        (
            cmru("low", 1, 2, ladder=(-1, 1), seed=seed),
            rows("middle", 1, 1, seed=seed),
            ReLU("relu"),
            rows("up", 1, 1, seed=seed),
            rows("across", 1, 2, sources=("input",), seed=seed),
            cmru("high", 1, 1, ladder=(-1, 1), seed=seed, sources=("up", "across")),
            rows("readout", 2, 1, sources=("high",), seed=seed),
            rows("skip", 2, 1, sources=("low",), seed=seed),
            Scale("sum", np.ones(2), np.zeros(2), sources=("readout", "skip")),
            Pooling("pool", "mean"),
        ),
        metadata={"name": "small"},
    )


def random_graph(seed):
    """A random graph of cells, ReLU and linear layers: every layer reads one to three values before it."""
    draw = stream(seed, "test", "random graph")
    width = {"input": int(draw.integers(1, 4))}
    layers, unread = [], ["input"]
    kinds = [*draw.choice(["cmru", "bmru", "relu"], int(draw.integers(2, 5))), "cmru"]
    for number, kind in enumerate(kinds):
        d = int(draw.integers(1, 4))
        known = list(width)
        chosen = {str(name) for name in draw.choice(known, min(len(known), int(draw.integers(1, 3))), replace=False)}
        chosen |= {unread[0]} if unread else set()
        parts = []
        for source in sorted(chosen, key=known.index):
            parts.append(f"part_{number}_{source}")
            layers.append(rows(parts[-1], d, width[source], sources=(source,), seed=seed))
        unread = [name for name in unread if name not in chosen]
        name = f"{kind}_{number}"
        if kind == "relu":
            layers.append(ReLU(name, sources=tuple(parts)))
        else:
            layers.append(_cell(name, kind, d, draw, tuple(parts), seed))
        width[name] = d
        unread.append(name)
    ends = []
    for source in unread:
        ends.append(f"end_{source}")
        layers.append(rows(ends[-1], 3, width[source], sources=(source,), seed=seed))
    mode = str(draw.choice(["last", "mean", "vote"]))
    layers.append(Pooling("pool", mode, sources=tuple(ends)))
    return Network(tuple(layers), metadata={"name": f"graph_{seed}"})


def _cell(name, kind, d, draw, sources, seed) -> Cmru:
    if kind == "bmru":
        return cmru(name, d, d, eps=0.0, ladder=(-1, 1), seed=seed, sources=sources, weight=np.eye(d))
    low = draw.integers(-3, 1, d)
    high = low + draw.integers(1, 5, d)
    initial = draw.integers(low, high + 1)
    sign = draw.choice([-1.0, 1.0], d)
    return cmru(
        name,
        d,
        d,
        seed=seed,
        sources=sources,
        weight=np.eye(d),
        k_min=low,
        k_max=high,
        initial=initial,
        alpha=sign * draw.uniform(0.2, 1.0, d),
    )
