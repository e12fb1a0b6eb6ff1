"""The curve of yield is a step: a required accuracy between two numbers of clips asks for the upper one."""

import numpy as np
from matplotlib.figure import Figure

from analogrnn.figures import montecarlo as figures
from analogrnn.montecarlo import MonteCarlo, Variability, yield_above


def test_the_curve_of_yield_is_the_yield_at_every_required_accuracy():
    labels = np.zeros(20, dtype=int)
    wrong = np.array([2, 1, 1])  # clips that each chip gets wrong: accuracies 0.90, 0.95, 0.95
    classes = (np.arange(20) < wrong[:, None]).astype(int)
    result = MonteCarlo(np.arange(3), classes, labels, Variability())
    axes = Figure().subplots()
    assert figures._yield_curve(axes, "10um", result, "black") == 0.9  # which all chips reach
    (line,) = axes.lines
    assert line.get_drawstyle() == "steps-pre"
    at, share = line.get_data()
    for required in (0.0, 0.899, 0.9, 0.901, 0.93, 0.95, 0.951, 1.0):
        shown = share[np.searchsorted(at, 100 * required - 1e-9)]  # of a step drawn before its point
        assert shown == 100 * yield_above(result, required).share, required
