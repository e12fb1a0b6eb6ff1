"""All figures, one file per subject. The only package that imports matplotlib.

Figures do not depend on the user's matplotlib settings: see `style`. A backend that can't be loaded, such as the
`MPLBACKEND` of a notebook in another environment, makes the import of matplotlib fail, so it is hidden during import.
"""

import contextlib
import importlib
import os
import sys

from analogrnn.errors import OutputError


def _load_matplotlib() -> None:
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        matplotlib = importlib.import_module("matplotlib")
    except Exception as error:  # a settings file can make it raise anything
        reason = f"{type(error).__name__}: {error}"
        raise OutputError(
            f"can't draw figures: matplotlib can't be imported ({reason}); repair its settings."
        ) from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend is not None:
        with contextlib.suppress(ValueError):  # as matplotlib itself does, for code that draws later
            matplotlib.rcParams["backend"] = backend


_load_matplotlib()
