"""Guesses of the layers of a checkpoint: a spec that builds, and every doubt in words."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.convert.checkpoint import Checkpoint
from analogrnn.convert.guess import guess_spec
from analogrnn.convert.spec import build_network, parse_spec

DRAW = np.random.default_rng(4)


def checkpoint(**shapes):
    """A checkpoint with random tensors; `cell__weight` stands for cell.weight."""
    tensors = {name.replace("__", "."): DRAW.uniform(0.1, 1.0, shape) for name, shape in shapes.items()}
    return Checkpoint("c", tensors, {name: name for name in tensors}, {})


def built(found):
    return build_network(found, parse_spec(guess_spec(found).text)).network


def test_the_state_of_a_classifier_is_guessed_with_its_doubts():
    found = checkpoint(
        cell__weight=(4, 3), cell__bias=4, cell__threshold=4, cell__log_alpha=4, cell__initial=4, readout__weight=(2, 4)
    )
    guess = guess_spec(found)
    assert guess.doubts == (
        "eps of cell is not in the checkpoint: 1 for a CMRU, 0 for a BMRU",
        "the pooling is not in the checkpoint: last, mean or vote, or none for outputs per step",
    )
    assert "#   cell.weight  4 x 3" in guess.text
    assert [(layer.name, layer.kind) for layer in built(found).layers] == [
        ("cell", "cmru"),
        ("pool", "pooling"),
        ("readout", "linear"),
    ]


def test_a_threshold_layer_beside_the_cell_or_within_it_is_joined():
    inside = checkpoint(
        rnn__alpha=4,
        rnn__candidate__weight=(4, 3),
        rnn__candidate__bias=4,
        rnn__threshold__weight=(4, 3),
        rnn__threshold__bias=4,
    )
    beside = checkpoint(rnn__weight=(4, 3), rnn__alpha=4, thr__kernel=(3, 4), thr__bias=4)
    for found, weight in ((inside, "rnn.threshold.weight"), (beside, "thr.kernel")):
        cell = built(found).layers[0]
        matrix = found.tensors[weight]
        assert_array_equal(cell.threshold_weight, matrix.T if weight.endswith("kernel") else matrix)
        assert len(built(found).layers) == 2, "the cell and its pooling"


def test_norms_first_quadrant_cells_and_linear_layers_are_recognised():
    found = checkpoint(
        fc__weight=(4, 3),
        bn__weight=4,
        bn__bias=4,
        bn__running_mean=4,
        bn__running_var=4,
        bn__num_batches_tracked=(),
        ln__weight=4,
        ln__bias=4,
        q__weight=(5, 4),
        q__alpha=5,
        out__weight=(2, 5),
    )
    found.tensors["q.b_lo"], found.tensors["q.b_hi"] = np.full(5, 0.1), np.full(5, 0.9)
    found.given.update({"q.b_lo": "q.b_lo", "q.b_hi": "q.b_hi"})
    assert [layer.kind for layer in built(found).layers] == [
        "linear",
        "scale",
        "layer_norm",
        "first_quadrant_bmru",
        "pooling",
        "linear",
    ]
    doubts = " ".join(guess_spec(found).doubts)
    assert "eps of bn is not in the checkpoint; torch and Flax have 1e-5" in doubts
    assert "epsilon of ln is not in the checkpoint; torch has 1e-5, Flax 1e-6" in doubts


def test_layers_in_the_order_of_the_alphabet_are_put_in_the_order_of_their_widths():
    found = checkpoint(a_out__weight=(2, 5), embed__weight=(4, 3), mid__weight=(5, 4))
    assert [layer.name for layer in built(found).layers] == ["embed", "mid", "a_out"]
    assert not any("orders" in doubt for doubt in guess_spec(found).doubts)
    several = guess_spec(checkpoint(z__weight=(3, 4), a__weight=(4, 4), b__weight=(4, 4), c__weight=(4, 3)))
    assert "several orders of the layers chain; the likeliest by name is written" in several.doubts
    none = guess_spec(checkpoint(a__weight=(2, 5), b__weight=(3, 4)))
    assert "the widths of the layers chain in no order; name the sources of each layer" in none.doubts


def test_names_order_the_layers_of_a_file_that_has_no_order():
    shapes = {"cell": (4, 4), "embed": (4, 4), "norm": (4,), "readout": (4, 4), "fc2": (4, 4), "fc10": (4, 4)}
    tensors = {f"{name}.weight": np.ones(shape) for name, shape in shapes.items()} | {"cell.alpha": np.ones(4)}
    found = Checkpoint("c", tensors, {name: name for name in tensors}, {}, ordered=False)
    doubts = guess_spec(found).doubts
    assert "threshold of cell is not in the checkpoint; perhaps it has another name" in doubts
    assert [layer.name for layer in built(found).layers] == ["embed", "norm", "cell", "pool", "fc2", "fc10", "readout"]
    assert "several orders of the layers chain; the likeliest by name is written" in doubts


def test_one_linear_layer_is_beyond_doubt():
    found = checkpoint(fc__weight=(2, 3), fc__bias=2)
    assert guess_spec(found).doubts == ()


def test_what_is_not_recognised_is_named():
    doubts = guess_spec(checkpoint(step=(), table=(3, 4, 5))).doubts
    assert doubts == (
        "not recognised: step, table",
        "no layer was recognised: write one [[layer]] each, with its prefix",
    )


@pytest.mark.parametrize("prefix", ['a"b', "a\nb", "0", "ä", "x" * 90, "a\x7fb", "", "pool"])
def test_any_prefix_gives_a_spec_that_builds(prefix):
    names = {
        f"{prefix}.weight".lstrip("."): (4, 3),
        f"{prefix}.alpha".lstrip("."): 4,
        f"{prefix}.threshold".lstrip("."): 4,
    }
    tensors = {name: np.ones(shape) for name, shape in names.items()}
    found = Checkpoint("c", tensors, {name: name for name in tensors}, {})
    assert [layer.kind for layer in built(found).layers] == ["cmru", "pooling"]
