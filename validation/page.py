"""docs/validation.md from the committed results."""

from collections.abc import Sequence
from pathlib import Path

from validation.claims import RESULTS, load

PAGE = Path(__file__).resolve().parent.parent / "docs" / "validation.md"

_HEAD = """# What was measured

Each row is a claim, measured by the command above its table and committed as `validation/results/<topic>.json`. A claim
that does not hold stays in its table. `./run validate --page` writes this page from those files.
"""


def write_page(topics: Sequence[str]) -> None:
    """Write the page for all topics that have results."""
    parts = [_HEAD]
    for topic in topics:
        if not (RESULTS / f"{topic}.json").is_file():
            continue
        rows = load(topic)
        parts.append(f"\n## {topic}\n\n    ./run validate {topic}\n")
        parts.append("| claim | measured | bound | holds | s |\n|---|---|---|---|---|")
        parts += [
            f"| {row.claim} | {row.value:.6g} {row.unit} | {row.bound} | {'yes' if row.holds else '**no**'} "
            f"| {row.seconds:.1f} |"
            for row in rows
        ]
        parts.append("")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(parts), encoding="utf-8")
