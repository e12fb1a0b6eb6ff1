"""Trimming: what small devices yield before and after, what it takes, and what no DAC can trim."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn import datasets, library
from analogrnn.agreement import thermometer
from analogrnn.analysis.power.area import area_report
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.figures.montecarlo import draw_accuracy_over_chips
from analogrnn.figures.trim import draw_accuracy_over_dac_bits, draw_thresholds
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Network, forward
from analogrnn.network.files import load
from analogrnn.simulate import simulate
from analogrnn.simulate.waveforms import simulate_waveforms
from analogrnn.technology import load_technology
from analogrnn.trim import StepDevice, TrimCampaign, TrimOptions, plan_trim, trim_chip, trim_chips
from analogrnn.trim.campaign import TrimClips, chip_trimmed, threshold_error
from validation.bounds import Bound
from validation.claims import Measured, Topic

TOPIC = Topic("trim")
NETWORK = "digits_d16_k2"
ACCEPT = 0.05  # a good chip loses at most this, compared with the digital network
CHIPS, QUICK_CHIPS = 200, 6
BITS = (3, 4, 5, 6, 8)
DOCS = Path(__file__).resolve().parents[1] / "docs"


@lru_cache(maxsize=1)
def _network() -> tuple[Network, TrimClips]:
    network = load(library.network_path(NETWORK))
    assert network.encoding is not None
    test, other = datasets.spoken_digits("test"), datasets.spoken_digits("validation")
    return network, TrimClips(network.encoding(other.features[::7]), test.encoded(network.encoding))


@lru_cache(maxsize=32)
def _campaign(size_um: float, bits: int, sharing: str, chips: int) -> TrimCampaign:
    network, clips = _network()
    size = size_um * 1e-6
    design = map_network(network, load_technology(), MappingOptions(cell_w=size, cell_l=size))
    return trim_chips(plan_trim(design, TrimOptions(bits, sharing)), network, clips, range(chips))


def _yield(size_um: float, least: float) -> None:
    @TOPIC.measure(
        f"yield-{size_um:g}um",
        f"Chips within {ACCEPT:g} of the digital accuracy after trimming threshold and width of each stage and "
        "the offset of each row and output.",
    )
    def good(quick: bool) -> Measured:
        campaign = _campaign(size_um, 6, "stage", QUICK_CHIPS if quick else CHIPS)
        counts, n = campaign.good(campaign.digital - ACCEPT), len(campaign.chips)
        (before, low_b, high_b), (after, low, high) = counts["before"], counts["after"]
        if not quick and size_um == 2.0:
            _picture(campaign)
        return Measured(
            after / n,
            "of chips",
            Bound.at_least(least),
            {
                "network": NETWORK,
                "device size": f"{size_um:g} um",
                "DACs": "6 bits",
                "digital accuracy": f"{campaign.digital:.3f}",
                "chips": n,
                "good chips before": f"{before} (95 % interval {low_b:.3f} to {high_b:.3f})",
                "good chips after": f"{after} ({low:.3f} to {high:.3f})",
                "mean accuracy before": f"{campaign.before.mean():.3f}",
                "mean accuracy after": f"{campaign.after.mean():.3f}",
                "worst accuracy after": f"{campaign.after.min():.3f}",
            },
        )


_yield(2.0, 0.95)
_yield(4.0, 0.99)


@TOPIC.measure(
    "thresholds",
    "Residual rms deviation of thresholds from the trained ones after trimming, over that before (it absorbs "
    "errors of weights).",
)
def remaining(quick: bool) -> Measured:
    campaign = _campaign(2.0, 6, "stage", QUICK_CHIPS if quick else CHIPS)
    before, after = (
        float(np.mean([getattr(chip, key) for chip in campaign.chips])) for key in ("error_before", "error_after")
    )
    return Measured(
        after / before,
        "of the error",
        Bound.below(0.25),
        {"device size": "2 um", "before": f"{before:.3f} half windows", "after": f"{after:.3f} half windows"},
    )


def _sharing(sharing: str, words: str, least: float) -> None:
    @TOPIC.measure(
        f"sharing-{sharing}", f"Part of the mean accuracy lost to mismatch that trimming recovers with {words}."
    )
    def shared(quick: bool) -> Measured:
        chips = QUICK_CHIPS if quick else 50
        campaign = _campaign(2.0, 6, sharing, chips)
        recovered = (campaign.after.mean() - campaign.before.mean()) / (campaign.digital - campaign.before.mean())
        return Measured(
            float(recovered),
            "of the loss",
            Bound.above(least),
            {
                "device size": "2 um",
                "chips": len(campaign.chips),
                "DACs": campaign.plan.dacs,
                "mean accuracy before": f"{campaign.before.mean():.3f}",
                "mean accuracy after": f"{campaign.after.mean():.3f}",
                "digital accuracy": f"{campaign.digital:.3f}",
            },
        )


_sharing("stage", "a threshold DAC and a width DAC at each stage", 0.9)
_sharing("width", "a threshold DAC at each stage and one width DAC per ladder", 0.9)
_sharing("ladder", "one threshold DAC and one width DAC per ladder", 0.3)


@TOPIC.measure("bits", "Least bits per trim DAC within one point of the mean accuracy with the most bits.")
def bits(quick: bool) -> Measured:
    """The least number of bits with which the mean is within a point of 8 bits."""
    chips = QUICK_CHIPS if quick else 50
    chosen = (4, 6) if quick else BITS
    curves: dict[str, Sequence[tuple[int, np.ndarray]]] = {}
    for size in (2.0,) if quick else (2.0, 4.0):
        runs = [_campaign(size, n, "stage", chips) for n in chosen]
        curves[f"{size:g} um devices"] = [
            (0, runs[0].before),
            *((n, run.after) for n, run in zip(chosen, runs, strict=True)),
        ]
    means = {n: float(a.mean()) for n, a in curves["2 um devices"]}
    least = min(n for n in chosen if means[n] >= means[chosen[-1]] - 0.01)
    if not quick:
        title = f"{NETWORK}: trimmed chips over the bits of their DACs, {chips} chips per point, with noise"
        draw_accuracy_over_dac_bits(curves, _campaign(2.0, 6, "stage", chips).digital, title, DOCS / "trim_bits.png")
    listing = ", ".join(f"{n}: {mean:.3f}" for n, mean in means.items())
    return Measured(
        least,
        "bits",
        Bound.at_most(6),
        {
            "device size": "2 um",
            "chips": chips,
            "most bits": chosen[-1],
            "mean accuracy by bits (0: untrimmed)": listing,
        },
    )


@TOPIC.measure("time", "Tester time per chip, one ladder after the other through the readout.")
def seconds(quick: bool) -> Measured:
    campaign = _campaign(2.0, 6, "stage", QUICK_CHIPS if quick else CHIPS)
    plan, steps = campaign.plan, np.array([chip.trimmed.steps for chip in campaign.chips])
    return Measured(
        campaign.seconds,
        "s",
        Bound.below(60),
        {
            "steps": f"{steps.mean():,.0f}",
            "step": f"{plan.design.timing.period * 1e3:.2f} ms",
            "DACs": plan.dacs,
            "latches": plan.bits_total,
            "area": f"{plan.area * 1e12:,.0f} um2",
        },
    )


@TOPIC.measure(
    "area",
    "Area of small trimmed devices with their DACs over that of large untrimmed devices of lower accuracy "
    "(gates, without wiring and capacitors).",
)
def area(quick: bool) -> Measured:
    """Small trimmed devices beside large untrimmed ones."""
    chips = QUICK_CHIPS if quick else 50
    small, large = (_campaign(size, 6, "stage", chips) for size in (2.0, 10.0))
    gates = [sum(area_report(campaign.plan.design).gates.values()) for campaign in (small, large)]
    trim, period = small.plan.area, [campaign.plan.design.timing.period for campaign in (small, large)]
    ratio = (gates[0] + trim) / gates[1]
    return Measured(
        ratio,
        "of the area",
        Bound.below(0.5),
        {
            "small": "2 um",
            "large": "10 um",
            "gates, small": f"{gates[0] * 1e12:,.0f} um2",
            "trim DACs": f"{trim * 1e12:,.0f} um2",
            "gates, large": f"{gates[1] * 1e12:,.0f} um2",
            "chips": chips,
            "mean accuracy, small trimmed": f"{small.after.mean():.3f}",
            "large untrimmed": f"{large.before.mean():.3f}",
            "step at the same unit current, small": f"{period[0] * 1e3:.2f} ms",
            "step, large": f"{period[1] * 1e3:.1f} ms",
        },
        also={"more accurate": bool(small.after.mean() > large.before.mean())},
    )


@TOPIC.measure("waveform", "Trimmed chips have the same stages at the waveform level and at the step level.")
def waveform_level(quick: bool) -> Measured:
    """Trimmed chips at the waveform level: pulses, mismatched DPIs, all of what the step level leaves out."""
    campaign = _campaign(2.0, 6, "stage", QUICK_CHIPS if quick else CHIPS)
    _, clips = _network()
    same = checked = right = untrimmed = 0
    chips = campaign.chips[: 2 if quick else 10]
    assert clips.test.truth is not None
    x, labels = clips.test.x[:, ::30], clips.test.truth[::30]
    for score in chips:
        trimmed = chip_trimmed(campaign.plan, campaign.seed, score)
        for chip in (trimmed, draw_chip(campaign.plan.design, campaign.seed, score.index)):
            layer, readout = chip.ladders[0], chip.layers[1].synapses
            run = simulate(chip, x)
            stages = simulate_waveforms(chip, layer, run.candidates[layer.name])
            last = stages[-1].sum(axis=-1)
            h = layer.output[np.arange(last.shape[1]), last]
            hits = int((np.argmax(h @ readout.weight.T + readout.bias, axis=-1) == labels).sum())
            if chip is not trimmed:
                untrimmed += hits
                continue
            right += hits
            follows = (stages == thermometer(run.levels[layer.name], layer.ladder)).all(axis=-1)
            same, checked = same + int(follows.sum()), checked + follows.size
    clips_run = len(chips) * len(labels)
    return Measured(
        same / checked,
        "of steps",
        Bound.at_least(0.98),
        {
            "device size": "2 um",
            "chips": len(chips),
            "clips": clips_run,
            "right clips, trimmed": right,
            "right clips, untrimmed": untrimmed,
            "steps": checked,
        },
    )


@TOPIC.measure(
    "waveform-device",
    "Trimming a chip at the waveform level and at the step level gives the same codes: largest difference of a code.",
)
def waveform_device(quick: bool) -> Measured:
    """The same procedure on a chip that answers at the waveform level."""
    network, clips = _network()
    plan = _campaign(2.0, 6, "stage", QUICK_CHIPS if quick else CHIPS).plan
    plan = replace(plan, options=replace(plan.options, repeats=1))
    few = clips.calibration[:, :4]
    wanted = forward(network, few).logits
    step, wave = (
        trim_chip(StepDevice(plan, 1, 0, waveform=waveform), plan, few, wanted).codes for waveform in (False, True)
    )
    apart = [np.abs(getattr(step, name) - getattr(wave, name)).max() for name in ("threshold", "width", "row")]
    return Measured(
        float(max(apart)),
        "steps of a code",
        Bound.at_most(1),
        {"device size": "2 um", "chip": 0, "codes": step.threshold.size + step.width.size + step.row.size},
    )


@TOPIC.measure(
    "what-remains", "Mean accuracy still missing after trimming, and what exact weights, outputs or readout would add."
)
def what_remains(quick: bool) -> Measured:
    """What the DACs can't reach: weights, output mirrors, the readout's weights."""
    campaign = _campaign(2.0, 6, "stage", QUICK_CHIPS if quick else CHIPS)
    _, clips = _network()
    plan = campaign.plan
    nominal = nominal_chip(plan.design)
    scores: dict[str, list[float]] = {"as trimmed": [], "ladders' weights exact": [], "readout and outputs exact": []}
    for score in campaign.chips[: QUICK_CHIPS if quick else 50]:
        chip = chip_trimmed(plan, campaign.seed, score)
        layer, first = chip.ladders[0], nominal.ladders[0]
        last, ideal = chip.layers[1], nominal.layers[1]
        # exact weights without the thresholds that fit the inexact ones would be worse than either
        exact = replace(layer, synapses=first.synapses, up=first.up, down=first.down)
        variants = (
            chip,
            replace(chip, layers=(exact, last)),
            replace(chip, layers=(replace(layer, output=first.output), ideal)),
        )
        for name, variant in zip(scores, variants, strict=True):
            scores[name].append(
                float(np.mean(simulate(variant, clips.test.x, noise_seed=1).classes == clips.test.truth))
            )
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    return Measured(
        campaign.digital - means["as trimmed"],
        "accuracy",
        Bound.below(0.03),
        {"device size": "2 um", **{name: f"{mean:.3f}" for name, mean in means.items()}},
    )


def _picture(campaign: TrimCampaign) -> None:
    network, plan = NETWORK, campaign.plan
    title = f"{network}: {len(campaign.chips)} chips of 2 um devices with noise, 6-bit trim DACs"
    draw_accuracy_over_chips(
        {"before": campaign.before, "after": campaign.after}, campaign.digital, title, DOCS / "trim_yield.png"
    )
    worst = campaign.chips[int(np.argmin(campaign.before))]
    before, after = draw_chip(plan.design, campaign.seed, worst.index), chip_trimmed(plan, campaign.seed, worst)
    title = (
        f"{network}, 2 um devices, chip {worst.index}, the worst: rms error of thresholds "
        f"{threshold_error(before):.2f} before, {threshold_error(after):.2f} after"
    )
    draw_thresholds(before, after, title, DOCS / "trim_thresholds.png")
