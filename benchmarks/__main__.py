"""`python -m benchmarks TOPIC`: measure, print a table, and write JSON."""

import argparse
import sys

from benchmarks import montecarlo

TOPICS = {"montecarlo": montecarlo}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    topics = parser.add_subparsers(dest="topic", required=True)
    for name, module in TOPICS.items():
        module.add_arguments(topics.add_parser(name, help=(module.__doc__ or name).splitlines()[0]))
    args = parser.parse_args(argv)
    return TOPICS[args.topic].run(args)


if __name__ == "__main__":
    sys.exit(main())
