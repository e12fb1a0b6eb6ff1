"""The result does not depend on workers, chunks and interruptions; clear errors if there is none."""

import contextlib
import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from analogrnn.campaign import Checkpoint, Options, Series, processes, run_campaign, using
from analogrnn.campaign import runner as runner_module
from analogrnn.campaign.workers import Crew, Workers
from analogrnn.errors import CheckpointError, ParameterError, SpiceError, WorkerError

from .work import Failing, Killed, interrupted, plain, refuses, rows, same, series


@pytest.mark.parametrize("chunk", [None, 1, 7, 40, 1000])
def test_chunks_do_not_change_a_bit(chunk):
    both = series(), series(25, name="two", items=np.arange(60, 10, -2))
    expected = plain(*both)
    assert_array_equal(expected[0].arrays["value"], rows(np.arange(40))["value"])
    same(run_campaign(both, Options(chunk=chunk)), expected)


@pytest.mark.parametrize("count", [1, 3])
def test_threads_do_not_change_a_bit(count):
    with ThreadPoolExecutor(count) as pool:
        same(run_campaign([series()], Options(using(pool, 2 * count), chunk=3)), plain(series()))


def test_processes_do_not_change_a_bit():
    same(run_campaign([series()], Options(processes(2), chunk=5)), plain(series()))


def test_rows_are_in_the_order_of_the_items_for_any_order():
    some = series(items=np.array([31, 2, 17, 5]))
    found = run_campaign([some], Options(chunk=2))[0]
    assert_array_equal(found.arrays["value"], rows(np.array([31, 2, 17, 5]))["value"])


def test_no_more_chunks_than_the_window_are_handed_out():
    class Counting(ThreadPoolExecutor):
        most = open = 0

        def submit(self, fn, /, *args, **kwargs):
            self.open += 1
            self.most = max(self.most, self.open)
            future = super().submit(fn, *args, **kwargs)
            future.add_done_callback(lambda _: setattr(self, "open", self.open - 1))
            return future

    with Counting(2) as pool:
        run_campaign([series(400)], Options(using(pool, 3), chunk=1))
    assert pool.most <= 3


def test_chunks_grow_to_the_target_time(monkeypatch):
    sizes = []

    def noting(items):
        sizes.append(len(items))
        return rows(items)

    run_campaign([series(1000, noting)], Options())
    assert sizes[0] == runner_module.FIRST
    assert max(sizes) >= 8 * runner_module.FIRST
    assert all(size % runner_module.BATCH == 0 for size in sizes[:-1])
    monkeypatch.setattr(runner_module, "TARGET", 1e-9)  # no chunk is that short
    sizes.clear()
    run_campaign([series(40, noting)], Options())
    assert sizes == [32] + [1] * 8


