"""The ngspice engine: finding the simulator, successful runs, and its arguments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from processes import RC_RUN

from analogrnn.errors import DeckError, MissingDependencyError, ParameterError
from analogrnn.spice.engine import Ngspice, find_ngspice, run_deck

# ---------------------------------------------------------------- finding the simulator


def test_a_missing_simulator_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    with pytest.raises(
        MissingDependencyError, match=r"/nowhere/ngspice.*is not an executable.*apt-get install ngspice"
    ):
        find_ngspice()


def test_a_program_that_is_not_ngspice_is_refused(fake):
    with pytest.raises(MissingDependencyError, match="does not report ngspice's version"):
        find_ngspice(str(fake("echo ngspice, or so I say").executable))


def test_the_environment_variable_names_the_simulator(fake, monkeypatch):
    simulator = fake('echo "** ngspice-44.2 : Circuit level simulation program"')
    monkeypatch.setenv("NGSPICE", str(simulator.executable))
    assert find_ngspice() == replace(simulator, version="44.2")


def test_a_simulator_that_was_removed_is_missing():
    with pytest.raises(MissingDependencyError, match=r"can't be started: No such file.*apt-get install ngspice"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=Ngspice(Path("/nowhere/ngspice"), "39"))


@pytest.mark.ngspice
def test_the_installed_simulator_reports_its_version():
    assert int(find_ngspice().version.split(".")[0]) >= 30


# ---------------------------------------------------------------- success


@pytest.mark.ngspice
def test_an_rc_charges_as_the_formula_predicts():
    waves = run_deck(RC_RUN, stop_time=5e-6)
    t, tau = waves.axis, 1e-6
    # the 1 ns edge delays the step by half its length, to second order (1 ns/tau)^2/24 = 4e-8; the trapezoidal rule
    # adds t/tau (h/tau)^2/12 exp(-t/tau) <= (10 ns/1 us)^2 / (12 e) = 3e-6; reltol = 1e-3 bounds what its
    # control leaves on a smooth exponential, so 1e-4 is between the two
    late = t > 2e-9
    assert_allclose(waves["v(out)"][late], -np.expm1(-(t[late] - 0.5e-9) / tau), atol=1e-4)
    assert waves.plotname == "Transient Analysis"
    assert waves.axis_name == "time"


@pytest.mark.ngspice
@pytest.mark.parametrize(("analysis", "axis", "last"), [(".op", "point", 1.0), (".dc V1 0 2 0.5", "v(v-sweep)", 2.0)])
def test_analyses_without_time_need_no_stop_time(analysis, axis, last):
    waves = run_deck(f"divider\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n{analysis}\n.end\n", stop_time=None)
    assert waves.axis_name == axis
    # two equal resistors; gmin = 1e-12 S on 500 ohm is 5e-10, and reltol does not enter a linear circuit
    assert_allclose(waves["v(b)"][-1], last / 2, rtol=1e-9)


@pytest.mark.ngspice
def test_an_ac_analysis_is_complex():
    waves = run_deck("ac\nV1 a 0 ac 1\nR1 a b 1k\nC1 b 0 1n\n.ac dec 5 1k 1meg\n.end\n", stop_time=None)
    # closed form; gmin as above, and round-off
    assert_allclose(waves["v(b)"], 1 / (1 + 2j * np.pi * waves.axis * 1e-6), rtol=1e-9)
    assert waves.axis.dtype == np.float64


@pytest.mark.ngspice
def test_files_are_beside_the_deck_under_their_file_names():
    files = {"Load.spice": ".subckt load a b r=1k\nR1 a b {r}\n.ends load\n", "all.spice": '.include "Load.spice"\n'}
    deck = "files\nV1 a 0 1\nX1 a 0 load r=2k\n.include all.spice\n.op\n.end\n"
    waves = run_deck(deck, stop_time=None, files=files)
    # 1 V / 2 kohm; gmin as above
    assert_allclose(waves["i(v1)"], -0.5e-3, rtol=1e-9)


@pytest.mark.ngspice
@pytest.mark.parametrize("by_path", [True, False])
def test_an_allowed_file_is_read_in_place_by_path_or_by_name(tmp_path, by_path):
    library = tmp_path / "models.lib"
    library.write_text(".lib slow\n.param r=4k\n.endl slow\n.lib fast\n.param r=1k\n.endl fast\n")
    deck = f"library\n.lib '{library if by_path else library.name}' slow\nV1 a 0 1\nR1 a 0 {{r}}\n.op\n.end\n"
    waves = run_deck(deck, stop_time=None, allowed_paths=frozenset({library}))
    assert_allclose(waves["i(v1)"], -0.25e-3, rtol=1e-9)


@pytest.mark.ngspice
def test_a_title_or_node_called_aborted_is_no_abort():
    deck = "simulation interrupted, run aborted\nV1 aborted 0 1\nR1 aborted 0 1k\n.tran 1u 10u\n.end\n"
    assert run_deck(deck, stop_time=10e-6).title == "simulation interrupted, run aborted"


@pytest.mark.ngspice
def test_the_users_settings_files_are_not_read(tmp_path, monkeypatch):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for place in (scripts / "spinit", tmp_path / ".spiceinit"):
        place.write_text(f"* settings\nshell touch {tmp_path}/ran\n")
    monkeypatch.setenv("SPICE_SCRIPTS", str(scripts))
    monkeypatch.setenv("SPICE_LIB_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    run_deck(RC_RUN, stop_time=5e-6)
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stop_time": 0.0}, r"run_deck\.stop_time = 0 s is outside \[1e-15, 1e\+09\] s"),
        ({"stop_time": float("nan")}, r"run_deck\.stop_time = nan s is outside"),
        ({"timeout": 0}, r"run_deck\.timeout = 0 s is outside \[0\.001, 1e\+07\] s"),
    ],
)
def test_times_must_be_positive(arguments, message):
    with pytest.raises(ParameterError, match=message):
        run_deck(RC_RUN, **{"stop_time": 5e-6, "ngspice": Ngspice(Path("/bin/true"), "39")} | arguments)


def test_an_empty_deck_is_refused():
    with pytest.raises(DeckError, match="deck: it is empty; a deck has a title"):
        run_deck("\n \n", stop_time=None, ngspice=Ngspice(Path("/bin/true"), "39"))
