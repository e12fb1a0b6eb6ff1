"""What a person sees, and what a machine reads: tables and progress on a terminal, or JSON with --json."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

Report = Callable[[int, int], None]  # (done, total)


class Ui:
    """Writes results to standard output and everything else to standard error; with `as_json` only JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        if not self.as_json:
            self._out.print(text)

    def table(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        self.columns(title, ("", ""), rows)

    def columns(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", show_header=any(header), box=None, pad_edge=False)
        for name, *cells in zip(header, *rows, strict=True):
            numbers = any(header) and all(cell[:1] in "+-0123456789" for cell in cells)  # "" too
            table.add_column(name, overflow="fold", justify="right" if numbers else "left")
        for row in rows:
            table.add_row(*row)
        self._out.print(table)

    def result(self, content: dict[str, Any]) -> None:
        """Print the machine's answer, under --json only."""
        if self.as_json:
            json.dump(content, sys.stdout, indent=2)
            sys.stdout.write("\n")

    @contextmanager
    def progress(self, title: str) -> Iterator[Report]:
        """A bar with the time to finish, when a person looks."""
        shown = not self.as_json and self._err.is_terminal
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._err, transient=True, disable=not shown) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
