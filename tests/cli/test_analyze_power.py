"""`analogrnn analyze power`: blocks, budget, confirmation, files."""

import json

import matplotlib.image
import pytest

from .conftest import NETWORK


def test_blocks_add_up_and_the_budget_decides(call, inputs):
    said = call("analyze", "power", NETWORK, "--stage", "standard", "--inputs", inputs, "--json", "--budget", "10uW")
    assert said.code == 0
    answer = said.json
    assert answer["power_W"] == pytest.approx(sum(answer["blocks_W"].values()))
    assert answer["energy_per_inference_J"] == pytest.approx(
        answer["power_W"] * answer["period_s"] * answer["steps_per_inference"]
    )
    assert sum(answer["ladders"]["cell"]["occupancy"]) == pytest.approx(1.0)
    over = call("analyze", "power", NETWORK, "--stage", "standard", "--inputs", inputs, "--budget", "1nW")
    assert over.code == 1
    assert "energy per inference" in over.out


def test_the_folder_contains_the_results_and_a_figure(call, inputs, tmp_path):
    arguments = ("--inputs", inputs, "--stage", "standard", "--scaling", "4,8", "--out", tmp_path / "new", "--json")
    answer = call("analyze", "power", NETWORK, *arguments).json
    assert json.loads((tmp_path / "new" / "power.json").read_text()) == answer
    assert answer["scaling"]["states"] == [4, 8]
    assert matplotlib.image.imread(tmp_path / "new" / "power_blocks.png")[..., :3].std() > 0.01


@pytest.mark.ngspice
@pytest.mark.pdk
def test_ngspice_confirms_a_ladder(call, inputs):
    arguments = ("--inputs", inputs, "--stage", "standard", "--confirm", 1, "--workers", 1, "--json")
    said = call("analyze", "power", NETWORK, *arguments)
    assert said.code == 0
    assert said.json["confirmed"][0]["same_levels"]


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--budget=3V", "--budget = '3V' is in V, not in W"),
        ("--budget=-1W", "--budget = -1 is outside [0, 1]"),
        ("--confirm=17", "--confirm = 17 is outside [0, 16]"),
        ("--scaling=4,x", "--scaling = 'x' is not a whole number"),
        ("--scaling=0,4", "--scaling = 0 is outside [1, 512]"),
        ("--scaling=4", "scaling needs two or more sizes"),
        ("--overhead=0.5", "overhead = 0.5 is outside [1, 100]"),
    ],
)
def test_invalid_arguments_are_refused(call, inputs, argument, reason):
    call("analyze", "power", NETWORK, "--inputs", inputs, argument).refused(2, reason)


def test_a_folder_that_can_not_be_made_is_exit_code_5(call, inputs, blocked):
    call("analyze", "power", NETWORK, "--inputs", inputs, "--out", blocked).refused(5, "plain_file")
