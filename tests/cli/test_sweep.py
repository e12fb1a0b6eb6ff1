"""`analogrnn sweep`: verdict, table, files."""

import json

import matplotlib.image
import pytest

SPECS = """
name = "short ladder"
[bench]
stages = 2
steps = 6
ladders = 50
[[spec]]
parameter = "correct_steps"
unit = "1"
min = 1
[[spec]]
parameter = "up_threshold"
unit = "beta"
max = {most}
"""


@pytest.fixture
def specs(tmp_path):
    def write(most):
        path = tmp_path / "specs.toml"
        path.write_text(SPECS.format(most=most))
        return path

    return write


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_passing_file_is_exit_code_0_and_a_failing_one_1(call, specs, tmp_path):
    said = call("sweep", specs(1.3), "--workers", 1, "--json", "--out", tmp_path / "new")
    assert said.code == 0
    assert said.json["passes"]
    assert json.loads((tmp_path / "new" / "sweep.json").read_text()) == said.json
    assert "| up_threshold |" in (tmp_path / "new" / "sweep.md").read_text()
    assert matplotlib.image.imread(tmp_path / "new" / "sweep.png")[..., :3].std() > 0.01
    failing = call("sweep", specs(0.5), "--workers", 1)
    assert failing.code == 1
    assert "short ladder: FAILS" in failing.out
    assert "is above max 0.5 at typical 27 C 1.8 V" in failing.out


def test_a_malformed_file_is_refused_before_anything_runs(call, specs, no_simulator):
    call("sweep", specs('"3 V"')).refused(2, "(up_threshold) max = '3 V' is in V, not in beta")
    call("sweep", "/nowhere/specs.toml").refused(2, "can't read /nowhere/specs.toml")


@pytest.mark.pdk
def test_a_missing_simulator_is_exit_code_3(call, specs, no_simulator):
    call("sweep", specs(1.3)).refused(3, no_simulator)
