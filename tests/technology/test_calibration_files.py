"""A process from its calibration file: every value with provenance; a file that can't be trusted is refused."""

import math
import re
import tomllib
from dataclasses import replace

import pytest

from analogrnn import library
from analogrnn.errors import CalibrationError, ParameterError
from analogrnn.technology import KINDS, flat, load_technology, nested, quantities

SHIPPED = library.calibration_path("gf180mcu").read_text(encoding="utf-8")
GF180 = load_technology("gf180mcu")
SIZES = ("standard", "square", "large")
ASKED, SAID = quantities(SIZES), flat(tomllib.loads(SHIPPED))
NUMBERS = [name for name, asked in ASKED.items() if "axis" not in asked]
PROVENANCE = ["value", "unit", "meaning", "kind", "source", "method", "count", "uncertainty"]


def edited(tmp_path, table, key, line):
    """The shipped file with the line of `key` in [table] replaced by `line`."""
    head, body = SHIPPED.split(f"\n[{table}]\n", 1)
    text, count = re.subn(rf"^{key} = .*$", lambda _: line, body, count=1, flags=re.MULTILINE)
    assert count == 1
    path = tmp_path / "edited.toml"
    path.write_text(f"{head}\n[{table}]\n{text}", encoding="utf-8")
    return path


def with_value(name, value):
    """The shipped process with one value changed, by its name in the file."""
    *size, item = name.removeprefix("size.").split(".")
    if not size:
        return replace(GF180, **{item: value})
    return replace(
        GF180,
        sizes=tuple(replace(record, **{item: value}) if record.name == size[0] else record for record in GF180.sizes),
    )


# ---------------------------------------------------------------- the shipped file


def test_every_value_of_the_shipped_process_says_where_it_comes_from():
    assert GF180.name == "gf180mcu"
    assert set(GF180.provenance) == set(ASKED)
    for name, origin in GF180.provenance.items():
        assert (origin.unit, origin.kind in KINDS) == (ASKED[name]["unit"], True), name
        assert all((origin.meaning.strip(), origin.source.strip(), origin.method.strip())), name
        assert origin.uncertainty >= 0, name
        # a declared number rests on no run, a simulated one on at least one
        assert (origin.count > 0) == (origin.kind in ("simulated", "measured")), name


def test_nothing_in_the_shipped_process_claims_to_be_measured():
    assert {origin.kind for origin in GF180.provenance.values()} <= {"foundry", "simulated", "declared", "cited"}


def test_the_shipped_file_holds_no_table_that_nobody_reads():
    assert set(SAID) == {"name", "process", *ASKED}
    assert nested(SAID) == tomllib.loads(SHIPPED)
    assert tuple(size.name for size in GF180.sizes) == SIZES


def test_a_technology_is_read_by_name_and_by_path():
    assert load_technology() == GF180
    assert load_technology(library.calibration_path("gf180mcu")) == GF180
    assert load_technology(str(library.calibration_path("gf180mcu"))) == GF180


@pytest.mark.parametrize("name", NUMBERS)
def test_a_change_in_the_file_is_a_change_in_the_technology(tmp_path, name):
    m, old = ASKED[name], SAID[name]["value"]
    new = next(v for v in (old * 0.9, old * 1.1) if m["low"] <= v <= m["high"])
    changed = load_technology(edited(tmp_path, name, "value", f"value = {new!r}"))
    assert changed == with_value(name, new)
    assert changed != GF180


def test_another_size_in_the_file_is_another_size_of_the_technology(tmp_path):
    large = SHIPPED[SHIPPED.index("[size.large.w]") :]
    path = tmp_path / "more.toml"
    path.write_text(f"{SHIPPED}\n{large.replace('[size.large.', '[size.huge.')}", encoding="utf-8")
    more = load_technology(path)
    assert more.sizes == (*GF180.sizes, replace(GF180.sizes[-1], name="huge"))
    assert more.standard == GF180.standard


def test_a_whole_number_is_a_value_too(tmp_path):
    supply = load_technology(edited(tmp_path, "supply", "value", "value = 2")).supply
    assert (supply, type(supply)) == (2.0, float)


# ---------------------------------------------------------------- files that are refused


@pytest.mark.parametrize("key", PROVENANCE)
def test_a_value_that_lacks_any_part_of_its_provenance_is_refused(tmp_path, key):
    message = rf"edited\.toml \[slope_n\] misses \['{key}'\] and has unknown \[\]; every value has provenance\."
    with pytest.raises(CalibrationError, match=message):
        load_technology(edited(tmp_path, "slope_n", key, ""))


@pytest.mark.parametrize("table", NUMBERS)
def test_a_missing_table_is_named(tmp_path, table):
    path = tmp_path / "edited.toml"
    path.write_text(SHIPPED.replace(f"[{table}]", f"[{table}_x]"), encoding="utf-8")
    with pytest.raises(
        CalibrationError, match=rf"edited\.toml has no table \[{table}\]; add it with \['count', 'kind'"
    ):
        load_technology(path)


