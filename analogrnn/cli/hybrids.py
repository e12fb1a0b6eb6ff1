"""Networks that run digitally in parts, for the verbs that take them, and --part for those that take one circuit."""

import argparse
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.hybrid import HybridDesign, circuit_inputs, is_hybrid, map_hybrid
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Network
from analogrnn.technology import Technology


def add_part(parser: argparse.ArgumentParser) -> None:
    """--part."""
    parser.add_argument(
        "--part",
        metavar="NAME",
        help="a network that runs digitally in parts: the circuit of this name (default: its only one)",
    )


def mapped(network: Network, technology: Technology, options: MappingOptions, x: np.ndarray) -> Design | HybridDesign:
    """The design of `network`; its circuits between digital parts, with converters for inputs x, if it has such."""
    if is_hybrid(network):
        return map_hybrid(network, technology, x, options)
    return map_network(network, technology, options)


@dataclass(frozen=True, eq=False)
class Circuit:
    """One circuit: what it computes, its design, and its inputs (T, S, D)."""

    network: Network
    design: Design
    x: np.ndarray


def circuit_of(args: argparse.Namespace, network: Network, design: Design | HybridDesign, x: np.ndarray) -> Circuit:
    """The circuit that --part names, or the only one. Raises ParameterError."""
    if isinstance(design, Design):
        if args.part is not None:
            raise ParameterError(f"--part = {args.part!r}: {network.name} is one circuit; leave --part out.")
        return Circuit(network, design, x)
    names = [part.design.name for part in design.analog]
    if args.part is None and len(names) > 1:
        raise ParameterError(f"{network.name} has {len(names)} circuits; choose one with --part: {', '.join(names)}.")
    name = args.part or names[0]
    if name not in names:
        raise ParameterError(f"--part = {name!r} names no circuit; there are {', '.join(names)}.")
    part = design.analog[names.index(name)]
    return Circuit(part.network, part.design, circuit_inputs(design, x, name))
