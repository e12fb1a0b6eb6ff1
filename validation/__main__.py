"""`python -m validation [topic ...] [--quick] [--only TEXT] [--page]`: measure, print, write results/<topic>.json.

Quick runs print and judge, but leave the committed results alone; several topics run side by side. Exit code 1 if a
claim does not hold; in a quick run only if the committed results say that it holds.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from validation.claims import Claim, merge, save, shortfalls
from validation.display import quantity, verdict
from validation.page import write_page
from validation.topics import TOPICS, topic

AT_ONCE = 2  # topics of a quick run, each in a process of its own; it judges no time


def main() -> int:
    parser = argparse.ArgumentParser(prog="validation", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"default: all of {', '.join(TOPICS)}")
    parser.add_argument("--quick", action="store_true", help="fewer steps and chips; the committed results stay")
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="rows with TEXT in their id, or with one of several, as in a,b; the others stay as committed",
    )
    parser.add_argument("--page", action="store_true", help="only write docs/validation.md from the committed results")
    args = parser.parse_args()
    unknown = sorted(set(args.topics) - set(TOPICS))
    if unknown:
        parser.error(f"unknown topic {unknown[0]!r}; the topics are: {', '.join(TOPICS)}")
    if args.page:
        write_page()
        return 0
    topics = args.topics or list(TOPICS)
    if args.quick and len(topics) > 1:
        return _side_by_side(topics, args.only)
    good = True
    for name in topics:
        rows = topic(name).run(quick=args.quick, report=_print, only=args.only)
        # a quick run guards the committed results: a shortfall that stands in the table is no news
        known = shortfalls(name) if args.quick else set()
        good = good and all(row.holds is not False or row.id in known for row in rows)
        if not args.quick:
            save(name, merge(name, rows) if args.only else rows)
    if not args.quick:
        write_page()
    return 0 if good else 1


def _side_by_side(topics: Sequence[str], only: str) -> int:
    """Quick runs of several topics; their rows appear as they are known."""

    def good(name: str) -> bool:
        command = [sys.executable, "-m", "validation", name, "--quick", "--only", only]
        return subprocess.run(command, check=False).returncode == 0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return 0 if all(list(pool.map(good, topics))) else 1


def _print(row: Claim) -> None:
    """One line: id, value, bound, verdict, seconds, claim."""
    print(
        f"{row.id:36} {quantity(row.value, row.unit):28} {row.bound_text:28} {verdict(row.holds):14} "
        f"{row.seconds:7.1f} s  {row.claim}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
