"""Never lost: killed, damaged, out of disk, and the same file in the end."""

import hashlib
import os
import signal
from functools import lru_cache

import numpy as np

from analogrnn.campaign import Checkpoint, Options, processes
from analogrnn.errors import CheckpointError, OutputError
from analogrnn.montecarlo import run_studies
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


def _identical(differ: int, claim: str) -> Measured:
    return Measured(differ, "bytes", "= 0", differ == 0, claim)


@TOPIC.measure("resume-after-kill-9")
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
    claim = f"result file after kill -9 of the parent at {kept} of {chips:,} chips and --resume with other workers"
    return Measured(differ, "bytes differ", "= 0", differ == 0 and not finished and 0 < kept < chips, claim)


@TOPIC.measure("killed-worker")
def killed_worker(quick: bool) -> Measured:
    chips = _chips(quick)
    with temporary() as folder:
        with running(mc_command(folder, chips, "--workers", "2"), folder / "log") as process:
            wait(lambda: chunk_files(folder) >= 1, "the first chunk")
            os.kill(children(process.pid)[0], signal.SIGKILL)
            wait(lambda: process.poll() is not None, "the end", 600.0)
        differ = _differing(result_file(folder), _whole(chips)) if process.returncode == 0 else -1
    return Measured(
        differ,
        "bytes differ",
        "= 0",
        differ == 0,
        f"result file of {chips:,} chips, one of two worker processes killed in the middle",
    )


@TOPIC.measure("dask-killed-worker")
def dask_killed_worker(quick: bool) -> Measured:
    chips = _chips(quick)
    with temporary() as folder, dask_cluster(folder) as (address, workers):
        with running(mc_command(folder / "out", chips, "--dask", address), folder / "log") as process:
            wait(lambda: chunk_files(folder / "out") >= 1, "the first chunk")
            workers[0].kill()
            wait(lambda: process.poll() is not None, "the end", 600.0)
        differ = _differing(result_file(folder / "out"), _whole(chips)) if process.returncode == 0 else -1
    return Measured(
        differ,
        "bytes differ",
        "= 0",
        differ == 0,
        f"result file of {chips:,} chips on a Dask scheduler and two workers, one killed",
    )


@TOPIC.measure("workers-and-chunks")
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
        "= 0",
        differ == 0,
        f"{expected.size:,} answers, {len(ways)} ways: chunks of 1 to 64, 0 to 2 processes",
    )


@TOPIC.measure("damaged-checkpoint")
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
    return Measured(
        missed,
        "not named",
        "= 0",
        missed == 0,
        f"{tries:,} checkpoint files, one bit flipped or cut: taken, or refused unnamed",
    )


@TOPIC.measure("full-disk")
def full_disk(quick: bool) -> Measured:
    """The kernel itself says ENOSPC for the third chunk, whose file is /dev/full; the run goes on when that is gone."""
    study = study_of(40, clips=30)
    expected = run_studies([study])[0].classes
    told = restored = 0
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
            told = int(str(folder) in str(error) and "No space left" in str(error))
        kept, counts = restored, []
        with Checkpoint(folder, resume=True) as checkpoint:
            options = Options(checkpoint=checkpoint, progress=lambda done, of: counts.append(done))
            found = run_studies([study], options)[0].classes
    differ = int((found != expected).sum())
    return Measured(
        differ,
        "answers differ",
        "= 0",
        bool(told) and differ == 0 and counts[0] == kept == 16,
        f"after ENOSPC, told with its path: {counts[0]} of 16 finished chips are taken up",
    )
