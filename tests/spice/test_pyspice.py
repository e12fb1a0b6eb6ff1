"""The PySpice engine agrees with the subprocess engine, and its known faults end in an error instead of a result."""

import importlib.metadata
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.errors import DeckError, MissingDependencyError, SpiceError
from analogrnn.spice import pyspice
from analogrnn.spice.engine import run_deck
from analogrnn.spice.outcome import ProcessOutcome
from analogrnn.spice.pyspice import run_deck_pyspice

RC = "rc low-pass\nV1 in1 0 PULSE(0 1 0 1n 1n 1 2)\nR1 in1 out 1k\nC1 out 0 1n\n"
COMPARATOR = (
    "Hysteresis with B sources\nV1 u 0 PWL(0 0 1m 2 2m 0)\nBset x 0 V=tanh(20*(v(u)-1+0.4*v(s)))\nRs x s 1k\n"
    "Cs s 0 1n\n"
)

pytestmark = pytest.mark.pyspice


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("deck", "stop_time", "signals"),
    [
        (RC + ".tran 10n 5u\n.end\n", 5e-6, ("v(in1)", "v(out)", "i(v1)")),
        (RC + ".tran 10n 5u\n", 5e-6, ("v(out)",)),  # without .end
        (COMPARATOR + ".tran 1u 2m\n.end\n", 2e-3, ("v(u)", "v(x)", "v(s)")),
        (RC + ".save v(out)\n.ac dec 5 1k 1meg\n.end\n", None, ("v(out)",)),
        ("divider\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n.op\n.end\n", None, ("v(b)", "i(v1)")),
    ],
)
def test_both_engines_give_the_same_waveforms(deck, stop_time, signals):
    one, other = run_deck(deck, stop_time=stop_time), run_deck_pyspice(deck, stop_time=stop_time)
    assert set(one.signals) == set(other.signals)  # `write` sorts them
    # The same code on the same machine takes the same steps. Two builds (executable and library) may round
    # differently, and a step more or less moves a sample by what the step control allows: reltol = 1e-3 of the
    # swing, 1 V or less. Interpolated on one axis, since the steps need not agree.
    for name in signals:
        moved = np.interp(one.axis, other.axis, other[name].real)
        assert np.abs(moved - one[name].real).max() <= 1e-3 * max(1.0, np.ptp(one[name].real))


@pytest.mark.ngspice
def test_files_and_allowed_paths_reach_the_library(tmp_path):
    library = tmp_path / "models.lib"
    library.write_text(".lib slow\n.param r=4k\n.endl slow\n")
    deck = "library\n.lib models.lib slow\n.include load.spice\nV1 a 0 1\nX1 a load\n.op\n.end\n"
    arguments = {
        "files": {"load.spice": ".subckt load a\nR1 a 0 {r}\n.ends\n"},
        "allowed_paths": frozenset({library}),
        "stop_time": None,
    }
    # a linear operating point: the same floating-point operations
    assert_array_equal(run_deck_pyspice(deck, **arguments)["i(v1)"], run_deck(deck, **arguments)["i(v1)"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("X1 in1 out nosuch", r"\(exit 1\) failed: unknown subcircuit in `x1 in1 out nosuch`"),
        ("R7 out 0 {foo}", r"\(exit 1\) failed: undefined parameter foo"),
        ("Q 1", r"\(exit 1\) failed: it can't parse `q 1`"),
        (".save v(zzz)", r"no signal in \.save exists"),
    ],
)
def test_a_deck_that_does_not_load_gives_no_earlier_circuits_waveforms(line, message):
    assert run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6).axis[-1] > 0
    with pytest.raises(SpiceError, match=message):
        run_deck_pyspice(f"{RC}{line}\n.tran 10n 5u\n.end\n", stop_time=5e-6)
    # and the next run succeeds
    assert run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6).axis[-1] > 0


