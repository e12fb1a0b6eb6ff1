"""The data that ships: found in a checkout and in a wheel, and never left by a name."""

import os

import pytest

from analogrnn import library
from analogrnn.errors import MissingDependencyError, ParameterError

OUTSIDE = [
    "../pyproject",
    "/etc/passwd",
    "a/b",
    "./gf180mcu",
    "..",
    ".",
    "",
    "../calibration/gf180mcu",
    "x\0y",
    "~root",
    "gf180mcu/",
    "gf180mcu/.",
    "../networks/digits_d32_k4",
    "no_such_name",
    "gf180mcu\n",
]


def test_the_shipped_files_are_found():
    assert library.calibration_path("gf180mcu").read_text().startswith("#")
    assert library.network_path("digits_d32_k4").is_file()
    assert ".subckt bmru_cell" in library.circuit("ideal", "bmru_cell")


@pytest.mark.parametrize(
    ("folder", "suffix", "member"),
    [("calibration", ".toml", "gf180mcu"), ("networks", ".safetensors", "digits_d16_k2")],
)
def test_the_shipped_names_are_listed_in_order(folder, suffix, member):
    names = library.shipped(folder, suffix)
    assert member in names
    assert names == sorted(names)
    assert library.shipped(folder, ".nothing") == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_is_not_in_the_library_is_refused_with_what_is(name):
    with pytest.raises(ParameterError, match=r"^calibration/ holds no .*\.toml'; it holds: .*gf180mcu"):
        library.calibration_path(name)
    with pytest.raises(ParameterError, match=r"^networks/ holds no .*\.safetensors'; it holds: .*digits_d16_k2"):
        library.network_path(name)
    with pytest.raises(ParameterError, match=r"^ideal/ holds no .*\.spice'; it holds: .*bmru_cell"):
        library.circuit("ideal", name)


def test_a_file_beside_the_library_is_not_in_it(tmp_path, monkeypatch):
    (tmp_path / "calibration").mkdir()
    (tmp_path / "secret.toml").write_text("name = 'secret'")
    monkeypatch.setattr(library, "_ROOTS", (tmp_path,))
    for name in ("../secret", str(tmp_path / "secret")):
        with pytest.raises(ParameterError, match=r"^calibration/ holds no .*; it holds: none\."):
            library.calibration_path(name)


def test_an_unknown_flavour_holds_nothing():
    with pytest.raises(ParameterError, match=r"circuits/ has no flavour 'no_such_process'; it has: ideal, gf180mcu\."):
        library.circuit("no_such_process", "bmru_cell")


@pytest.mark.parametrize("deeper", [(), ("a",)])
def test_a_flavour_can_not_leave_the_library(tmp_path, deeper):
    """An absolute path and one that climbs: both hold the file that is asked for."""
    place = tmp_path.joinpath(*deeper)
    place.mkdir(exist_ok=True)
    (place / "x.spice").write_text("* secret")
    here = library.folder("circuits").resolve()
    for flavour in (str(place), os.path.relpath(place, here), "ideal/../ideal", "", "."):
        with pytest.raises(ParameterError, match=r"^circuits/ has no flavour '.*'; it has: ideal, gf180mcu\."):
            library.circuit(flavour, "x")


def test_the_data_of_a_wheel_comes_before_a_folder_beside_the_package(tmp_path, monkeypatch):
    for place in ("wheel", "checkout"):
        (tmp_path / place / "calibration").mkdir(parents=True)
        (tmp_path / place / "calibration" / "one.toml").write_text(place)
    monkeypatch.setattr(library, "_ROOTS", (tmp_path / "wheel", tmp_path / "checkout"))
    assert library.calibration_path("one").read_text() == "wheel"
    monkeypatch.setattr(library, "_ROOTS", (tmp_path / "absent", tmp_path / "checkout"))
    assert library.calibration_path("one").read_text() == "checkout"


def test_an_installation_without_its_data_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_ROOTS", (tmp_path,))
    message = r"^circuits/ is not in this installation of analogrnn; install the package again\."
    with pytest.raises(MissingDependencyError, match=message):
        library.circuit("ideal", "bmru_cell")
