"""Trained networks of other frameworks as networks of this package, and conversions to what circuits hold."""

from analogrnn.convert.exact import EXACT, convert_exact
from analogrnn.convert.records import Change, Converted, Effect

__all__ = ["EXACT", "Change", "Converted", "Effect", "convert_exact"]
