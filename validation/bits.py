"""Topic `bits`: minimal words of the shipped networks, the integer twin against float and fxpmath, and the warnings."""

from dataclasses import replace

import numpy as np

from analogrnn import datasets, library
from analogrnn.analysis.bits.integer import integer_network, run_integer
from analogrnn.analysis.bits.quantise import Convention, groups_of, quantise
from analogrnn.analysis.bits.search import Settings, analyze_bits
from analogrnn.analysis.bits.warnings import warnings_of
from analogrnn.datasets import LabelledClips
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.mapping import map_network
from analogrnn.network import Cmru
from analogrnn.network.files import load
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology
from validation.claims import Measured, Topic, equal
from validation.fixed_point_arithmetic import fixed_point_reference

TOPIC = Topic("bits")
NETWORKS = {"d16": "digits_d16_k2", "d32": "digits_d32_k4", "bmru": "digits_bmru_d16"}


def _design(name: str) -> tuple[Design, dict[str, LabelledClips]]:
    network = load(library.network_path(NETWORKS[name]))
    assert network.encoding is not None
    parts = {part: datasets.spoken_digits(part) for part in ("validation", "test")}
    clips = {part: LabelledClips(network.encoding(data.features), data.labels) for part, data in parts.items()}
    return map_network(network, load_technology()), clips


def _minimal(name: str, label: str, convention: Convention, settings: Settings) -> None:
    @TOPIC.measure(f"minimal-{name}{label}")
    def minimal(quick: bool) -> Measured:
        design, clips = _design(name)
        shown = quick and bool(label)  # the three networks are judged; another convention only has to run
        if shown:
            clips = {part: LabelledClips(data.x[:, ::2], data.labels[::2]) for part, data in clips.items()}
        report = analyze_bits(design, clips["validation"], clips["test"], convention, settings=settings)
        if report.test is None:
            return Measured(float("nan"), "accuracy", ">= -0.01", False, f"{NETWORKS[name]}: {report.warnings[0]}")
        words = ", ".join(f"{group} {bits}" for group, bits in report.words.items())
        rule = "95 % sure" if settings.sure > 0.5 else "by bare accuracy"
        held = shown or report.test.difference >= -0.01 - 1e-12
        claim = (
            f"{NETWORKS[name]}, {convention.grid} steps: accuracy on {report.test.clips} test clips less as "
            f"trained, s.e. {report.test.error:.4f}, McNemar p {report.test.p_value:.2g}; words chosen on "
            f"validation clips, {rule} of 1 %: {words}; {report.storage} bits in all"
        )
        return Measured(report.test.difference, "accuracy", "reported" if shown else ">= -0.01", held, claim)


for _name in NETWORKS:
    _minimal(_name, "", Convention(), Settings())
_minimal("d32", "-full", Convention(grid="full"), Settings())
_minimal("d32", "-bare", Convention(), Settings(sure=0.5))


@TOPIC.measure("integer-exact")
def integer_exact(quick: bool) -> Measured:
    same = checked = 0
    conventions = (Convention(), Convention(reference="row"), Convention(bias="trained"), Convention(compensate=False))
    for name in NETWORKS:
        design, clips = _design(name)
        x = clips["test"].x[:, ::10] if quick else clips["test"].x
        for convention in conventions[:2] if quick else conventions:
            for bits in (5, 10) if quick else (4, 5, 6, 7, 8, 10, 12, 16):
                try:
                    quantised = quantise(design, dict.fromkeys(groups_of(design), bits), convention)
                except ParameterError:
                    continue
                twin = integer_network(quantised)
                run = run_integer(twin, quantised.input_codes(x))
                reference = simulate(quantised.chip(), quantised.inputs(x))
                levels = run.levels["cell"] == reference.levels["cell"]
                logits = np.ldexp(run.logits.astype(float), twin.logit_exponent) == reference.logits
                same, checked = same + int(levels.sum() + logits.sum()), checked + levels.size + logits.size
    return equal(
        same,
        checked,
        "integer twin = float simulation of the same words, levels at every step and logits, "
        "3 networks, 4 to 16 bits, 4 conventions",
    )


