"""docs/validation.md from the committed results."""

from pathlib import Path

from validation.claims import Claim, load
from validation.display import figures, quantity
from validation.topics import TOPICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "validation.md"

_HEAD = """# Validation: what was measured

Which claims about analogrnn were measured, under which conditions, and which of them hold: one table per topic.

Each row is one claim with the value that was measured and the bound that it must satisfy; its conditions and further
results stand beside it. A dash marks a value that is reported without a bound. A claim that does not hold stays in its
table. The command of a topic measures its rows again and writes them to `validation/results/<topic>.json`; with
`--only ROW` it measures one row alone. `./run validate --page` writes this page from those files.
"""
_VERDICTS = {True: "yes", False: "**no**", None: "-"}


def page() -> str:
    """The text of the page, from the committed results of all topics."""
    parts = [_HEAD, _summary()]
    for topic, question in TOPICS.items():
        rows = load(topic)
        if rows:
            parts.append(f"\n## {topic}\n\n{question} Measure again with `./run validate {topic}`.\n")
            parts.append(
                "| row | claim | conditions and details | measured | bound | holds |\n|---|---|---|---|---|---|"
            )
            parts += [_line(topic, row) for row in rows]
    return "\n".join([*parts, ""])


def write_page() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


def _summary() -> str:
    """How many claims hold, per topic."""
    lines = ["| topic | claims | hold | do not hold | reported only |\n|---|---|---|---|---|"]
    for topic in TOPICS:
        verdicts = [row.holds for row in load(topic)]
        if verdicts:
            counts = " | ".join(str(verdicts.count(held)) for held in (True, False, None))
            lines.append(f"| [{topic}](#{topic}) | {len(verdicts)} | {counts} |")
    return "\n".join(lines)


def _line(topic: str, row: Claim) -> str:
    """One row of a table; a bar within a text would end its cell."""
    cells = (
        row.id.removeprefix(f"{topic}-"),
        row.claim,
        figures(row.figures),
        quantity(row.value, row.unit),
        row.bound_text,
        _VERDICTS[row.holds],
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
