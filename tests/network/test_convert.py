"""Networks from the parameters of other frameworks, without those frameworks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.errors import NetworkFormatError, ParameterError
from analogrnn.network import Cmru, InputEncoding, Linear, forward
from analogrnn.network.convert import from_state_dict
from analogrnn.streams import stream

LAYERS = [
    {"kind": "cmru", "name": "cell", "eps": 1.0, "k_min": -4, "k_max": 4},
    {"kind": "pooling", "name": "pool", "mode": "last"},
    {"kind": "linear", "name": "readout"},
]


def parameters():
    draw = stream(1, "test")
    return {
        "cell.weight": draw.normal(size=(4, 3)),
        "cell.bias": draw.normal(size=4),
        "cell.threshold": np.full(4, 0.5),
        "cell.alpha": np.ones(4),
        "readout.weight": draw.normal(size=(2, 4)),
        "readout.bias": draw.normal(size=2),
    }


class OnDevice:
    """As a torch parameter: numpy can't read it before `detach` and `cpu`, and `cpu` wants `detach` first."""

    def __init__(self, array, *, detached=False, on_host=False):
        self.array, self.detached, self.on_host = array, detached, on_host

    def detach(self):
        return OnDevice(self.array, detached=True, on_host=self.on_host)

    def cpu(self):
        assert self.detached, "copied to the host with its gradient"
        return OnDevice(self.array, detached=True, on_host=True)

    def __array__(self, dtype=None, copy=None):
        if not (self.detached and self.on_host):
            raise TypeError("can't convert a tensor on a device that requires grad")
        return self.array.astype(dtype or self.array.dtype)


def test_a_state_dict_becomes_a_network():
    tensors = parameters()
    network = from_state_dict(tensors, LAYERS, metadata={"name": "demo"})
    cell, readout = network.layer("cell"), network.layer("readout")
    assert [layer.name for layer in network.layers] == ["cell", "pool", "readout"]
    assert isinstance(cell, Cmru)
    assert isinstance(readout, Linear)
    assert (cell.eps, cell.k_min, cell.k_max, network.name) == (1.0, -4, 4, "demo")
    for layer in (cell, readout):
        for field in ("weight", "bias"):
            assert_array_equal(getattr(layer, field), tensors[f"{layer.name}.{field}"])
    assert set(tensors) == set(parameters()), "the caller's mapping was emptied"


def test_tensors_on_a_device_are_detached_and_fetched():
    tensors = {name: OnDevice(array.astype(np.float32)) for name, array in parameters().items()}
    network = from_state_dict(tensors, LAYERS)
    # float32 into float64 is exact
    assert_array_equal(network.layer("cell").weight, parameters()["cell.weight"].astype(np.float32))
    assert network.layer("cell").weight.dtype == np.float64


def test_a_flattened_flax_tree_is_the_same_network():
    """Flax separates by slashes, starts with `params` and keeps kernels as (inputs, width)."""
    tensors = {}
    for name, array in parameters().items():
        path = "params/" + name.replace(".", "/")
        tensors[path.replace("weight", "kernel")] = array.T if name.endswith("weight") else array
    x = stream(2, "test").normal(size=(6, 5, 3))
    flax, torch_like = from_state_dict(tensors, LAYERS), from_state_dict(parameters(), LAYERS)
    assert_array_equal(forward(flax, x).logits, forward(torch_like, x).logits)


def test_a_prefix_locates_the_tensors_of_a_layer():
    tensors = {name.replace("readout.", "model.head.0."): array for name, array in parameters().items()}
    network = from_state_dict(tensors, [*LAYERS[:2], LAYERS[2] | {"prefix": "model.head.0"}])
    assert_array_equal(network.layer("readout").bias, parameters()["readout.bias"])


def test_scalars_may_come_as_tensors():
    layers = [{"kind": "cmru", "name": "cell", "k_max": 4}, *LAYERS[1:]]
    tensors = parameters() | {"cell.eps": np.array(0.25), "cell.k_min": np.array(-4)}
    cell = from_state_dict(tensors, layers).layer("cell")
    assert (cell.eps, cell.k_min, cell.k_max) == (0.25, -4, 4)


def test_the_encoding_goes_along():
    encoding = InputEncoding(np.zeros(2), np.ones(2))
    assert from_state_dict(parameters(), LAYERS, encoding=encoding).encoding is encoding


