"""What the figures of the analyses share."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analogrnn.errors import OutputError


def legend_above(axes: Axes, columns: int = 4) -> None:
    """Above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG. Raises OutputError."""
    try:
        figure.savefig(path, dpi=90)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error
