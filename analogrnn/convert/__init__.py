"""Trained networks of other frameworks as networks of this package, and conversions to what circuits hold."""

from analogrnn.convert.approximate import floor_thresholds, ladder_from_data, mean_thresholds, measure, prune
from analogrnn.convert.checkpoint import Checkpoint, is_network_file, read_checkpoint
from analogrnn.convert.exact import EXACT, convert_exact
from analogrnn.convert.guess import Guess, guess_spec
from analogrnn.convert.records import Change, Converted, Effect
from analogrnn.convert.report import Row, report
from analogrnn.convert.spec import Imported, build_network, import_network, parse_spec, read_spec

__all__ = [
    "EXACT",
    "Change",
    "Checkpoint",
    "Converted",
    "Effect",
    "Guess",
    "Imported",
    "Row",
    "build_network",
    "convert_exact",
    "floor_thresholds",
    "guess_spec",
    "import_network",
    "is_network_file",
    "ladder_from_data",
    "mean_thresholds",
    "measure",
    "parse_spec",
    "prune",
    "read_checkpoint",
    "read_spec",
    "report",
]