def test_every_kind_of_layer_can_be_built():
    tensors = {
        "q.weight": np.ones((2, 3)),
        "q.bias": np.zeros(2),
        "q.b_lo": np.ones(2),
        "q.b_hi": 2 * np.ones(2),
        "q.alpha": np.ones(2),
        "q.initial": np.ones(2),
        "a.weight": np.ones((2, 2)),
        "a.bias": np.zeros(2),
        "a.threshold": np.ones(2),
        "a.alpha_weight": np.ones((2, 2)),
        "a.alpha_bias": np.zeros(2),
    }
    specs = [
        {"kind": "first_quadrant_bmru", "name": "q"},
        {"kind": "relu", "name": "r"},
        {"kind": "alpha_cmru", "name": "a", "eps": 0.5},
    ]
    assert [layer.kind for layer in from_state_dict(tensors, specs).layers] == [s["kind"] for s in specs]


# ---------------------------------------------------------------- errors


def test_a_tensor_that_is_left_over_is_named():
    tensors = parameters() | {"optimiser.momentum": np.ones(3), "zeta": np.ones(1)}
    message = r"^tensor 'optimiser\.momentum' belongs to no layer; name its layer, or drop it\."
    with pytest.raises(NetworkFormatError, match=message):
        from_state_dict(tensors, LAYERS)


@pytest.mark.parametrize("name", list(parameters()))
def test_a_tensor_that_is_missing_is_named(name):
    tensors = parameters()
    del tensors[name]
    layer, field = name.split(".")
    with pytest.raises(NetworkFormatError, match=rf"^layer '{layer}' is incomplete: .*missing .*'{field}'"):
        from_state_dict(tensors, LAYERS)


@pytest.mark.parametrize("other", ["params/fc/weight", "fc/weight", "params.fc.weight"])
def test_two_spellings_of_one_tensor_are_refused(other):
    message = rf"^tensor '{other}' is there twice, as 'fc\.weight'; keep one\."
    with pytest.raises(NetworkFormatError, match=message):
        from_state_dict({"fc.weight": [[1.0]], other: [[2.0]], "fc.bias": [0.0]}, [{"kind": "linear", "name": "fc"}])


def test_a_kernel_beside_a_weight_is_refused():
    tensors = {"fc.weight": [[1.0]], "fc.kernel": [[2.0]], "fc.bias": [0.0]}
    with pytest.raises(NetworkFormatError, match=r"^layer 'fc' has both a kernel and a weight; keep one\."):
        from_state_dict(tensors, [{"kind": "linear", "name": "fc"}])


@pytest.mark.parametrize("kind", ["gru", None, "CMRU"])
def test_an_unknown_kind_of_layer_is_refused_with_those_that_are_known(kind):
    with pytest.raises(
        NetworkFormatError, match=rf"^layer kind {kind!r} is unknown; known: \['activation', 'alpha_cmru', 'cmru'"
    ):
        from_state_dict(parameters(), [{"kind": kind, "name": "cell"}])


def test_a_layer_without_a_name_is_incomplete():
    with pytest.raises(NetworkFormatError, match=r"^layer None is incomplete: .*missing .*'name'"):
        from_state_dict({}, [{"kind": "relu"}])


def test_a_scalar_that_the_layer_does_not_have_is_named():
    with pytest.raises(NetworkFormatError, match=r"^layer 'readout' is incomplete: .*unexpected keyword .*'epsilon'"):
        from_state_dict(parameters(), [*LAYERS[:2], LAYERS[2] | {"epsilon": 1.0}])


@pytest.mark.parametrize("value", ["text", [[1.0], [1.0, 2.0]], object()])
def test_a_tensor_that_is_no_array_of_numbers_is_named(value):
    with pytest.raises(ParameterError, match=r"^tensor 'cell\.bias' is not an array of numbers\."):
        from_state_dict(parameters() | {"cell.bias": value}, LAYERS)


def test_a_tensor_of_a_wrong_shape_is_named():
    with pytest.raises(ParameterError, match=r"^cell\.bias has shape \(3,\); expected \(4,\)\."):
        from_state_dict(parameters() | {"cell.bias": np.zeros(3)}, LAYERS)
    with pytest.raises(ParameterError, match=r"^readout\.weight has shape \(2, 5\): 5 inputs, but cell gives 4\."):
        from_state_dict(parameters() | {"readout.weight": np.zeros((2, 5))}, LAYERS)