def test_the_last_chunks_shrink_to_a_part_of_the_others():
    """So that no worker idles at the end, and none gets a chunk that costs more than its items."""
    sizes = []

    def noting(items):
        sizes.append(len(items))
        return rows(items)

    with ThreadPoolExecutor(1) as pool:
        run_campaign([series(20_000, noting)], Options(using(pool, window=4)))
    assert sizes == [32, 32, 32, 32, *sizes[4:]]  # four are handed out before the first has finished
    assert sum(sizes) == 20_000
    last = sizes[sizes.index(max(sizes)) + 1 :]
    assert last[-2] < max(sizes) // 8
    assert all(size >= max(sizes) // runner_module.LEAST for size in last[:-1])


def test_progress_starts_with_restored_items_and_ends_at_all_items(tmp_path):
    calls = []
    with Checkpoint(tmp_path) as checkpoint:
        run_campaign([series(10)], Options(checkpoint=checkpoint))
    with Checkpoint(tmp_path, resume=True) as checkpoint, ThreadPoolExecutor(1) as pool:
        run_campaign([series(40)], Options(using(pool, 1), checkpoint, 10, lambda done, of: calls.append((done, of))))
    assert calls == [(10, 40), (20, 40), (30, 40), (40, 40)]


# ------------------------------------------------------------------ going on


@settings(max_examples=25)
@given(data=st.data())
def test_a_run_interrupted_anywhere_and_resumed_with_any_chunks_equals_the_uninterrupted_one(tmp_path_factory, data):
    """Also with more items than before: an item is done or not, independent of its chunk."""
    folder = tmp_path_factory.mktemp("cut")
    expected = plain(series(40))

    class CutError(Exception):
        pass

    resume = False
    for _ in range(data.draw(st.integers(1, 3))):
        count = data.draw(st.integers(1, 40))
        after = data.draw(st.integers(0, 6))
        calls = []

        def cut(items, after=after, calls=calls):
            if len(calls) == after:
                raise CutError
            calls.append(items)
            return rows(items)

        with Checkpoint(folder, resume=resume) as checkpoint, contextlib.suppress(CutError):
            run_campaign([series(count, cut)], Options(checkpoint=checkpoint, chunk=data.draw(st.integers(1, 9))))
        resume = True
    with Checkpoint(folder, resume=True) as checkpoint:
        same(run_campaign([series(40)], Options(checkpoint=checkpoint, chunk=data.draw(st.integers(1, 9)))), expected)


def test_finished_items_are_not_run_again(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        first = run_campaign([series(40)], Options(checkpoint=checkpoint))
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        again = run_campaign([series(40, refuses)], Options(checkpoint=checkpoint))
    same(again, first)
    assert (first[0].restored, again[0].restored) == (0, 40)


def test_fewer_and_other_items_than_the_checkpoint_holds(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        run_campaign([series(40)], Options(checkpoint=checkpoint, chunk=6))
    some = series(items=np.array([7, 3, 50, 12, 0]))
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        found = run_campaign([some], Options(checkpoint=checkpoint))
    assert found[0].restored == 4
    same(found, plain(some))


def test_ctrl_c_keeps_finished_chunks(tmp_path):
    with Checkpoint(tmp_path) as checkpoint, pytest.raises(KeyboardInterrupt):
        run_campaign([series(40, interrupted)], Options(checkpoint=checkpoint, chunk=4))
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        found = run_campaign([series(40)], Options(checkpoint=checkpoint))
    assert found[0].restored == 20
    same(found, plain(series(40)))


# ------------------------------------------------------------------ workers that die


def test_a_killed_worker_process_costs_only_its_chunk(tmp_path):
    (tmp_path / "notes").mkdir()
    work = Killed(tmp_path / "notes", item=13, times=2)
    with Checkpoint(tmp_path / "c") as checkpoint:
        found = run_campaign([series(40, work)], Options(processes(2), checkpoint, chunk=3))
    assert len(list((tmp_path / "notes").iterdir())) == 2
    same(found, plain(series(40)))


def test_a_chunk_that_always_kills_its_worker_is_named_and_the_rest_is_kept(tmp_path):
    (tmp_path / "notes").mkdir()
    work = Killed(tmp_path / "notes", item=13, times=100)
    with (
        Checkpoint(tmp_path / "c") as checkpoint,
        pytest.raises(
            WorkerError,
            match=r"workers \(2 processes\) died \d times in a row on items 12 to 14 of one: .*"
            r"Memory may be short: take fewer workers\. Finished chunks are kept",
        ),
    ):
        run_campaign([series(40, work)], Options(processes(2), checkpoint, chunk=3))
    assert len(list((tmp_path / "notes").iterdir())) <= 2 + runner_module.BREAKS
    with Checkpoint(tmp_path / "c", resume=True) as checkpoint:
        found = run_campaign([series(40)], Options(checkpoint=checkpoint))
    assert found[0].restored >= 12
    same(found, plain(series(40)))


def test_the_chunk_that_kills_is_distinguished_from_those_that_ran_beside_it(tmp_path):
    """Chunk 0 is slow, so that it is in flight, and before it in line, each time that chunk 1 kills a worker."""
    (tmp_path / "notes").mkdir()
    work = Killed(tmp_path / "notes", item=4, times=100, seconds=0.4)
    with pytest.raises(WorkerError, match="on items 3 to 5 of one"):
        run_campaign([series(12, work)], Options(processes(2), chunk=3))


def test_an_executor_of_the_caller_that_is_broken_is_an_error(tmp_path):
    (tmp_path / "notes").mkdir()
    # not fork, which a library with threads that some other test has imported may warn of
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn, initializer=_die) as pool,
        pytest.raises(WorkerError, match=r"workers \(ProcessPoolExecutor\) died 4 times in a row on items 0 .*`if __n"),
    ):
        run_campaign([series(4)], Options(using(pool, 1)))


def _die():
    raise RuntimeError


def flaky(pool, times):
    """Workers on `pool` whose first `times` answers are a TypeError that the work never raised."""
    left = [times]

    class Flaky(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            if left[0]:
                left[0] -= 1
                future = Future()
                future.set_exception(TypeError("cannot unpack"))
                return future
            return pool.submit(fn, *args, **kwargs)

    @contextlib.contextmanager
    def start():
        with Flaky(1) as executor:
            yield Crew(executor, lambda: 1, flukes=(TypeError,))

    return Workers("flaky", start)


def test_a_chunk_whose_answer_the_executor_lost_runs_once_more_and_only_once():
    with ThreadPoolExecutor(1) as pool:
        same(run_campaign([series(6)], Options(flaky(pool, 1), chunk=2)), plain(series(6)))
        with pytest.raises(TypeError, match="cannot unpack"):
            run_campaign([series(6)], Options(flaky(pool, 2), chunk=6))


# ------------------------------------------------------------------ items that fail


@pytest.mark.parametrize("workers", ["serial", "processes"])
def test_a_recorded_failure_has_its_log_and_the_others_continue(workers, tmp_path):
    some = series(12, Failing(frozenset({3, 8})), recorded=(SpiceError,))
    options = Options(processes(2)) if workers == "processes" else Options()
    found = run_campaign([some], options)[0]
    assert [failure.item for failure in found.failures] == [3, 8]
    assert found.failures[0].message == "no convergence on [3]"
    assert found.failures[0].log == "the last lines\nof ngspice"
    good = np.setdiff1d(np.arange(12), [3, 8])
    assert_array_equal(found.done, np.isin(np.arange(12), good))
    assert_array_equal(found.arrays["value"][good], rows(good)["value"])
    assert not found.arrays["value"][[3, 8]].any()


def test_a_failed_item_is_tried_again_when_resumed(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        once = series(6, Failing(frozenset({2})), recorded=(SpiceError,))
        first = run_campaign([once], Options(checkpoint=checkpoint))
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        again = run_campaign([series(6, recorded=(SpiceError,))], Options(checkpoint=checkpoint))
    assert (len(first[0].failures), again[0].restored, again[0].failures) == (1, 5, ())
    same(again, plain(series(6)))


def test_a_failure_that_is_not_recorded_ends_the_campaign_unchanged():
    with pytest.raises(SpiceError, match=r"no convergence on \[3\]"):
        run_campaign([series(12, Failing(frozenset({3})), recorded=(ParameterError,))])


def test_an_error_of_the_work_in_another_process_arrives_unchanged():
    with pytest.raises(ParameterError, match="x has no clips"):
        run_campaign([series(4, refuses)], Options(processes(1)))


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("items", [[], [[1]], [0.5], [-1], ["a"]])
def test_items_that_are_no_numbers_are_refused(items):
    with pytest.raises(ParameterError, match=r"Series\.items of 'one': give a list of whole numbers >= 0"):
        series(items=np.array(items))


def test_an_item_named_twice_is_refused():
    with pytest.raises(ParameterError, match=r"Series\.items of 'one' names an item twice"):
        series(items=np.array([1, 2, 1]))


def test_two_series_of_one_name_are_refused():
    with pytest.raises(ParameterError, match="two series have the same name"):
        run_campaign([series(), series()])


def test_a_chunk_without_items_is_refused():
    with pytest.raises(ParameterError, match=r"Options\.chunk = 0: give at least one item"):
        Options(chunk=0)


@pytest.mark.parametrize("count", [0, 5000])
def test_an_invalid_number_of_workers_is_refused(count):
    with pytest.raises(ParameterError, match=rf"workers = {count} is outside \[1, 1024\]"):
        processes(count)


@pytest.mark.parametrize(
    "bad", [lambda items: {"x": np.zeros(len(items) + 1)}, lambda items: {"x": np.array([None] * len(items))}]
)
def test_work_that_gives_no_rows_of_numbers_is_refused(bad):
    with pytest.raises(ParameterError, match=r"Chunk\.arrays\['x'\] is .*; give one row of numbers for each of the 32"):
        run_campaign([series(40, bad)])


def test_a_series_name_that_leaves_the_folder_is_refused(tmp_path):
    refused = r"Series\.name = '\.\./x': use 1 to 64"
    with Checkpoint(tmp_path) as checkpoint, pytest.raises(ParameterError, match=refused):
        run_campaign([series(name="../x")], Options(checkpoint=checkpoint))


def test_a_series_under_other_conditions_is_refused_with_the_differences(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        run_campaign([series(4)], Options(checkpoint=checkpoint))
    other = series(4, depends_on={"seed": 2})
    differs = r"one belongs to another campaign; it differs in seed \(1, now 2\): give the same options"
    with Checkpoint(tmp_path, resume=True) as checkpoint, pytest.raises(CheckpointError, match=differs):
        run_campaign([other], Options(checkpoint=checkpoint))


def test_records_keep_their_values():
    assert Series("a", [3, 1], rows, {}).items.dtype == np.int64
