"""Cases that once went wrong, each between two levels of description or at an edge of the input."""

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, direct, first_quadrant, linear, mapped, network

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import nominal_chip
from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import MappingOptions, ladder_margins, map_network
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import Cmru, FirstQuadrantBmru, Network, forward
from analogrnn.simulate import simulate


def test_a_ladder_of_more_than_127_stages_counts_on():
    """Stages are counted in 16 bits: in 8, the 128th wraps."""
    net = direct(200, d=1, threshold=0.5)
    x = np.ones((150, 1, 1))
    found = check_agreement(net, mapped(net), x, AgreementSetup("step"))
    assert found.steps_equal == found.steps_checked == 150


@pytest.mark.ngspice
def test_a_preset_first_quadrant_cell_is_still_set_when_the_first_frame_comes():
    """Its line never returns to zero, so neither may the preset: zero lies below b_lo."""
    cell = FirstQuadrantBmru("cell", np.eye(1), np.zeros(1), [0.5], [1.5], [1.0], initial=[1.0])
    net = Network((cell, linear(inputs=1)))
    x = np.ones((4, 1, 1))  # between the thresholds: holds
    assert forward(net, x).states["cell"].all()
    found = check_agreement(net, mapped(net), x, AgreementSetup("ideal"))
    assert found.holds


def test_a_first_quadrant_cell_behind_a_ladder_has_a_clock():
    """Without a clock it would latch the levels that a large pulse passes through."""
    design = mapped(network(cmru("low", 2, 3), first_quadrant("high", 2, 2)))
    assert [ladder.return_to_zero for ladder in design.ladders] == [True, True]


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_the_output_of_a_first_quadrant_cell_is_positive(alpha):
    """A mirror gives one sign; that of alpha goes into the weights that read it."""
    net = network(first_quadrant(alpha=np.array([1.0, alpha])))
    design, x = mapped(net), np.ones((3, 1, 3))
    assert (design.ladders[0].i_alpha > 0.0).all()
    np.testing.assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=1e-12)


@pytest.mark.ngspice
def test_logits_of_an_unpooled_network_are_compared_at_every_step():
    net = Network((cmru(), linear()))
    x = np.tile([[[1.0, -1.0, 0.5]], [[-2.0, 0.3, 1.0]]], (2, 1, 1))
    found = check_agreement(net, mapped(net), x, AgreementSetup("ideal", flat=True))
    assert (found.classes_equal, found.classes_checked) == (4, 4)  # one clip of four steps
    assert found.logit_error < 1e-4  # level error of ngspice at reltol 1e-6; a wrong step is off by whole levels


def test_a_clock_whose_pulse_tail_would_decide_is_refused():
    """The shift margin alone is positive here (0.03), yet after a down pulse the stages let go too late."""
    net = direct(4, d=1, threshold=1.0, initial=0)
    with pytest.raises(MappingError, match=r"'recovery' margin is -.*raise shift_ratio, lower base_ratio or shorten"):
        mapped(net, shift_ratio=1.5, base_ratio=3.6, pulse_ratio=0.17)


def test_the_default_margins_are_positive():
    assert min(ladder_margins(mapped(direct(4))).values()) > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variability": lambda: Variability(scale=float("nan"))}, r"Variability\.scale = nan is outside \[0, 100\]"),
        ({"chips": [0.5]}, r"run_monte_carlo\.chips must be a number of chips or chip numbers"),
        ({"clips": 0}, "x has no clips; give at least one"),
    ],
)
def test_a_campaign_on_nothing_sensible_is_refused(change, message):
    net = network(cmru())
    x = np.zeros((4, change.get("clips", 2), 3))
    with pytest.raises(ParameterError, match=message):
        run_monte_carlo(
            mapped(net), x, np.zeros(x.shape[1], int), change.get("chips", 2), change.get("variability", Variability)()
        )


def test_a_number_of_chips_may_be_numpys():
    net = network(cmru())
    assert len(run_monte_carlo(mapped(net), np.zeros((4, 2, 3)), np.zeros(2, int), np.int64(3)).accuracy) == 3


def test_an_unpooled_network_has_no_accuracy():
    net = network(cmru(), readout=False)
    with pytest.raises(ParameterError, match="random has no pooling, so a clip has no class"):
        run_monte_carlo(mapped(net), np.zeros((4, 2, 3)), np.zeros(2, int), 1)


def test_a_threshold_just_below_an_octave_is_scaled_into_it():
    """log2 of 8 (1 - 2^-53) rounds to 3; the scaled threshold must still lie in [1, 2)."""
    threshold = np.nextafter(8.0, 0.0)
    cell = Cmru("cell", np.eye(1), np.zeros(1), threshold=[threshold], alpha=[1.0], k_min=0, k_max=2)
    design = map_network(Network((cell,)), TECHNOLOGY, MappingOptions(input_bound=2.0))
    assert 1.0 <= threshold * design.ladders[0].synapses.scale[0] < 2.0


def test_a_ladder_of_too_many_stages_is_refused():
    with pytest.raises(MappingError, match="cell has 1001 stages, above 1000; train with fewer levels"):
        mapped(direct(1001, d=1))


def test_a_level_beyond_all_reason_is_refused():
    """No float holds it, so no comparison with one may come first."""
    with pytest.raises(ParameterError, match=r"c\.k_max = 10+ is not a number"):
        Cmru("c", [[1.0]], [0.0], threshold=[1.0], alpha=[1.0], k_min=0, k_max=10**400)
