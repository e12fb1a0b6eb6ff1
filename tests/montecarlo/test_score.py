"""Classes of many chips: those that `simulate` gives each, in whatever company and order they are asked for."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers import cmru, inputs_of, kinds, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.chip import draw_chip
from analogrnn.errors import ParameterError
from analogrnn.montecarlo import score
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import forward
from analogrnn.simulate import simulate

NET = network(cmru("cell", 6, 3))
DESIGN = mapped(NET, cell_w=3e-6, cell_l=3e-6)  # small devices, so that chips differ
X = inputs_of(NET, 13, 30, near=0.0)
KINDS = {name: net for name, net in kinds().items() if name != "not_pooled"}


@pytest.fixture(autouse=True, params=[0, score.LITTLE], ids=["lanes", "little"])
def way(request, monkeypatch):
    """All of it in vector lanes, and by `simulate`, as little work is done."""
    monkeypatch.setattr(score, "LITTLE", request.param)


def plain(design, x, numbers, variability):
    seed = variability.seed if variability.noise else None
    chips = [draw_chip(design, variability.seed, n, scale=variability.scale) for n in numbers]
    return np.array([simulate(chip, x, noise_seed=seed).classes for chip in chips])


@pytest.mark.parametrize("size", [2e-6, 10e-6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_campaign_s_chip_is_the_simulated_chip_to_the_last_class(kind, size):
    design = mapped(KINDS[kind], cell_w=size, cell_l=size)
    x = inputs_of(KINDS[kind], 19, 11, near=0.0)
    for variability in (Variability(5), Variability(5, noise=False), Variability(5, scale=0.1)):
        assert_array_equal(
            score_chips(design, x, [4711, 0, 3], variability), plain(design, x, [4711, 0, 3], variability)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_without_variability_every_chip_is_the_digital_network(kind):
    net = KINDS[kind]
    x = inputs_of(net, 19, 11, near=0.0)
    classes = score_chips(mapped(net), x, [0, 9], Variability(noise=False, scale=0.0))
    assert_array_equal(classes, [forward(net, x).classes] * 2)


def test_chip_j_of_a_long_campaign_is_chip_j_of_a_short_one_in_any_order():
    long = score_chips(DESIGN, X, range(40), Variability(3))
    assert_array_equal(score_chips(DESIGN, X, [37, 2, 16], Variability(3)), long[[37, 2, 16]])
    assert len(np.unique(long, axis=0)) > 1


def test_threads_do_not_change_a_class():
    one = score_chips(DESIGN, X, range(50), Variability(3))
    assert_array_equal(score_chips(DESIGN, X, range(50), Variability(3), threads=3), one)


def test_a_clip_is_classified_alike_whatever_follows_it():
    """Noise is numbered by sample: the first clips of a set keep theirs. 330 clips are two tiles of lanes."""
    x = np.tile(X, (1, 11, 1))
    assert_array_equal(score_chips(DESIGN, x, [5], Variability(3))[:, :30], score_chips(DESIGN, X, [5], Variability(3)))
    assert_array_equal(score_chips(DESIGN, x, [5], Variability(3)), plain(DESIGN, x, [5], Variability(3)))


def test_candidates_on_their_thresholds_are_decided_as_in_the_simulation():
    """Inputs, weights and thresholds in halves, mismatch of a rounding: such chips are left to the plain way."""
    cell = cmru("cell", 2, 2, weight=[[0.5, 1.0], [1.0, -0.5]], bias=[0.0, 0.5], threshold=[1.0, 0.5])
    net = network(cell)
    design = mapped(net)
    x = np.resize([0.0, 1.0, -1.0, 0.5, 2.0], (10, 6, 2))
    variability = Variability(2, noise=False, scale=1e-15)
    assert_array_equal(score_chips(design, x, [0, 1], variability), plain(design, x, [0, 1], variability))


def test_what_varies_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Variability(7, noise=False, scale=0.5))) == Variability(7, False, 0.5)  # noqa: S301


@pytest.mark.parametrize(
    ("chips", "options", "message"),
    [
        ([], {}, r"score_chips\.chips names no chip; give at least one chip number"),
        ([-1], {}, r"score_chips\.chips = -1 is not a chip number: give a whole number from 0 to 2147483647"),
        ([2**32 - 1], {}, r"score_chips\.chips = 4294967295 is not a chip number"),
        ([1.5], {}, r"score_chips\.chips = 1.5 is not a chip number"),
        ([0], {"threads": 0}, r"score_chips\.threads = 0 is outside \[1, 1024\]"),
    ],
)
def test_what_cannot_be_scored_is_refused(chips, options, message):
    with pytest.raises(ParameterError, match=message):
        score_chips(DESIGN, X, chips, Variability(), **options)


def test_a_network_without_pooling_has_no_classes():
    net = kinds()["not_pooled"]
    with pytest.raises(ParameterError, match="has no pooling, so a clip has no class; add pooling 'last'"):
        score_chips(mapped(net), inputs_of(net), [0], Variability())


def test_inputs_that_do_not_fit_the_network_are_refused():
    with pytest.raises(ParameterError, match="x "):
        score_chips(DESIGN, X[:, :, :2], [0], Variability())


@pytest.mark.parametrize("scale", [-0.1, 101.0, float("nan")])
def test_a_scale_outside_its_range_is_refused(scale):
    with pytest.raises(ParameterError, match=r"Variability\.scale = .* is outside \[0, 100\]"):
        Variability(scale=scale)


LITTLE_WORK = """
import sys
from analogrnn.library import network_path
from analogrnn.mapping import map_network
from analogrnn.montecarlo import Variability, score
from analogrnn.network.files import load
from analogrnn.technology import load_technology
import numpy as np
design = map_network(load(network_path("digits_d16_k2")), load_technology())
score.score_chips(design, np.zeros((32, 8, 14)), [0, 1], Variability())
print("numba" in sys.modules)
"""


def test_little_work_does_not_wait_for_the_compiler():
    """Two chips on eight clips: numba, which takes seconds to compile, is not even imported."""
    child = subprocess.run([sys.executable, "-c", LITTLE_WORK], check=True, capture_output=True, text=True)
    assert child.stdout.split() == ["False"]
