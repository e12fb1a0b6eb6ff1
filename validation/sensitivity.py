"""Topic `sensitivity`: the estimators for a known answer, what spreads chips apart, and the allocated area."""

import numpy as np

from analogrnn import datasets, library
from analogrnn.analysis.sensitivity.allocation import Allocation, allocate_area
from analogrnn.analysis.sensitivity.changed_chips import Change, changed_chips, device_groups, groups_of
from analogrnn.analysis.sensitivity.indices import ChipScorer, SensitivityOptions, losses, sobol_indices
from analogrnn.chip import draw_chip
from analogrnn.datasets import LabelledClips
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.mismatch import spread, threshold_terms
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured, Topic

TOPIC = Topic("sensitivity")
NETWORKS = {"d16": ("digits_d16_k2", 6e-6), "d32": ("digits_d32_k4", 8e-6)}


def _design(name: str, base: float = 1.6) -> tuple[Design, dict[str, LabelledClips]]:
    network, size = load(library.network_path(NETWORKS[name][0])), NETWORKS[name][1]
    assert network.encoding is not None
    parts = {part: datasets.spoken_digits(part) for part in ("validation", "test")}
    clips = {part: LabelledClips(network.encoding(data.features), data.labels) for part, data in parts.items()}
    options = MappingOptions(cell_w=size, cell_l=size, base_ratio=base)
    return map_network(network, load_technology(), options), clips


@TOPIC.measure(
    "estimator",
    "Total indices of one up threshold by pick-freeze, compared with the composed log-normal formula: worst group.",
)
def estimator(quick: bool) -> Measured:
    """A threshold is a sum of log-normal terms: its variance by group is known from the composed formula."""
    design, _ = _design("d16", base=5.0)
    ladder, chips = design.ladders[0], 300 if quick else 2000
    groups, owner = groups_of(design), device_groups(design)
    terms = threshold_terms(ladder, 1, upper=True)
    whole = spread(design, ladder, terms)[1][0] ** 2
    exact = []
    for group in groups:
        # the total index: the variance that is gone when the group alone is frozen, plus its interactions
        kept = [
            type(term)(
                term.current,
                {
                    device: sign
                    for device, sign in term.devices.items()
                    if owner[f"cell.{device.removeprefix('prev.')}"] != group
                },
            )
            for term in terms
        ]
        exact.append(1.0 - spread(design, ladder, kept)[1][0] ** 2 / whole)

    def threshold(change: Change) -> np.ndarray:
        factory = changed_chips(design, 1, change)
        return np.concatenate(
            [
                tables[0].up[:, 0, 1]
                for tables in (factory.tables(np.arange(k, k + 100, dtype=np.uint64)) for k in range(0, chips, 100))
                if tables[0].up is not None
            ]
        )

    plain, other = threshold(Change()), threshold(Change(swapped=frozenset(groups)))
    mixed = np.stack([threshold(Change(swapped=frozenset({group}))) for group in groups])
    found = sobol_indices("threshold", groups, plain, other, mixed, SensitivityOptions())
    # total indices differ from 1 - V(frozen) / V by the terms' products, of the order of their variance: below 0.01
    off = np.abs(found.total - exact) - 0.01
    # the interval is 1.96 standard errors; ten groups are asked at once
    worst = float(np.max(off / np.maximum(found.total_error / 1.96, 1e-3)))
    table = {
        f"{g}, estimated (exact)": f"{t:.3f} ({e:.3f})"
        for g, t, e in zip(groups, found.total, exact, strict=True)
        if e > 0.001
    }
    return Measured(worst, "standard errors", Bound.below(4), {"chips": chips, **table})


@TOPIC.measure("same-chips", "Groups that are not swapped are bit-equal to the drawn chip, and swapped groups are not.")
def same_chips(quick: bool) -> Measured:
    """A group that is not touched is drawn as on the chip of that number; a swapped one is another draw."""
    design, _ = _design("d16")
    differ = 0
    for index in range(3 if quick else 20):
        drawn = draw_chip(design, 1, index).ladders[0]
        same = changed_chips(design, 1, Change()).chip(index).ladders[0]
        half = changed_chips(design, 1, Change(swapped=frozenset({"output"}))).chip(index).ladders[0]
        differ += int((drawn.up != same.up).sum() + (drawn.up != half.up).sum() + (drawn.output != same.output).sum())
        differ += int((drawn.output[:, 1:] == half.output[:, 1:]).sum())
    return Measured(differ, "numbers differ", Bound.equals(0))


