"""The exact conversions by name, and all of them in order: the same outputs for every input, to rounding."""

from collections.abc import Callable, Collection

from analogrnn.convert import cells, folding, normalisation
from analogrnn.convert.records import Converted
from analogrnn.errors import ParameterError
from analogrnn.network import Network

# in the order in which they are applied: what one leaves behind, a later one folds
EXACT: dict[str, Callable[[Network], Converted]] = {
    "threshold": cells.constant_threshold,
    "first-quadrant": cells.first_quadrant,
    "silent": cells.drop_silent,
    "alpha": cells.positive_alpha,
    "initial": cells.whole_initial,
    "pooling": folding.pool_outputs,
    "scale": folding.fold_scale,
    "linear": folding.fold_linear,
    "layer-norm": normalisation.fold_layer_norm,
}


def convert_exact(network: Network, names: Collection[str] | None = None) -> Converted:
    """Apply the exact conversions `names` (None = all of `EXACT`) until none of them changes the network any more.

    >>> converted = ar.convert_exact(network)
    >>> texts = [change.text for change in converted.changes]

    Outputs are equal for every input, to rounding. Raises ParameterError for an unknown name.
    """
    unknown = sorted(set(names or ()) - set(EXACT))
    if unknown:
        raise ParameterError(f"the conversion {unknown[0]!r} is unknown; known: {', '.join(EXACT)}.")
    result = Converted(network)
    while True:
        before = len(result.changes)
        for name, conversion in EXACT.items():
            if names is None or name in names:
                result = result.then(conversion(result.network))
        if len(result.changes) == before:
            return result