@pytest.mark.parametrize("size", ["", "[size]\nstandard = 5", "[size.standard]\nw = 2e-6"])
def test_a_file_without_the_standard_size_is_refused(tmp_path, size):
    path = tmp_path / "none.toml"
    path.write_text(f"{SHIPPED[: SHIPPED.index('[size.')]}\n{size}", encoding="utf-8")
    with pytest.raises(CalibrationError, match=r"none\.toml has no table \[size\.standard\.w\]; add it with"):
        load_technology(path)


def test_a_misspelt_table_of_a_size_is_refused(tmp_path):
    path = tmp_path / "extra.toml"
    path.write_text(f"{SHIPPED}\n[size.square.trim_top]\nvalue = 1\n", encoding="utf-8")
    with pytest.raises(CalibrationError, match=r"has unknown tables \['size\.square\.trim_top'\]; a misspelt one"):
        load_technology(path)


def test_a_process_without_any_size_is_refused():
    with pytest.raises(ParameterError, match=r"^Technology\.sizes is empty; give the standard size of device, or"):
        replace(GF180, sizes=())


def test_a_bare_number_instead_of_a_table_is_refused(tmp_path):
    path = tmp_path / "bare.toml"
    path.write_text('name = "x"\nsupply = 1.8\n')
    with pytest.raises(CalibrationError, match=r"bare\.toml has no table \[supply\]; add it with"):
        load_technology(path)


