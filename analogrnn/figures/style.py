"""Common style of all figures, and how they are written: colours, legends, settings.

The settings are matplotlib's defaults and the canvas is Agg. So neither the user's `matplotlibrc` or style (TeX, other
sizes) nor the backend of a notebook changes a figure. `pyplot` is never imported.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analogrnn.errors import AnalogrnnError, OutputError

INK, GREY, FAINT = "#22223b", "#8d8d99", "#e3e3ea"
BLUE, ORANGE, GREEN, RED = "#2a6fbb", "#d1701c", "#2f8f5b", "#b3261e"


@contextmanager
def picture(path: Path, size: tuple[float, float], dpi: int = 130) -> Iterator[Figure]:
    """A figure of `size` (width, height) in inches, drawn in the `with` block and then written to `path` as PNG.

    Raises OutputError if the figure can't be drawn or written.
    """
    try:
        with _own_settings():
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            yield figure
            content = as_png(figure, dpi)
    except AnalogrnnError:
        raise
    except Exception as error:  # drawing comes last, and no error in it may hide results
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise OutputError(f"can't draw {path} ({reason}); what was written before it is complete.") from error
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error


def as_png(figure: Figure, dpi: int) -> bytes:
    """Render a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def legend_above(axes: Axes, columns: int = 4) -> None:
    """Put the legend above the axes, where it hides no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, fontsize=8, frameon=False)
    open_frame(axes)


def open_frame(axes: Axes) -> None:
    """Show only the left and the lower side of the frame."""
    axes.spines[["top", "right"]].set_visible(False)


def colours(count: int) -> list[str]:
    """Colours for `count` curves; they repeat after five."""
    return [(BLUE, ORANGE, GREEN, INK, GREY)[i % 5] for i in range(count)]


@contextmanager
def _own_settings() -> Iterator[None]:
    """Use matplotlib's defaults in the block, and restore the user's settings at its end."""
    with warnings.catch_warnings():
        # deprecated settings of matplotlib warn when they are read, even at their defaults
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        defaults = dict(matplotlib.rcParamsDefault)
        del defaults["backend"]
        context = matplotlib.rc_context(defaults)
        context.__enter__()
    try:
        yield
    finally:
        context.__exit__(None, None, None)
