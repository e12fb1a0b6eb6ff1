"""Networks as modules and back: every number survives, and both have the same states and classes."""

from dataclasses import fields, replace

import numpy as np
import pytest
from helpers import BOUND, cmru, first_quadrant, inputs_of, kinds, linear, network
from numpy.testing import assert_allclose, assert_array_equal

import analogrnn as ar
from analogrnn import train
from analogrnn.errors import ParameterError
from analogrnn.network import Activation, AlphaCmru, Glu, LayerNorm, Network, Pooling, Scale, forward
from analogrnn.streams import stream

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def more_kinds():
    draw = stream(8, "kinds")
    gated = cmru(threshold_weight=draw.normal(size=(2, 3)), threshold_floor=np.array([0.2, 0.4]))
    alpha = AlphaCmru("cell", *(draw.normal(size=s) for s in ((2, 3), 2, 2, (2, 3), 2)), eps=0.5)
    skip = Network(
        (
            cmru("low", 3, 3),
            Scale("scale", draw.normal(size=3), draw.normal(size=3), sources=("low", "input")),
            cmru("high", 2, 3, initial=np.zeros(2), k_min=np.array([-1, -2]), k_max=np.array([1, 3])),
            Pooling("pool", "mean"),
            linear(),
        )
    )
    return {
        "gated": network(gated),
        "leaky": network(cmru(eps=0.3, ladder=(-1, 1), initial=np.zeros(2))),
        "unbounded": network(cmru(k_min=None, k_max=None)),
        "alpha": network(alpha),
        "skip": skip,
        "digital": Network(
            (
                linear("front", 4, 3),
                LayerNorm("norm", np.ones(4), np.zeros(4)),
                Activation("act", "gelu"),
                Glu("glu"),
                Pooling("pool"),
                linear(),
            )
        ),
        "two_first_quadrant": network(first_quadrant(), first_quadrant("next", 2, 2)),
    }


EVERY = kinds() | more_kinds()


def same(one, other):
    for a, b in zip(one.layers, other.layers, strict=True):
        assert type(a) is type(b)
        for item in fields(a):
            left, right = getattr(a, item.name), getattr(b, item.name)
            if item.name == "sources":
                assert one.sources(a.name) == other.sources(b.name)
            elif isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
                assert_array_equal(left, right)
            else:
                assert left == right


@pytest.mark.parametrize("kind", EVERY)
def test_a_network_comes_back_from_a_module_with_exactly_its_numbers(kind):
    net = EVERY[kind]
    same(train.to_network(train.from_network(net)), net)


@pytest.mark.parametrize("kind", EVERY)
def test_a_module_computes_what_its_network_does(kind):
    net = EVERY[kind]
    x = np.clip(stream(1, "x").normal(0.0, 1.5, (20, 4, 3)), -BOUND, BOUND)
    expected = forward(net, x)
    model = train.from_network(net).eval()
    with torch.no_grad():
        found = model(torch.tensor(x)).numpy()
    # products of a few numbers of order one, summed in another order
    assert_allclose(found, expected.logits, rtol=1e-12, atol=1e-12)


def test_the_states_of_a_module_are_those_of_the_network_bit_by_bit():
    net = network(cmru(ladder=(-3, 3), d=6))
    x = inputs_of(net, 60, 5)
    model = train.from_network(net)
    with torch.no_grad():
        levels = model.cell(torch.tensor(x)) / model.cell.alpha
    assert_allclose(levels, forward(net, x).states["cell"], rtol=1e-15, atol=0)


def test_the_state_of_a_model_imports_as_it_is():
    model = train.Model(
        {
            "cell": train.CMRU(3, 4, k_min=-2, k_max=2, start="off"),
            "pool": train.Pooling(),
            "out": torch.nn.Linear(4, 2),
        }
    )
    layers = [
        {"kind": "cmru", "name": "cell", "eps": 1.0, "k_min": -2, "k_max": 2},
        {"kind": "pooling", "name": "pool", "mode": "last"},
        {"kind": "linear", "name": "out"},
    ]
    same(ar.from_state_dict(model.state_dict(), layers), train.to_network(model))


def test_a_sequential_is_a_network_as_it_stands():
    stack = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), train.BMRU(4, 5), train.Pooling(), torch.nn.Linear(5, 2, bias=False)
    )
    net = train.to_network(stack)
    assert [layer.kind for layer in net.layers] == ["linear", "relu", "cmru", "pooling", "linear"]
    assert net.layer("layer_2").eps == 0.0
    x = stream(1, "x").normal(size=(9, 4, 3))
    with torch.no_grad():
        found = stack.double()(torch.tensor(x)).numpy()
    assert_allclose(found, forward(net, x).logits, rtol=1e-5, atol=1e-5)  # the network was exported in float32


def test_a_min_gru_is_a_moving_average_with_a_gate():
    gru = train.MinGRU(2, 3)
    x = torch.randn(5, 1, 2, generator=torch.Generator().manual_seed(1))
    z, value = gru.gate(x).sigmoid(), gru.value(x)
    h = torch.zeros(1, 3)
    for t in range(5):
        h = (1 - z[t]) * h + z[t] * value[t]
        torch.testing.assert_close(gru(x)[t], h)


def test_alpha_cmru_has_a_gradient_in_every_parameter():
    cell = train.AlphaCMRU(3, 4, generator=torch.Generator().manual_seed(2))
    cell(torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in cell.parameters())


def test_what_is_no_network_is_refused():
    with pytest.raises(ParameterError, match=r"cell is a MinGRU, which is no layer of a Network; keep it outside"):
        train.to_network(train.Model({"cell": train.MinGRU(2, 3)}))
    with pytest.raises(ParameterError, match=r"a Linear is no network of layers that train knows; give a train\.Model"):
        train.to_network(torch.nn.Linear(2, 3))
    with pytest.raises(ParameterError, match=r"out reads 'later', which is no layer before it"):
        train.Model({"out": torch.nn.Linear(2, 3)}, {"out": ("later",)})
    with pytest.raises(ParameterError, match=r"a layer can't be named 'forward', which torch's modules use"):
        train.Model({"forward": torch.nn.Linear(2, 3)})
    with pytest.raises(ParameterError, match=r"Model has no layer; give at least one"):
        train.Model({})
    with pytest.raises(ParameterError, match=r"CMRU\.eps = 2 is outside \[0, 1\]"):
        train.CMRU(2, 3, eps=2.0)
    with pytest.raises(ParameterError, match=r"CMRU\.k_min = 2 is not below k_max = 2"):
        train.CMRU(2, 3, k_min=2, k_max=2)
    with pytest.raises(ParameterError, match=r"CMRU\.start = 'off': give 'off', the lowest level of a finite ladder"):
        train.CMRU(2, 3, k_min=None, start="off")
    with pytest.raises(ParameterError, match=r"Pooling\.mode = 'max' is unknown"):
        train.Pooling("max")


def test_pruning_leaves_other_numbers_alone():
    net = network(cmru(weight=np.array([[1e-3, 0.5, -1e-4], [1.0, 2.0, 3.0]])))
    found = train.pruned(net)
    assert_array_equal(found.layer("cell").weight, [[0.0, 0.5, 0.0], [1.0, 2.0, 3.0]])
    same(replace(found, layers=found.layers[1:]), replace(net, layers=net.layers[1:]))
