"""Training of networks that the circuits can implement; an optional extra that needs torch.

Importing this package does not import torch: a name below loads its module on first use, and raises
MissingDependencyError with the package to install if torch is missing. A trained model is exported as an
`analogrnn.network.Network`.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "CmruClassifier": "layers",
    "CmruLayer": "layers",
    "LadderShape": "surrogate",
    "HardwareErrors": "layers",
    "Examples": "loop",
    "Plan": "loop",
    "Result": "loop",
    "Start": "layers",
    "AlphaCMRU": "modules",
    "BMRU": "modules",
    "CMRU": "modules",
    "ChipPool": "chips",
    "Epoch": "tuning",
    "FirstQuadrantBMRU": "modules",
    "Hardware": "hardware",
    "MinGRU": "modules",
    "Model": "model",
    "ModelShape": "prepare",
    "Pooling": "modules",
    "Recipe": "recipe",
    "Scale": "modules",
    "Task": "task",
    "Trained": "tuning",
    "Training": "tuning",
    "accuracy": "loop",
    "cell_states": "states",
    "from_network": "model",
    "on_chips": "chips",
    "pruned": "export",
    "table_states": "states",
    "task_of": "prepare",
    "finish": "export",
    "fit": "loop",
    "generator": "loop",
    "ladder_states": "surrogate",
    "mismatched_accuracy": "loop",
    "model_for": "prepare",
    "to_network": "export",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 - the names resolve through __getattr__

NO_TORCH = "torch is not installed, and training needs it: pip install torch"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