def test_a_tensor_that_is_not_finite_is_named_with_its_place():
    tensors = parameters()
    tensors["cell.weight"][2, 1] = np.inf
    with pytest.raises(ParameterError, match=r"^cell\.weight has 1 value\(s\) that are not finite.* inf at \[2, 1\]"):
        from_state_dict(tensors, LAYERS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: list(t.items()), r"the tensors are a list, not a mapping from names; give model\.state_dict\(\)"),
        (
            lambda t: {tuple(k.split(".")): v for k, v in t.items()},
            r"key \('cell', 'weight'\) is a tuple; join it with",
        ),
        (lambda t: {1: t["cell.bias"]}, r"tensor key 1 is not text; give names such as 'cell\.weight'"),
        (
            lambda t: {"state_dict": t, "epoch": 3},
            r"a whole checkpoint: give tensors\['state_dict'\]\. Found: state_dict, e",
        ),
        (lambda t: {"epoch": 3, "model": t}, r"this looks like a whole checkpoint: give tensors\['model'\]"),
        (lambda t: {"state": {0: t}, "param_groups": []}, "this looks like the state of an optimizer: give model"),
        (lambda t: {"cell": {"weight": 1}}, "this looks like a nested tree: flatten it, with names joined by"),
        (
            lambda t: {f"module.{k}": v for k, v in t.items()},
            r"All start with 'module\.' \(torch\.nn\.DataParallel puts",
        ),
        (lambda t: {f"_orig_mod.{k}": v for k, v in t.items()}, r"All start with '_orig_mod\.' \(torch\.compile puts"),
        (
            lambda t: {f"mine.{k}": v for k, v in t.items()},
            r"Found: mine\.cell\.weight, .* All start with 'mine\.': remove",
        ),
        (
            lambda t: t | {"optimizer.lr": 1.0},
            r"belongs to no layer; .* Some belong to an optimizer: give model\.state_d",
        ),
        (lambda t: {}, "layer 'cell' is incomplete: .*Found: nothing"),
    ],
)
def test_the_error_of_a_checkpoint_in_another_shape_names_its_keys_and_the_likely_cause(change, message):
    with pytest.raises(NetworkFormatError, match=message):
        from_state_dict(change(parameters()), LAYERS)


def test_a_tensor_does_not_silently_override_the_spec():
    with pytest.raises(NetworkFormatError, match=r"^tensor 'cell\.k_max' is 2, but the layer's spec has 4; drop one"):
        from_state_dict(parameters() | {"cell.k_max": np.array(2)}, LAYERS)
    with pytest.raises(NetworkFormatError, match=r"^tensor 'cell\.eps' is an array of shape \(1,\), but"):
        from_state_dict(parameters() | {"cell.eps": np.array([1.0])}, LAYERS)
    same = from_state_dict(parameters() | {"cell.k_max": np.array(4)}, LAYERS)
    alone = [{k: v for k, v in LAYERS[0].items() if k != "k_max"}, *LAYERS[1:]]
    found = from_state_dict(parameters() | {"cell.k_max": np.array(3)}, alone)
    assert (same.layer("cell").k_max, found.layer("cell").k_max) == (4, 3)


def test_a_masked_or_complex_tensor_is_named():
    for bad in (np.ma.masked_array(np.zeros(4), [0, 1, 0, 0]), np.zeros(4, complex)):
        with pytest.raises(ParameterError, match=r"^tensor 'cell\.bias' is "):
            from_state_dict(parameters() | {"cell.bias": bad}, LAYERS)


def test_the_logarithm_of_alpha_and_thresholds_without_a_sign_are_those_of_our_trainer():
    tensors = parameters()
    tensors["cell.log_alpha"] = np.log(tensors.pop("cell.alpha") * 0.5)
    tensors["cell.threshold"] = -tensors["cell.threshold"]
    cell = from_state_dict(tensors, LAYERS).layer("cell")
    assert_allclose(cell.alpha, 0.5, rtol=1e-15)  # a logarithm, an exponential
    assert_array_equal(cell.threshold, 0.5)
    with pytest.raises(NetworkFormatError, match="has both a log_alpha and an alpha; keep one"):
        from_state_dict(tensors | {"cell.alpha": np.ones(4)}, LAYERS)


@pytest.mark.torch
def test_the_state_dict_of_our_trainer_is_the_network_of_its_export():
    import torch

    from analogrnn.train.export import to_network
    from analogrnn.train.layers import CmruClassifier, Start
    from analogrnn.train.surrogate import LadderShape

    model = CmruClassifier(
        (3, 4, 2), LadderShape(eps=1.0, k_min=-4, k_max=4), Start(), torch.Generator().manual_seed(0)
    )
    model = model.double()
    ours, theirs = from_state_dict(model.state_dict(), LAYERS), to_network(model)
    for layer in ("cell", "readout"):
        for field in ("weight", "bias", "threshold", "alpha", "initial"):
            if hasattr(ours.layer(layer), field):
                # two libraries' exponentials may differ in the last bit
                assert_allclose(getattr(ours.layer(layer), field), getattr(theirs.layer(layer), field), rtol=1e-15)
    half = from_state_dict({k: v.bfloat16() for k, v in model.state_dict().items()}, LAYERS)
    # bfloat16 keeps 8 bits
    assert_allclose(half.layer("cell").weight, ours.layer("cell").weight, rtol=2.0**-8)


def test_weights_of_zero_for_the_thresholds_are_constant_thresholds():
    network = from_state_dict(parameters() | {"cell.threshold_weight": np.zeros((4, 3))}, LAYERS)
    assert network.layer("cell").threshold_weight is None
