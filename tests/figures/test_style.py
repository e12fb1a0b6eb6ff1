"""Figures do not depend on the user's matplotlib settings, and a failure is one clear line."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from analogrnn.errors import OutputError, ParameterError
from analogrnn.figures.montecarlo import draw_accuracy_over_chips
from analogrnn.figures.style import picture

DRAW = """
import sys
from pathlib import Path
import numpy as np
from analogrnn.figures.montecarlo import draw_accuracy_over_chips
scores = {"small": np.linspace(0.5, 0.9, 20), "large $W_1$": np.linspace(0.8, 0.95, 20)}
draw_accuracy_over_chips(scores, 0.93, "a title", Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
"""
# what a paper or a poster style sets; TeX is not installed everywhere, and would draw other letters
SETTINGS = """
text.usetex: True
font.size: 31
font.family: serif
axes.labelsize: xx-large
axes.grid: True
axes.facecolor: black
lines.linewidth: 9
legend.frameon: True
figure.dpi: 37
figure.figsize: 2, 2
figure.constrained_layout.use: False
savefig.dpi: 44
savefig.bbox: tight
savefig.transparent: True
savefig.format: pdf
path.simplify: False
backend: cairo
"""


def drawn(folder, name, **environment):
    """The bytes of the figure that a new process draws, with the folder's settings if there are any."""
    place = folder / f"{name}.png"
    surroundings = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "MATPLOTLIBRC")}
    command = [sys.executable, "-W", "error", "-c", DRAW, str(place)]
    subprocess.run(command, check=True, env=surroundings | environment, cwd=folder)
    return place.read_bytes()


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("clean"), "clean")


@pytest.mark.parametrize(
    "backend", ["module://nonexistent", "module://matplotlib_inline.backend_inline", "qtagg", "no such backend"]
)
def test_the_backend_of_a_notebook_changes_no_byte(clean, tmp_path, backend):
    assert drawn(tmp_path, "other", MPLBACKEND=backend) == clean


def test_a_settings_file_with_tex_and_a_large_font_changes_no_byte(clean, tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "matplotlibrc").write_text(SETTINGS)
    assert drawn(tmp_path, "other", MATPLOTLIBRC=str(tmp_path / "settings")) == clean


def test_settings_of_the_running_process_change_no_byte_and_are_restored(clean, tmp_path):
    before = dict(matplotlib.rcParams)
    mine = {"text.usetex": True, "font.size": 31.0, "savefig.bbox": "tight", "lines.linewidth": 9.0}
    with matplotlib.rc_context(mine):
        scores = {"small": np.linspace(0.5, 0.9, 20), "large $W_1$": np.linspace(0.8, 0.95, 20)}
        draw_accuracy_over_chips(scores, 0.93, "a title", tmp_path / "own.png")
        assert {name: matplotlib.rcParams[name] for name in mine} == mine
    assert (tmp_path / "own.png").read_bytes() == clean
    assert dict(matplotlib.rcParams) == before


def test_a_figure_that_can_not_be_drawn_is_named_and_settings_are_restored(tmp_path):
    before = dict(matplotlib.rcParams)
    with (
        pytest.raises(
            OutputError, match=r"can't draw .*a.png \(ValueError: .*\\nosuch.*\); what was written before it"
        ),
        picture(tmp_path / "a.png", (2, 2)) as figure,
    ):
        figure.suptitle(r"$\nosuch$")
    assert not (tmp_path / "a.png").exists()
    assert dict(matplotlib.rcParams) == before


def test_an_error_raised_within_a_figure_is_unchanged(tmp_path):
    with pytest.raises(ParameterError, match="no such chip"), picture(tmp_path / "a.png", (2, 2)):
        raise ParameterError("no such chip")


def test_a_figure_that_can_not_be_written_is_named(tmp_path):
    with (
        pytest.raises(
            OutputError, match=r"can't write .*none.*a.png: No such file or directory; choose another folder"
        ),
        picture(tmp_path / "none" / "a.png", (2, 2)) as figure,
    ):
        figure.subplots()