@TOPIC.measure("fxpmath")
def fxpmath(quick: bool) -> Measured:
    same = checked = 0
    for name in ("d16",) if quick else NETWORKS:
        design, clips = _design(name)
        x = clips["test"].x[:, :: 300 // (1 if quick else 10)]
        words = dict.fromkeys(groups_of(design), 7) | {"inputs": 5, "bias": 9, "threshold": 8, "readout_weights": 6}
        quantised = quantise(design, words)
        twin = integer_network(quantised)
        run = run_integer(twin, quantised.input_codes(x))
        levels, logits = fixed_point_reference(quantised, x)
        equal_levels = run.levels["cell"] == levels
        equal_logits = np.ldexp(run.logits.astype(float), twin.logit_exponent) == logits
        same += int(equal_levels.sum() + equal_logits.sum())
        checked += equal_levels.size + equal_logits.size
    return equal(same, checked, "integer twin = fxpmath, which rounds, adds and compares by itself, levels and logits")


@TOPIC.measure("accumulator")
def accumulator(quick: bool) -> Measured:
    """The worst case of the codes is no wishful bound: an input of codes reaches it."""
    widest, reached, said = 0, [], []
    for name, network in NETWORKS.items():
        design, _ = _design(name)
        quantised = quantise(design, dict.fromkeys(groups_of(design), 8))
        twin = integer_network(quantised)
        cell = twin.layers[0]
        sign = np.where(cell.bias >= 0, 1, -1)[:, None]
        worst = np.sign(cell.weight.astype(int)) * twin.input_limit * sign
        found = run_integer(twin, worst[None]).accumulators["cell"][0]
        reach = int(np.abs(found.diagonal()).max()) + int(max(np.abs(cell.up).max(), np.abs(cell.down).max()))
        reached.append(reach / cell.bound)
        widest = max(widest, *(layer.accumulator_bits for layer in twin.layers))
        said.append(f"{network} {' and '.join(str(layer.accumulator_bits) for layer in twin.layers)}")
    return Measured(
        widest,
        "bits",
        "<= 32",
        widest <= 32 and min(reached) == 1.0,
        f"widest accumulator that can't overflow, all words 8 bits ({'; '.join(said)}); an input that "
        f"reaches {min(reached):.3f} of the bound exists",
    )


@TOPIC.measure("warnings")
def warnings(quick: bool) -> Measured:
    """Three words that break a circuit on purpose, and one that doesn't."""
    design, clips = _design("d16")
    x: np.ndarray = clips["test"].x
    caught: list[bool] = []
    network = load(library.network_path(NETWORKS["d16"]))
    cell = network.layers[0]
    assert isinstance(cell, Cmru)
    weight, bias = cell.weight.copy(), cell.bias.copy()
    # small weights around a bias just below the threshold: moves as trained; at 3 bits all of them round to zero
    weight[3], bias[3] = 0.05 * np.sign(weight[3]), 0.95 * cell.threshold[3]
    faint = replace(network, layers=(replace(cell, weight=weight, bias=bias), *network.layers[1:]))
    told = " ".join(warnings_of(quantise(map_network(faint, load_technology()), {"weights": 3}), x))
    caught.append("cell[3] is silenced" in told)
    try:
        told = " ".join(warnings_of(quantise(design, {"width": 1}), x))
        caught.append("margin" in told)
    except ParameterError as error:
        caught.append("width zero" in str(error))
    drift = quantise(design, {})
    ladder = drift.design.ladders[0]
    moved = ladder.threshold.copy()
    moved[4, 1] = -0.1
    drift = replace(
        drift, design=replace(drift.design, layers=(replace(ladder, threshold=moved), *drift.design.layers[1:]))
    )
    told = " ".join(warnings_of(drift, x))
    caught += ["cell[4] drifts to the top" in told, "cell[4] is pinned at the top" in told]
    caught.append(not warnings_of(quantise(design, dict.fromkeys(groups_of(design), 12)), x))
    return Measured(
        sum(caught),
        f"of {len(caught)}",
        f"= {len(caught)}",
        all(caught),
        "a silenced cell, a window without width, a drift and a pinned ladder are told; 12 bits are not",
    )
