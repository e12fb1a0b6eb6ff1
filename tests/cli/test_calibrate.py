"""`analogrnn calibrate`."""

import shutil

import pytest

from analogrnn import library
from analogrnn.calibrate import campaign
from analogrnn.calibrate.bench import CalibrationBench, Setup
from analogrnn.spice.pdk import find_pdk
from analogrnn.technology import load_technology, read_document


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.slow
def test_a_calibration_is_a_technology_with_the_committed_values(call, tmp_path):
    """So is the subset of `--quick`. The decks of both run once: the command goes on where the subset ended."""
    out, committed = tmp_path / "new.toml", read_document(library.calibration_path("gf180mcu"))
    setup, partial = campaign.default_setup(Setup(find_pdk()), committed), tmp_path / "new.partial.json"
    full, part = (
        campaign.Campaign(CalibrationBench(setup), campaign.carried_over(committed), quick) for quick in (False, True)
    )
    named, models = {probe.key: probe for probe in part.probes()}, setup.pdk.sha256
    both = [probe for probe in full.probes() if probe.key in named]
    assert len(both) >= 10
    campaign.run_probes(both, partial, models, fresh=True, workers=2)
    shutil.copy(partial, tmp_path / "part.json")
    results = campaign.run_probes(part.probes(), tmp_path / "part.json", models, fresh=False, workers=2)
    rows = campaign.compare(part.entries(results), committed)
    assert len(rows) >= 25
    assert [row for row in rows if row[3] > 1.0] == []
    (tmp_path / "part.json").unlink()
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
