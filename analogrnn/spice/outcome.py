"""Decides from the exit status, the log and the raw file whether a simulator's run is valid."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analogrnn.errors import SpiceError
from analogrnn.spice.raw import Waveforms, read_raw

# whole phrases, because a node, a title or a signal may be named `aborted`
_ABORTED = re.compile(
    r"simulation\(s\) aborted|simulation interrupted|no simulations? run|fatal error|run aborted|^\s*aborting\.\.\.",
    re.IGNORECASE | re.MULTILINE,
)
_CAUSES = (
    (r"rawfile write error|No space left on device", "the disk is full; free space in TMPDIR, or save fewer signals"),
    (
        r"Timestep too small; time = ([^,\s]+)",
        "it did not converge at t = {} s (timestep too small); slow the edges, add capacitance, or relax reltol",
    ),
    (r"unknown subckt: ([^\n]+)", "unknown subcircuit in `{}`; include the file that defines it"),
    (r"Could not find include file (\S+)", "{} is not beside the deck; give it in `files`"),
    (r"can't find model '([^'\n]*)'", "no model named {}; include the file that defines it"),
    (r"Undefined parameter \[([^\]\n]*)\]", "undefined parameter {}; give it a value with .param"),
    (r"no data saved for", "no signal in .save exists; correct the names or remove the .save line"),
    (r"can't allocate|bad_alloc|Out of memory", "it ran out of memory; save fewer signals or raise max_memory"),
    (r"singular matrix: +check node (\S+)", "the matrix is singular at {}; look for a loop of sources"),
    (
        r"Netlist line no\. (\d+):\n *(?:Expression err|Cannot compute)",
        "it can't compute line {}; correct its expression",
    ),
    (r"Error on line \d+ or its substitute:\s*([^\n]+)", "it can't parse `{}`; correct that line"),
    (r"(?:^|\n) *Error[: ] *([^\n]+)", "it reported `{}`; correct that in the deck"),
)


@dataclass(frozen=True)
class ProcessOutcome:
    """How a process ended: its exit status (None: out of time), and the start and end of its output."""

    returncode: int | None
    log: str


def judge(outcome: ProcessOutcome, raw: Path, stop_time: float | None, timeout: float) -> Waveforms:
    """Return the waveforms of a valid run that ends at `stop_time` (s). Raises SpiceError, with the log, otherwise."""
    failure = _failure(outcome, timeout)
    if failure is None:
        try:
            return _select(read_raw(raw), stop_time)
        except SpiceError as error:
            # ngspice exits with 0 when the disk is full: only the log says why the file is truncated or missing
            full, message = _CAUSES[0]
            failure = f"ngspice failed: {message}." if re.search(full, outcome.log) else str(error)
    raise SpiceError(failure, log=outcome.log)


def _failure(outcome: ProcessOutcome, timeout: float) -> str | None:
    """Return the failure that the status and the log report, in one line, or None."""
    status = outcome.returncode
    if status is None:
        return f"ngspice did not finish within timeout = {timeout:g} s; raise it, shorten the run or use a larger step."
    log = re.sub(r"(?m)^Circuit: .*$", "", outcome.log)
    if status == -signal.SIGXFSZ:
        return "ngspice wrote more than max_file allows; save fewer signals with .save, or raise max_file."
    if status < 0:
        return f"ngspice was killed by {signal.Signals(-status).name}; run the deck alone, or with more memory."
    if status == 0 and not _ABORTED.search(log):
        return None
    for pattern, message in _CAUSES:
        if match := re.search(pattern, log):
            return f"ngspice (exit {status}) failed: {message.format(*(g.strip()[:100] for g in match.groups()))}."
    return f"ngspice (exit {status}) stopped early without stating a reason; see the log."


def _select(plots: list[Waveforms], stop_time: float | None) -> Waveforms:
    if stop_time is not None:
        plots = [plot for plot in plots if plot.axis_name == "time"]
    if len(plots) != 1:
        kind = "analyses" if stop_time is None else "transient analyses"
        raise SpiceError(f"The deck ran {len(plots)} {kind}; give it exactly one.")
    plot = plots[0]
    # 1e-6: ngspice ends on the stop time to within round-off (1e-16 relative was seen), .tran prints 6 digits
    if stop_time is not None and not abs(plot.axis[-1] - stop_time) <= 1e-6 * stop_time:
        raise SpiceError(f"ngspice ended at t = {plot.axis[-1]:g} s, not at stop_time = {stop_time:g} s; see the log.")
    bad = [name for name, values in plot.signals.items() if not np.isfinite(values).all()]
    if bad:
        raise SpiceError(f"ngspice gave values that are not finite in {', '.join(bad[:4])}; see the log.")
    return plot
