"""A spec in TOML says which layers the tensors of a checkpoint make up.

    name = "my_network"              # optional
    ignore = ["ema.*"]               # optional: tensors that are known to be of no use

    [encoding]                       # optional: mean, scale (numbers or tensors), clip, frames, ramp
    mean = "stats.mean"

    [[layer]]
    kind = "cmru"                    # a kind of `analogrnn.network`, or bmru, batch_norm
    name = "cell"                    # letters, digits and underscores
    prefix = "rnn.0"                 # of its tensors; default: the name
    sources = ["embed", "input"]     # what adds up to its input; default: the layer before it
    eps = 1.0                        # scalars are written as they are
    threshold = "abs(thresholds.0)"  # a tensor of another name, see `analogrnn.convert.expressions`
    threshold_prefix = "gate"        # or a layer W_b, b_b of its own that computes the threshold
    alpha = 0.5                      # a number is the value of all units

A field that the spec doesn't give is looked up as `<prefix>.<field>`, also under the names of other frameworks.
"""

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from analogrnn.convert.checkpoint import Checkpoint, read_checkpoint
from analogrnn.convert.tensors import Fields, text_of
from analogrnn.errors import NetworkFormatError, ParameterError
from analogrnn.network import INPUT, InputEncoding, Layer, Network
from analogrnn.network.kinds import LAYER_TYPES

KINDS = (*LAYER_TYPES, "batch_norm", "bmru")
_LARGEST = 1 << 20  # bytes of a spec
_COMMON = ("kind", "name", "prefix", "sources", "threshold_prefix")


@dataclass(frozen=True, eq=False)
class Imported:
    """A network from a checkpoint, and what became of every tensor."""

    network: Network
    used: Mapping[str, str] = field(metadata={"doc": "`<layer>.<field>` by short name of the tensor"})
    notes: tuple[str, ...] = field(metadata={"doc": "what was transposed, derived or taken as zero"})
    left_over: tuple[str, ...] = field(metadata={"doc": "tensors that no layer uses"})
    ignored: tuple[str, ...] = field(metadata={"doc": "tensors that the spec says are of no use"})


