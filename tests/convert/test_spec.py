"""Specs: which tensors make up which layer, in the names of each framework; and one clear error for every bad spec."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.convert.checkpoint import Checkpoint
from analogrnn.convert.spec import build_network, parse_spec, read_spec
from analogrnn.errors import NetworkFormatError

DRAW = np.random.default_rng(3)
W, B, T, A = DRAW.normal(size=(4, 3)), DRAW.normal(size=4), DRAW.normal(size=4), DRAW.normal(size=4)
OUT = DRAW.normal(size=(2, 4))
CELL = {"cell.weight": W, "cell.bias": B, "cell.threshold": T, "cell.alpha": A}
READOUT = {"out.weight": OUT, "out.bias": np.ones(2)}
TAIL = '[[layer]]\nkind = "pooling"\nname = "pool"\n[[layer]]\nkind = "linear"\nname = "out"\n'


def build(text, tensors):
    return build_network(Checkpoint("c", tensors, {name: name for name in tensors}, {}), parse_spec(text))


def cmru(extra="", name="cell"):
    return f'[[layer]]\nkind = "cmru"\nname = "{name}"\n{extra}\n'


def test_layers_take_the_tensors_of_their_prefix():
    spec = 'name = "mine"\n' + cmru("eps = 0.5\nk_min = -2\nk_max = [1, 2, 3, 4]") + TAIL
    found = build(spec, CELL | READOUT | {"spare.weight": W})
    cell = found.network.layer("cell")
    assert [layer.name for layer in found.network.layers] == ["cell", "pool", "out"]
    assert (found.network.name, cell.eps, cell.k_min) == ("mine", 0.5, -2)
    assert_array_equal(cell.k_max, [1, 2, 3, 4])
    assert_array_equal(cell.threshold, T)
    assert found.used["cell.alpha"] == "cell.alpha"
    assert found.left_over == ("spare.weight",)
    assert found.notes == ()


def test_kernels_are_transposed_and_missing_biases_are_zero_and_both_are_noted():
    tensors = {"rnn.0.kernel": W.T, "rnn.0.thresholds": T, "rnn.0.alpha": A, "out.weight": OUT}
    found = build(cmru('prefix = "rnn.0"') + TAIL, tensors)
    assert_array_equal(found.network.layer("cell").weight, W)
    assert_array_equal(found.network.layer("cell").bias, 0.0)
    assert found.notes == (
        "cell.weight = rnn.0.kernel, transposed to (width, inputs)",
        "cell.bias is not in the checkpoint: zero",
        "out.bias is not in the checkpoint: zero",
    )


def test_a_threshold_from_a_layer_of_its_own():
    tensors = CELL | {"gate.kernel": 2.0 * W.T, "gate.bias": -B} | READOUT
    del tensors["cell.threshold"]
    cell = build(cmru('threshold_prefix = "gate"') + TAIL, tensors).network.layer("cell")
    assert_array_equal(cell.threshold_weight, 2.0 * W)
    assert_array_equal(cell.threshold, -B)
    bias_free = {name: value for name, value in tensors.items() if name != "gate.bias"}
    assert_array_equal(build(cmru('threshold_prefix = "gate"') + TAIL, bias_free).network.layer("cell").threshold, 0.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("extra", A),
        ("-extra", -A),
        ("|extra|", np.abs(A)),
        ("abs(-extra)", np.abs(A)),
        ("exp(extra)", np.exp(A)),
        ("softplus(extra)", np.log1p(np.exp(A))),
        ("sigmoid(extra)", 1.0 / (1.0 + np.exp(-A))),
        ("-exp( -|extra| )", -np.exp(-np.abs(A))),
        ("long[4:8]", A),
        ("-long[4:]", -A),
        ("long[:4]", np.zeros(4)),
    ],
)
def test_a_field_is_an_expression_of_tensors(text, value):
    tensors = CELL | READOUT | {"extra": A, "long": np.concatenate([np.zeros(4), A])}
    cell = build(cmru(f'alpha = "{text}"') + TAIL, tensors).network.layer("cell")
    # logarithms and exponentials of two libraries may differ in the last bits
    assert_allclose(cell.alpha, value, rtol=1e-14)


def test_numbers_in_the_spec_are_the_value_of_all_units_and_lists_of_each():
    tensors = {"cell.weight": W} | READOUT
    spec = cmru("threshold = 0.5\nalpha = [1, 2, 3, 4]\ninitial = 0.25\nthreshold_floor = 0.1")
    cell = build(spec + TAIL, tensors).network.layer("cell")
    for name, value in {"threshold": 0.5, "alpha": [1, 2, 3, 4], "initial": 0.25, "threshold_floor": 0.1}.items():
        assert_array_equal(getattr(cell, name), np.broadcast_to(value, 4))


def test_log_alpha_and_scalars_as_tensors_are_understood():
    tensors = (
        CELL | READOUT | {"cell.log_alpha": np.log(np.abs(A)), "cell.k_max": np.array(3.0), "cell.eps": np.array(1.0)}
    )
    del tensors["cell.alpha"]
    found = build(cmru("k_max = 3") + TAIL, tensors)
    assert_allclose(found.network.layer("cell").alpha, np.abs(A), rtol=1e-14)
    assert (found.network.layer("cell").k_max, found.network.layer("cell").eps) == (3, 1.0)
    assert "cell.alpha = exp(cell.log_alpha)" in found.notes


@pytest.mark.parametrize("names", [("weight", "bias", "running_mean", "running_var"), ("scale", "bias", "mean", "var")])
def test_a_batch_normalisation_is_a_scale_with_its_stored_statistics(names):
    values = DRAW.normal(size=3), DRAW.normal(size=3), DRAW.normal(size=3), DRAW.uniform(0.5, 2.0, 3)
    tensors = {f"n.{name}": value for name, value in zip(names, values, strict=True)} | CELL | READOUT
    head = '[[layer]]\nkind = "batch_norm"\nname = "n"\neps = 0.001\n'
    tensors |= {"n.num_batches_tracked": np.array(7.0)}
    found = build(head + cmru() + TAIL, tensors)
    norm, x = found.network.layer("n"), DRAW.normal(size=3)
    expected = values[0] * (x - values[2]) / np.sqrt(values[3] + 0.001) + values[1]
    assert_allclose(norm.scale * x + norm.shift, expected, rtol=1e-12, atol=1e-12)
    assert found.left_over == ()


def test_a_layer_norm_in_the_names_of_torch_and_flax():
    for name in ("weight", "scale", "gamma"):
        tensors = {f"n.{name}": B, "n.bias": A, "out.weight": OUT}
        spec = '[[layer]]\nkind = "layer_norm"\nname = "n"\nepsilon = 0.01\n[[layer]]\nkind = "linear"\nname = "out"\n'
        norm = build(spec, tensors).network.layer("n")
        assert_array_equal(norm.weight, B)
        assert (norm.bias.tolist(), norm.epsilon) == (A.tolist(), 0.01)


def test_layers_without_tensors_sources_and_a_bmru():
    spec = (
        '[[layer]]\nkind = "bmru"\nname = "cell"\n[[layer]]\nkind = "relu"\nname = "r"\n'
        '[[layer]]\nkind = "activation"\nname = "f"\nfunction = "gelu"\nsources = ["cell", "r"]\n'
    )
    network = build(spec + TAIL, CELL | READOUT).network
    assert network.layer("cell").eps == 0.0
    assert network.sources("f") == ("cell", "r")
    assert network.layer("f").function == "gelu"


def test_an_encoding_is_read_from_numbers_or_tensors():
    spec = '[encoding]\nmean = "stats.mean"\nscale = [1.0, 2.0]\nframes = 8\nclip = 2.0\n'
    encoding = build(spec + cmru() + TAIL, CELL | READOUT | {"stats.mean": np.ones(2)}).network.encoding
    assert (encoding.mean.tolist(), encoding.scale.tolist(), encoding.frames) == ([1.0, 1.0], [1.0, 2.0], 8)


def test_tensors_may_be_ignored_by_name_or_pattern():
    tensors = CELL | READOUT | {"ema.cell.weight": W, "step": np.array(1.0), "other": W}
    found = build('ignore = ["ema.*", "step"]\n' + cmru() + TAIL, tensors)
    assert found.ignored == ("ema.cell.weight", "step")
    assert found.left_over == ("other",)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kind = ", r"spec is no TOML"),
        ("", r"spec names no layers; write \[\[layer\]\] once per layer"),
        ("layers = 3", r"the entry 'layers' is unknown; known: name, ignore, encoding, layer"),
        ("layer = 3", r"layer has a wrong form; write \[\[layer\]\] once per layer"),
        ("name = 3\n" + cmru(), r"name has a wrong form"),
        ("ignore = [1]\n" + cmru(), r"ignore is a list of names of tensors"),
        ('[[layer]]\nkind = "gru"\nname = "g"', r"layer 'g': the kind 'gru' is unknown; known: activation, alpha_cmru"),
        ('[[layer]]\nkind = "cmru"', r"a layer of kind 'cmru' has no name"),
        (cmru("epsilon = 1.0"), r"layer 'cell' has an unknown entry 'epsilon'; known: \['alpha', 'bias', 'eps'"),
        (cmru('alpha = "none"'), r"cell\.alpha: there is no tensor 'none'\. Found: cell\.weight, cell\.bias"),
        (cmru('prefix = "x"'), r"layer 'cell' lacks 'weight': there is no tensor x\.weight, and the spec gives none"),
        (cmru('alpha = "log(cell.alpha)"'), r"'log\(cell\.alpha\)': 'log' is unknown; known: abs, exp, softplus"),
        (cmru('alpha = "cell.alpha[1:9]"'), r"rows 1 to 9 are not within the 4 there are"),
        (cmru('alpha = ""'), r"'' names no tensor; write its name"),
        (cmru("alpha = 0.5"), r"cell\.alpha = 0\.5 in the spec, but a tensor has other values; drop one of the two"),
        (cmru('weight = "transpose(cell.weight)"'), r"cell\.bias has shape .* A weight is \(width, inputs\); one that"),
        (cmru("k_max = 1.5"), r"cell\.k_max = 1\.5 is not a whole number"),
        (cmru("sources = 3"), r"layer 'cell': sources is a list of names of layers"),
        (cmru('sources = ["pool"]') + TAIL, r"the layers cell -> pool -> cell form a cycle; a network has no feedback"),
        (cmru('sources = ["cell"]'), r"the layers cell -> cell form a cycle"),
        (cmru('sources = ["nowhere"]'), r"cell\.sources names 'nowhere', which is no layer"),
        (cmru() + cmru('prefix = "cell"', "second"), r"second\.weight has shape \(4, 3\): 3 inputs, but cell gives 4"),
        (
            "[encoding]\nclip = 2.0\n" + cmru(),
            r"encoding lacks 'mean'; give a list of numbers, or the name of a tensor",
        ),
        ("[encoding]\nfoo = 2.0\n" + cmru(), r"encoding has an unknown entry 'foo'"),
        ('[[layer]]\nkind = "batch_norm"\nname = "cell"', r"layer 'cell' lacks its stored mean or variance"),
        ('[[layer]]\nkind = "batch_norm"\nname = "cell"\nfoo = 1', r"has an unknown entry 'foo'; a batch_norm has eps"),
    ],
)
def test_a_bad_spec_is_one_clear_error(spec, message):
    with pytest.raises(NetworkFormatError, match=message) as caught:
        build(spec, CELL | READOUT)
    assert str(caught.value).startswith("spec")
    assert "\n" not in str(caught.value)


def test_a_field_under_two_names_is_refused():
    with pytest.raises(NetworkFormatError, match="layer 'cell' has both a weight and a kernel; name one in the spec"):
        build(cmru(), CELL | {"cell.kernel": W.T})
    cell = build(cmru('weight = "cell.weight"') + TAIL, CELL | READOUT | {"cell.kernel": W.T}).network.layer("cell")
    assert_array_equal(cell.weight, W)


def test_a_spec_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(NetworkFormatError, match=r"can't read .*s\.toml: No such file"):
        read_spec(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(NetworkFormatError, match=r"s\.toml is no text in UTF-8"):
        read_spec(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_bytes(b'name = "a"\rname = "b"')
    with pytest.raises(NetworkFormatError, match=r"s\.toml is no TOML"):
        read_spec(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(NetworkFormatError, match=r"s\.toml has more than 1048576 bytes"):
        read_spec(tmp_path / "s.toml")
