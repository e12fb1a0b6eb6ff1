"""Data sets that install with a package or are generated, and data files; nothing is redistributed by us.

`load(name, part)` returns Sequences: recordings of any length with labels or targets. `Sequences.clips(encoding)` are
the same recordings as inputs of a network. `REGISTRY` says what each set holds, who made it, and its licence.
"""

from analogrnn.datasets.files import read_data
from analogrnn.datasets.generated import copy_first_input, counting, delayed_recall
from analogrnn.datasets.images import digit_pixels, digit_rows, mnist_pixels, mnist_rows
from analogrnn.datasets.labels import class_labels, real_targets, step_labels
from analogrnn.datasets.records import Clips, LabelledClips, Sequences, TargetClips
from analogrnn.datasets.registry import GENERATED, REGISTRY, DataName, DataSet, find, load, parse_name
from analogrnn.datasets.speech import count_spoken_digits, japanese_vowels, spoken_digits
from analogrnn.datasets.split import PARTS, SPLIT_SEED

__all__ = [
    "GENERATED",
    "PARTS",
    "REGISTRY",
    "SPLIT_SEED",
    "Clips",
    "DataName",
    "DataSet",
    "LabelledClips",
    "Sequences",
    "TargetClips",
    "class_labels",
    "copy_first_input",
    "count_spoken_digits",
    "counting",
    "delayed_recall",
    "digit_pixels",
    "digit_rows",
    "find",
    "japanese_vowels",
    "load",
    "mnist_pixels",
    "mnist_rows",
    "parse_name",
    "read_data",
    "real_targets",
    "spoken_digits",
    "step_labels",
]
