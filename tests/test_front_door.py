"""`import analogrnn as ar`: every name is there, light to import, and its docstring shows a call that works."""

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import analogrnn as ar

ROOT = Path(ar.__file__).parents[1]
MODULES = {"datasets", "metrics", "network", "technology", "train"}
NAMES = sorted(set(ar.__all__) - MODULES)
SLOW = {"analyze_bits", "analyze_sensitivity"}  # minutes: their calls are only checked against the signature
SIMULATED = {"read_deck", "run_deck"}  # in ngspice
MODELLED = {"chip_setup", "export_deck"}  # with the models of the process
HEAVY = {"numpy", "numba", "scipy", "matplotlib", "xarray", "torch", "rich"}


class Model:
    """Stands for a trained module of torch: its parameters by name."""

    def state_dict(self):
        rng = np.random.default_rng(1)
        cell = {f"cell.{name}": np.ones(4) for name in ("bias", "threshold", "alpha")}
        readout = {"readout.weight": rng.normal(size=(2, 4)), "readout.bias": np.zeros(2)}
        return {"cell.weight": rng.normal(size=(4, 3)), **cell, **readout}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What the examples of the docstrings speak of: one network, its design, a chip, four clips and their study."""
    network = ar.load_network("digits_d16_k2")
    clips = ar.datasets.spoken_digits("test")
    design = ar.map_network(network, ar.load_technology("gf180mcu"))
    x, labels = network.encode(clips.features[:4]), clips.labels[:4]
    folder = tmp_path_factory.mktemp("front_door")
    np.savez(folder / "checkpoint.npz", **{"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)})
    (folder / "spec.toml").write_text('[[layer]]\nkind = "linear"\nname = "fc"\n')
    return {
        "ar": ar,
        "network": network,
        "clips": clips,
        "design": design,
        "chip": ar.nominal_chip(design),
        "x": x,
        "labels": labels,
        "study": ar.run_monte_carlo(design, x, labels, chips=2),
        "model": Model(),
        "hybrid": ar.map_hybrid(network, ar.load_technology("gf180mcu"), x),
        "folder": folder,
    }


def examples(name):
    """The lines of code in the docstring of a name."""
    return [item.source for item in doctest.DocTestParser().get_examples(inspect.getdoc(getattr(ar, name)) or "")]


def run_example(name, world):
    """Run a docstring's lines; an exception, or another output than shown, is raised."""
    doc = inspect.getdoc(getattr(ar, name)) or ""
    doctest.DebugRunner().run(doctest.DocTestParser().get_doctest(doc, dict(world), name, None, None))


def test_every_name_of_the_stub_is_there():
    for name in ar.__all__:
        assert getattr(ar, name) is not None
        assert name in dir(ar)
    assert {name for name in ar.__all__ if isinstance(getattr(ar, name), ModuleType)} == MODULES


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ar.no_such_name


def test_the_function_simulate_is_not_hidden_by_the_room_of_that_name():
    """Importing `analogrnn.simulate` first would else leave the module under the name of the function."""
    code = "import analogrnn.montecarlo, analogrnn.simulate.waveforms, analogrnn as ar; print(ar.simulate.__name__)"
    assert python("-c", code) == "simulate"


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_shows_a_call_that_fits_the_signature(name):
    shown = examples(name)
    assert shown, f"{name} shows no call"
    for call in ast.walk(ast.parse("".join(shown))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "ar":
            keywords = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(getattr(ar, call.func.attr)).bind(*call.args, **keywords)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOW | SIMULATED | MODELLED])
def test_the_call_in_the_docstring_runs(name, world):
    run_example(name, world)


@pytest.mark.ngspice
@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_the_call_in_the_docstring_runs_in_ngspice(name, world):
    run_example(name, world)


@pytest.mark.pdk
@pytest.mark.parametrize("name", sorted(MODELLED))
def test_the_call_in_the_docstring_runs_with_the_models(name, world):
    run_example(name, world)


def python(*words):
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, timeout=60, env={"PYTHONPATH": str(ROOT)}
    )
    return done.stdout.strip()


def test_the_import_loads_nothing_heavy():
    assert python("-c", f"import sys, analogrnn; print(*sorted({HEAVY} & set(sys.modules)))") == ""


def test_a_type_checker_reads_the_names_from_the_stub():
    """Each line of the stub re-exports under the same name, which is what PEP 484 and the lazy loader both need."""
    stub = ast.parse(Path(ar.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in names)
    assert sorted(alias.name for alias in names) == sorted(ar.__all__)
