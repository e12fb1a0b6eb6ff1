"""`analogrnn VERB`: parses the verb, imports only its module, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 the answer is no (levels disagree); 2 bad input; 3 a missing simulator, model or data set;
 4 a simulator run failed; 5 a result can't be written; 130 interrupted.
"""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from analogrnn import __version__

VERBS = {
    "demo": "the main job on a shipped network and real test clips",
    "import": "a checkpoint of another framework as a network, and its conversions",
    "convert": "a network as one that circuits hold: exact conversions, and others with their measured error",
    "map": "a network as a circuit: currents, ratios, times, bill of materials",
    "simulate": "run clips on one chip at the step level",
    "mc": "accuracy over mismatched chips",
    "export": "a SPICE deck of a network",
    "spice": "run a deck in ngspice and show its signals",
    "agree": "compare a level of description with the digital network, step by step",
    "analyze": "fixed points, noise, bits, sensitivity, power",
    "calibrate": "measure the circuits of a technology in ngspice and write its calibration",
    "size": "device sizes, currents and capacitors for a target yield, and the yield of given ones",
    "sweep": "corners, temperature, supply and mismatch against a specification, with a verdict",
    "train": "train a network for the chips of some hardware, or tune one for them",
    "trim": "bias-DAC codes that bring mismatched chips back, found through their inputs and outputs",
    "doctor": "what is installed, what was found, what to do about the rest",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="analogrnn",
        description="From a trained CMRU or BMRU to analog silicon.",
        epilog="`analogrnn VERB --help` lists the arguments of a verb.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"analogrnn {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verb = next((word for word in words if not word.startswith("-")), "")
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(parser=sub)
        if name == verb:  # the other verbs' modules, and what they import, are not needed
            module = importlib.import_module(f"analogrnn.cli.{name}")
            module.add_arguments(sub)
    args = parser.parse_args(words)
    if sys.stdout is None:  # closed by the caller: results still go to files
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    return _run(module, args)


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    """Run the verb of `module`; what goes wrong on purpose becomes one line and an exit code."""
    # here, because numpy comes with them: the list of verbs answers without it
    from analogrnn.cli.flags import in_flags  # noqa: PLC0415
    from analogrnn.errors import AnalogrnnError, OutputError  # noqa: PLC0415

    try:
        code = int(module.run(args))
        sys.stdout.flush()
        return code
    except AnalogrnnError as error:
        _complain(in_flags(str(error), args))
        return error.exit_code
    except KeyboardInterrupt as stop:
        _complain(str(stop) or "interrupted")
        return 130
    except BrokenPipeError:
        # the reader left; nothing more can be said on that pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if sys.stdout.closed or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain(f"can't write to standard output: {error.strerror}; free the disk.")
        return OutputError.exit_code


def _complain(text: str) -> None:
    """One line on standard error, whatever is in the text; the exit code is the same where nobody can read it."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    with contextlib.suppress(OSError, AttributeError, ValueError):
        sys.stderr.write(f"analogrnn: {line}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
