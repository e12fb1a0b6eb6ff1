"""Reads a simulator's raw file.

Raw files may be binary or ASCII, real or complex, with one plot or several.

Source  ngspice manual, "rawfile format"; checked against files from ngspice 39
Valid   native byte order, unpadded plots, by point or by variable (fastaccess), 8 bytes per real value
Not     LTspice's compressed or UTF-16 files

No available library was suitable: `ltspice` 1.0.6 (MIT) refuses files with several plots and all ASCII files, and
`spicelib` is GPL-3 and requires matplotlib and psutil.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from analogrnn.errors import ParameterError, SpiceError

Array = NDArray[Any]

_LONGEST_LINE = 65_536  # bytes; a header line holds one name
_AXES = ("time", "frequency")


@dataclass(frozen=True, eq=False, repr=False)
class Waveforms:
    """One plot (one analysis) of a simulator run. Arrays are read-only, SI units; AC signals are complex.

    axis       (P,)  s, Hz, or the swept quantity; 0..P-1 where the analysis has no axis (operating point)
    axis_name        `time`, `frequency`, `v(v-sweep)`, or `point`
    signals          name, in lower case as ngspice writes it (`v(out)`, `i(v1)`) -> (P,) V or A
    plotname         the analysis, for example `Transient Analysis`
    title            the deck's first line, as the simulator writes it
    """

    axis: Array
    axis_name: str
    signals: Mapping[str, Array]
    plotname: str
    title: str = ""

    def __repr__(self) -> str:
        return f"Waveforms({self.plotname!r}, {len(self.axis)} points over {self.axis_name}, {', '.join(self.signals)})"

    def __getitem__(self, name: str) -> Array:
        """Return the signal or axis `name`, in any case. Raises ParameterError, with near names, if there is none."""
        key = name.strip().lower()
        if key == self.axis_name:
            return self.axis
        if key in self.signals:
            return self.signals[key]
        near = get_close_matches(key, self.signals, n=3, cutoff=0.5)
        near += [v for v in (f"v({key})", f"i({key})") if v in self.signals and v not in near]
        what = f"nearest: {', '.join(near)}" if near else f"it holds {', '.join(list(self.signals)[:8])}"
        raise ParameterError(f"Waveforms has no signal {name!r} among {len(self.signals)}; {what}.")


@dataclass(frozen=True)
class _Header:
    """The header of one plot."""

    title: str
    plotname: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    points: int
    complex_: bool
    binary: bool
    by_variable: bool  # all points of the first variable, then all of the next: `fastaccess`


def read_raw(path: Path) -> list[Waveforms]:
    """Return every plot in the raw file at `path`, in file order.

    Raises SpiceError if it is missing, empty or truncated, has a plot of 0 points, or a header that announces more
    than the file holds: sizes are checked before memory is allocated.
    """
    try:
        with path.open("rb") as file:
            plots = list(_plots(file, path.name, os.fstat(file.fileno()).st_size))
    except OSError as error:
        raise SpiceError(f"{path.name} can't be read: {error.strerror}; give the deck one analysis.") from None
    if not plots:
        raise SpiceError(
            f"{path.name} is empty: the simulator ran no analysis; give the deck a .tran, .dc, .ac or .op."
        )
    return plots


def _plots(file: BinaryIO, owner: str, size: int) -> Iterator[Waveforms]:
    while (header := _header(file, owner)) is not None:
        if header.points == 0:
            raise SpiceError(f"{owner} has 0 points in {header.plotname!r}: the run was aborted; see the log.")
        left = size - file.tell()
        table = _binary(file, header, left, owner) if header.binary else _ascii(file, header, owner)
        yield _waveforms(header, table)


def _header(file: BinaryIO, owner: str) -> _Header | None:
    """Return the next plot's header, or None at the end of the file."""
    fields: dict[str, str] = {}
    while True:
        line = _line(file, owner)
        if line is None:
            if fields:
                raise _truncated(owner, "its header ends early")
            return None
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        if not colon or len(fields) > 20:
            raise SpiceError(f"{owner} is not a SPICE raw file: header line {line[:60]!r}; run the deck with ngspice.")
        if key == "Variables":
            break
        fields[key.lower()] = value.strip()
    count, points = (_count(fields, key, owner) for key in ("no. variables", "no. points"))
    names, kinds = _variables(file, count, owner)
    marker = (_line(file, owner) or "").strip()
    if marker not in ("Binary:", "Values:"):
        raise _truncated(owner, f"after {count} variables comes {marker[:40]!r}, not Binary: or Values:")
    if "flags" not in fields:
        # without them nobody knows how the values lie
        raise SpiceError(f"{owner} has no line 'Flags:' in its header; run the deck with ngspice again.")
    flags, binary = _flags(fields["flags"], owner), marker == "Binary:"
    if "fastaccess" in flags and not binary:
        raise SpiceError(f"{owner} has the flag fastaccess in a plot of text, where it has no meaning; write it again.")
    title, plotname = fields.get("title", ""), fields.get("plotname", "")
    return _Header(title, plotname, names, kinds, points, "complex" in flags, binary, "fastaccess" in flags)


