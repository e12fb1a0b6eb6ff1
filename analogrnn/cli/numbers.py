"""Types of argparse for flags that take a bare number: Python's own `float` and `int` read `4_5` as 45."""

import argparse

from analogrnn.errors import ParameterError
from analogrnn.units import plain_number, whole_number


def number(text: str) -> float:
    """One finite number with a decimal point; argparse names the flag."""
    try:
        return plain_number(text)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(_without_owner(error)) from None


def whole(text: str) -> int:
    """One whole number; argparse names the flag."""
    try:
        return whole_number(text)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(_without_owner(error)) from None


def _without_owner(error: ParameterError) -> str:
    return str(error).removeprefix("value = ")
