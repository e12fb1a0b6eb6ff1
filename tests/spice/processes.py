"""A deck that runs anywhere, and the processes that run it."""

import time
from pathlib import Path

RC = "rc low-pass\nV1 in1 0 PULSE(0 1 0 1n 1n 1 2)\nR1 in1 out 1k\nC1 out 0 1n\n"
RC_RUN = RC + ".tran 10n 5u\n.end\n"


def is_running(pid: int) -> bool:
    """Return whether `pid` is a process that has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(file: Path) -> int:
    """Return the number in `file`, as soon as it exists."""
    for _ in range(500):
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{file} was not written")