@pytest.mark.parametrize(
    ("key", "line", "message"),
    [
        ("count", "count = 66\nnote = 'new'", r"\[slope_n\] misses \[\] and has unknown \['note'\]; every value has"),
        ("count", "number = 66", r"\[slope_n\] misses \['count'\] and has unknown \['number'\]"),
        ("unit", 'unit = "V"', r"\[slope_n\]\.unit = 'V'; expected '1'\."),
        ("unit", "unit = 1", r"\[slope_n\]\.unit = 1; expected '1'\."),
        (
            "kind",
            'kind = "guessed"',
            r"\[slope_n\]\.kind = 'guessed'; known: \['foundry', 'simulated', 'declared', 'mea",
        ),
        ("kind", "kind = []", r"\[slope_n\]\.kind = \[\]; known: "),
        ("value", 'value = "1.4"', r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = "),
        ("value", "value = nan", r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = "),
        ("value", "value = inf", r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = "),
        ("value", "value = true", r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = "),
        ("value", "value = [1.4]", r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = "),
        ("count", "count = true", r"\[slope_n\]: value, count and uncertainty must be finite numbers; count = "),
        ("count", 'count = "many"', r"\[slope_n\]: value, count and uncertainty must be finite numbers; count = "),
        ("uncertainty", "uncertainty = nan", "uncertainty must be finite numbers; uncertainty = "),
        ("uncertainty", 'uncertainty = "low"', "uncertainty must be finite numbers; uncertainty = "),
        (
            "value",
            "value = 1" + "0" * 400,
            r"\[slope_n\]: value, count and uncertainty must be finite numbers; value = ",
        ),
        ("count", "count = 1.5", r"\[slope_n\]: count is a whole number >= 0, uncertainty is >= 0\."),
        ("count", "count = -1", r"\[slope_n\]: count is a whole number >= 0, uncertainty is >= 0\."),
        ("uncertainty", "uncertainty = -1.0", r"\[slope_n\]: count is a whole number >= 0, uncertainty is >= 0\."),
        ("count", "count = 0", r"\[slope_n\] is simulated but counts no run; give count >= 1\."),
        ("value", "value = 0.99", r"Technology\.slope_n = 0\.99 1 is outside \[1, 3\] 1\."),
        ("value", "value = 3.01", r"Technology\.slope_n = 3\.01 1 is outside \[1, 3\] 1\."),
        ("value", "value = -1.4", r"Technology\.slope_n = -1\.4 1 is outside \[1, 3\] 1\."),
        ("value", "value = 1.4 1.5", r" is not valid TOML: "),
    ],
)
def test_an_entry_that_can_not_be_trusted_is_refused(tmp_path, key, line, message):
    with pytest.raises(CalibrationError, match=rf"edited\.toml.*{message}"):
        load_technology(edited(tmp_path, "slope_n", key, line))


@pytest.mark.parametrize("key", ["meaning", "source", "method"])
@pytest.mark.parametrize("value", ['""', "5", '"  "', "[]"])
def test_provenance_that_says_nothing_is_refused(tmp_path, key, value):
    message = r"edited\.toml \[slope_n\]: meaning, source and method must be text; say where the value is from\."
    with pytest.raises(CalibrationError, match=message):
        load_technology(edited(tmp_path, "slope_n", key, f"{key} = {value}"))


@pytest.mark.parametrize("kind", ["simulated", "measured"])
def test_a_result_counts_its_runs(tmp_path, kind):
    with pytest.raises(CalibrationError, match=rf"\[supply\] is {kind} but counts no run; give count >= 1\."):
        load_technology(edited(tmp_path, "supply", "kind", f'kind = "{kind}"'))


@pytest.mark.parametrize("kind", ["foundry", "declared", "cited"])
def test_a_constant_needs_no_runs(tmp_path, kind):
    assert load_technology(edited(tmp_path, "supply", "kind", f'kind = "{kind}"')).provenance["supply"].kind == kind


@pytest.mark.parametrize("line", ["", "name = 5", "name = ['x']"])
def test_a_process_has_a_name(tmp_path, line):
    path = tmp_path / "edited.toml"
    path.write_text(SHIPPED.replace('name = "gf180mcu"', line), encoding="utf-8")
    with pytest.raises(CalibrationError, match=r'edited\.toml has no name; add: name = "my_process"\.'):
        load_technology(path)


@pytest.mark.parametrize(
    "content",
    [b"supply 1.8", b"[supply\n", b"\xff\xfe", b"[a]\n[a]\n", b"\0", b"a=" + b"1" * 5000, b"a=" + b"[" * 5000],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"x\.toml is not valid TOML: "):
        load_technology(path)


def test_a_file_that_can_not_be_read_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match=r"^can't read calibration .*x\.toml: No such file or directory\."):
        load_technology(tmp_path / "x.toml")
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(CalibrationError, match=r"^can't read calibration .*x\.toml: Is a directory\."):
        load_technology(tmp_path / "x.toml")


@pytest.mark.parametrize("name", ["sky130", "../gf180mcu", ""])
def test_a_process_that_does_not_ship_is_refused_with_those_that_do(name):
    with pytest.raises(ParameterError, match=r"^calibration/ holds no '.*\.toml'; it holds: .*gf180mcu"):
        load_technology(name)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_value_outside_its_range_is_refused_with_range_and_unit(name):
    m, owned = ASKED[name], re.escape(name if name.startswith("size.") else f"Technology.{name}")
    for bad in (m["low"] - 1.0, m["high"] * 2 + 1.0, math.nan):
        message = rf"^{owned} = \S+ {re.escape(m['unit'])} is outside \[\S+, \S+\] {re.escape(m['unit'])}\."
        with pytest.raises(ParameterError, match=message):
            with_value(name, bad)


@pytest.mark.parametrize(
    ("key", "line", "message"),
    [
        ("axis", 'axis = "V"', r"\[size\.standard\.bias\]\.axis = 'V'; expected 'A'\."),
        ("axis", "", r"\[size\.standard\.bias\] misses \['axis'\] and has unknown \[\]"),
    ],
)
def test_a_curve_that_can_not_be_trusted_is_refused(tmp_path, key, line, message):
    with pytest.raises(CalibrationError, match=message):
        load_technology(edited(tmp_path, "size.standard.bias", key, line))


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("[1e-9]", "[1.0]", "must be lists of two or more finite numbers"),
        ("[1e-9, 2e-9]", "1.0", "must be lists of two or more finite numbers"),
        ("[1e-9, true]", "[1.0, 1.0]", "must be lists of two or more finite numbers"),
        ("[1e-9, 2e-9]", "[1.0, nan]", "must be lists of two or more finite numbers"),
        ("[1e-9, 2e-9]", "[1.0, 1.0, 1.0]", "at must be as long as value, above zero and increasing"),
        ("[2e-9, 1e-9]", "[1.0, 1.0]", "at must be as long as value, above zero and increasing"),
        ("[0.0, 1e-9]", "[1.0, 1.0]", "at must be as long as value, above zero and increasing"),
        ("[1e-9, 2e-9]", "[1.0, 9.0]", r"size\.standard\.bias\[1\] = 9 1 is outside"),
    ],
)
def test_the_points_of_a_curve_are_checked(tmp_path, at, value, message):
    head, body = SHIPPED.split("\n[size.standard.bias]\n", 1)
    entry, tail = body.split("\n[", 1)
    entry = re.sub(r"(?ms)^at = \[.*?^\]", f"at = {at}", entry)
    entry = re.sub(r"(?ms)^value = \[.*?^\]", f"value = {value}", entry)
    path = tmp_path / "edited.toml"
    path.write_text(f"{head}\n[size.standard.bias]\n{entry}\n[{tail}", encoding="utf-8")
    with pytest.raises(CalibrationError, match=message):
        load_technology(path)


def test_a_file_of_another_name_is_of_another_process_unless_it_says_so(tmp_path):
    text = library.calibration_path("gf180mcu").read_text()
    text = re.sub("(?m)^process = .*$", "PROCESS", text, count=1).replace('name = "gf180mcu"', 'name = "mine"', 1)
    (tmp_path / "mine.toml").write_text(text.replace("PROCESS", ""))
    (tmp_path / "ours.toml").write_text(text.replace("PROCESS", 'process = "gf180mcu"'))
    (tmp_path / "none.toml").write_text(text.replace("PROCESS", "process = 180"))
    assert load_technology(tmp_path / "mine.toml").process == "mine"
    assert load_technology(tmp_path / "ours.toml").process == "gf180mcu"
    with pytest.raises(CalibrationError, match=r'process = 180 is no name; write process = "gf180mcu"'):
        load_technology(tmp_path / "none.toml")
