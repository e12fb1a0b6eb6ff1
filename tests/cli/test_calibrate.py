"""`analogrnn calibrate`."""

import pytest

from analogrnn.technology import load_technology


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.slow
def test_a_calibration_is_a_technology_with_the_committed_values(call, tmp_path):
    out = tmp_path / "new.toml"
    said = call("calibrate", "gf180mcu", "--out", out, "--json")
    assert said.code == 0
    assert said.json["outside"] == 0
    assert load_technology(out).name == "gf180mcu"
    assert [path.name for path in tmp_path.iterdir()] == ["new.toml"]


def test_quick_writes_nothing_so_an_output_file_is_refused(call, tmp_path):
    said = call("calibrate", "gf180mcu", "--quick", "--out", tmp_path / "x.toml")
    said.refused(2, "--quick writes no calibration, so --out has no effect; give one of them only.")


def test_without_a_simulator_the_message_names_the_install_command(call, no_simulator):
    call("calibrate", "gf180mcu").refused(3, "is not an executable")


def test_an_unknown_technology_lists_the_known_ones(call):
    said = call("calibrate", "sky130")
    assert said.code == 2
    assert "gf180mcu" in said.err
