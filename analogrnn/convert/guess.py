"""The layers that a checkpoint seems to hold, guessed from the names and shapes of its tensors, as a spec to edit.

What no tensor says (eps, the ends of the ladders, pooling, activations between layers) is a doubt; a guess without
doubts can be imported as it is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from analogrnn.convert.checkpoint import Checkpoint
from analogrnn.convert.tensors import ALIASES, BATCH_NORM, DERIVED

_THRESHOLD = re.compile(r"thr|beta|b_net|gate", re.IGNORECASE)
_FIRST = re.compile(r"embed|encod|input|in_proj|stem", re.IGNORECASE)
_LAST = re.compile(r"out|head|classif|decod|logit", re.IGNORECASE)
_MOST_ORDERS = 5000  # orders of layers that are tried
_RECURRENT = ("cmru", "first_quadrant_bmru", "alpha_cmru")
_LONGEST = 400  # tensors that are listed


@dataclass
class _Group:
    """Tensors with one prefix."""

    prefix: str
    shapes: dict[str, tuple[int, ...]]
    kind: str = ""
    extra: list[str] = field(default_factory=list)  # lines of the spec

    def has(self, name: str) -> bool:
        """Whether there is a tensor for the field `name`, under any of its names."""
        derived = DERIVED.get(name, ("",))[0]
        return any(leaf in self.shapes for leaf in (name, *ALIASES.get(name, ()), derived))

    @property
    def matrix(self) -> tuple[int, int] | None:
        """(width, inputs) of the weights, if there are any."""
        for leaf in ("weight", *ALIASES["weight"]):
            shape = self.shapes.get(leaf, ())
            if len(shape) == 2:
                return (shape[1], shape[0]) if leaf == "kernel" else (shape[0], shape[1])
        return None


@dataclass(frozen=True)
class Guess:
    """A spec, and what it could not know: one sentence per doubt."""

    text: str
    doubts: tuple[str, ...]


def guess_spec(checkpoint: Checkpoint) -> Guess:
    """Guess the layers of a checkpoint; see the module."""
    groups = _groups(checkpoint)
    _join_thresholds(groups)
    for group in groups.values():
        group.kind = group.kind or _kind(group)
    layers = [group for group in groups.values() if group.kind]
    doubts: list[str] = []
    order = _ordered(layers, doubts, ordered=checkpoint.ordered)
    lines = [*_listing(checkpoint), ""]
    taken: set[str] = set()
    for at, group in enumerate(order):
        lines += _lines(group, taken, doubts)
        after = order[at + 1] if at + 1 < len(order) else None
        if group.kind in _RECURRENT and (after is None or not any(g.kind in _RECURRENT for g in order[at + 1 :])):
            doubts.append("the pooling is not in the checkpoint: last, mean or vote, or none for outputs per step")
            lines += ["[[layer]]", 'kind = "pooling"', f'name = "{_name("pool", taken)}"', 'mode = "last"  # ?', ""]
        elif group.kind == "linear" and after is not None and after.kind in ("linear", "cmru", "first_quadrant_bmru"):
            names = f"{_printable(group.prefix)} and {_printable(after.prefix)}"
            doubts.append(f"what stands between {names} is not in the checkpoint")
            lines += ["# ? a relu, an activation (gelu, gelu_tanh, sigmoid, silu, tanh), a glu, or nothing here:"]
            lines += ["# [[layer]]", '# kind = "relu"', f'# name = "relu_{at}"', ""]
    for group in groups.values():
        if not group.kind:
            names = ", ".join(f"{group.prefix}.{leaf}".lstrip(".") for leaf in group.shapes)
            doubts.append(f"not recognised: {_printable(names)}")
    if not layers:
        doubts.append("no layer was recognised: write one [[layer]] each, with its prefix")
    return Guess("\n".join([*lines, *(f"# ? {doubt}" for doubt in doubts)]) + "\n", tuple(doubts))


def _listing(checkpoint: Checkpoint) -> list[str]:
    """All tensors with their shapes, as comments."""
    names = list(checkpoint.tensors)
    lines = [f"#   {_printable(name)}  {_shape(checkpoint.tensors[name].shape)}" for name in names[:_LONGEST]]
    more = [f"#   and {len(names) - _LONGEST} more"] if len(names) > _LONGEST else []
    return ["# Spec guessed from the names and shapes of these tensors; lines with ? are to be checked:", *lines, *more]


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "number"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _groups(checkpoint: Checkpoint) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for name, array in checkpoint.tensors.items():
        prefix, _, leaf = name.rpartition(".")
        groups.setdefault(prefix, _Group(prefix, {})).shapes[leaf] = np.shape(array)
    return groups


def _join_thresholds(groups: dict[str, _Group]) -> None:
    """A layer that computes thresholds belongs to the cell beside it, or to the cell that holds it."""
    for name, gate in list(groups.items()):
        parent, own = _parent(name), name.rpartition(".")[2]
        if gate.matrix is None or not _THRESHOLD.search(own) or gate.has("alpha"):
            continue
        near = [group for key, group in groups.items() if key not in (name, "") and parent in (key, _parent(key))]
        siblings = [group for group in near if group.matrix == gate.matrix and not group.has("threshold")]
        cells = [group for group in siblings if group.has("alpha")]
        holder = groups.get(parent)
        if len(cells) == 1:
            cells[0].kind = "cmru"
            cells[0].extra.append(f"threshold_prefix = {_quoted(name)}")
        elif holder is not None and holder.has("alpha") and holder.matrix is None and len(siblings) == 1:
            holder.kind = "cmru"
            leaf = next(leaf for leaf in ("weight", *ALIASES["weight"]) if leaf in siblings[0].shapes)
            holder.extra += [
                f"weight = {_quoted(siblings[0].prefix + '.' + leaf)}",
                f"threshold_prefix = {_quoted(name)}",
            ]
            if "bias" in siblings[0].shapes:
                holder.extra.append(f"bias = {_quoted(siblings[0].prefix + '.bias')}")
            holder.shapes["weight"] = siblings[0].matrix or ()
            del groups[siblings[0].prefix]
        else:
            continue
        del groups[name]


def _parent(prefix: str) -> str:
    return prefix.rpartition(".")[0]


def _kind(group: _Group) -> str:
    if any(leaf in group.shapes for leaf in BATCH_NORM["mean"]) and any(v in group.shapes for v in BATCH_NORM["var"]):
        return "batch_norm"
    vectors = [leaf for leaf in ("weight", "scale", "gamma") if len(group.shapes.get(leaf, ())) == 1]
    if group.matrix is None:
        return "layer_norm" if vectors else ""
    if group.has("b_lo") and group.has("b_hi"):
        return "first_quadrant_bmru"
    if group.has("alpha_weight"):
        return "alpha_cmru"
    return "cmru" if group.has("threshold") or group.has("alpha") else "linear"


def _width(group: _Group) -> tuple[int, int]:
    """(inputs, width) of a group."""
    if group.matrix is not None:
        return group.matrix[1], group.matrix[0]
    size = max((shape[0] for shape in group.shapes.values() if len(shape) == 1), default=0)
    return size, size


def _ordered(layers: list[_Group], doubts: list[str], *, ordered: bool) -> list[_Group]:
    """The layers in an order in which their widths chain; that of the file, if it has one that does."""
    found = iter([layers]) if ordered and _chains(layers) else _orders(layers)
    first = next(found, None)
    if first is None:
        doubts.append("the widths of the layers chain in no order; name the sources of each layer")
        return layers
    if next(found, None) is not None:
        doubts.append("several orders of the layers chain; the likeliest by name is written")
    return first


def _chains(layers: list[_Group]) -> bool:
    return all(_width(a)[1] == _width(b)[0] for a, b in pairwise(layers))


def _orders(layers: list[_Group]) -> Iterator[list[_Group]]:
    """Orders in which the widths chain, by depth-first search; what is likely by name comes first."""
    open_: list[list[_Group]] = [[layer] for layer in sorted(layers, key=_likely, reverse=True)]
    for _ in range(_MOST_ORDERS):
        if not open_:
            return
        path = open_.pop()
        if len(path) == len(layers):
            yield path
            continue
        rest = [layer for layer in layers if layer not in path and _width(layer)[0] == _width(path[-1])[1]]
        # a norm stands before what it normalises, and kinds of layers alternate
        rest.sort(key=lambda layer: (_likely(layer), layer.kind == path[-1].kind), reverse=True)
        open_ += [[*path, layer] for layer in rest]


def _likely(group: _Group) -> tuple[int, int, bool]:
    """A key for the place of a layer by its name: first, between or last; its number; norms before others."""
    place = 0 if _FIRST.search(group.prefix) else 2 if _LAST.search(group.prefix) else 1
    numbers = re.findall(r"\d{1,6}", group.prefix)
    return place, int(numbers[0]) if numbers else 0, group.kind not in ("batch_norm", "layer_norm")


def _lines(group: _Group, taken: set[str], doubts: list[str]) -> list[str]:
    """The entry of one layer."""
    own = _name(group.prefix, taken)
    lines = ["[[layer]]", f'kind = "{group.kind}"', f'name = "{own}"']
    if own != group.prefix:
        lines.append(f"prefix = {_quoted(group.prefix)}")
    lines += group.extra
    if group.kind in ("cmru", "alpha_cmru") and "eps" not in group.shapes:
        doubts.append(f"eps of {own} is not in the checkpoint: 1 for a CMRU, 0 for a BMRU")
        lines.append("eps = 1.0  # ?")
    for name in ("threshold", "alpha") if group.kind == "cmru" else ():
        gated = name == "threshold" and any(line.startswith("threshold_prefix") for line in group.extra)
        if not group.has(name) and not gated:
            doubts.append(f"{name} of {own} is not in the checkpoint; perhaps it has another name")
            lines.append(f"{name} = 1.0  # ?")
    if group.kind == "cmru" and not {"k_min", "k_max"} & set(group.shapes):
        lines.append("# k_min = -4, k_max = 4 on lines of their own, if it was trained on a finite ladder")
    if group.kind == "batch_norm":
        doubts.append(f"eps of {own} is not in the checkpoint; torch and Flax have 1e-5")
        lines.append("eps = 1e-5  # ?")
    if group.kind == "layer_norm" and "epsilon" not in group.shapes:
        doubts.append(f"epsilon of {own} is not in the checkpoint; torch has 1e-5, Flax 1e-6")
        lines.append("epsilon = 1e-5  # ?")
    return [*lines, ""]


def _name(prefix: str, taken: set[str]) -> str:
    """An identifier from a prefix that no layer has yet."""
    base = re.sub(r"\W+", "_", prefix, flags=re.ASCII).strip("_")[:50]
    base = base if base[:1].isalpha() else f"layer_{base}".rstrip("_")
    name, number = base, 1
    while name.lower() in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name.lower())
    return name
