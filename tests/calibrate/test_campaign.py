"""Calibration runs: what survives an interruption, what is written, and that a subset reproduces committed values."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn import library
from analogrnn.calibrate import campaign, dpis, ladders
from analogrnn.calibrate.bench import CalibrationBench, Probe, Setup, crossings, only
from analogrnn.calibrate.cells import WIDTHS, fit_width
from analogrnn.calibrate.entries import Entry
from analogrnn.calibrate.stairs import STEP, Staircases
from analogrnn.calibrate.switching import fit_switching
from analogrnn.errors import CalibrationError, SpiceError
from analogrnn.kernels.waveform import dpi_step
from analogrnn.spice.engine import Job, Ngspice
from analogrnn.spice.pdk import Pdk
from analogrnn.supply import branch_sum
from analogrnn.technology import flat, nested

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
COMMITTED = tomllib.loads(library.calibration_path("gf180mcu").read_text(encoding="utf-8"))


def divider(k, volts=1.0):
    deck = f"* divider {k}\nV1 a 0 {volts}\nR1 a b 1000\nR2 b 0 1000\n.op\n.end\n"
    return Probe(f"divider_{k}", Job(deck, None), lambda waves: {"half": float(waves["v(b)"][0])})


def test_the_bench_does_not_depend_on_what_the_last_calibration_measured():
    """Otherwise two calibrations in succession would differ."""
    bench = CalibrationBench(Setup(PDK))
    carried = campaign.carried_over(COMMITTED)
    assert {table["kind"] for table in carried.values()} <= {"foundry", "declared"}
    changed = nested({k: v for k, v in flat(COMMITTED).items() if not isinstance(v, dict) or v["kind"] != "simulated"})
    decks = [
        [p.job.deck for p in campaign.Campaign(bench, campaign.carried_over(c)).probes()] for c in (COMMITTED, changed)
    ]
    assert decks[0] == decks[1]
    keys = [p.key for p in campaign.Campaign(bench, carried).probes()]
    assert len(set(keys)) == len(keys)


@pytest.mark.ngspice
def test_finished_probes_are_not_run_again(tmp_path):
    partial = tmp_path / "partial.json"
    first = campaign.run_probes([divider(1), divider(2)], partial, "models", fresh=False, workers=2)
    assert_allclose([first["divider_1"]["half"], first["divider_2"]["half"]], 0.5, rtol=1e-6)
    # a stored result is used as it is: make it recognisable
    stored = json.loads(partial.read_text())
    partial.write_text(json.dumps({key: {"half": 7.0} for key in stored}))
    again = campaign.run_probes([divider(1), divider(2), divider(3)], partial, "models", fresh=False, workers=2)
    assert [again[f"divider_{k}"]["half"] for k in (1, 2)] == [7.0, 7.0]
    assert_allclose(again["divider_3"]["half"], 0.5, rtol=1e-6)
    # another deck under the same key, other models, or --fresh: measured again
    for probe, models, fresh in (
        (divider(1, 3.0), "models", False),
        (divider(1), "new", False),
        (divider(1), "models", True),
    ):
        new = campaign.run_probes([probe], partial, models, fresh=fresh, workers=1)["divider_1"]["half"]
        assert new != 7.0


@pytest.mark.ngspice
def test_a_failure_keeps_finished_probes(tmp_path):
    partial = tmp_path / "partial.json"
    broken = Probe("broken", Job("* x\nV1 a 0 1\nX1 a nowhere\n.op\n.end\n", None), lambda waves: {})
    with pytest.raises(SpiceError, match=r"^calibration: broken: .* Finished probes are kept; run it again\."):
        campaign.run_probes([divider(1), broken], partial, "m", fresh=False, workers=1)
    assert len(json.loads(partial.read_text())) == 1


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_partial_file_that_holds_no_results_is_refused(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(CalibrationError, match=r"^can't resume from .*p\.json: .*; start again with --fresh\."):
        campaign._read_partial(tmp_path / "p.json")


def test_another_device_than_the_file_declares_is_refused():
    setup = Setup(PDK)
    assert campaign.default_setup(setup, COMMITTED) is setup
    other = replace(setup, device=replace(setup.device, w=4e-6))
    with pytest.raises(CalibrationError, match=r"\[size\.standard\.w\] = 2e-06 m, but the bench measures 4e-06 m\."):
        campaign.default_setup(other, COMMITTED)


def test_the_writer_reproduces_the_committed_file():
    models = replace(PDK, sha256="4ef38038ef2d" + "0" * 52)
    run = campaign.Campaign(CalibrationBench(Setup(models)), campaign.carried_over(COMMITTED))
    found = {
        name: Entry(
            table["value"],
            table["source"].rsplit("; ngspice", 1)[0],
            table["method"],
            table["count"],
            table["uncertainty"],
            tuple(table.get("at", ())),
        )
        for name, table in flat(COMMITTED).items()
        if isinstance(table, dict) and table["kind"] == "simulated"
    }
    text = campaign.document(run, found, COMMITTED["name"], COMMITTED["process"], Ngspice(Path("ngspice"), "39"))
    assert text == library.calibration_path("gf180mcu").read_text(encoding="utf-8")


def test_deviations_are_stated_over_the_uncertainty():
    old = {
        "a": {"kind": "simulated", "value": 2.0, "uncertainty": 0.01, "method": "x"},
        "b": {
            "kind": "simulated",
            "at": [1.0, 2.0, 3.0],
            "value": [0.1, 0.2, 0.3],
            "uncertainty": 0.01,
            "method": "uncertainty absolute",
        },
        "c": {"kind": "declared", "value": 1.0, "uncertainty": 0.0, "method": "x"},
    }
    new = {"a": Entry(2.04, "", "", 1), "b": Entry([0.1, 0.23], "", "", 1, at=(1.0, 2.0)), "c": Entry(5.0, "", "", 1)}
    rows = {row[0]: row for row in campaign.compare(new, old)}
    assert_allclose([rows["a"][3], rows["b"][3]], [2.0, 3.0], rtol=1e-9)
    assert set(rows) == {"a", "b"}


def test_the_fits_recover_the_parameters_of_their_data():
    hyst = 2.0 * np.array(WIDTHS)
    gain, loss, error = fit_width(np.ones(3), (0.99 * hyst - 0.02 * 4.6) / hyst, 4.6)
    assert_allclose([gain, loss], [0.99, 0.02], rtol=1e-9)
    assert error < 1e-9
    moves = np.array((1.2, 1.3, 1.4))
    assert_allclose(fit_switching(tuple(moves), 3.0 + 0.5 / (moves - 1.0))[:2], [3.0, 0.5], rtol=1e-9)


def test_the_rise_time_is_that_of_the_waveform_kernel():
    floor, ratio = 1e-6, 12.0
    d, t, step = floor, 0.0, 1e-4
    while d < 0.5:
        d, t = dpi_step(d, True, step, 1.0, ratio, 0.0), t + step
    # one step of the loop
    assert_allclose(dpis.rise_time(floor, ratio), t, atol=2 * step)


def test_a_stage_draws_more_when_on_and_the_top_one_shifts_no_other():
    b = {"th": 4.6, "hyst": 2.0, "on": 0.8, "alpha": 0.5, "base": 1.4, "shift": 2.2, "first": 2.2}
    steps = np.diff(branch_sum(b, 4))
    assert np.all(steps > 0)
    assert_allclose(steps[:3], steps[0], rtol=1e-12)
    # above the top stage no OFF stage carries the shift
    assert_allclose(steps[2] - steps[3], 2.2, rtol=1e-12)


def test_crossings_are_interpolated_and_a_missing_one_is_an_error():
    time = np.array([0.0, 1.0, 2.0])
    assert_allclose(crossings(time, np.array([0.0, 2.0, 0.0]), 0.5, falling=False), [0.25])
    with pytest.raises(SpiceError, match=r"^calibration: set does not occur; the device or the currents are out of"):
        only(np.array([]), "set")


def stepped(up, down):
    """Staircases, and the stages (T, N) of a ladder with thresholds `up` and `down` under them."""
    stairs = Staircases.of()
    level, rows = 0, []
    for pulse in stairs.candidates:
        level += int(level < ladders.STAGES and pulse >= up) - int(level > 0 and pulse <= -down)
        rows.append(np.arange(ladders.STAGES) < level)
    return stairs, np.array(rows)


def test_a_staircase_finds_its_threshold_to_half_a_step():
    stairs, stages = stepped(1.0234, 0.9876)
    found = stairs.read(stages)
    expected = {"up_first": 1.0234, "up_inner": 1.0234, "down_first": -0.9876, "down_inner": -0.9876}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(found[name] - value) <= STEP / 2.0 + 1e-12


@pytest.mark.parametrize(("up", "down"), [(0.9, 1.0), (1.2, 1.0), (1.0, 1.2)])
def test_a_threshold_outside_the_staircase_is_an_error(up, down):
    stairs, stages = stepped(up, down)
    with pytest.raises(SpiceError, match=r"no threshold '\w+' between 0\.91 and 1\.09 half windows; correct"):
        stairs.read(stages)


def test_thresholds_are_stated_in_the_measured_pulses():
    stairs, stages = stepped(1.0234, 0.9876)
    plain, measured = stairs.read(stages), stairs.read(stages, stairs.candidates + 0.002)
    for name, value in plain.items():
        assert measured[name] == pytest.approx(value + 0.002, abs=1e-12)


def test_staircases_measure_their_pulses_with_an_integration_that_does_not_ring():
    run = campaign.Campaign(CalibrationBench(Setup(PDK)), campaign.carried_over(COMMITTED), quick=True)
    decks = [probe.job.deck for probe in run.probes() if "stairs" in probe.key]
    assert len(decks) == 4  # two half windows, four stages and one
    for deck in decks:
        assert " xmu=0.4\n" in deck
        assert re.search(r"(?m)^\.save .*i\(v\.xrec_\d\.vcand\)", deck)


def test_a_ladder_of_one_stage_has_no_inner_thresholds():
    assert set(Staircases.of(1).starts) == {"up_first", "down_first"}


def test_a_curve_of_zeros_is_compared_without_a_division():
    old = {"a": {"kind": "simulated", "value": 0.0, "uncertainty": 0.01, "method": "x"}}
    assert campaign.compare({"a": Entry(0.0, "", "", 1)}, old)[0][3] == 0.0
