"""The data that verbs run on: a file, a data set by name, or the test clips of the network's task."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analogrnn import datasets
from analogrnn.cli.numbers import number, whole
from analogrnn.datasets import Clips, DataName, LabelledClips, Sequences
from analogrnn.errors import ParameterError
from analogrnn.metrics import METRICS, Goal, Metric, find_metric, usual_metric
from analogrnn.network import InputEncoding, Network, Pooling
from analogrnn.units import whole_number

ENCODING = ("frames", "ramp", "clip_at")  # flags that need --encode-from


def add_inputs(parser: argparse.ArgumentParser, clips: str) -> None:
    """Which inputs to run, and how sequences are encoded."""
    group = parser.add_argument_group("data")
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--data",
        metavar="FILE.npz|NAME[:PART]",
        help="raw sequences (features, lengths) or encoded clips (x) with labels or targets, or a data set by name, as "
        "in japanese_vowels:test; see docs/data.md (default: the test clips of the network's task)",
    )
    either.add_argument("--inputs", type=Path, metavar="FILE.npz", help="the same as --data FILE.npz")
    group.add_argument(
        "--clips",
        default=clips,
        metavar="N|all|I,J,..",
        help=f"how many clips, or which ones with a comma (default {clips})",
    )
    add_encoding(
        group, "fit the encoding to these training sequences (a data set: its part train), instead of the network's own"
    )


def add_encoding(group: argparse._ArgumentGroup, text: str) -> None:
    """An encoding that is fitted to training data."""
    group.add_argument("--encode-from", metavar="FILE.npz|NAME[:PART]", help=text)
    group.add_argument("--frames", type=whole, metavar="N", help="with --encode-from: steps of a clip (default 32)")
    group.add_argument("--ramp", choices=("on", "off"), help="with --encode-from: append a time ramp (default on)")
    group.add_argument(
        "--clip-at", type=number, metavar="X", help="with --encode-from: bound of encoded values (default 3)"
    )


def add_metric(parser: argparse.ArgumentParser) -> None:
    """How outputs are scored."""
    parser.add_argument(
        "--metric",
        choices=tuple(METRICS),
        help="how outputs are scored (default: accuracy, for labels per step step_accuracy, for targets mae)",
    )


def with_encoding(args: argparse.Namespace, network: Network) -> Network:
    """The network with an encoding fitted to --encode-from, or as it is."""
    source = getattr(args, "encode_from", None)
    if source is None:
        typed = [name for name in ENCODING if getattr(args, name, None) is not None]
        if typed:
            raise ParameterError(f"--{typed[0].replace('_', '-')} belongs to --encode-from; give both, or neither.")
        return network
    found = Source("--encode-from", str(source)).read("train")
    if not isinstance(found, Sequences):
        raise ParameterError(f"--encode-from {source}: x is encoded; give raw sequences, features and lengths.")
    options = {"frames": args.frames, "ramp": None if args.ramp is None else args.ramp == "on", "clip": args.clip_at}
    given = {name: value for name, value in options.items() if value is not None}
    encoding = InputEncoding.fitted(found.features, **given)
    if encoding.width != network.inputs:
        raise ParameterError(
            f"--encode-from {source}: the encoding gives {encoding.width} inputs, {len(encoding.mean)} features and "
            f"{'a' if encoding.ramp else 'no'} ramp, but {network.name} takes {network.inputs}."
        )
    return replace(network, encoding=encoding)


@dataclass(frozen=True)
class Source:
    """What a flag names: a data file, or a data set."""

    flag: str
    text: str

    @property
    def owner(self) -> str:
        """What a message about these data begins with."""
        return f"{self.flag} {self.text}"

    @property
    def name(self) -> DataName | None:
        """The data set; None for a file."""
        if self.flag == "--inputs" or self.text.endswith(".npz") or Path(self.text).exists():
            return None
        try:
            return datasets.parse_name(self.text)
        except ParameterError as error:
            raise ParameterError(f"{self.owner}: {error} A file ends in .npz.") from error

    def read(self, part: str, classes: int | None = None) -> Sequences | Clips:
        """The sequences or clips; `part` of a data set unless a part was typed."""
        name = self.name
        return datasets.read_data(Path(self.text), self.owner, classes) if name is None else name.load(part)


def _source(args: argparse.Namespace, network: Network) -> Source:
    """What the arguments or the network name. Raises ParameterError if that is nothing."""
    if args.inputs is not None:
        return Source("--inputs", str(args.inputs))
    if args.data is not None:
        return Source("--data", str(args.data))
    task = str(network.metadata.get("task"))
    if task.partition("@")[0] in datasets.REGISTRY:
        return Source("the network's task", task)
    raise ParameterError(f"{network.name} names no task with a data set; give --data NAME or --inputs FILE.npz.")


def inputs_of(args: argparse.Namespace, network: Network) -> Clips:
    """The clips that the arguments name, encoded: LabelledClips or TargetClips if they have labels or targets.

    Raises ParameterError, or MissingDependencyError without the data.
    """
    source = _source(args, network)
    found = source.read("test", network.outputs)
    chosen = _chosen(str(args.clips), len(found))
    clips = found.take(chosen) if isinstance(found, Clips) else _encoded(source, found.take(chosen), network)
    clips = replace(clips, indices=chosen)
    if isinstance(clips, LabelledClips):  # a data set may have more classes than the network has outputs
        limit = int(clips.labels.max())
        if limit >= network.outputs:
            raise ParameterError(
                f"{source.owner}: labels go up to {limit}, but {network.name} has {network.outputs} outputs; give data "
                "of its task."
            )
    return clips


def _encoded(source: Source, sequences: Sequences, network: Network) -> Clips:
    try:
        return sequences.clips(network.encoding)
    except ParameterError as error:
        raise ParameterError(f"{source.owner}: {error}") from error


def scored_inputs_of(args: argparse.Namespace, network: Network) -> tuple[Clips, Goal]:
    """`inputs_of`, for a verb that computes a score, and how outputs are scored.

    Raises ParameterError for clips without labels or targets, or that the metric does not fit.
    """
    clips, source = inputs_of(args, network), _source(args, network)
    goal = goal_of(args, network, clips)
    if goal is None:
        flag = source.flag
        raise ParameterError(
            f"{flag} has no labels, so there is no accuracy; add an array labels (S,), or targets (S, O)."
        )
    return clips, goal


def labelled_inputs_of(args: argparse.Namespace, network: Network) -> LabelledClips:
    """`inputs_of`, for a verb that computes an accuracy. Raises ParameterError for clips without labels."""
    clips = inputs_of(args, network)
    if not isinstance(clips, LabelledClips):
        flag = _source(args, network).flag
        raise ParameterError(f"{flag} has no labels, so there is no accuracy; add an array labels (S,).")
    return clips


def goal_of(args: argparse.Namespace, network: Network, clips: Clips) -> Goal | None:
    """How the outputs of these clips are scored, checked; None for clips without labels or targets."""
    metric: Metric | None = None if args.metric is None else find_metric(args.metric)
    if clips.truth is None:
        if metric is not None:
            flag = _source(args, network).flag
            raise ParameterError(f"--metric {metric.name}: {flag} has no labels and no targets; add one of them.")
        return None
    metric = metric or usual_metric(clips.truth)
    steps, count = clips.x.shape[:2]
    pooled = any(isinstance(layer, Pooling) for layer in network.layers)
    shape = (count, network.outputs) if pooled else (steps, count, network.outputs)
    if args.metric is None and metric.name == "accuracy" and not pooled:
        return Goal(clips.truth)  # each verb says what it does without a class per clip
    owner = f"{_source(args, network).owner}: "
    if (metric.kind == "error") == isinstance(clips, LabelledClips):
        have, need = ("labels", "targets") if isinstance(clips, LabelledClips) else ("targets", "labels")
        raise ParameterError(
            f"{owner}there are {have}, but --metric {metric.name} needs {need}; choose another metric."
        )
    return Goal(metric.checked(clips.truth, shape, steps, owner=owner), metric)


def validation_of(args: argparse.Namespace, network: Network) -> Clips | None:
    """Clips for choices that the test clips must not make: the part `validation` of a data set; None for a file."""
    source = _source(args, network)
    name = source.name
    if name is None:
        return None
    other = replace(name, part="train" if name.part == "validation" else "validation")
    return _encoded(source, other.load(), network)


def flag_of(args: argparse.Namespace) -> str:
    """The flag that named the data."""
    return "--inputs" if args.inputs is not None else "--data"


def _chosen(text: str, available: int) -> np.ndarray:
    if text == "all":
        return np.arange(available)
    try:
        numbers = [whole_number(word) for word in text.split(",") if word]
    except ParameterError:
        raise ParameterError(
            f"--clips = {text!r}: give a number of clips, 'all', or clip numbers such as 3,7."
        ) from None
    if len(numbers) == 1 and "," not in text and numbers[0] > 0:
        return np.linspace(0, available - 1, min(numbers[0], available)).astype(int)
    index = np.array(numbers, dtype=int)
    if "," not in text or len(index) == 0 or index.min() < 0 or index.max() >= available:
        raise ParameterError(f"--clips = {text!r} names no clip among the {available} there are.")
    return index
