"""The networks in networks/: what their files claim is recomputed, and the circuits can hold them."""

import numpy as np
import pytest

from analogrnn import datasets, library
from analogrnn.network import Cmru, InputEncoding, Linear, Network, Pooling, forward
from analogrnn.network.files import load

# name: units, highest level, eps, least mean test accuracy of its three seeds
SHIPPED = {
    "digits_d32_k4": (32, 4, 1.0, 0.94),
    "digits_d16_k2": (16, 2, 1.0, 0.86),
    "digits_bmru_d16": (16, 1, 0.0, 0.80),
}
networks = pytest.mark.parametrize("name", SHIPPED)


@pytest.fixture
def network(name: str) -> Network:
    return load(library.network_path(name))


@pytest.fixture(scope="module")
def clips() -> dict[str, datasets.Sequences]:
    return {part: datasets.spoken_digits(part) for part in ("train", "validation", "test")}


def test_every_digits_network_in_the_folder_is_tested_here() -> None:
    assert {name for name in library.shipped("networks", ".safetensors") if name.startswith("digits")} == set(SHIPPED)


@networks
def test_the_accuracies_in_the_file_are_those_of_the_network(network: Network, clips: dict) -> None:
    assert network.encoding is not None
    for part in ("validation", "test"):
        found = np.mean(forward(network, network.encoding(clips[part].features)).classes == clips[part].labels)
        # counts of 300: equal exactly unless a logit or a candidate lies on the edge between two classes or levels
        assert found == network.metadata[f"accuracy_{part}"]


@networks
def test_the_encoding_was_fitted_on_the_training_clips_alone(network: Network, clips: dict) -> None:
    frames = np.concatenate(clips["train"].features)
    assert isinstance(network.encoding, InputEncoding)
    # the sum of 45,000 numbers, perhaps in another order
    np.testing.assert_allclose(network.encoding.mean, frames.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(network.encoding.scale, frames.std(axis=0), rtol=1e-9)
    assert (network.encoding.clip, network.encoding.frames, network.encoding.ramp) == (3.0, 32, True)


@networks
def test_the_file_says_where_the_network_came_from(name: str, network: Network) -> None:
    facts = network.metadata
    assert facts["name"] == name
    assert facts["task"] == "spoken_digits"
    assert "Free Spoken Digit Dataset" in str(facts["data"])
    assert facts["split_seed"] == datasets.SPLIT_SEED
    assert len(str(facts["seeds"]).split()) == 3
    assert str(facts["seed"]) in str(facts["seeds"]).split()
    assert facts["script"] == "train_spoken_digits.py"
    assert float(facts["accuracy_test_mean"]) >= SHIPPED[name][3]
    assert 0.0 < float(facts["accuracy_test_std"]) < 0.05
    assert {"epochs", "torch", "trained_with"} <= set(facts)


@networks
def test_one_weight_matrix_a_ladder_and_a_readout_of_the_last_step(name: str, network: Network) -> None:
    units, top, eps, _ = SHIPPED[name]
    cell, pool, readout = network.layers
    assert isinstance(cell, Cmru)
    assert isinstance(pool, Pooling)
    assert isinstance(readout, Linear)
    assert (cell.weight.shape, readout.weight.shape, pool.mode) == ((units, 14), (10, units), "last")
    assert (cell.eps, cell.k_min, cell.k_max, cell.threshold_weight) == (eps, -top, top, None)
    np.testing.assert_array_equal(cell.initial, 0.0 if eps else -1.0)


@networks
def test_a_circuit_can_hold_the_parameters(network: Network) -> None:
    cell, _, readout = network.layers
    assert isinstance(cell, Cmru)
    assert isinstance(readout, Linear)
    # in single precision, 0.1 is a little more or less than 0.1
    assert cell.threshold.min() >= 0.1 - 1e-8
    assert cell.alpha.min() > 0.0
    for values in (cell.weight, cell.bias, readout.weight, readout.bias):
        assert np.abs(values).max() <= 8.0
        assert not np.any((values != 0.0) & (np.abs(values) < 2e-3)), "too small for a mirror: prune it"


@networks
def test_every_level_of_the_ladder_is_used_and_most_units_hold_as_well_as_move(
    name: str, network: Network, clips: dict
) -> None:
    assert network.encoding is not None
    run = forward(network, network.encoding(clips["test"].features))
    top = SHIPPED[name][1]
    assert set(np.unique(run.states["cell"])) >= {-top, top}
    moves = np.diff(run.states["cell"], axis=0) != 0
    assert 0.02 < moves.mean() < 0.9
