"""Edits of a seed: what goes wrong between one program that writes a file and another that reads it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import hypothesis.strategies as st

# text that readers have stumbled over: separators, prefixes, other digits, extreme numbers, brackets, commands
TOKENS = (
    *(
        "0,5",
        "1_0",
        "1.000,5",
        "-0",
        "1e999",
        "-1",
        "nan",
        "inf",
        "null",
        "true",
        "1e-320",
        "9" * 5000,
        "\u0663",
        "\u00b2",
    ),
    *(
        "[" * 3000,
        "{}",
        "[]",
        '""',
        "\0",
        "\n",
        "\r",
        "\t",
        " ",
        ",",
        "_",
        "'",
        '"',
        "`",
        ":",
        "=",
        "#",
        "+",
        ".",
        "e",
        "x",
    ),
    *("nA", "um", "m", "K", "h", "E", "%", "meg", "\u00b5", "bf16", "BF16", "F8_E4M3", "f8", "<c16", "|O", "<M8[s]"),
    *(
        "complex",
        "padded",
        "fastaccess",
        "real",
        ".control",
        ".include x",
        "shell ls",
        "*#",
        "version",
        "weight",
        "bias",
    ),
)
_OPERATIONS = ("flip", "insert", "delete", "repeat", "swap", "cut", "digit")


@dataclass(frozen=True)
class Edit:
    """One change. `part` chooses a piece of the seed, `at` (0 to 1) where in it; `size` and `token` say what."""

    operation: str
    part: int
    at: float
    size: int
    token: int


def edits() -> st.SearchStrategy[list[Edit]]:
    edit = st.builds(
        Edit,
        st.sampled_from(_OPERATIONS),
        st.integers(0, 20),
        st.floats(0.0, 1.0, exclude_max=True),
        st.integers(1, 40),
        st.integers(0, len(TOKENS) - 1),
    )
    return st.lists(edit, max_size=4)


def random_edits(draw: random.Random) -> list[Edit]:
    """The same, fast, for long runs."""
    return [
        Edit(
            draw.choice(_OPERATIONS),
            draw.randrange(21),
            draw.random(),
            1 + int(40 * draw.random() ** 3),
            draw.randrange(len(TOKENS)),
        )
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 4)))
    ]


def apply(parts: Sequence[bytes], changes: Sequence[Edit]) -> list[bytes]:
    """The parts after the changes, one after the other."""
    out = list(parts)
    for change in changes:
        which = change.part % len(out)
        out[which] = _changed(out[which], change)
    return out


def _changed(data: bytes, change: Edit) -> bytes:  # noqa: PLR0911 (one line an operation)
    at = int(change.at * (len(data) + 1))
    end = at + change.size
    match change.operation:
        case "flip":
            return data[:at] + bytes([b ^ (1 << change.size % 8) for b in data[at : at + 1]]) + data[at + 1 :]
        case "insert":
            return data[:at] + TOKENS[change.token].encode() + data[at:]
        case "delete":
            return data[:at] + data[end:]
        case "repeat":
            return data[:at] + data[at:end] + data[at:]
        case "swap":
            return data[:at] + TOKENS[change.token].encode() + data[end:]
        case "cut":
            return data[:at]
        case _:  # another digit, where there is one
            digits = [i for i, b in enumerate(data) if 48 <= b < 58]
            if not digits:
                return data
            i = digits[int(change.at * len(digits))]
            return data[:i] + bytes([48 + change.size % 10]) + data[i + 1 :]
