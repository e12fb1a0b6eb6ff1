"""`analogrnn import`: a checkpoint becomes a network, or a spec to edit; every bad input writes nothing."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.network import forward, load_network

DRAW = np.random.default_rng(21)
SPEC = """
name = "mine"
[[layer]]
kind = "linear"
name = "embed"
[[layer]]
kind = "cmru"
name = "cell"
[[layer]]
kind = "pooling"
name = "pool"
mode = "mean"
[[layer]]
kind = "linear"
name = "out"
"""
TENSORS = {
    "embed.kernel": DRAW.normal(size=(3, 5)),
    "embed.bias": DRAW.normal(size=5),
    "cell.weight": DRAW.normal(size=(4, 5)),
    "cell.threshold": -DRAW.uniform(0.3, 1.0, 4),
    "cell.log_alpha": DRAW.normal(size=4),
    "cell.s0": DRAW.uniform(-1.0, 1.0, 4),
    "out.weight": DRAW.normal(size=(2, 4)),
    "out.bias": DRAW.normal(size=2),
}
X = DRAW.normal(size=(12, 20, 3))


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "c.npz", **{f"module.{name}": value for name, value in TENSORS.items()})
    (tmp_path / "s.toml").write_text(SPEC)
    np.savez(tmp_path / "d.npz", x=X, labels=np.zeros(20, int))
    return tmp_path


def plain_logits(x):
    """The source in a few lines of numpy, apart from the package."""
    c = (x @ TENSORS["embed.kernel"] + TENSORS["embed.bias"]) @ TENSORS["cell.weight"].T
    s, total = np.broadcast_to(TENSORS["cell.s0"], c.shape[1:]).copy(), 0.0
    for step in c:
        s = s + np.where(np.abs(step) >= np.abs(TENSORS["cell.threshold"]), np.sign(step), 0.0)
        total = total + np.exp(TENSORS["cell.log_alpha"]) * s
    return total / len(c) @ TENSORS["out.weight"].T + TENSORS["out.bias"]


def test_a_checkpoint_with_a_spec_becomes_the_same_network_and_says_what_it_did(call, files):
    words = ["--spec", files / "s.toml", "--out", files / "n.safetensors", "--data", files / "d.npz"]
    said = call("import", files / "c.npz", *words, "--ladder-from", files / "d.npz", "--json")
    assert said.code == 0
    answer, rows = said.json, {(row["operation"], row["text"]) for row in said.json["rows"]}
    assert answer["before_and_after"]["steps_equal"] == answer["before_and_after"]["classes_equal"] == 1.0
    assert ("import", "embed.weight = embed.kernel, transposed to (width, inputs)") in rows
    assert ("import", "cell.bias is not in the checkpoint: zero") in rows
    assert ("pooling of pool", "moved behind out") in rows
    assert ("linear of embed", "folded into the weights and biases of cell") in rows
    assert {row["status"] for row in answer["rows"]} == {"exact", "within an error"}
    network = load_network(files / "n.safetensors")
    assert [layer.name for layer in network.layers] == ["cell", "out", "pool"]
    # a hundred operations of relative error 1e-16
    assert_allclose(forward(network, X).logits, plain_logits(X), rtol=1e-9, atol=1e-9)


def test_without_conversions_the_network_is_the_source_and_what_is_refused_has_a_way_out(call, files):
    said = call(
        "import", files / "c.npz", "--spec", files / "s.toml", "--exact", "none", "--out", files / "n.npz", "--json"
    )
    assert said.code == 1
    refused = {row["operation"]: row["text"] for row in said.json["rows"] if row["status"] == "refused"}
    assert refused == {"layer cell (cmru)": "s_0 is no whole level: apply the exact conversion initial"}
    network = load_network(files / "n.npz")
    assert [layer.name for layer in network.layers] == ["embed", "cell", "pool", "out"]
    assert_allclose(forward(network, X).logits, plain_logits(X), rtol=1e-9, atol=1e-9)


def test_a_person_reads_a_table(call, files):
    said = call("import", files / "c.npz", "--spec", files / "s.toml", "--data", files / "d.npz")
    assert said.code == 1
    assert "mine: what became of it" in said.out
    assert "--ladder-from DATA" in " ".join(said.out.split())
    assert "of the unit-steps and 100.00% of the classes are equal" in said.out


def test_without_a_spec_the_guess_is_a_spec_that_imports(call, files):
    said = call("import", files / "c.npz", "--out", files / "n.npz")
    assert said.code == 1
    assert said.err == ""
    assert not (files / "n.npz").exists()
    assert "eps = 1.0  # ?" in said.out
    (files / "guess.toml").write_text(said.out.replace('mode = "last"', 'mode = "mean"'))
    call("import", files / "c.npz", "--spec", files / "guess.toml", "--out", files / "n.npz")
    assert_allclose(forward(load_network(files / "n.npz"), X).logits, plain_logits(X), rtol=1e-9, atol=1e-9)
    asked = call("import", files / "c.npz", "--json")
    assert asked.code == 1
    assert asked.json["spec"] == said.out
    assert asked.json["tensors"]["embed.kernel"] == [3, 5]
    assert len(asked.json["doubts"]) == 3


def test_a_network_file_needs_no_import(call):
    from analogrnn import library

    call("import", library.network_path("digits_d16_k2")).refused(2, "is a network file already; use analogrnn convert")


def test_sequences_are_encoded_by_an_encoding_fitted_to_training_sequences(call, files):
    frames = DRAW.normal(size=(60, 2)) * 3.0 + 1.0
    np.savez(files / "raw.npz", features=frames, lengths=np.array([20, 30, 10]))
    words = ["--spec", files / "s.toml", "--encode-from", files / "raw.npz", "--frames", "16", "--out", files / "n.npz"]
    answer = call("import", files / "c.npz", *words, "--ladder-from", files / "raw.npz", "--json")
    assert answer.code == 0
    encoding = load_network(files / "n.npz").encoding
    assert_allclose(encoding.mean, frames.mean(axis=0), rtol=1e-12)
    assert (encoding.frames, encoding.ramp) == (16, True)
    late = call("import", files / "c.npz", "--frames", "3", "--spec", files / "s.toml")
    late.refused(2, "--frames belongs to --encode-from")


def test_a_guess_without_doubts_is_imported(call, tmp_path):
    np.savez(tmp_path / "c.npz", **{"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)})
    assert call("import", tmp_path / "c.npz", "--out", tmp_path / "n.npz").code == 0
    assert load_network(tmp_path / "n.npz").layer("fc").inputs == 3


def test_tensors_that_are_left_over_and_entries_of_an_optimizer_are_named(call, files):
    np.savez(files / "c.npz", **TENSORS, spare=np.ones(2), **{"optimizer.m": np.ones(2), "optimizer.v": np.ones(2)})
    rows = call("import", files / "c.npz", "--spec", files / "s.toml", "--json").json["rows"]
    left = [row["text"] for row in rows if row["status"] == "left over"]
    assert left == ["tensor spare belongs to no layer", "2 entries: state of an optimizer"]


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_is_refused_and_nothing_is_executed_or_written(call, files):
    (files / "c.pkl").write_bytes(pickle.dumps(Bomb(files / "executed")))
    call("import", files / "c.pkl", "--out", files / "n.npz").refused(2, "A pickle can run any code", "never read")
    assert not (files / "executed").exists()
    assert not (files / "n.npz").exists()


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (
            ('name = "out"', 'name = "out"\nbias = "none"'),
            [],
            "s.toml: out.bias: there is no tensor 'none'. Found: embed",
        ),
        (('name = "cell"', 'name = "cell"\nsources = ["out"]'), [], "cell -> pool -> out -> cell form a cycle"),
        (('name = "out"', 'name = "out"\nweight = "transpose(out.weight)"'), [], "A weight is (width, inputs)"),
        (("", ""), ["--exact", "fold"], "the conversion 'fold' is unknown; known: threshold, first-quadrant"),
        (("", ""), ["--floor", "much"], "--floor = 'much' is no value, as in 0.1, and no quantile, as in 5%"),
        (("", ""), ["--prune", "0.1"], "--prune is measured on data; give --data FILE.npz or NAME"),
        (("", ""), ["--ladder-quantile", "0.9"], "--ladder-quantile belongs to --ladder-from; give both, or neither"),
        (("", ""), ["--floor", "1", "--mean-threshold"], "--floor and --mean-threshold exclude each other"),
        (("", ""), ["--data", "spoken_digit"], "--data spoken_digit: there is no data set 'spoken_digit'"),
        (("", ""), ["--data", "none.npz"], "--data none.npz: "),
        (("", ""), ["--data", "counting"], "--data counting: x has 1 inputs per step, but the network takes 3"),
        (("", ""), ["--out", "n.txt"], "--out n.txt ends in '.txt'; a network file ends in .safetensors or .npz"),
    ],
)
def test_a_bad_input_is_one_line_and_writes_nothing(call, files, change, words, message):
    (files / "s.toml").write_text(SPEC.replace(*change) if change[0] else SPEC)
    out = [] if "--out" in words else ["--out", files / "n.npz"]
    call("import", files / "c.npz", "--spec", files / "s.toml", *out, *words).refused(2, message)
    assert not (files / "n.npz").exists()


def test_a_place_that_can_not_be_written_is_exit_code_5(call, files):
    call("import", files / "c.npz", "--spec", files / "s.toml", "--out", "/proc/n.npz").refused(5, "can't write")
