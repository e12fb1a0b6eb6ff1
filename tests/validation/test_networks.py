"""The checkpoints of the topic `networks`: each has a spec, comes in, and computes what a plain evaluation computes."""

import ast
from pathlib import Path

import numpy as np
import pytest

from analogrnn.convert import convert_exact
from analogrnn.network import Cmru, forward
from validation.networks import plain
from validation.networks.bench import CHECKPOINTS, SPECS, imported, read
from validation.networks.imports import per_step

NAMES = sorted(path.stem for path in CHECKPOINTS.iterdir() if path.suffix in (".safetensors", ".npz"))


def test_the_plain_evaluation_imports_nothing_of_the_package():
    tree = ast.parse(Path(plain.__file__).read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert modules
    assert not any(module.split(".")[0] in ("analogrnn", "validation") for module in modules)


def test_every_checkpoint_has_a_spec_and_every_spec_a_checkpoint():
    assert sorted(path.stem for path in SPECS.glob("*.toml")) == NAMES
    assert set(plain.KINDS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_a_checkpoint_is_used(name):
    assert read(name).left_over == ()


@pytest.mark.parametrize("name", sorted(plain.KINDS))
def test_an_imported_network_computes_what_the_plain_evaluation_of_its_file_computes(name):
    network = per_step(imported(name))
    rng = np.random.Generator(np.random.Philox(key=[14, sorted(plain.KINDS).index(name)]))
    x = np.clip(rng.standard_normal((40, 20, network.inputs)), -3.0, 3.0)
    expected = plain.evaluate(name, x)
    # outputs are below 1,000 and sums have fewer than 100 terms: rounding stays below 1e-9
    assert np.abs(forward(network, x).logits - expected).max() < 1e-9
    assert np.abs(forward(convert_exact(network).network, x).logits - expected).max() < 1e-9
    assert np.ptp(expected) > 0.1


def test_a_wrong_threshold_is_seen_by_the_comparison_with_the_plain_evaluation():
    """A negative control: without its thresholds' weights the network computes something else."""
    network = imported("data_parallel")
    x = np.clip(
        np.random.Generator(np.random.Philox(key=[14, 99])).standard_normal((40, 20, network.inputs)), -3.0, 3.0
    )
    cell = network.layer("cell")
    assert isinstance(cell, Cmru)
    assert cell.threshold_weight is not None
    tensors = plain.read("data_parallel")
    tensors["module.cell.threshold_weight"] = 0.0 * tensors["module.cell.threshold_weight"]
    assert np.abs(plain.data_parallel(tensors, x) - forward(network, x).logits).max() > 0.1