def _indices(name: str) -> None:
    @TOPIC.measure(
        f"indices-{name}",
        f"Largest total index of the accuracy of {NETWORKS[name][0]}: the group of devices that spreads chips "
        "apart most.",
    )
    def indices(quick: bool) -> Measured:
        design, clips = _design(name)
        test = LabelledClips(clips["test"].x[:, ::5], clips["test"].labels[::5]) if quick else clips["test"]
        options = SensitivityOptions(chips=24 if quick else 300)
        scorer, groups = ChipScorer(design, test, options.seed), groups_of(design)
        plain = scorer.scores(Change(), options.chips)
        other = scorer.scores(Change(swapped=frozenset(groups)), options.chips)
        mixed = np.stack([scorer.scores(Change(swapped=frozenset({group})), options.chips) for group in groups])
        found = sobol_indices("accuracy", groups, plain, other, mixed, options)
        order = np.argsort(-found.total)
        table = {
            groups[j]: f"T {found.total[j]:.2f} +- {found.total_error[j]:.2f}, "
            f"S {found.first[j]:.2f} +- {found.first_error[j]:.2f}"
            for j in order
        }
        return Measured(
            float(found.total[order[0]]),
            "of variance",
            Bound(),
            {
                "device size": f"{NETWORKS[name][1] * 1e6:g} um",
                "chips": options.chips,
                "mean accuracy": f"{plain.mean():.3f}",
                "spread": f"{plain.std(ddof=1):.3f}",
                "indices": "total T and first S, 95 % intervals",
                **table,
            },
        )


for _name in NETWORKS:
    _indices(_name)


@TOPIC.measure("cells", "Share of the four worst ladders in the accuracy lost when one ladder alone deviates.")
def cells(quick: bool) -> Measured:
    design, clips = _design("d16")
    test = LabelledClips(clips["test"].x[:, ::5], clips["test"].labels[::5]) if quick else clips["test"]
    scorer, chips = ChipScorer(design, test, 1), 6 if quick else 100
    ladder = design.ladders[0]
    scores = [scorer.scores(Change(cell=(ladder.name, i)), chips) for i in range(ladder.width)]
    found = losses([f"{ladder.name}[{i}]" for i in range(ladder.width)], scores, scorer.nominal)
    ranked = found.ranked()
    share = sum(loss for _, loss, _ in ranked[:4]) / sum(max(loss, 0.0) for _, loss, _ in ranked)
    listed = ", ".join(f"{name} {100 * loss:.2f} +- {100 * error:.2f}" for name, loss, error in ranked[:6])
    return Measured(
        share,
        "of the loss",
        Bound(),
        {
            "device size": "6 um",
            "ladders": ladder.width,
            "chips per ladder": chips,
            "points lost, worst ladders": listed,
        },
    )


_FOUND: dict[tuple[str, bool], Allocation] = {}


def _allocated(name: str, quick: bool) -> Allocation:
    """Three rows read the same campaign."""
    if (name, quick) not in _FOUND:
        design, clips = _design(name)
        if quick:
            clips = {part: LabelledClips(item.x[:, ::5], item.labels[::5]) for part, item in clips.items()}
        options = SensitivityOptions(
            chips=96 if quick else 200
        )  # of 24 chips a gain may be within two errors of nothing
        _FOUND[name, quick] = allocate_area(
            design, clips["validation"], clips["test"], options, rounds=1 if quick else 2
        )
    return _FOUND[name, quick]


def _allocation(name: str) -> None:
    network, size = NETWORKS[name]

    @TOPIC.measure(
        f"allocation-{name}",
        f"Gain of mean accuracy of {network} from allocating the same area by sensitivity, on fresh chips and the "
        "test clips.",
    )
    def allocation(quick: bool) -> Measured:
        found = _allocated(name, quick)
        c = found.confirmed
        scales = ", ".join(f"{g} x {s:.2f}" for g, s in zip(found.groups, found.scale, strict=True))
        return Measured(
            100 * c.accuracy_gain,
            "points",
            Bound.above(200 * c.accuracy_error, note="2 standard errors"),
            {
                "device size": f"{size * 1e6:g} um",
                "chips": c.chips,
                "mean accuracy with one size": f"{c.accuracy[0]:.4f}",
                "allocated": f"{c.accuracy[1]:.4f}",
                "standard error": f"{100 * c.accuracy_error:.2f} points",
                "areas": scales,
            },
        )

    @TOPIC.measure(
        f"yield-{name}",
        f"Gain of yield of {network} from allocating the same area by sensitivity, on the same fresh chips.",
    )
    def good_chips(quick: bool) -> Measured:
        c = _allocated(name, quick).confirmed
        return Measured(
            100 * c.good.difference,
            "points",
            Bound() if quick else Bound.above(200 * c.good.error, note="2 standard errors"),
            {
                "accepted loss": f"{100 * c.margin:g} points",
                "yield with one size": f"{c.good.accuracy - c.good.difference:.3f}",
                "allocated": f"{c.good.accuracy:.3f}",
                "standard error": f"{100 * c.good.error:.1f} points",
                "McNemar p": f"{c.good.p_value:.2g}",
            },
        )

    @TOPIC.measure(
        f"prediction-{name}",
        f"Reduction of clips with another class of {network} by allocation, compared with the prediction from "
        "elasticities on validation clips.",
    )
    def prediction(quick: bool) -> Measured:
        found = _allocated(name, quick)
        c = found.confirmed
        predicted, seen = found.predicted_loss[1] / found.predicted_loss[0], c.loss[1] / c.loss[0]
        bound = 0.5 if quick else 0.1
        return Measured(
            seen / predicted,
            "1",
            Bound.near(1.0, bound),
            {"measured": f"x {seen:.3f}", "predicted": f"x {predicted:.3f}"},
        )


for _name in NETWORKS:
    _allocation(_name)