def read_spec(path: str | Path) -> dict[str, Any]:
    """Read a spec. Raises NetworkFormatError if it is missing or no TOML."""
    source = Path(path)
    try:
        if source.stat().st_size > _LARGEST:
            raise NetworkFormatError(f"{source} has more than {_LARGEST} bytes; a spec is a short text.")
        return parse_spec(source.read_bytes().decode("utf-8"), str(source))
    except OSError as error:
        raise NetworkFormatError(f"can't read {source}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise NetworkFormatError(f"{source} is no text in UTF-8; a spec is written in TOML.") from error


def parse_spec(text: str, owner: str = "spec") -> dict[str, Any]:
    """Parse the text of a spec. Raises NetworkFormatError, naming `owner`, for what is no spec."""
    try:
        spec = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise NetworkFormatError(f"{owner} is no TOML: {error}.") from error
    unknown = sorted(set(spec) - {"name", "ignore", "encoding", "layer"})
    if unknown:
        raise NetworkFormatError(f"{owner}: the entry {unknown[0]!r} is unknown; known: name, ignore, encoding, layer.")
    shapes = {"name": str, "ignore": list, "encoding": dict, "layer": list}
    wrong = next((key for key, kind in shapes.items() if not isinstance(spec.get(key, kind()), kind)), None)
    if wrong or not all(isinstance(layer, dict) for layer in spec.get("layer", [])):
        raise NetworkFormatError(f"{owner}: {wrong or 'layer'} has a wrong form; write [[layer]] once per layer.")
    if not spec.get("layer"):
        raise NetworkFormatError(f"{owner} names no layers; write [[layer]] once per layer.")
    if not all(isinstance(pattern, str) for pattern in spec.get("ignore", [])):
        raise NetworkFormatError(f"{owner}: ignore is a list of names of tensors.")
    return spec


def import_network(checkpoint: str | Path, spec: str | Path) -> Imported:
    """Read a checkpoint of another framework as a network, with the layers that a spec in TOML names.

    >>> imported = ar.import_network(folder / "checkpoint.npz", folder / "spec.toml")
    >>> left_over = imported.left_over  # tensors that no layer uses

    `.safetensors`, `.npz` and, with torch, `.pt` are read; nothing in them is executed. The command
    `analogrnn import CHECKPOINT` prints a spec to edit. Raises NetworkFormatError for a file that is no checkpoint or
    no spec, and where `build_network` does.
    """
    return build_network(read_checkpoint(checkpoint), read_spec(spec), str(spec))


def build_network(checkpoint: Checkpoint, spec: Mapping[str, Any], owner: str = "spec") -> Imported:
    """Put a network together from the tensors of a checkpoint, as `spec` says.

    Raises NetworkFormatError, naming `owner`, for a tensor that is missing, shapes that don't chain, a cycle of
    sources, or an entry that a layer doesn't have.
    """
    taken = Fields(checkpoint)
    try:
        _check_order(spec["layer"])
        layers = tuple(_layer(given, taken) for given in spec["layer"])
        encoding = _encoding(spec["encoding"], taken) if "encoding" in spec else None
        network = Network(layers, encoding, {"name": spec["name"]} if "name" in spec else {})
        _ = network.inputs
    except NetworkFormatError as error:
        raise NetworkFormatError(f"{owner}: {error}") from error
    except (ParameterError, TypeError) as error:
        raise NetworkFormatError(f"{owner}: {error}{_hint(str(error))}") from error
    rest = [name for name in checkpoint.tensors if name not in taken.used]
    ignored = [name for name in rest if _matches(name, checkpoint.given[name], spec.get("ignore", []))]
    left_over = tuple(name for name in rest if name not in ignored)
    return Imported(network, dict(taken.used), tuple(taken.notes), left_over, tuple(ignored))


def _hint(text: str) -> str:
    if "has shape" not in text:
        return ""
    return ' A weight is (width, inputs); one that is stored as (inputs, width) is written "transpose(NAME)".'


def _matches(name: str, given: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(form, pattern) for form in (name, given) for pattern in patterns)


def _check_order(specs: list[dict[str, Any]]) -> None:
    """Refuse a cycle of sources, and a source that stands after its reader. Unknown names are found by Network."""
    names = [given.get("name") for given in specs]
    reads: dict[Any, list[Any]] = {}
    for at, given in enumerate(specs):
        sources = given.get("sources") or [names[at - 1] if at else INPUT]
        if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
            raise NetworkFormatError(f"layer {names[at]!r}: sources is a list of names of layers.")
        reads[names[at]] = sources
    for start in names:
        path = _cycle(start, reads)
        if path:
            raise NetworkFormatError(
                f"the layers {' -> '.join(path)} form a cycle; a network has no feedback between its layers."
            )


def _cycle(start: Any, reads: Mapping[Any, list[Any]]) -> list[str]:
    """The way from `start` back to it along sources, or []."""
    came: dict[Any, Any] = {}
    open_ = [start]
    while open_:
        name = open_.pop()
        for source in reads.get(name, []):
            if source == start:
                path = [name]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return [str(part) for part in [start, *path]]
            if source not in came:
                came[source] = name
                open_.append(source)
    return []


def _layer(given: Mapping[str, Any], taken: Fields) -> Layer:
    """One layer of the spec."""
    kind, name = given.get("kind"), given.get("name")
    if kind not in KINDS:
        raise NetworkFormatError(f"layer {name!r}: the kind {kind!r} is unknown; known: {', '.join(sorted(KINDS))}.")
    if not isinstance(name, str):
        raise NetworkFormatError(f'a layer of kind {kind!r} has no name; write name = "...".')
    if kind == "batch_norm":
        return taken.batch_norm(name, given)
    cls = LAYER_TYPES["cmru" if kind == "bmru" else kind]
    known = [item.name for item in fields(cls)]
    allowed = {*_COMMON, *known} - ({"eps"} if kind == "bmru" else set())
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise NetworkFormatError(f"layer {name!r} has an unknown entry {unknown[0]!r}; known: {sorted(allowed)}.")
    values = taken.of_layer(cls, name, given)
    if kind == "bmru":
        values["eps"] = 0.0
    missing = [item for item in fields(cls) if item.name not in values and _required(item)]
    if missing:
        raise NetworkFormatError(
            f"layer {name!r} lacks {missing[0].name!r}: there is no tensor {text_of(name, given)}.{missing[0].name}, "
            f"and the spec gives none. {taken.found()}"
        )
    layer: Layer = cls(**values)
    return layer


def _required(item: Any) -> bool:
    return bool(item.default is MISSING)


def _encoding(given: Mapping[str, Any], taken: Fields) -> InputEncoding:
    known = [item.name for item in fields(InputEncoding)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise NetworkFormatError(f"encoding has an unknown entry {unknown[0]!r}; known: {known}.")
    values: dict[str, Any] = {
        key: taken.evaluate("encoding", key, value) if isinstance(value, str) else value for key, value in given.items()
    }
    lacks = [key for key in ("mean", "scale") if key not in values]
    if lacks:
        raise NetworkFormatError(f"encoding lacks {lacks[0]!r}; give a list of numbers, or the name of a tensor.")
    return InputEncoding(**values)
