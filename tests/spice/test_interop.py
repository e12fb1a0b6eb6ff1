"""A deck as a PySpice Circuit: the same circuit, and the same waveforms from both engines."""

import sys

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, mapped, network

from analogrnn.errors import MissingDependencyError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.spice.engine import run_deck
from analogrnn.spice.ideal_network import network_deck
from analogrnn.spice.interop import analysis_lines, pyspice_circuit
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.pyspice import run_deck_pyspice
from analogrnn.spice.transistor_network import ladder_slice

NET = network(cmru())
X = np.round(np.linspace(-2.0, 2.0, 9).reshape(3, 3), 3)


def ideal():
    return network_deck(mapped(NET), X)


def rebuilt(deck):
    return f"{pyspice_circuit(deck)}{analysis_lines(deck)}".replace(".title ", "", 1)


def same(one, other):
    """The same circuit and settings: equal steps, or steps that differ within reltol by a thousandth of the swing."""
    assert set(one.signals) == set(other.signals)
    for name, values in one.signals.items():
        moved = np.interp(one.axis, other.axis, other[name])
        assert np.abs(moved - values).max() <= 1e-3 * max(1e-9, np.ptp(values)) + 1e-6 * np.abs(values).max()


@pytest.mark.pyspice
def test_ladders_and_sources_are_elements_that_can_be_looked_up():
    deck = ideal()
    circuit = pyspice_circuit(deck)
    names = [element.name for element in circuit.elements]
    assert len(names) == len(set(names)) > 10
    assert {"Xladder_cell_0", "Xladder_cell_1", "Iin_2", "Vdd", "Vclk_cell"} <= set(names)
    assert "ladder_cell_1" in str(circuit.element("Xladder_cell_1"))
    assert circuit.title.startswith("random: ")
    assert ".tran" not in str(circuit)


@pytest.mark.pyspice
@pytest.mark.ngspice
def test_the_circuit_gives_the_waveforms_of_its_deck():
    deck = ideal()
    stop = deck.schedule.duration
    same(run_deck(deck.text, stop_time=stop), run_deck(rebuilt(deck), stop_time=stop))


@pytest.mark.pyspice
@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_circuit_of_transistors_gives_the_same_states_in_both_engines():
    """The shared library may round differently from the program, so that steps diverge; states and levels agree."""
    design = map_network(NET, TECHNOLOGY, MappingOptions(**{**vars(MappingOptions.standard()), "input_bound": 3.0}))
    deck = ladder_slice(design, design.ladders[0], [0], X[:2], find_pdk())
    given = {"stop_time": deck.schedule.duration, "allowed_paths": deck.allowed_paths}
    one, other = run_deck(deck.text, **given), run_deck_pyspice(rebuilt(deck), **given)
    assert set(one.signals) == set(other.signals)
    times = deck.schedule.read_times()
    states = [name for name in one.signals if ".a" in name]
    assert len(states) == 4
    for name in states:
        # both engines reach the supply or ground within about 20 mV
        assert np.abs(np.interp(times, one.axis, one[name]) - np.interp(times, other.axis, other[name])).max() < 0.05


def test_without_pyspice_the_message_names_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "PySpice.Spice.Netlist", None)
    with pytest.raises(MissingDependencyError, match=r"PySpice is not installed; install it with `pip install PySpice"):
        pyspice_circuit(ideal())
