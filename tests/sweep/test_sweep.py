"""Specification files, their evaluation, and the bench that measures one condition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TECHNOLOGY

from analogrnn.bench_ladder import bench_ladders, digital_stages
from analogrnn.errors import OutputError, ParameterError, SpiceError
from analogrnn.figures.sweep import draw_sweep
from analogrnn.mapping import MappingOptions
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.transistor_ladder import ladder_transistors
from analogrnn.stimulus import Demand, drifting_moves
from analogrnn.sweep import PARAMETERS, Condition, Spec, read_specs, run_sweep
from analogrnn.sweep.bench import BOUND, Found, Ramp, Slope, bench_design, crossing, levels_about_zero, read, with_ramps
from analogrnn.sweep.run import Measurement, SweepReport, judge, parameters
from analogrnn.sweep.specs import SweepBench, parse_specs
from analogrnn.sweep.table import as_dict, cells, markdown

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOMINAL, COLD = Condition("typical", 27.0, 1.8), Condition("ss", -20.0, 1.8)


def content(**changes):
    """The content of a small valid file."""
    limits = {"parameter": "up_threshold", "unit": "beta", "min": 0.8, "typ": 1.0, "max": "1.2 beta"}
    base = {"name": "ladder", "bench": {"stages": 4}, "conditions": {"corner": ["typical", "ss"]}, "spec": [limits]}
    return base | changes


def line(**changes):
    return content(spec=[content()["spec"][0] | changes])


def measured(condition, **values):
    return Measurement(condition, {name: np.atleast_1d(values.get(name, np.nan)).astype(float) for name in PARAMETERS})


def spec(name="up_threshold", least=None, typical=None, most=None, **where):
    return Spec(name, least, typical, most, 0.1, where)


def test_the_conditions_are_all_combinations_and_the_first_is_nominal():
    file = parse_specs(
        content(conditions={"corner": ["typical", "ff"], "temperature": ["27 C", -20], "supply": "1.8V"})
    )
    assert len(file.conditions) == 4
    assert file.nominal == NOMINAL
    assert file.conditions[-1] == Condition("ff", -20.0, 1.8)


def test_limits_are_read_in_the_parameters_unit():
    file = parse_specs(content(spec=[{"parameter": "stage_power", "unit": "W", "max": "5.5nW"}]))
    assert file.specs[0].most == pytest.approx(5.5e-9)
    assert file.specs[0].least is None
    assert file.specs[0].about.symbol == "P_stage"


@pytest.mark.parametrize("name", ["standard_ladder", "too_tight", "clock_too_fast"])
def test_the_examples_are_valid(name):
    assert read_specs(EXAMPLES / f"specs_{name}.toml").specs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (content(name=""), "has no name; add: name = "),
        (content(extra=1), r"has unknown keys \['extra'\]; known: "),
        (content(bench=3), r"bench must be a table; write \[bench\]"),
        (content(bench={"size": 3}), r"\[bench\] has unknown keys \['size'\]"),
        (content(bench={"stage": "huge"}), r"stage = 'huge' is unknown; known: \['default', 'standard', 'large'\]"),
        (content(bench={"stages": 1}), r"\[bench\] stages = 1 is outside \[2, 32\]"),
        (content(bench={"stages": 2.5}), r"\[bench\] stages = 2.5 is not a whole number"),
        (content(bench={"period": "3 V"}), r"\[bench\] period = '3 V' is in V, not in s"),
        (content(bench={"hold": "2 beta"}), r"\[bench\] hold = 2 beta is outside \[0, 0.99\]"),
        (content(bench={"move": 3, "most": 2}), "most = 2 is below move = 3; moves go up to most"),
        (content(conditions={"humidity": 3}), r"\[conditions\] has unknown keys \['humidity'\]"),
        (content(conditions={"corner": ["typical", "hot"]}), "corner = 'hot' is unknown; known: "),
        (content(conditions={"corner": []}), "corner is empty; give at least one"),
        (content(conditions={"corner": ["ff", "ff"]}), "names a value twice"),
        (content(conditions={"temperature": ["27K"]}), "temperature = '27K' is in K, not in C"),
        (content(conditions={"temperature": ["-20,5C"]}), "temperature = '-20,5C' is not a quantity in C"),
        (content(conditions={"supply": ["1,8V"]}), "supply = '1,8V' is not a quantity in V"),
        (content(bench={"period": "1_0ms"}), r"\[bench\] period = '1_0ms' is not a quantity in s"),
        (content(bench={"stage": ["standard"]}), r"stage = \['standard'\] is unknown"),
        (content(conditions={"temperature": [300]}), r"temperature = 300 C is outside \[-55, 150\] C"),
        (content(conditions={"supply": [float("nan")]}), "supply = nan is not finite"),
        (content(conditions={"supply": [True]}), "supply = True is not a number or a quantity in V"),
        (content(spec=[]), r"has no \[\[spec\]\]; add one per parameter"),
        (content(spec=[3]), r"\[\[spec\]\] 1 is not a table"),
        (line(limit=3), r"\[\[spec\]\] 1 has unknown keys \['limit'\]"),
        (line(parameter="speed"), r"parameter = 'speed' is unknown; known: "),
        (line(parameter=["speed"]), r"parameter = \['speed'\] is unknown; known: "),
        (line(max="0,5"), r"\(up_threshold\) max = '0,5' is not a quantity in beta"),
        (line(unit="V"), r"\(up_threshold\) unit = 'V'; up_threshold is measured in 'beta'"),
        (line(max="3 V"), r"\(up_threshold\) max = '3 V' is in V, not in beta"),
        (line(min=1.5), "min = 1.5 is above typ = 1; swap them"),
        (line(typ=3), "typ = 3 is above max = 1.2; swap them"),
        (line(typ_within=-1), r"typ_within = -1 is outside \[0, 10\]"),
        (line(corner="ff"), r"corner = \['ff'\] is not among the \[conditions\]: \['typical', 'ss'\]"),
        (content(spec=[{"parameter": "up_threshold", "unit": "beta"}]), "has no limit; give min, typ or max"),
    ],
)
def test_a_malformed_entry_is_named(given, message):
    with pytest.raises(ParameterError, match=message):
        parse_specs(given)


def test_a_file_that_is_not_there_or_not_toml_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"can't read .*: No such file"):
        read_specs(tmp_path / "none.toml")
    # a lone carriage return ends no line of TOML
    for content in (b"name = [", b'name = "a"\r[bench]\r'):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ParameterError, match="is not valid TOML"):
            read_specs(tmp_path / "bad.toml")


def test_limits_apply_to_the_worst_stage_under_the_worst_condition():
    data = (measured(NOMINAL, up_threshold=[0.9, 1.1]), measured(COLD, up_threshold=[1.0, 1.3]))
    good = judge(spec(least=0.9, typical=1.0, most=1.3), data, NOMINAL)
    assert good.passes
    assert (good.low, good.typical, good.high) == (0.9, 1.0, 1.3)
    assert (good.low_at, good.high_at) == (str(NOMINAL), str(COLD))
    bad = judge(spec(most=1.29), data, NOMINAL)
    assert bad.reasons == (f"1.3 is above max 1.29 at {COLD}",)
    assert judge(spec(least=0.91), data, NOMINAL).reasons == (f"0.9 is below min 0.91 at {NOMINAL}",)


def test_typ_applies_to_the_nominal_condition_alone():
    data = (measured(COLD, up_threshold=2.0), measured(NOMINAL, up_threshold=1.0))
    assert judge(spec(typical=1.05), data, NOMINAL).passes
    assert "is not within 10 % of typ 1.2" in judge(spec(typical=1.2), data, NOMINAL).reasons[0]


def test_a_spec_that_names_conditions_covers_no_other():
    data = (measured(NOMINAL, up_threshold=1.0), measured(COLD, up_threshold=2.0))
    row = judge(spec(most=1.5, corner=("typical",)), data, NOMINAL)
    assert row.passes
    assert row.conditions == 1
    with pytest.raises(ParameterError, match="covers none of the conditions; list at least one"):
        judge(spec(most=1.5, corner=("ff",)), data, NOMINAL)


def test_what_could_not_be_measured_or_run_fails():
    data = (measured(NOMINAL, up_threshold=[1.0, np.nan]), Measurement(COLD, failure="timestep too small"))
    row = judge(spec(most=1.5), data, NOMINAL)
    assert not row.passes
    assert row.reasons == (f"no result at {COLD}: timestep too small", f"not measurable at {NOMINAL}")
    assert not judge(spec(most=1.5), (Measurement(NOMINAL, failure="x"),), NOMINAL).passes


def test_margins_and_yield_are_those_of_the_thresholds():
    bench = SweepBench(stages=2, ladders=2)
    design = bench_design(bench, TECHNOLOGY)
    found = Found(
        np.array([True, False]),
        9e-9,
        np.array([2e-9, 4e-9, 6e-9]),
        np.array([0.0, 1e-10, 2.1e-10]),
        np.array([0.9, 1.0]),
        np.array([-0.8, -1.5]),
    )
    # the second ladder's second stage resets at -1.7 only: beyond the move of 1.6
    deviations = np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.1], [0.0, -0.2]]])
    values = parameters(bench, design, found, deviations)
    beta = float(design.ladders[0].beta[0])
    assert values["threshold_margin"][0] == pytest.approx(0.1 * beta)  # of -1.5 to -1.6
    assert values["mismatch_yield"][0] == 0.5
    assert values["correct_steps"][0] == 0.5
    assert values["stage_power"][0] == pytest.approx(2e-9)
    assert np.allclose(values["output_step"], [1e-10, 1.1e-10])
    lost = parameters(bench, design, replace(found, up=np.array([np.nan, 1.0])), deviations)
    assert np.isnan(lost["mismatch_yield"][0])


def test_the_random_steps_meet_the_demand_and_reach_every_level():
    bench = SweepBench(steps=16)
    demand = Demand(bench.hold, bench.move, bench.most)
    c = drifting_moves(demand, bench.stages, bench.steps, bench.seed)
    assert np.all((np.abs(c) <= bench.hold) | ((np.abs(c) >= bench.move) & (np.abs(c) <= bench.most)))
    levels = digital_stages(bench_design(bench, TECHNOLOGY), c).sum(axis=1)
    assert set(levels) == set(range(5))


def test_a_crossing_is_interpolated_and_must_start_at_its_level():
    time = np.linspace(0.0, 2.0, 5)
    node = np.array([1.8, 1.8, 1.8, 0.0, 0.0])  # falls from 1.0 to 1.5 s: half way at 1.25 s
    ramp = Ramp(start=0.5, length=1.0, sign=1, level=0)
    # 0.75 of the way from 0.05 to 1.95
    assert crossing(time, np.array([node]), ramp, 0, 0.9) == pytest.approx(0.05 + 0.75 * 1.9)
    assert np.isnan(crossing(time, np.array([1.8 - node]), ramp, 0, 0.9))
    # one stage is ON, but not the lowest: not a level of the ladder
    island = np.array([np.full(5, 1.8), np.zeros(5), node])
    assert np.isnan(crossing(time, island, Ramp(start=0.5, length=1.0, sign=1, level=1), 2, 0.9))
    assert np.isnan(crossing(time, np.array([np.full(5, 1.8)]), ramp, 0, 0.9))


def report():
    file = parse_specs(line())
    data = (measured(NOMINAL, up_threshold=[0.9, 1.1]), Measurement(Condition("ss", 27.0, 1.8), failure="no"))
    return SweepReport(file, tuple(judge(s, data, NOMINAL) for s in file.specs), data)


def test_the_table_shows_limits_measured_values_and_reasons(tmp_path):
    result = report()
    assert cells(result.rows[0]) == (
        "up_threshold",
        "u_up",
        "0.8 beta",
        "1 beta",
        "1.2 beta",
        "0.9 beta",
        "1 beta",
        "1.1 beta",
        "FAIL",
    )
    text = markdown(result)
    assert text.startswith("# ladder: FAILS")
    assert "- up_threshold: no result at ss 27 C 1.8 V: no" in text
    answer = as_dict(result)
    assert answer["rows"][0]["found"] == {"min": 0.9, "typ": 1.0, "max": 1.1}
    assert answer["measurements"][0]["values"]["ladder_power"] == [None]
    draw_sweep(result, tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").stat().st_size > 5000
    with pytest.raises(OutputError, match="choose another folder"):
        draw_sweep(result, tmp_path / "none" / "sweep.png")


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_step_too_short_for_the_pulse_is_refused():
    file = parse_specs(content(bench={"step": "1ms"}))
    with pytest.raises(ParameterError, match=r"step = 0.001 s is too short for the pulse of .* s; give at least"):
        run_sweep(file, TECHNOLOGY)


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_limit_that_is_too_tight_fails_alone():
    given = content(
        conditions={},
        bench={"stages": 2, "steps": 6},
        spec=[
            {"parameter": "correct_steps", "unit": "1", "min": 1},
            {"parameter": "up_threshold", "unit": "beta", "min": 0.8, "max": 1.2},
            {"parameter": "down_threshold", "unit": "beta", "min": -0.5, "max": -0.4},
        ],
    )
    found = run_sweep(parse_specs(given), TECHNOLOGY, workers=1)
    assert [row.passes for row in found.rows] == [True, True, False]
    assert "is below min -0.5 at typical 27 C 1.8 V" in found.rows[2].reasons[0]


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_clock_that_is_too_fast_gives_wrong_steps():
    file = read_specs(EXAMPLES / "specs_clock_too_fast.toml")
    file = replace(file, bench=replace(file.bench, stages=2, steps=12))
    found = run_sweep(file, TECHNOLOGY, workers=1)
    by_name = {row.spec.parameter: row for row in found.rows}
    assert not by_name["correct_steps"].passes
    assert "below min 1" in by_name["correct_steps"].reasons[0]
    assert by_name["ladder_power"].passes


@pytest.mark.ngspice
@pytest.mark.pdk
def test_ramps_find_the_same_threshold_at_every_inner_level():
    """Inner stages are equal, so their differences are the resolution of the ramps: 0.02 beta with few time points."""
    design = bench_ladders(levels_about_zero(4), TECHNOLOGY, replace(MappingOptions.standard(), input_bound=BOUND))
    candidates = np.zeros(2)
    deck = ladder_transistors(design, design.ladders[0], 0, candidates[:, None], find_pdk())
    build = with_ramps(design, candidates, deck, Slope(3.0, 3.0))
    ((_, waves),) = run_decks([build.job], workers=1)
    assert not isinstance(waves, SpiceError)
    found = read(build, waves)
    for thresholds in (found.up, found.down):
        assert np.ptp(thresholds[1:]) < 0.005