def test_harmless_notes_do_not_raise():
    """The operating point needs gmin stepping, which ngspice reports on stderr and PySpice takes for an error."""
    deck = (
        "gmin stepping\nV1 in1 0 PULSE(0 1 0 1n 1n 1 2)\nB1 out 0 I=exp(200*v(out))*1e30-v(in1)*1e40\n"
        "C1 out 0 1n\n.tran 10n 5u\n.end\n"
    )
    assert run_deck_pyspice(deck, stop_time=5e-6).plotname == "Transient Analysis"


def test_non_convergence_is_reported():
    deck = (
        "no convergence\nV1 in1 0 PULSE(0 1 1u 1n 1n 1 2)\nR1 in1 a 1\nB1 a 0 I=(v(a)>0.5) ? -1e30*v(a) : 0\n"
        "C1 a 0 1e-30\n.tran 10n 5u\n.end\n"
    )
    with pytest.raises(SpiceError, match=r"did not converge at t = 1\.0005e-06 s"):
        run_deck_pyspice(deck, stop_time=5e-6)


def test_a_run_can_be_interrupted():
    with pytest.raises(SpiceError, match=r"did not finish within timeout = 2 s"):
        run_deck_pyspice(RC + ".tran 1p 5\n.end\n", stop_time=5, timeout=2)


def test_several_analyses_are_refused_as_by_the_other_engine():
    with pytest.raises(SpiceError, match="The deck ran 2 analyses; give it exactly one"):
        run_deck_pyspice(RC + ".op\n.dc V1 0 1 0.5\n.end\n", stop_time=None)


def test_a_deck_without_analysis_is_refused():
    with pytest.raises(SpiceError, match="it reported `no analysis ran`; correct that in the deck"):
        run_deck_pyspice(RC + ".end\n", stop_time=None)


def test_another_circuits_raw_file_is_refused(monkeypatch):
    """A stale result: the process ends well and leaves a complete raw file of another circuit."""

    def stale(_argv, folder, **_options):
        (folder / "out.raw").write_text(
            "Title: yesterday's\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: 1\n"
            "Variables:\n\t0\ttime\ttime\n\t1\tv(a)\tvoltage\nValues:\n0\t5e-6\n\t1\n"
        )
        return ProcessOutcome(0, "log")

    monkeypatch.setattr(pyspice, "run_process", stale)
    with pytest.raises(SpiceError, match=r"returned the circuit \"yesterday's\", not the one sent") as error:
        run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6)
    assert error.value.log == "log"


def test_decks_are_checked_for_this_engine_too(tmp_path):
    with pytest.raises(DeckError, match=r"deck line 5: '\.control' makes ngspice run commands"):
        run_deck_pyspice(f"{RC}.control\nshell touch {tmp_path}/ran\n.endc\n.end\n", stop_time=None)
    assert not (tmp_path / "ran").exists()


def test_the_decks_folder_is_not_imported_from():
    """A file called like a module would be run by a worker that looks for modules in its folder."""
    files = dict.fromkeys(("numpy.py", "json.py", "PySpice.py"), "Rx out 0 1meg\n")
    assert run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6, files=files).axis[-1] > 0


def test_a_missing_library_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so")
    with pytest.raises(
        MissingDependencyError, match=r"'/nowhere/libngspice\.so' can't be loaded.*apt-get install libngs"
    ):
        run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6)


def test_a_machine_without_the_library_is_refused(monkeypatch):
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    with pytest.raises(MissingDependencyError, match="libngspice = 'ngspice' can't be loaded"):
        run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6)


def test_missing_pyspice_names_the_command_that_installs_it(monkeypatch):
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(MissingDependencyError, match=r"PySpice is not installed; .*pip install PySpice==1\.5"):
        run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6)


def test_the_callers_environment_is_untouched():
    before = dict(os.environ)
    run_deck_pyspice(RC + ".tran 10n 5u\n.end\n", stop_time=5e-6)
    assert dict(os.environ) == before  # PySpice sets variables in its own process only
