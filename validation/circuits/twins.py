"""Every block in transistors beside its ideal block: one netlist of all blocks at rest, run with either library."""

from analogrnn import library
from analogrnn.spice.deck import Deck, Tran, number
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, model_lines
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.circuits.topic import TOPIC
from validation.claims import Measured

BLOCKS = (
    "bmru_cell",
    "dpi",
    "ladder_stage",
    "ladder_line",
    "ladder_bias",
    "ladder_end",
    "synapse",
    "rectifier",
    "output_sum",
    "soft_threshold",
)
SIZE, REFERENCE = "w=2e-6 l=18e-6", "wr=0.5e-6 lr=18e-6"
OPTIONS = ("gmin=1e-17", "abstol=1e-16", "vntol=1e-8", "reltol=1e-5")
UNIT, NODE, DRIVE = 0.25e-9, 0.45, 12.0  # A; V, where currents are read; I_on / I_tau of the DPIs
SETTLED = 0.1  # s, some fifty time constants of the DPIs
UNITS = (
    "p_th=83 p_hyst=33 p_on=14 p_alpha=8 p_tau=7 p_gain=9 p_shift=35 p_base=32 "
    "k_th=1 k_hyst=1 k_on=1 k_alpha=1 k_tau=6 k_gain=2 k_shift=1 k_base=1"
)
LINES = ("th", "hyst", "on", "alpha", "tau", "gain", "shift", "base")


class _Netlist:
    """All blocks, with current meters of NODE volts; `ideal` chooses what stands for a diode and a copy."""

    def __init__(self, *, ideal: bool) -> None:
        self.ideal, self.lines, self.meters = ideal, list[str](), list[str]()

    def block(self, nodes: str, name: str, parameters: str = "", *, size: str = SIZE) -> None:
        own = "" if self.ideal else size
        self.lines.append(f"X{len(self.lines)} {nodes} {name} {parameters} {own}")

    def source(self, node: str, current: float) -> None:
        self.lines.append(f"I{len(self.lines)} vdd {node} {number(current)}")

    def diode(self, line: str, current: float) -> None:
        """A bias line that carries `current`."""
        self.lines.append(f"I{len(self.lines)} {line} 0 {number(current)}")
        self.lines.append(
            f"R{len(self.lines)} vdd {line} 1e9"
            if self.ideal
            else f"X{len(self.lines)} {line} {line} vdd vdd pfet {SIZE}"
        )

    def copy(self, line: str, meter: str) -> None:
        """A unit device on a bias line."""
        node = self.meter(meter)
        self.lines.append(
            f"G{len(self.lines)} vdd {node} vdd {line} 1e-9"
            if self.ideal
            else f"X{len(self.lines)} {node} {line} vdd vdd pfet {SIZE}"
        )

    def meter(self, name: str) -> str:
        """A node whose current is measured under `name`."""
        self.meters.append(name)
        self.lines.append(f"V{name} n_{name} 0 {NODE}")
        return f"n_{name}"


def netlist(*, ideal: bool) -> _Netlist:
    """All blocks at rest, each in a state that leaves no doubt."""
    n = _Netlist(ideal=ideal)
    n.source("nref", UNIT)
    n.block("nref bcasn 0", "bias_reference_cascode", "q=16", size=REFERENCE)
    n.block("nref bcasn bcasp vdd 0", "cascode_bias", size=f"{REFERENCE} {SIZE}")
    n.source("nplain", UNIT)
    n.block("nplain 0", "bias_reference", "q=16", size=REFERENCE)
    n.block(f"nref {' '.join(f'b{line}' for line in LINES)} vdd 0", "ladder_bias", UNITS, size=f"{REFERENCE} {SIZE}")
    for line in ("th", "hyst", "on", "alpha", "tau", "gain", "base"):
        n.copy(f"b{line}", f"bias_{line}")
    n.block(
        "nref cth chyst calpha cbase vdd 0",
        "bare_bias",
        "p_th=50 p_hyst=33 p_alpha=8 p_base=32",
        size=f"{REFERENCE} {SIZE}",
    )
    n.copy("cth", "bare_th")
    n.block(f"{n.meter('first')} dump bshift vdd 0", "ladder_end")
    n.block(f"nplain {n.meter('sink')} 0", "bias_sink", "p=24", size=REFERENCE)
    n.block(f"nref {n.meter('sink_cascode')} bcasn 0", "bias_sink_cascode", "p=24", size=REFERENCE)
    _weights(n)
    _soft_thresholds(n)
    _lines(n)
    _stages(n)
    return n


def _weights(n: _Netlist) -> None:
    for kind, bias, rail in (("", "", ""), ("_cascode", " bcasn", " bcasp")):
        gate, node = f"g{kind}", f"rail{kind}"
        n.source(gate, 2 * UNIT)
        n.block(f"{gate}{bias} 0", f"input_diode{kind}")
        n.block(f"{gate} {node}{bias} 0", f"synapse_positive{kind}", "ratio=2")
        n.block(f"{node} {n.meter(f'positive{kind}')}{rail} vdd", f"row_rail{kind}")
        n.block(f"{gate} {n.meter(f'negative{kind}')}{bias} 0", f"synapse_negative{kind}", "ratio=3")
    n.source("relu", 2 * UNIT)
    n.block("relu relu_gate 0", "rectifier")
    n.block(f"relu_gate {n.meter('rectifier')} 0", "synapse_negative", "ratio=1")
    n.source("sum", 3 * UNIT)
    n.block(f"sum {n.meter('output_sum')} balpha vdd 0", "output_sum", "offset=2")


