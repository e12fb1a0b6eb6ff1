"""States of cells in training: compiled kernels, plain torch and the digital reference give the same ones."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn import cells
from analogrnn.kernels import plain
from analogrnn.streams import stream

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from analogrnn.train import surrogate  # noqa: E402
from analogrnn.train.states import CellRule, TableRule, cell_states, table_states  # noqa: E402

T, B, D = 40, 6, 5
LADDERS = [(1.0, -4, 4), (1.0, 0, 3), (1.0, -np.inf, np.inf), (0.0, -1, 1), (0.3, -1, 1), (0.3, -np.inf, 1)]


def candidates(seed=1):
    """(T, B, D) that drift, so that short ladders saturate, with exact ties at the threshold of 0.5."""
    draw = stream(seed, "states")
    c = draw.normal(0.3, 1.0, (T, B, D))
    c[draw.random(c.shape) < 0.1] = 0.5
    return c


def bounds(low, high):
    return torch.tensor([[low] * D, [high] * D], dtype=torch.float64)


def both(function, tensors, *rest):
    """Values and gradients of the compiled and the plain way, for a random loss of the states."""
    found = []
    for compiled in (True, False):
        leaves = [t.clone().requires_grad_() for t in tensors]
        states = function(leaves, compiled)
        weights = torch.tensor(stream(3, "loss").normal(size=tuple(states.shape)), dtype=states.dtype)
        (weights * states).sum().backward()
        found.append((states.detach(), [leaf.grad for leaf in leaves]))
    return found


@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize(("eps", "low", "high"), LADDERS)
def test_states_are_those_of_the_reference_and_both_ways_have_the_same_gradients(eps, low, high, each_step):
    draw, c = stream(4, "b"), candidates()
    b = draw.uniform(-0.8, 0.8, (T, B, D)) if each_step else np.where(np.arange(D) % 2, 0.5, -0.5)
    start = np.full(D, 0.0 if eps else -1.0)
    expected = cells.cmru_loop(c, b, start, eps=eps, k_min=low, k_max=high)

    def run(leaves, compiled):
        return cell_states(leaves[0], leaves[1], bounds(low, high), torch.tensor(start), CellRule(eps, 0.3, compiled))

    (fast, fast_grads), (slow, slow_grads) = both(run, [torch.tensor(c), torch.tensor(b)])
    assert_array_equal(fast, expected)
    assert_array_equal(slow, expected)
    for one, other in zip(fast_grads, slow_grads, strict=True):
        # sums of up to T B = 240 terms of order one in another order
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
        assert one.abs().max() > 0


@pytest.mark.parametrize(("eps", "low", "high"), [(1.0, -4, 4), (0.0, -1, 1), (0.3, -1, 1)])
def test_gradients_are_those_of_the_earlier_operation(eps, low, high):
    """`surrogate.ladder_states` is tested against autograd on the explicit recurrence."""
    c, b = torch.tensor(candidates() + 1e-3), torch.full((D,), 0.5).double()
    start = torch.full((D,), 0.0 if eps else -1.0).double()
    weights = torch.tensor(stream(3, "loss").normal(size=(T, B, D)))
    grads = []
    for states in (
        lambda c, b: cell_states(c, b, bounds(low, high), start, CellRule(eps, 0.5)),
        lambda c, b: surrogate.ladder_states(c, b, start, surrogate.LadderShape(eps, low, high, 0.5)),
    ):
        leaves = [c.clone().requires_grad_(), b.clone().requires_grad_()]
        (weights * states(*leaves)).sum().backward()
        grads.append([leaf.grad for leaf in leaves])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def tables(stages, seed=5, spread=0.4):
    """Thresholds (3, D, stages) of three chips, some of them never reached, some of the wrong sign."""
    draw = stream(seed, "tables", stages)
    up, down = (centre + spread * draw.normal(size=(3, D, stages)) for centre in (1.0, -1.0))
    down[draw.random(down.shape) < 0.1] = -np.inf
    if stages > 2:
        up[:, 0, 2:] = np.inf  # a ladder that is shorter
    return up, down


@pytest.mark.parametrize("rest", [True, False])
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("stages", [1, 2, 8])
def test_ladders_on_tables_move_as_the_step_level_and_both_ways_have_the_same_gradients(stages, single, rest):
    c = 1.5 * stream(6, "c").normal(size=(T, B, D))
    chip, start = np.array([0, 2, 1, 1, 0, 2]), np.zeros((B, D), dtype=np.int64)
    up, down = tables(stages)
    expected = np.empty((T, B, D), dtype=np.int16)
    for j in range(3):
        rows, out = np.flatnonzero(chip == j), np.empty((T, 2, D), dtype=np.int16)
        plain.ladder_steps(np.ascontiguousarray(c[:, rows]), up[j], down[j], rest, start[rows].copy(), out)
        expected[:, rows] = out

    def run(leaves, compiled):
        rule = TableRule(rest, single, 0.3, compiled)
        return table_states(*leaves, torch.tensor(chip), torch.tensor(start), rule)

    (fast, fast_grads), (slow, slow_grads) = both(run, [torch.tensor(a) for a in (c, up, down)])
    assert_array_equal(fast, expected)
    assert_array_equal(slow, expected)
    for one, other in zip(fast_grads, slow_grads, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
    assert fast_grads[0].abs().max() > 0


def test_a_push_beyond_the_end_has_no_gradient_and_cuts_off_what_came_before():
    up, down = torch.ones(1, 1, 2).double(), -torch.ones(1, 1, 2).double()

    def grad(*steps):
        c = torch.tensor(steps).double()[:, None, None].requires_grad_()
        chip, start = torch.zeros(1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.int64)
        states = table_states(c, up, down, chip, start, TableRule())
        assert states[-1].item() == 2
        states[-1].sum().backward()
        return c.grad.ravel().numpy()

    assert (grad(2.0, 0.5, 0.5) > 0).all()  # up, hold, hold: the window of the top stage could have lost the level
    assert_array_equal(grad(2.0, 0.5, 3.0), 0.0)


def test_single_precision_gives_the_same_states():
    c = torch.tensor(candidates(), dtype=torch.float32)
    b, start = torch.full((D,), 0.5), torch.zeros(D)
    double = cell_states(c.double(), b.double(), bounds(-4, 4), start.double(), CellRule())
    single = cell_states(c, b, bounds(-4, 4), start, CellRule())
    assert single.dtype == torch.float32
    assert_array_equal(single, double)
