"""The trainable ladder compared with the digital reference, its gradients with autograd, and export to a Network."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn import cells, train
from analogrnn.datasets import LabelledClips
from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.network import InputEncoding, forward
from analogrnn.streams import stream

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

T, B, D = 40, 6, 5
LADDERS = [(1.0, -4, 4), (1.0, -2, 2), (1.0, 0, 3), (1.0, None, None), (0.0, -1, 1), (0.3, -1, 1), (0.3, None, 1)]


def rng():
    return torch.Generator().manual_seed(7)


def candidates(seed=1):
    """(T, B, D) that drift, so that short ladders saturate, with exact ties at the threshold of 0.5."""
    draw = stream(seed, "test")
    c = draw.normal(0.3, 1.0, (T, B, D))
    c[draw.random(c.shape) < 0.1] = 0.5
    return c


def offsets(ladder, spread=0.3):
    return torch.tensor(stream(2, "offset").normal(0.0, spread, (ladder.stages, B, D)))


def classifier(ladder, shape=(5, 6, 3)):
    return train.CmruClassifier(shape, ladder, train.Start(), rng())


class Step(torch.autograd.Function):
    """H with the surrogate's slope, for the reference that autograd differentiates step by step."""

    @staticmethod
    def forward(ctx, x, width):
        ctx.save_for_backward(x)
        ctx.width = width
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (ctx.width * (1 + (np.pi * x / (2 * ctx.width)) ** 2)), None


def plain_states(c, b, start, ladder, offset=None):
    """The explicit recurrence, one step and one threshold at a time."""
    s, states = start.expand(c.shape[1:]), []
    for t in range(len(c)):
        above = below = torch.zeros(c.shape[1:], dtype=c.dtype)
        if offset is not None and ladder.stages == 1:
            above = below = offset[0]
        elif offset is not None:
            k = (s - ladder.k_min).long()
            padded = torch.cat([torch.zeros_like(offset[:1]), offset, torch.zeros_like(offset[:1])])
            above, below = padded.gather(0, k[None] + 1)[0], padded.gather(0, k[None])[0]
        up = Step.apply(c[t] - b * (1 + above), ladder.width)
        down = Step.apply(b * (below - 1) - c[t], ladder.width)
        s = s - (1 - ladder.eps) * (up + down) * s + up - down
        if (ladder.k_min, ladder.k_max) != (None, None):
            s = s.clamp(ladder.k_min, ladder.k_max)
        states.append(s)
    return torch.stack(states)


@pytest.mark.parametrize(("eps", "k_min", "k_max"), LADDERS)
def test_the_torch_layer_has_the_levels_of_the_reference(eps, k_min, k_max):
    c, b = candidates(), np.full(D, 0.5)
    start = np.zeros(D) if eps else -np.ones(D)
    expected = cells.cmru_loop(c, b, start, eps=eps, k_min=k_min, k_max=k_max)
    ladder = train.LadderShape(eps, k_min, k_max)
    found = train.ladder_states(torch.tensor(c), torch.tensor(b), torch.tensor(start), ladder)
    assert_array_equal(found, expected)
    if k_max is not None:
        assert np.mean(expected == k_max) > 0.1, "the sequence was meant to saturate"


@pytest.mark.parametrize(("eps", "k_min", "k_max"), [(1.0, -4, 4), (1.0, 0, 3), (0.0, -1, 1)])
def test_each_stage_of_a_mismatched_ladder_has_its_own_window(eps, k_min, k_max):
    ladder = train.LadderShape(eps, k_min, k_max)
    c, b, start = torch.tensor(candidates()), torch.full((D,), 0.5).double(), torch.full((D,), eps - 1.0).double()
    offset = offsets(ladder)
    found = train.ladder_states(c, b, start, ladder, offset)
    assert_array_equal(found, plain_states(c, b, start, ladder, offset))
    assert (found != train.ladder_states(c, b, start, ladder)).any()


@pytest.mark.parametrize("mismatched", [False, True])
@pytest.mark.parametrize(("eps", "k_min", "k_max"), LADDERS)
def test_the_gradients_are_those_of_autograd_on_the_explicit_recurrence(eps, k_min, k_max, mismatched):
    ladder = train.LadderShape(eps, k_min, k_max)
    start = torch.full((D,), 0.0 if eps else -1.0).double()
    offset = offsets(ladder) if mismatched else None
    weights = torch.tensor(stream(3, "loss").normal(size=(T, B, D)))
    grads = []
    for states in (train.ladder_states, plain_states):
        # no ties here: c - b e >= b and c >= b (1 + e) may round apart exactly at a threshold
        c = torch.tensor(candidates() + 1e-3).requires_grad_()
        b = torch.linspace(0.3, 0.7, D).double().requires_grad_()
        (weights * states(c, b, start, ladder, offset)).sum().backward()
        grads.append((c.grad, b.grad))
    for ours, plain in zip(*grads, strict=True):
        # sums of up to T B = 240 terms of order 1, in a different order
        torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-11)


def test_gradients_flow_through_a_hold_at_the_end_of_the_ladder_and_not_through_a_push_beyond_it():
    ladder = train.LadderShape(1.0, -1, 1)

    def grad(*steps):
        c = torch.tensor(steps).double()[:, None, None].requires_grad_()
        s = train.ladder_states(c, torch.ones(1).double(), torch.zeros(1).double(), ladder)
        assert s[-1].item() == 1
        s[-1].sum().backward()
        return c.grad.ravel().numpy()

    assert (grad(2.0, 0.5, 0.5) > 0).all()  # up, hold, hold: a lower threshold is what keeps or loses the level
    assert_array_equal(grad(2.0, 0.5, 3.0), 0.0)  # pushed once more: whatever came before, the level is the last one