def _soft_thresholds(n: _Netlist) -> None:
    """|b| of two units with delta of one, and a row's current of three units: both signs of each."""
    n.block("nref vbn vbp vdd 0", "soft_bias", size=f"{REFERENCE} {SIZE}")
    for sign, name in ((1.0, "positive"), (-1.0, "negative")):
        n.source(f"b_{name}", 2.0 * sign * UNIT)
        n.block(f"b_{name} e_{name} vbn vbp bcasn bcasp vdd 0", "absolute")
        n.block(f"nref e_{name} bcasn 0", "bias_sink_cascode", "p=16", size=REFERENCE)
        n.source(f"x_{name}", 3.0 * sign * UNIT)
        n.block(f"x_{name} e_{name} {n.meter(f'soft_{name}')} vbn vbp bcasn bcasp vdd 0", "soft_threshold")


def _lines(n: _Netlist) -> None:
    """At rest, with a candidate that passes, with one that is held back, one that sinks, with a preset."""
    n.diode("lbase", 2.0 * UNIT)
    n.diode("lpreset", 2.0 * UNIT)
    for name, clk, run, preset, candidate in (
        ("rest", 0, 1, 0, 0.0),
        ("passes", 1, 1, 0, 1.5),
        ("held", 0, 1, 0, 1.5),
        ("sinks", 1, 1, 0, -0.5),
        ("preset", 0, 1, 1, 0.0),
    ):
        high = {0: "0", 1: "vdd"}
        n.source(f"cand_{name}", candidate * UNIT)
        ports = f"cand_{name} {high[clk]} {high[run]} {high[preset]} lbase lpreset bu_{name} vdd 0"
        n.block(ports, "ladder_line", "" if n.ideal else "drive=2")
        n.copy(f"bu_{name}", f"line_{name}")


def _stages(n: _Netlist) -> None:
    """Cell, DPI and all stages, ON and OFF."""
    technology = load_technology()
    slope = technology.dpi_tau * technology.thermal_voltage / technology.kappa
    gain = technology.dpi_gain * DRIVE / (DRIVE - 1.0)
    dpi = f"gain={number(gain)} vslope={number(slope)}" if n.ideal else ""
    for state, current in (("off", 0.5), ("on", 9.0)):
        n.source(f"cell_{state}", current * UNIT)
        n.block(f"cell_{state} ca_{state} {n.meter(f'cell_{state}')} vdd 0 bth bhyst bon", "bmru_cell")
        n.diode(f"u_{state}", current * UNIT)
        n.diode(f"ub_{state}", (current + 1.0) * UNIT)
        bias = "bth bhyst bon balpha btau bgain vdd 0"
        ends = f"{n.meter(f'left_{state}')} {n.meter(f'right_{state}')} {n.meter(f'stage_{state}')}"
        n.block(f"i_{state} sa_{state} {ends} u_{state} {bias}", "ladder_stage", f"c=0.5e-12 {dpi}")
        n.source(f"down_{state}", UNIT)
        n.block(f"down_{state} 0", "input_diode")
        both = f"{n.meter(f'bleft_{state}')} {n.meter(f'bright_{state}')} {n.meter(f'bipolar_{state}')}"
        n.block(
            f"ib_{state} ba_{state} {both} ub_{state} down_{state} {bias}", "ladder_stage_bipolar", f"c=0.5e-12 {dpi}"
        )
        n.block(f"ie_{state} ea_{state} {n.meter(f'bare_{state}')} u_{state} bth bhyst balpha vdd 0", "bare_stage")
    n.source("w", DRIVE * 0.02e-9)
    n.diode("dtau", 0.02e-9)
    n.diode("dgain", 0.07e-9)
    n.block(f"w {n.meter('dpi_left')} {n.meter('dpi_right')} vdd 0 dtau dgain", "dpi", f"c=0.5e-12 {dpi}")


def currents(*, ideal: bool) -> dict[str, float]:
    """What the meters of the netlist read with one library, A; what flows out of a block is positive."""
    n, pdk = netlist(ideal=ideal), find_pdk()
    flavour, blocks = ("ideal", BLOCKS) if ideal else ("gf180mcu", ("devices", *BLOCKS))
    saved = [f"i(v{name})" for name in n.meters]
    deck = Deck(
        "blocks",
        ("Vdd vdd 0 1.8", *n.lines),
        Tran(SETTLED / 500, SETTLED, uic=ideal),
        models=() if ideal else model_lines(pdk),
        blocks=tuple(library.circuit(flavour, block).rstrip() for block in blocks),
        options=OPTIONS,
        saves=tuple(saved),
    )
    waves = run_deck(deck.text, stop_time=SETTLED, timeout=120, allowed_paths=frozenset() if ideal else pdk.paths)
    return {name: float(waves[signal][-1]) for name, signal in zip(n.meters, saved, strict=True)}


def deviations() -> dict[str, float]:
    """Meter to the transistors' reading less the ideal one, over the ideal one, or over a unit current if it is 0."""
    ours, theirs = currents(ideal=False), currents(ideal=True)
    return {
        name: (ours[name] - value) / (value if abs(value) > 1e-3 * UNIT else UNIT) for name, value in theirs.items()
    }


@TOPIC.measure(
    "ideal-blocks",
    "Currents of all blocks at rest: transistors compared with the ideal blocks in the same netlist, worst block.",
)
def ideal_blocks(quick: bool) -> Measured:
    found = deviations()
    worst = max(found, key=lambda name: abs(found[name]))
    listing = ", ".join(f"{name} {100 * value:+.1f}" for name, value in found.items() if abs(value) > 0.02)
    return Measured(
        abs(found[worst]),
        "relative",
        Bound.below(0.05),
        {"currents": len(found), "worst": worst, "beyond 2 %, in %": listing},
    )
