"""Soft thresholds settle before the pulse: the margin, and the time in transistors."""

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, gated, network

from analogrnn.calibrate.bench import CalibrationBench, Setup
from analogrnn.errors import MappingError
from analogrnn.mapping import ladder_margins, map_network
from analogrnn.mapping.settling import SOFT_CHARGE, soft_time
from analogrnn.spice.deck import Tran, number
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk

STEP, STOP = 2e-3, 10e-3  # s


def mapped(*layers, **changes):
    return map_network(network(*layers), TECHNOLOGY, stage="standard", input_bound=3.0, **changes)


def test_a_design_with_soft_thresholds_has_the_margin():
    design = mapped(gated())
    lead = design.timing.lead
    assert ladder_margins(design)["rectify"] == pytest.approx(lead / soft_time(design, design.ladders[0]) - 1.0)
    assert "rectify" not in ladder_margins(mapped(cmru(ladder=(0, 3))))


def test_a_clock_that_leaves_soft_thresholds_no_time_is_refused():
    with pytest.raises(MappingError, match=r"the ladder's 'rectify' margin is -0.*: smaller cells, a larger"):
        mapped(gated(), lead=0.2, period=10e-3)


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize("e", [0.2, 1.0])
def test_a_soft_threshold_settles_within_the_modelled_time(e):
    """The slowest way: b steps from zero to -(1 + e) half windows, and the candidate from -2 to 2 + e."""
    setup = Setup(find_pdk())
    unit, area, source = setup.unit, setup.device.area, f"wr={setup.device.w / 4} lr={setup.device.l}"

    def moved(before, after):
        values = (0.0, before), (STEP, before), (STEP + 1e-6, after)
        return f"PWL({' '.join(f'{number(at)} {number(value * unit)}' for at, value in values)})"

    lines = "vbn vbp bcn bcp vdd 0"
    body = [
        f"Iref vdd nref {number(unit)}",
        f"Xref nref bcn 0 bias_reference_cascode {source} q=16",
        f"Xcas nref bcn bcp vdd 0 cascode_bias {source} {setup.size}",
        f"Xsoft nref vbn vbp vdd 0 soft_bias {source} {setup.size}",
        f"Ib 0 b {moved(0.0, -1.0 - e)}",
        f"Xa b e {lines} absolute {setup.size}",
        f"Xd nref e bcn 0 bias_sink_cascode p=16 {source}",
        f"Ix 0 x {moved(2.0, -2.0 - e)}",  # the block inverts
        f"Xs x e out {lines} soft_threshold {setup.size}",
        "Vu out line 0",
        f"Iline vdd line {number(2.0 * unit)}",
        f"Xl line line 0 0 nfet {setup.size}",
    ]
    bench = CalibrationBench(setup)
    deck = bench.deck(body, ("ladder_bias", "synapse", "soft_threshold"), Tran(STOP / 500, STOP, STOP / 500))
    ((_, waves),) = run_decks([bench.job(deck.with_saves("i(vu)"))], 1)
    u, time = waves["i(vu)"] / unit, waves.axis - STEP
    late = np.flatnonzero(np.abs(u - 2.0) > 0.05)
    assert late[-1] < len(u) - 1
    settled = time[late[-1] + 1]
    rising, output = SOFT_CHARGE
    model = (rising / e + output) * area / unit
    # the model holds for an output of half a window; at twice that the output's own part is shorter
    assert 0.5 * model < settled < model
