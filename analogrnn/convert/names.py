"""Names of parameters in checkpoints: one spelling for all frameworks, without wrappers and without optimizers.

A path is written with `.`, `/`, as a tuple, or as JAX prints one (`['params']['cell']['kernel']`). Wrappers such as
`module.` of DataParallel stand in front of every name and say nothing about the network.
"""

import re
from collections.abc import Iterable, Mapping

from analogrnn.errors import NetworkFormatError

# collections that a checkpoint consists of: their name never belongs to a layer
COLLECTIONS = ("state_dict", "model_state_dict", "model_state", "params", "batch_stats", "variables")
# in front of every name: DataParallel, torch.compile, attributes of a training module
WRAPPERS = (*COLLECTIONS, "module", "_orig_mod", "model", "net", "network")
_OPTIMIZERS = ("optimizer", "optimizer_state", "optimizer_state_dict", "optimizer_states", "optim", "opt_state")
_SCHEDULES = ("param_groups", "lr_scheduler", "lr_schedulers", "scheduler", "scheduler_state_dict")
OPTIMIZER_ROOTS = frozenset((*_OPTIMIZERS, *_SCHEDULES))
OPTIMIZER_LEAVES = frozenset(("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer"))
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\d+)")
_KEYSTR = re.compile(r"\[['\"]?([^'\"\]]*)['\"]?\]|\.(\w+)")


def path_of(name: str) -> tuple[str, ...]:
    """The parts of a name, whichever way it is written: `("cell", "kernel")` for `cell/kernel`."""
    if name.startswith("(") and name.endswith(")"):
        parts = ["".join(found) for found in _QUOTED.findall(name)]
    elif name.startswith(("['", '["', "[0")) and name.endswith("]"):
        parts = ["".join(found) for found in _KEYSTR.findall(name)]
    else:
        parts = re.split(r"[./]", name)
    parts = [part for part in parts if part]
    while len(parts) > 1 and parts[-1] in ("value", "raw_value"):  # nnx.Param keeps its array there
        parts.pop()
    return tuple(parts) or (name,)


def of_optimizer(path: tuple[str, ...]) -> bool:
    """Whether a path belongs to the state of an optimizer or of its schedule."""
    return path[0] in OPTIMIZER_ROOTS or any(part in OPTIMIZER_LEAVES for part in path)


def canonical(names: Iterable[str]) -> dict[str, str]:
    """Each name with its short spelling: parts joined by `.`, without the wrappers that stand before all of them.

    >>> canonical(["module.cell.weight", "module.cell.bias"])
    {'module.cell.weight': 'cell.weight', 'module.cell.bias': 'cell.bias'}

    Raises NetworkFormatError if two names have one spelling.
    """
    paths = {name: path_of(name) for name in names}
    while True:
        firsts = {path[0] for path in paths.values()}
        longer = {name for name, path in paths.items() if len(path) > 1}
        everywhere = len(firsts) == 1 and firsts <= set(WRAPPERS) and len(longer) == len(paths)
        strip = {name for name in longer if everywhere or paths[name][0] in COLLECTIONS}
        if not strip:
            break
        paths = {name: path[1:] if name in strip else path for name, path in paths.items()}
    short = {name: ".".join(path) for name, path in paths.items()}
    _check_unique(short)
    return short


def _check_unique(short: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, spelling in short.items():
        if spelling in seen:
            raise NetworkFormatError(
                f"tensors {seen[spelling]!r} and {name!r} are both {spelling!r} without their prefixes; keep one."
            )
        seen[spelling] = name
