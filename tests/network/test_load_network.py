"""A network by its shipped name or by its path."""

from pathlib import Path

import pytest

from analogrnn import library
from analogrnn.errors import NetworkFormatError, ParameterError
from analogrnn.network.files import load, load_network, save_network

NAME = "digits_d16_k2"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_and_a_shipped_name_lead_to_the_same_network(tmp_path, kind):
    shipped = load_network(NAME)
    assert shipped.metadata == load(library.network_path(NAME)).metadata
    for suffix in (".safetensors", ".npz"):
        save_network(shipped, tmp_path / f"own{suffix}")
        assert load_network(kind(tmp_path / f"own{suffix}")).metadata == shipped.metadata


def test_a_name_that_is_not_shipped_lists_those_that_are():
    with pytest.raises(
        ParameterError, match=r"^networks/ holds no 'digits_d99.safetensors'; it holds: .*digits_d16_k2"
    ):
        load_network("digits_d99")


def test_a_path_with_another_suffix_is_no_network_file():
    with pytest.raises(NetworkFormatError, match=r"a network file ends in \.safetensors or \.npz\.$"):
        load_network(Path("weights.pt"))
