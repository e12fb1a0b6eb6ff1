"""How a record shows itself: three lines in a terminal, a small table in a notebook."""

from collections.abc import Sequence
from html import escape

Rows = Sequence[tuple[str, str]]  # label, text


class Shown:
    """A record that shows a title and a few labelled facts, not its arrays.

    A dataclass that inherits from it gives `shown` and asks for no repr of its own (`repr=False`).
    """

    def shown(self) -> tuple[str, Rows]:
        """The title, and rows of a label and a text. Abstract: each record gives its own."""
        raise NotImplementedError

    def __repr__(self) -> str:
        title, rows = self.shown()
        return "\n".join([_printable(title), *(_printable(f"  {label}: {text}") for label, text in rows)])

    def _repr_html_(self) -> str:
        title, rows = self.shown()
        body = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in rows)
        return f"<table><caption>{escape(title)}</caption>{body}</table>"


def _printable(line: str) -> str:
    """One line, whatever a file put into a name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def counted(number: int, what: str) -> str:
    """`1 clip`, `2 clips`, `1,024 clips`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
