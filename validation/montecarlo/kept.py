"""Never lost: killed, damaged, out of disk, and the same file in the end."""

import hashlib
import os
import signal
from functools import lru_cache

import numpy as np

from analogrnn.campaign import Checkpoint, Options, processes
from analogrnn.errors import CheckpointError, OutputError
from analogrnn.montecarlo import run_studies
from validation.bounds import Bound
from validation.claims import Measured
from validation.montecarlo.bench import (
    TOPIC,
    children,
    chunk_files,
    dask_cluster,
    mc_command,
    result_file,
    run,
    running,
    study_of,
    temporary,
    wait,
)


@lru_cache(maxsize=2)
def _whole(chips: int) -> bytes:
    """The result file of an uninterrupted campaign."""
    with temporary() as folder:
        run(mc_command(folder, chips))
        return result_file(folder)


def _differing(found: bytes, expected: bytes) -> int:
    if len(found) != len(expected):
        return max(len(found), len(expected))
    return int((np.frombuffer(found, np.uint8) != np.frombuffer(expected, np.uint8)).sum())


def _chips(quick: bool) -> int:
    return 1500 if quick else 6000


@TOPIC.measure(
    "resume-after-kill-9",
    "A campaign killed with signal 9 and resumed with other workers writes a byte-identical result file.",
)
def resume_after_kill(quick: bool) -> Measured:
    chips = _chips(quick)
    with temporary() as folder:
        with running(mc_command(folder, chips, "--workers", "2"), folder / "log") as process:
            wait(lambda: chunk_files(folder) >= 2, "the second chunk")
            process.send_signal(signal.SIGKILL)
            process.wait()
        kept = sum(int(path.name.split("-")[1]) for path in folder.glob("checkpoint/*/*.chunk"))
        finished = (folder / "monte_carlo.nc").exists()
        run(mc_command(folder, chips, "--resume"))
        differ = _differing(result_file(folder), _whole(chips))
    return Measured(
        differ,
        "bytes differ",
        Bound.equals(0),
        {"chips": chips, "chips done when killed": kept},
        also={"killed in the middle": not finished and 0 < kept < chips},
    )


@TOPIC.measure(
    "killed-worker",
    "A campaign writes a byte-identical result file when one of two worker processes is killed in the middle.",
)
def killed_worker(quick: bool) -> Measured:
    chips = _chips(quick)
    with temporary() as folder:
        with running(mc_command(folder, chips, "--workers", "2"), folder / "log") as process:
            wait(lambda: chunk_files(folder) >= 1, "the first chunk")
            os.kill(children(process.pid)[0], signal.SIGKILL)
            wait(lambda: process.poll() is not None, "the end", 600.0)
        differ = _differing(result_file(folder), _whole(chips)) if process.returncode == 0 else -1
    return Measured(differ, "bytes differ", Bound.equals(0), {"chips": chips})


@TOPIC.measure(
    "dask-killed-worker",
    "A campaign on a Dask scheduler and two workers writes a byte-identical result file when one worker is killed.",
)
def dask_killed_worker(quick: bool) -> Measured:
    chips = _chips(quick)
    with temporary() as folder, dask_cluster(folder) as (address, workers):
        with running(mc_command(folder / "out", chips, "--dask", address), folder / "log") as process:
            wait(lambda: chunk_files(folder / "out") >= 1, "the first chunk")
            workers[0].kill()
            wait(lambda: process.poll() is not None, "the end", 600.0)
        differ = _differing(result_file(folder / "out"), _whole(chips)) if process.returncode == 0 else -1
    return Measured(differ, "bytes differ", Bound.equals(0), {"chips": chips})


@TOPIC.measure("workers-and-chunks", "Answers do not depend on the size of chunks or the number of processes.")
def workers_and_chunks(quick: bool) -> Measured:
    study = study_of(40 if quick else 400)
    expected = run_studies([study])[0].classes
    ways = [Options(chunk=chunk) for chunk in (1, 7, 64)]
    pairs = [(2, 9)] if quick else [(1, 3), (1, 50), (2, 3), (2, 50)]
    ways += [Options(processes(count), chunk=chunk) for count, chunk in pairs]
    differ = sum(int((run_studies([study], options)[0].classes != expected).sum()) for options in ways)
    return Measured(
        differ,
        "answers differ",
        Bound.equals(0),
        {"answers": expected.size, "combinations": len(ways), "chunk sizes": "1 to 64", "processes": "0 to 2"},
    )


@TOPIC.measure(
    "damaged-checkpoint",
    "A checkpoint file with a flipped bit, or cut short, is refused by name: files that are used or refused unnamed.",
)
def damaged_checkpoint(quick: bool) -> Measured:
    """Every tenth damage cuts the file, the others flip one bit; each must be refused with the name of the file."""
    rng = np.random.Generator(np.random.Philox(key=[1, 2]))
    tries, missed = (60 if quick else 2000), 0
    study = study_of(24, clips=30)
    with temporary() as folder:
        with Checkpoint(folder) as checkpoint:
            run_studies([study], Options(checkpoint=checkpoint, chunk=8))
        files = sorted(folder.glob("*/*.chunk"))
        for n in range(tries):
            path = files[n % len(files)]
            whole = path.read_bytes()
            damaged = bytearray(whole)
            at = int(rng.integers(len(whole)))
            if n % 10 == 0:
                del damaged[at:]
            else:
                damaged[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                with Checkpoint(folder, resume=True) as checkpoint:
                    run_studies([study], Options(checkpoint=checkpoint))
                missed += 1
            except CheckpointError as error:
                missed += str(path) not in str(error)
            path.write_bytes(whole)
    return Measured(missed, "files", Bound.equals(0), {"damaged files": tries})


@TOPIC.measure(
    "full-disk",
    "After a full disk, which is reported with its path, a resumed campaign uses the finished chips and gives "
    "the same answers.",
)
def full_disk(quick: bool) -> Measured:
    """The kernel reports ENOSPC for the third chunk, whose file is /dev/full; the run is resumed without it."""
    study = study_of(40, clips=30)
    expected = run_studies([study])[0].classes
    named = restored = 0
    with temporary() as folder:

        def fill(done: int, of: int) -> None:
            nonlocal restored
            restored = done
            tail = hashlib.sha256(np.arange(16, 24).tobytes()).hexdigest()[:8]
            if done == 16:
                (folder / study.name / f"000000016-8-{tail}.chunk.new").symlink_to("/dev/full")

        try:
            with Checkpoint(folder) as checkpoint:
                run_studies([study], Options(checkpoint=checkpoint, chunk=8, progress=fill))
        except OutputError as error:
            named = int(str(folder) in str(error) and "No space left" in str(error))
        kept, counts = restored, []
        with Checkpoint(folder, resume=True) as checkpoint:
            options = Options(checkpoint=checkpoint, progress=lambda done, of: counts.append(done))
            found = run_studies([study], options)[0].classes
    differ = int((found != expected).sum())
    return Measured(
        differ,
        "answers differ",
        Bound.equals(0),
        {"finished chips": 16, "used again": counts[0]},
        also={"error names the path": bool(named), "finished chips are used": counts[0] == kept == 16},
    )
