"""The same campaign on a Dask cluster of real processes, some of which are killed."""

import os
import signal
import threading
import time

import pytest

from analogrnn.campaign import Checkpoint, Options, dask_cluster, run_campaign
from analogrnn.campaign import runner as runner_module
from analogrnn.campaign import workers as workers_module
from analogrnn.errors import MissingDependencyError, SpiceError, WorkerError

from .clusters import dask
from .work import Failing, Killed, Slow, plain, same, series

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One scheduler for all tests here; each brings its workers."""
    with dask(tmp_path_factory.mktemp("dask")) as found:
        yield found


@pytest.fixture
def two(cluster):
    """Two workers that are gone after the test."""
    both = [cluster.worker(), cluster.worker()]
    yield both
    for process in both:
        process.kill()
        process.wait()


def test_a_worker_killed_in_the_middle_changes_no_bit(cluster, two, tmp_path):
    (tmp_path / "notes").mkdir()
    some = series(60, Slow(tmp_path / "notes", 0.05))
    killed = threading.Event()

    def kill_one(done, of):
        if done >= 8 and not killed.is_set():
            two[0].send_signal(signal.SIGKILL)
            killed.set()

    with Checkpoint(tmp_path / "c") as checkpoint:
        options = Options(dask_cluster(cluster.address), checkpoint, chunk=4, progress=kill_one)
        same(run_campaign([some], options), plain(series(60)))
    assert killed.is_set()
    assert two[0].wait(5) == -signal.SIGKILL


def test_chunks_that_kill_every_worker_end_the_run_and_finished_chunks_are_kept(cluster, two, tmp_path):
    (tmp_path / "notes").mkdir()
    more = [cluster.worker() for _ in range(3)]
    work = Killed(tmp_path / "notes", item=13, times=100)
    try:
        with (
            Checkpoint(tmp_path / "c") as checkpoint,
            pytest.raises(
                WorkerError, match=r"lost the Dask cluster tcp://127\.0\.0\.1:\d+ \(KilledWorker: .*are kept"
            ),
        ):
            run_campaign([series(40, work)], Options(dask_cluster(cluster.address), checkpoint, chunk=1))
    finally:
        for process in more:
            process.kill()
            process.wait()
    with Checkpoint(tmp_path / "c", resume=True) as checkpoint:
        found = run_campaign([series(40)], Options(checkpoint=checkpoint))
    assert found[0].restored > 0
    same(found, plain(series(40)))


def test_a_recorded_failure_comes_back_with_its_log(cluster, two):
    some = series(6, Failing(frozenset({4})), recorded=(SpiceError,))
    found = run_campaign([some], Options(dask_cluster(cluster.address)))[0]
    assert [(failure.item, failure.log) for failure in found.failures] == [(4, "the last lines\nof ngspice")]


def test_ctrl_c_releases_the_cluster_and_keeps_finished_chunks(cluster, two, tmp_path):
    (tmp_path / "notes").mkdir()

    def stop(done, of):
        if done >= 8:
            raise KeyboardInterrupt

    some = series(400, Slow(tmp_path / "notes", 0.05))
    with Checkpoint(tmp_path / "c") as checkpoint, pytest.raises(KeyboardInterrupt):
        run_campaign([some], Options(dask_cluster(cluster.address), checkpoint, chunk=4, progress=stop))
    time.sleep(1.0)  # longer than the chunks in flight
    before = len(os.listdir(tmp_path / "notes"))
    time.sleep(0.5)
    assert len(os.listdir(tmp_path / "notes")) == before < 40
    with Checkpoint(tmp_path / "c", resume=True) as checkpoint:
        found = run_campaign([series(12)], Options(dask_cluster(cluster.address), checkpoint))
    assert found[0].restored >= 8
    same(found, plain(series(12)))


def test_a_cluster_that_goes_down_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "PATIENCE", 8.0)
    (tmp_path / "notes").mkdir()
    with dask(tmp_path) as cluster:
        cluster.worker()

        def kill_all(done, of):
            if done >= 4:
                cluster.close()

        some = series(400, Slow(tmp_path / "notes", 0.02))
        with pytest.raises(WorkerError, match=r"lost the Dask cluster .*resume on another"):
            run_campaign([some], Options(dask_cluster(cluster.address), chunk=4, progress=kill_all))


def test_an_address_without_an_answer_is_refused(monkeypatch):
    monkeypatch.setattr(workers_module, "PATIENCE", 0.5)
    with pytest.raises(WorkerError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 \(.*give tcp://HOST"):
        run_campaign([series()], Options(dask_cluster("tcp://127.0.0.1:1")))


def test_a_scheduler_without_workers_is_refused(cluster, monkeypatch):
    monkeypatch.setattr(workers_module, "PATIENCE", 0.5)
    with pytest.raises(WorkerError, match=r"the Dask scheduler at .* has no workers; start `dask worker tcp"):
        run_campaign([series()], Options(dask_cluster(cluster.address)))


def test_a_cluster_that_loses_all_its_workers_is_an_error(cluster, two, tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    monkeypatch.setattr(workers_module, "LONELY", 1.0)
    monkeypatch.setattr(runner_module, "CHECK", 0.5)

    def kill_both(done, of):
        for process in two if done >= 4 else ():
            process.kill()

    some = series(400, Slow(tmp_path / "notes", 0.02))
    with pytest.raises(WorkerError, match=r"the Dask cluster .* has had no worker for 1 s; start workers; finished"):
        run_campaign([some], Options(dask_cluster(cluster.address), chunk=4, progress=kill_both))


def test_workers_of_another_version_are_refused(cluster, two, monkeypatch):
    monkeypatch.setattr("analogrnn.__version__", "9.9")
    with pytest.raises(
        WorkerError, match=r"worker tcp://\S+ has analogrnn \S+, this process has 9\.9: install the same"
    ):
        run_campaign([series()], Options(dask_cluster(cluster.address)))


def test_workers_without_this_package_are_refused(cluster, tmp_path):
    (tmp_path / "analogrnn").mkdir()
    (tmp_path / "analogrnn" / "__init__.py").write_text("")  # hides an installed one
    process = cluster.worker(paths=[str(tmp_path)])
    try:
        with pytest.raises(WorkerError, match=r"can't import analogrnn \(.*\); install analogrnn \S+ there"):
            run_campaign([series()], Options(dask_cluster(cluster.address)))
    finally:
        process.kill()
        process.wait()


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"distributed is not installed: pip install 'analogrnn\[cl"):
        dask_cluster("tcp://127.0.0.1:8786")
