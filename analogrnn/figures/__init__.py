"""All drawing: a file per subject. The only package that imports matplotlib.

Pictures look the same whatever the user's matplotlib is set to: see `style`. A backend that can't be loaded, such as
the `MPLBACKEND` of a notebook in another environment, would stop matplotlib's import, so that it is hidden meanwhile.
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
        raise OutputError(f"can't draw pictures, for matplotlib doesn't load ({reason}); mend its settings.") from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend is not None:
        with contextlib.suppress(ValueError):  # what matplotlib would have done, for those who draw after us
            matplotlib.rcParams["backend"] = backend


_load_matplotlib()