def test_a_chip_without_errors_is_the_perfect_network():
    model = classifier(train.LadderShape(1.0, -3, 3))
    x = torch.randn(12, 9, 5, generator=rng())
    on_chip = model.on_chip(x, train.HardwareErrors(), rng())
    # the output steps add up to the level only to rounding
    torch.testing.assert_close(on_chip, model(x), rtol=1e-5, atol=1e-5)


def test_a_chip_is_the_same_in_a_short_and_in_a_long_campaign():
    model = classifier(train.LadderShape(1.0, -2, 2))
    examples = train.Examples.of(LabelledClips(stream(1, "x").normal(size=(12, 50, 5)), np.arange(50) % 3))
    amount = train.HardwareErrors(0.3, 0.1, 0.1, 0.1)
    few, many = (train.mismatched_accuracy(model, examples, amount, chips=n, seed=4) for n in (3, 7))
    assert_array_equal(few, many[:3])
    assert np.ptp(many) > 0


@pytest.mark.parametrize(("eps", "k_min", "k_max"), [(1.0, -4, 4), (0.0, -1, 1)])
def test_an_exported_network_has_the_levels_and_classes_of_the_module(eps, k_min, k_max):
    model = classifier(train.LadderShape(eps, k_min, k_max))
    with torch.no_grad():
        model.cell.weight[0, 0] = 1e-3
        model.cell.threshold[1] *= -1.0
    network = train.to_network(train.finish(model), encoding=InputEncoding(np.zeros(4), np.ones(4)))
    x = stream(5, "x").normal(size=(T, 20, 5))
    run = forward(network, x)
    with torch.no_grad():
        c = model.cell.candidates(torch.tensor(x))
        assert_array_equal(run.states["cell"], model.cell.states(c))
        assert_array_equal(run.classes, model(torch.tensor(x)).argmax(-1))
    assert network.layer("cell").weight[0, 0] == 0.0
    assert (network.layer("cell").threshold > 0).all()


def toy(samples, seed):
    """Which of three inputs is high on average."""
    draw = stream(seed, "toy")
    y = draw.integers(0, 3, samples)
    x = draw.normal(0.0, 1.0, (16, samples, 4))
    x[:, np.arange(samples), y] += 1.0
    x[:, :, -1] = np.linspace(-1.0, 1.0, 16)[:, None]
    return train.Examples.of(LabelledClips(x, y))


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_one_epoch_lowers_the_loss(spread):
    model = train.CmruClassifier((4, 8, 3), train.LadderShape(1.0, -2, 2), train.Start(), rng())
    data, held_out = toy(640, 1), toy(100, 2)

    def loss():
        with torch.no_grad():
            return float(torch.nn.functional.cross_entropy(model(data.x), data.y))

    before = loss()
    hardware_errors = train.HardwareErrors(spread, spread / 10, spread / 10, spread)
    plan = train.Plan(
        epochs=1, rate=1e-2, clean=0.0, stretch=0.05, margin=0.01, hardware_errors=hardware_errors, chips=2
    )
    result = train.fit(model, data, held_out, plan, seed=0)
    assert loss() < 0.9 * before
    assert result.epoch == 0
    assert len(result.losses) == 1


def test_training_again_with_the_same_seed_gives_the_same_network():
    weights = []
    for _ in range(2):
        model = train.CmruClassifier((4, 8, 3), train.LadderShape(1.0, -2, 2), train.Start(), rng())
        plan = train.Plan(epochs=2, hardware_errors=train.HardwareErrors(0.1), clean=0.0, chips=2)
        train.fit(model, toy(128, 1), toy(40, 2), plan, seed=3)
        weights.append(model.cell.weight.detach().numpy())
    assert_array_equal(*weights)


def test_parameters_are_clamped_to_the_range_of_a_circuit():
    model = classifier(train.LadderShape(1.0, -2, 2))
    with torch.no_grad():
        model.cell.threshold[:2] = torch.tensor([-0.02, -3.0])
        model.readout.weight[0, 0] = -20.0
    model.keep_in_range(0.1, 8.0)
    torch.testing.assert_close(model.cell.threshold[:2].detach(), torch.tensor([0.1, 3.0]))
    assert model.readout.weight[0, 0] == -8.0


def test_invalid_settings_of_training_are_refused():
    with pytest.raises(ParameterError, match=r"CmruLayer\.eps = 1\.5 is outside \[0, 1\]: 0 is the BMRU, 1 the CMRU"):
        classifier(train.LadderShape(1.5, -2, 2))
    with pytest.raises(ParameterError, match="needs a finite ladder: give k_min and k_max"):
        classifier(train.LadderShape()).on_chip(torch.zeros(4, 2, 5), train.HardwareErrors(0.1), rng())
    with pytest.raises(ParameterError, match=r"HardwareErrors\.noise = -1 is outside"):
        train.HardwareErrors(noise=-1.0)
    with pytest.raises(ParameterError, match=r"Plan\.epochs = 0 is outside"):
        train.Plan(epochs=0)


def test_without_torch_the_error_names_the_package(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("analogrnn.train.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("LadderShape", "CmruLayer", "fit", "to_network"):
        with pytest.raises(MissingDependencyError, match="pip install torch"):
            getattr(train, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = train.nothing
