"""The ngspice engine with several decks in parallel."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from processes import RC_RUN, is_running, wait_for

from analogrnn.errors import DeckError, ParameterError, SpiceError
from analogrnn.spice.engine import Job, Ngspice, run_decks


@pytest.mark.ngspice
def test_results_carry_their_index_and_a_failure_stops_no_other_deck():
    decks = [f"divider\nV1 a 0 {k}\nR1 a 0 1k\n.op\n.end\n" for k in range(1, 9)]
    decks[3] = "no such\nV1 a 0 1\nX1 a 0 nosuch\n.op\n.end\n"
    results = dict(run_decks([Job(deck, None) for deck in decks], workers=2))
    assert sorted(results) == list(range(8))
    for index, result in results.items():
        if index == 3:
            assert isinstance(result, SpiceError)
            assert "unknown subcircuit" in str(result)
        else:
            assert_allclose(result["v(a)"], index + 1, rtol=1e-9)  # an ideal source: round-off only


def test_results_come_in_order_of_completion(fake):
    # deck 0 waits until deck 1 has ended
    body = "if grep -q slow deck.cir; then sleep 1; fi; exit 1"
    jobs = [Job("slow\nR1 a 0 1\n.op\n", None), Job("fast\nR1 a 0 1\n.op\n", None)]
    assert [index for index, _ in run_decks(jobs, workers=2, ngspice=fake(body))] == [1, 0]


def test_closing_the_results_ends_running_simulators(fake, tmp_path):
    simulator = fake(f"if grep -q fast deck.cir; then exit 1; fi\necho $$ > {tmp_path}/slow\nexec sleep 60")
    jobs = [Job("slow\nR1 a 0 1\n.op\n", None), Job("fast\nR1 a 0 1\n.op\n", None)]
    results = run_decks(jobs, workers=2, ngspice=simulator)
    assert next(results)[0] == 1
    pid = wait_for(tmp_path / "slow")
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 20  # it would sleep for 60 s
    assert not is_running(pid)


def test_ctrl_c_kills_every_simulator(fake, tmp_path):
    simulator = fake(f"echo $$ > {tmp_path}/$$.pid\nexec sleep 60")

    def interrupt() -> None:
        while len(list(tmp_path.glob("*.pid"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(run_decks([Job(RC_RUN, 5e-6)] * 5, workers=2, ngspice=simulator))
    thread.join()
    started = [int(file.stem) for file in tmp_path.glob("*.pid")]
    assert len(started) == 2
    assert not any(is_running(pid) for pid in started)


def test_a_deck_that_may_not_run_stops_the_campaign():
    jobs = [Job("title\n.control\n.endc\n", None)]
    with pytest.raises(DeckError, match=r"deck line 2: '\.control' makes ngspice run commands"):
        list(run_decks(jobs, ngspice=Ngspice(Path("/bin/true"), "39")))


def test_no_jobs_give_no_results():
    assert list(run_decks([], ngspice=Ngspice(Path("/bin/true"), "39"))) == []


def test_workers_are_counted_from_one():
    with pytest.raises(ParameterError, match=r"run_decks\.workers = -1 is outside \[1, 1024\]"):
        list(run_decks([], workers=-1, ngspice=Ngspice(Path("/bin/true"), "39")))
