"""Initial guess of the operating point of the transistor library, to a tenth of a volt, which is sufficient.

Without a guess, ngspice steps gmin about sixty times and takes 2,000 iterations for one ladder of four. With this guess
it takes 16 to 19 iterations and finds the same point. The guess is the reset state: no line current, all stages OFF.
"""

from analogrnn.design import Ladder


def coarse_nodesets(instance: str, ladder: Ladder, cell: int, supply: float, *, positive: bool) -> dict[str, float]:
    """Node -> V for the named nodes of ladder `cell`, whose `instance` is in lower case.

    positive  the first candidate is positive, so that the dummy branch of the line carries it
    """
    dummy = 0.4 if positive else 0.0
    line = {
        "cand": dummy,
        "line_in": dummy,
        "bu": supply - 0.2,
        "xline.nu": 0.0,
        "xline.du": dummy,
        "xline.nclk": supply,
        "xline.nrun": supply,
        "xline.npre": supply,
        "xline.sb": supply,
        "xline.sd": supply,
        "xline.sp": supply,
        "xline.sk": supply,
        "xline.vk": 0.0,
        "xline.xk": 0.0,
    }
    biases = dict.fromkeys(("bth", "bhyst", "balpha", "bbase"), supply - 0.7)
    if ladder.has_dpi:
        biases |= {
            "dump": 0.0,
            "bon": supply - 0.6,
            "btau": supply - 0.5,
            "bgain": supply - 0.6,
            "bshift": supply - 0.7,
        }
    nodes = line | biases
    for j in range(1, int(ladder.counts[cell]) + 1):
        nodes |= {
            f"n{j}": 0.5 if j == 1 else 0.1,
            f"a{j}": supply,
            f"xs{j}.xcell.s1": supply,
            f"xs{j}.xcell.s2": supply,
        }
        if ladder.has_dpi:
            nodes |= {f"xs{j}.w": 0.0, f"xs{j}.s3": supply, f"xs{j}.xdpi.t": supply - 0.5, f"xs{j}.xdpi.vs": supply}
    if not ladder.has_dpi:
        nodes["n1"] = 0.0
    if ladder.gate is not None:
        nodes |= soft_nodesets(("x", "b", "egate"), "xabsolute", "xsoft", supply)
    named = {f"{instance}.{node}": value for node, value in nodes.items()}
    return named | (rail_nodesets(instance, supply) if ladder.synapses.has_rail(cell) else {})


def soft_nodesets(nodes: tuple[str, str, str], absolute: str, soft: str, supply: float) -> dict[str, float]:
    """Node -> V for a soft threshold: the `nodes` of its candidate, of b and of e, and the instances of its blocks."""
    x, b, e = nodes
    low = dict.fromkeys((f"{absolute}.ed", f"{soft}.ye", f"{soft}.qe"), 0.1)
    high = [f"{absolute}.z{end}" for end in "do"] + [f"{soft}.{node}" for node in ("q3", "q4", "zd", "zo")]
    return {
        **low,
        **dict.fromkeys(high, supply - 0.1),
        x: supply / 2,
        b: supply / 2,
        e: 0.4,
        f"{absolute}.z": supply - 0.5,
        f"{soft}.y": 0.4,
        f"{soft}.z": supply - 0.5,
        f"{soft}.q": supply - 0.5,
    }


def soft_bias_nodesets(supply: float, instance: str = "xsoft_bias") -> dict[str, float]:
    """Node -> V for the gate lines that soft thresholds share."""
    return {"vbn": supply - 0.2, "vbp": 0.1, f"{instance}.vm": supply / 2, f"{instance}.p": supply - 0.4} | {
        f"{instance}.v{n}": supply * share for n, share in ((1, 0.75), (3, 0.25))
    }


def rail_nodesets(instance: str, supply: float) -> dict[str, float]:
    """Node -> V for a row's PMOS mirror."""
    drain = supply - 0.1
    return {f"{instance}.rail": supply - 0.7, f"{instance}.xrail.xi": drain, f"{instance}.xrail.xo": drain}
