"""The raw-file reader: each kind of plot bit for bit, and files that are truncated or announce a wrong size."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from analogrnn.errors import ParameterError, SpiceError
from analogrnn.spice.engine import Job, find_ngspice, run_process, write_job
from analogrnn.spice.raw import read_raw

TIME = [("time", "time"), ("v(out)", "voltage"), ("i(v1)", "current")]


def raw_bytes(table, variables=TIME, plotname="Transient Analysis", points=None, binary=True) -> bytes:
    """Return one plot as ngspice lays it out; `points` overrides the announced number of points."""
    table = np.asarray(table)
    complex_ = np.iscomplexobj(table)
    head = (
        f"Title: a title: with a colon\nDate: Sat Nov 21 07:04:06  2026\nPlotname: {plotname}\n"
        f"Flags: {'complex' if complex_ else 'real'}\nNo. Variables: {len(variables)}\n"
        f"No. Points: {len(table) if points is None else points}       \nVariables:\n"
    )
    head += "".join(f"\t{i}\t{name}\t{kind}\n" for i, (name, kind) in enumerate(variables))
    if binary:
        return head.encode() + b"Binary:\n" + table.tobytes()
    text = "".join(
        f"{i}\t" + "".join(f"\t{v.real!r},{v.imag!r}\n" if complex_ else f"\t{v!r}\n" for v in row.tolist()) + "\n"
        for i, row in enumerate(table)
    )
    return head.encode() + b"Values:\n" + text.encode()


@pytest.fixture
def written(tmp_path: Path):
    def write(content: bytes) -> Path:
        path = tmp_path / "out.raw"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("binary", [True, False])
def test_a_transient_comes_back_bit_for_bit(written, binary):
    # repr() of a double reads back as the same double, so ASCII is exact too
    table = np.random.default_rng(1).standard_normal((7, 3))
    (waves,) = read_raw(written(raw_bytes(table, binary=binary)))
    assert (waves.axis_name, waves.plotname, waves.title) == ("time", "Transient Analysis", "a title: with a colon")
    assert list(waves.signals) == ["v(out)", "i(v1)"]
    assert_array_equal(np.column_stack([waves["time"], waves["v(out)"], waves["i(v1)"]]), table)


@pytest.mark.parametrize("binary", [True, False])
def test_an_ac_plot_has_a_real_axis_and_complex_signals(written, binary):
    # in ngspice 39 the imaginary part of the frequency is uninitialised
    table = np.array([[1e3 + 1.09e106j, 1 + 2j], [1e4 + 1.09e106j, 3 - 4j]])
    variables = [("frequency", "frequency grid=3"), ("v(out)", "voltage")]
    (waves,) = read_raw(written(raw_bytes(table, variables, "AC Analysis", binary=binary)))
    assert_array_equal(waves.axis, [1e3, 1e4])
    assert_array_equal(waves["v(out)"], [1 + 2j, 3 - 4j])


@pytest.mark.parametrize("binary", [True, False])
def test_several_plots_come_in_file_order(written, binary):
    content = (
        raw_bytes([[0.0, 1.0]], [("v(v-sweep)", "voltage"), ("v(a)", "voltage")], "DC", binary=binary)
        + raw_bytes([[5.0, 6.0]], [("v(a)", "voltage"), ("i(v1)", "current")], "Operating Point", binary=binary)
        + raw_bytes([[0.0, 1.0, 2.0]], binary=binary)
    )
    plots = read_raw(written(content))
    assert [plot.axis_name for plot in plots] == ["v(v-sweep)", "point", "time"]
    assert_array_equal(plots[1]["v(a)"], [5.0])
    assert_array_equal(plots[1].axis, [0.0])


@pytest.mark.ngspice
@pytest.mark.parametrize("option", ["", ".options filetype=ascii\n"])
def test_what_ngspice_writes_is_read(tmp_path, option):
    deck = (
        "all analyses\nV1 a 0 DC 2 AC 1\nR1 a b 1k\nC1 b 0 1n\n"
        f"{option}.op\n.dc V1 0 1 0.25\n.ac dec 2 1k 1meg\n.tran 10n 1u\n.end\n"
    )
    write_job(Job(deck, None), tmp_path)
    argv = [str(find_ngspice().executable), "-n", "-b", "-r", "out.raw", "deck.cir"]
    assert run_process(argv, tmp_path, timeout=60).returncode == 0
    plots = {plot.plotname: plot for plot in read_raw(tmp_path / "out.raw")}
    assert set(plots) == {"AC Analysis", "DC transfer characteristic", "Operating Point", "Transient Analysis"}
    assert_array_equal(plots["DC transfer characteristic"].axis, [0, 0.25, 0.5, 0.75, 1])
    assert len(plots["AC Analysis"].axis) == 7  # 3 decades of 2 points, and the end
    assert plots["AC Analysis"]["v(b)"].dtype == np.complex128
    assert plots["Operating Point"]["v(a)"] == [2.0]
    assert all(plot.title == "all analyses" for plot in plots.values())


# ---------------------------------------------------------------- names


def test_signals_are_found_in_any_case_and_near_names_are_suggested(written):
    (waves,) = read_raw(written(raw_bytes([[0.0, 1.0, 2.0]])))
    assert waves["V(OUT)"] == [1.0]
    with pytest.raises(ParameterError, match=r"has no signal 'v\(ouy\)' among 2; nearest: v\(out\)"):
        waves["v(ouy)"]
    with pytest.raises(ParameterError, match=r"has no signal 'out' among 2; nearest: .*v\(out\)"):
        waves["out"]
    with pytest.raises(ParameterError, match=r"has no signal 'xyz' among 2; it holds v\(out\), i\(v1\)"):
        waves["xyz"]


def test_waveforms_are_read_only_and_print_in_one_line(written):
    (waves,) = read_raw(written(raw_bytes([[0.0, 1.0, 2.0]])))
    with pytest.raises(ValueError, match="read-only"):
        waves["v(out)"][0] = 3
    with pytest.raises(TypeError, match="does not support item assignment"):
        waves.signals["v(out)"] = waves.axis
    assert repr(waves) == "Waveforms('Transient Analysis', 1 points over time, v(out), i(v1))"


# ---------------------------------------------------------------- files that are broken


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SpiceError, match=r"none\.raw can't be read: No such file or directory; give the deck one"):
        read_raw(tmp_path / "none.raw")


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_refused(written, content):
    with pytest.raises(SpiceError, match=r"out\.raw is empty: the simulator ran no analysis; give the deck a \.tran"):
        read_raw(written(content))


def test_an_aborted_run_with_no_points_is_refused(written):
    with pytest.raises(SpiceError, match=r"has 0 points in 'Transient Analysis': the run was aborted; see the log"):
        read_raw(written(raw_bytes(np.empty((0, 3)))))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("points", [4, 10**9, 999_999_999_999_999])
def test_a_count_beyond_the_file_takes_no_memory(written, points, binary):
    content = raw_bytes(np.ones((3, 3)), points=points, binary=binary)
    with pytest.raises(SpiceError, match=rf"out\.raw is truncated: it announces {points} points"):
        read_raw(written(content))


def test_a_count_of_variables_beyond_the_file_takes_no_memory(written):
    content = raw_bytes(np.ones((3, 3))).replace(b"No. Variables: 3", b"No. Variables: 999999999")
    with pytest.raises(SpiceError, match="truncated: it announces 999999999 variables and lists 3"):
        read_raw(written(content))


@pytest.mark.parametrize("count", ["-1", "1e3", "", "9" * 16, "2.0", "nan"])
@pytest.mark.parametrize("key", ["No. Points", "No. Variables"])
def test_a_count_that_is_not_a_number_is_refused(written, key, count):
    content = raw_bytes(np.ones((3, 3))).replace(f"{key}: 3".encode(), f"{key}: {count}".encode())
    with pytest.raises(SpiceError, match=rf"{key.lower()} = '{count}', which is not a count"):
        read_raw(written(content))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Title: a title: with a colon", b"Circuit", "not a SPICE raw file: header line 'Circuit'; run the deck"),
        (b"Title:", b"x" * 70_000, "a header line is longer than 65536 bytes"),
        (b"Title:", b"".join(b"%d: x\n" % k for k in range(30)), "not a SPICE raw file: header line"),
        (b"Binary:", b"Binery:", "after 3 variables comes 'Binery:', not Binary: or Values:"),
        (b"\t1\tv(out)", b"\t7\tv(out)", "it announces 3 variables and lists 1"),
        (b"i(v1)", b"V(Out)", "has 3 variables, 2 distinct; save each signal once"),
        (b"No. Variables: 3", b"No. Variables: 0", "has 0 variables, 0 distinct"),
        (b"\nFlags: real", b"Flags: real", "has no line 'Flags:' in its header"),
        (b"Flags: real", b"Flags: real padded", "has a padded plot, which is not supported"),
        (b"Flags: real", b"Flags: real forward", "has the flag 'forward', which is not supported"),
        (b"Flags: real", b"Flags: real double log", "has the flag 'double', which is not supported"),
        (b"Flags: real", b"Flags: real complex", "a plot is either real or complex"),
        (b"Flags: real", b"Flags: unpadded", "a plot is either real or complex"),
    ],
)
def test_a_header_that_is_not_ngspices_is_refused(written, old, new, message):
    with pytest.raises(SpiceError, match=message):
        read_raw(written(raw_bytes(np.ones((3, 3))).replace(old, new, 1)))


@pytest.mark.parametrize("kind", [float, complex])
def test_values_stored_variable_by_variable_are_assigned_to_their_signals(written, kind):
    table = np.arange(9.0).reshape(3, 3).astype(kind)
    content = raw_bytes(table).partition(b"Binary:\n")[0].replace(b"\nNo. V", b" fastaccess\nNo. V", 1)
    (waves,) = read_raw(written(content + b"Binary:\n" + np.ascontiguousarray(table.T).tobytes()))
    assert_array_equal(np.column_stack([waves["time"], waves["v(out)"], waves["i(v1)"]]), table)


def test_fastaccess_in_a_plot_of_text_is_refused(written):
    content = raw_bytes(np.ones((2, 3)), binary=False).replace(b"real", b"real fastaccess", 1)
    with pytest.raises(SpiceError, match="has the flag fastaccess in a plot of text"):
        read_raw(written(content))


def test_points_of_text_are_numbered(written):
    content = raw_bytes(np.full((2, 3), 0.5), binary=False)
    with pytest.raises(SpiceError, match="has points that are not numbered 0, 1, 2"):
        read_raw(written(content.replace(b"\n1\t", b"\n7\t", 1)))
    with pytest.raises(SpiceError, match="a value that is not a number"):
        read_raw(written(content.replace(b"0.5", b"0_5", 1)))


def test_an_ascii_value_that_is_not_a_number_is_refused(written):
    with pytest.raises(SpiceError, match="a value that is not a number; run the deck again"):
        read_raw(written(raw_bytes(np.ones((2, 3)), binary=False).replace(b"\t1.0", b"\tone", 1)))


@pytest.mark.parametrize("binary", [True, False])
def test_a_file_cut_anywhere_is_an_error(written, binary):
    content = raw_bytes(np.full((3, 3), 0.1), binary=binary).rstrip(b"\n") + (b"" if binary else b"\n")
    for length in range(1, len(content)):
        with pytest.raises(SpiceError):
            read_raw(written(content[:length]))
    assert len(read_raw(written(content))) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_give_an_error_or_waveforms_and_nothing_else(written, data):
    content = bytearray(raw_bytes(np.ones((3, 3)), binary=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        plots = read_raw(written(bytes(content)))
    except SpiceError:
        return
    # an announced size can't exceed the file
    assert all(array.nbytes <= len(content) for plot in plots for array in plot.signals.values())


def test_binary_values_are_native_doubles(written):
    path = written(raw_bytes(np.array([[0.0, 1.5, -2.5]])))
    assert path.read_bytes().endswith(struct.pack("=3d", 0.0, 1.5, -2.5))
    assert read_raw(path)[0]["i(v1)"] == [-2.5]