def _flags(text: str, owner: str) -> set[str]:
    """The flags of a plot. Each defines the layout of the values, so that unknown ones are refused."""
    flags = set(text.lower().split())
    if "padded" in flags:
        raise SpiceError(f"{owner} has a padded plot, which is not supported; save signals of equal length.")
    if unknown := sorted(flags - {"real", "complex", "unpadded", "fastaccess"}):
        raise SpiceError(
            f"{owner} has the flag {unknown[0][:40]!r}, which is not supported: its values may have another layout; "
            "write it with ngspice, or without that option."
        )
    if len(flags & {"real", "complex"}) != 1:
        raise SpiceError(f"{owner} has Flags: {text[:40]!r}; a plot is either real or complex. Run the deck again.")
    return flags


def _line(file: BinaryIO, owner: str) -> str | None:
    raw = file.readline(_LONGEST_LINE)
    if len(raw) == _LONGEST_LINE:
        raise SpiceError(f"{owner} is not a SPICE raw file: a header line is longer than {_LONGEST_LINE} bytes.")
    return raw.decode("latin-1").rstrip("\r\n") if raw else None


def _count(fields: dict[str, str], key: str, owner: str) -> int:
    text = fields.get(key, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise SpiceError(f"{owner} has {key} = {text[:40]!r}, which is not a count; run the deck again.")
    return int(text)


def _variables(file: BinaryIO, count: int, owner: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and kinds of `count` variables; a wrong count ends at the end of the file."""
    names: list[str] = []
    kinds: list[str] = []
    while len(names) < count:
        columns = (_line(file, owner) or "").split()
        if len(columns) < 3 or columns[0] != str(len(names)):
            raise _truncated(owner, f"it announces {count} variables and lists {len(names)}")
        names.append(columns[1].lower())
        kinds.append(columns[2].lower())
    if not names or len(set(names)) < len(names):
        raise SpiceError(f"{owner} has {len(names)} variables, {len(set(names))} distinct; save each signal once.")
    return tuple(names), tuple(kinds)


def _binary(file: BinaryIO, header: _Header, left: int, owner: str) -> Array:
    dtype = np.dtype(np.complex128 if header.complex_ else np.float64)
    count = header.points * len(header.names)
    if count * dtype.itemsize > left:
        raise _truncated(owner, f"it announces {header.points} points and holds {left // dtype.itemsize} values")
    values = np.fromfile(file, dtype, count)
    if header.by_variable:
        return values.reshape(len(header.names), header.points).T
    return values.reshape(header.points, len(header.names))


def _ascii(file: BinaryIO, header: _Header, owner: str) -> Array:
    """Read `index value value ...` for each point; a complex value is `re,im`."""
    width = len(header.names) + 1
    entries: list[bytes] = []
    while len(entries) < header.points * width:
        line = file.readline()
        if not line.endswith(b"\n"):  # a number may have lost its last digits
            raise _truncated(owner, f"it announces {header.points} points and holds {len(entries) // width}")
        entries += line.split()
    try:
        table = np.array(
            [[_number(e, header.complex_) for e in entries[i : i + width]] for i in range(0, len(entries), width)]
        )
    except ValueError:
        raise SpiceError(f"{owner} has a value that is not a number; run the deck again.") from None
    if not np.array_equal(table[:, 0].real, np.arange(header.points)):
        raise SpiceError(f"{owner} has points that are not numbered 0, 1, 2 and so on; run the deck again.")
    return table[:, 1:]


def _number(text: bytes, complex_: bool) -> complex | float:
    if b"_" in text:  # Python reads 1_0 as 10
        raise ValueError(text)
    if not complex_:
        return float(text)
    real, _, imaginary = text.partition(b",")
    return complex(float(real), float(imaginary or b"0"))


def _waveforms(header: _Header, table: Array) -> Waveforms:
    columns = [_frozen(table[:, i]) for i in range(len(header.names))]
    first, kind = header.names[0], header.kinds[0]
    if kind in _AXES or first.endswith("sweep") or first.endswith("-sweep)"):
        # the imaginary part of a frequency is uninitialised memory in ngspice
        axis, name, start = _frozen(columns[0].real), first, 1
    else:
        axis, name, start = _frozen(np.arange(header.points, dtype=np.float64)), "point", 0
    signals = dict(zip(header.names[start:], columns[start:], strict=True))
    return Waveforms(axis, name, MappingProxyType(signals), header.plotname, header.title)


def _frozen(values: Array) -> Array:
    copy = np.array(values, order="C")
    copy.setflags(write=False)
    return copy


def _truncated(owner: str, what: str) -> SpiceError:
    return SpiceError(f"{owner} is truncated: {what}; free disk space, or save fewer signals with .save.")
