"""Topic `bits`: the shortest word lengths of the shipped networks, the exact integer model, and the warnings."""

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
from validation.bounds import Bound
from validation.claims import Measured, Topic, equal
from validation.fixed_point_arithmetic import fixed_point_reference

TOPIC = Topic("bits")
NETWORKS = {"d16": "digits_d16_k2", "d32": "digits_d32_k4", "bmru": "digits_bmru_d16"}
RULES = {
    "": "with 95 % confidence of a loss below 1 %",
    "-full": "with 95 % confidence of a loss below 1 %, full steps",
    "-bare": "by an accuracy within 1 %, without confidence",
}


def _design(name: str) -> tuple[Design, dict[str, LabelledClips]]:
    network = load(library.network_path(NETWORKS[name]))
    assert network.encoding is not None
    parts = {part: datasets.spoken_digits(part) for part in ("validation", "test")}
    clips = {part: LabelledClips(network.encoding(data.features), data.labels) for part, data in parts.items()}
    return map_network(network, load_technology()), clips


def _minimal(name: str, label: str, convention: Convention, settings: Settings) -> None:
    @TOPIC.measure(
        f"minimal-{name}{label}",
        f"{NETWORKS[name]}: change of test accuracy with the shortest word lengths, chosen on validation clips "
        f"{RULES[label]}.",
    )
    def minimal(quick: bool) -> Measured:
        design, clips = _design(name)
        shown = quick and bool(label)  # the three networks are judged; another convention only has to run
        if shown:
            clips = {part: LabelledClips(data.x[:, ::2], data.labels[::2]) for part, data in clips.items()}
        report = analyze_bits(design, clips["validation"], clips["test"], convention, settings=settings)
        if report.test is None:
            return Measured(float("nan"), "accuracy", Bound.at_least(-0.01), {"failure": report.warnings[0]})
        words = ", ".join(f"{group} {bits}" for group, bits in report.word_lengths.items())
        return Measured(
            report.test.difference,
            "accuracy",
            Bound() if shown else Bound.at_least(-0.01),
            {
                "step sizes": convention.grid,
                "clips": report.test.clips,
                "standard error": f"{report.test.error:.4f}",
                "McNemar p": f"{report.test.p_value:.2g}",
                "word lengths": words,
                "storage": f"{report.storage} bits",
            },
        )


for _name in NETWORKS:
    _minimal(_name, "", Convention(), Settings())
_minimal("d32", "-full", Convention(grid="full"), Settings())
_minimal("d32", "-bare", Convention(), Settings(sure=0.5))


@TOPIC.measure(
    "integer-exact",
    "The integer model gives the levels at every step and the logits of the float simulation with the same word "
    "lengths.",
)
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
                model = integer_network(quantised)
                run = run_integer(model, quantised.input_codes(x))
                reference = simulate(quantised.chip(), quantised.inputs(x))
                levels = run.levels["cell"] == reference.levels["cell"]
                logits = np.ldexp(run.logits.astype(float), model.logit_exponent) == reference.logits
                same, checked = same + int(levels.sum() + logits.sum()), checked + levels.size + logits.size
    return equal(same, checked, {"networks": 3, "bits": "4 to 16", "conventions": 4})


@TOPIC.measure(
    "fxpmath", "The integer model gives the levels and logits of fxpmath, which rounds, adds and compares by itself."
)
def fxpmath(quick: bool) -> Measured:
    same = checked = 0
    for name in ("d16",) if quick else NETWORKS:
        design, clips = _design(name)
        x = clips["test"].x[:, :: 300 // (1 if quick else 10)]
        words = dict.fromkeys(groups_of(design), 7) | {"inputs": 5, "bias": 9, "threshold": 8, "readout_weights": 6}
        quantised = quantise(design, words)
        model = integer_network(quantised)
        run = run_integer(model, quantised.input_codes(x))
        levels, logits = fixed_point_reference(quantised, x)
        equal_levels = run.levels["cell"] == levels
        equal_logits = np.ldexp(run.logits.astype(float), model.logit_exponent) == logits
        same += int(equal_levels.sum() + equal_logits.sum())
        checked += equal_levels.size + equal_logits.size
    return equal(same, checked)


@TOPIC.measure(
    "accumulator", "Widest accumulator that cannot overflow with 8-bit words; an input exists that reaches its bound."
)
def accumulator(quick: bool) -> Measured:
    """The worst case of the codes is no wishful bound: an input of codes reaches it."""
    widest, reached, widths = 0, [], {}
    for name, network in NETWORKS.items():
        design, _ = _design(name)
        quantised = quantise(design, dict.fromkeys(groups_of(design), 8))
        model = integer_network(quantised)
        cell = model.layers[0]
        sign = np.where(cell.bias >= 0, 1, -1)[:, None]
        worst = np.sign(cell.weight.astype(int)) * model.input_limit * sign
        found = run_integer(model, worst[None]).accumulators["cell"][0]
        reach = int(np.abs(found.diagonal()).max()) + int(max(np.abs(cell.up).max(), np.abs(cell.down).max()))
        reached.append(reach / cell.bound)
        widest = max(widest, *(layer.accumulator_bits for layer in model.layers))
        widths[network] = " and ".join(str(layer.accumulator_bits) for layer in model.layers) + " bits"
    return Measured(
        widest,
        "bits",
        Bound.at_most(32),
        {**widths, "part of the bound that is reached": f"{min(reached):.3f}"},
        also={"the bound is reached": min(reached) == 1.0},
    )


@TOPIC.measure(
    "warnings",
    "Warnings report a silenced cell, a window without width, a drift and a saturated ladder, and nothing at 12 bits.",
)
def warnings(quick: bool) -> Measured:
    """Three word lengths that break a circuit on purpose, and one that doesn't."""
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
    texts = " ".join(warnings_of(quantise(map_network(faint, load_technology()), {"weights": 3}), x))
    caught.append("cell[3] is silenced" in texts)
    try:
        texts = " ".join(warnings_of(quantise(design, {"width": 1}), x))
        caught.append("margin" in texts)
    except ParameterError as error:
        caught.append("width zero" in str(error))
    drift = quantise(design, {})
    ladder = drift.design.ladders[0]
    moved = ladder.threshold.copy()
    moved[4, 1] = -0.1
    drift = replace(
        drift, design=replace(drift.design, layers=(replace(ladder, threshold=moved), *drift.design.layers[1:]))
    )
    texts = " ".join(warnings_of(drift, x))
    caught += ["cell[4] drifts to the top" in texts, "cell[4] is saturated at the top" in texts]
    caught.append(not warnings_of(quantise(design, dict.fromkeys(groups_of(design), 12)), x))
    return Measured(sum(caught), "cases right", Bound.equals(len(caught)), {"cases": len(caught)})
