"""What feeds what in a network, and how wide each value is."""

from collections.abc import Mapping, Sequence

from analogrnn.errors import ParameterError
from analogrnn.network.kinds import Layer, Recurrent
from analogrnn.network.layers import INPUT, Deviation, Glu, LayerNorm, Pooling, Scale, Weighted


def feeding(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """The sources of each layer by name, with the default written out: the layer before it, or the inputs.

    Raises ParameterError for a source that is no layer, or that doesn't stand before the layer that names it, and for
    a layer whose output nothing reads.
    """
    names = [layer.name for layer in layers]
    found: dict[str, tuple[str, ...]] = {}
    named = any(layer.sources for layer in layers)
    for at, layer in enumerate(layers):
        if named and layer.name == INPUT:
            raise ParameterError(f"a layer is named {INPUT!r}, which stands for the inputs of the network; rename it.")
        found[layer.name] = layer.sources or (names[at - 1] if at else INPUT,)
        for source in layer.sources:
            if source != INPUT and source not in names[:at]:
                why = (
                    "which doesn't stand before it: a network has no feedback between its layers; reorder them"
                    if source in names
                    else f"which is no layer; known: {[INPUT, *names[:at]]}"
                )
                raise ParameterError(f"{layer.name}.sources names {source!r}, {why}.")
    read = {source for sources in found.values() for source in sources}
    unread = [name for name in names[:-1] if name not in read]
    if unread:
        raise ParameterError(f"nothing reads the output of {unread[0]}; remove the layer, or name it as a source.")
    return found


def widths(layers: Sequence[Layer], inputs: int | None) -> dict[str, int | None]:
    """The width of the inputs and of each layer's output by name; None where nothing tells it.

    Raises ParameterError where two widths don't fit, a sum mixes values before and after the pooling, a recurrent
    layer follows the pooling, or a second one pools.
    """
    sources = feeding(layers)
    found: dict[str, int | None] = {INPUT: inputs}
    made_by = {
        INPUT: "the inputs" if inputs is None else "the encoding"
    }  # the layer that a width comes from, for messages
    pooled: dict[str, bool] = {INPUT: False}
    for layer in layers:
        own = sources[layer.name]
        after = {pooled[source] for source in own}
        if len(after) > 1:
            raise ParameterError(f"{layer.name} adds values before and after the pooling; pool all of them, or none.")
        pooled[layer.name] = after.pop()
        _check_pooling(layer, pooled[layer.name])
        width = _read(layer, own, found, made_by)
        made_by[layer.name] = layer.name
        match layer:
            case Pooling():
                pooled[layer.name] = True
                found[layer.name] = width
            case Weighted() | Scale() | LayerNorm() | Deviation():
                found[layer.name] = layer.width
            case Glu():
                if width is not None and width % 2:
                    raise ParameterError(f"{layer.name} halves {width} inputs; a gated linear unit has an even number.")
                found[layer.name] = None if width is None else width // 2
            case _:
                found[layer.name] = width
        if not isinstance(layer, Weighted | Scale | LayerNorm | Deviation | Glu):
            made_by[layer.name] = made_by[own[0]]
    _pass_back({layer.name: layer for layer in layers}, sources, found)
    return found


def _check_pooling(layer: Layer, after: bool) -> None:
    if after and isinstance(layer, Pooling):
        raise ParameterError(f"{layer.name} pools a second time; keep one Pooling layer.")
    if after and isinstance(layer, Recurrent):
        raise ParameterError(f"{layer.name} is recurrent and follows the pooling; move the pooling behind it.")


def _read(layer: Layer, sources: tuple[str, ...], found: dict[str, int | None], made_by: dict[str, str]) -> int | None:
    """The width of a layer's input, which its sources and the layer itself must agree upon."""
    needed = layer.inputs if isinstance(layer, Weighted | Scale | LayerNorm | Deviation) else None
    known = {source: found[source] for source in sources if found[source] is not None}
    for source, width in known.items():
        if needed is not None and width != needed:
            shape = (
                f".weight has shape {layer.weight.shape}" if isinstance(layer, Weighted) else f" has {needed} features"
            )
            raise ParameterError(f"{layer.name}{shape}: {needed} inputs, but {made_by[source]} gives {width}.")
    if len(set(known.values())) > 1:
        parts = ", ".join(f"{source} of {width}" for source, width in known.items())
        raise ParameterError(f"{layer.name} adds {parts}: only values of the same width add up.")
    width = needed if needed is not None else next(iter(known.values()), None)
    if INPUT in sources and found[INPUT] is None:
        found[INPUT] = width
    return width


def _pass_back(layers: dict[str, Layer], sources: Mapping[str, tuple[str, ...]], found: dict[str, int | None]) -> None:
    """Layers that keep the width of an input of unknown width have that of the first layer behind them with weights."""
    for name in reversed(layers):
        layer = layers[name]
        width = layer.inputs if isinstance(layer, Weighted | Scale | LayerNorm | Deviation) else found[name]
        if width is not None and isinstance(layer, Glu):
            width *= 2
        for source in sources[name]:
            found[source] = width if found[source] is None else found[source]
