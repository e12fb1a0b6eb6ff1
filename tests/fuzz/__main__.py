"""`python -m tests.fuzz --seconds 3600`: random input for every reader; prints what was tried and found as JSON."""

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from .edits import apply, random_edits
from .readers import Reader, Silent, readers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long, for all readers together (default 180)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the edits (default 1)")
    parser.add_argument("--only", help="one reader")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the first input of each kind of finding here")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        chosen = [reader for reader in readers(Path(name)) if args.only in (None, reader.name)]
        if not chosen:
            parser.error(f"no reader is called {args.only!r}")
        found = {reader.name: _run(reader, args.seconds / len(chosen), args, Path(name)) for reader in chosen}
    total = {
        key: sum(len(row[key]) if isinstance(row[key], dict) else row[key] for row in found.values()) for key in _KEYS
    }
    json.dump({"seed": args.seed, "seconds": args.seconds, "readers": found, "total": total}, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 1 if total["crashes"] or total["silent"] else 0


_KEYS = ("inputs", "accepted", "crashes", "silent")


def _run(reader: Reader, seconds: float, args: argparse.Namespace, folder: Path) -> dict[str, object]:
    draw, until = random.Random(f"{args.seed} {reader.name}"), time.monotonic() + seconds  # noqa: S311
    tried = accepted = 0
    findings: dict[str, Counter[str]] = {"crashes": Counter(), "silent": Counter()}
    while time.monotonic() < until:
        data = reader.whole(apply(draw.choice(reader.seeds), random_edits(draw)))
        if draw.random() < 0.3:
            data = apply([data], random_edits(draw))[0]
        tried += 1
        try:
            accepted += reader.check(data, folder)
        except Silent as error:
            _note(findings["silent"], str(error)[:80], data, reader, args.out)
        except Exception as error:  # any other error is a crash: that is what is looked for
            frames = [f for f in traceback.extract_tb(error.__traceback__) if "analogrnn" in f.filename]
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            _note(findings["crashes"], f"{type(error).__name__} at {place}: {str(error)[:60]}", data, reader, args.out)
    return {"inputs": tried, "accepted": accepted, **{key: dict(value) for key, value in findings.items()}}


def _note(kinds: Counter[str], kind: str, data: bytes, reader: Reader, out: Path | None) -> None:
    kinds[kind] += 1
    if kinds[kind] == 1 and out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{reader.name}-{len(kinds)}").write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
