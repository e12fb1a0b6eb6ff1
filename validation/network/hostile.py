"""What a deck, a name or a simulator may do to its user: nothing. The tests have more cases; this counts the kinds."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from analogrnn.errors import AnalogrnnError, SpiceError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.spice.engine import find_ngspice, run_deck
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.network.topic import TOPIC

RC = "rc\nV1 a 0 1\nR1 a b 1k\nC1 b 0 1n\n{}\n.tran 1n 1u\n.end\n"
# each would leave a file named `ran`, or read one, if it were obeyed
TEXTS = (
    ".control\nshell touch ran\n.endc",
    "*#shell touch ran",
    "*ng_script\nshell touch ran",
    ".include /etc/passwd",
    ".lib /etc/passwd x",
    "R2 b 0 `touch ran`",
    "write ran v(a)",
    ".save v(a) > ran",
    "A1 [b] x\n.model x d_source",
    ".controlx\nshell touch ran\n.endc",
    "R2 b 0 1k\\",
    "shell touch ran",
)
NAMES = ("a b", "a\n.control", "a;shell", "../x", "a`touch ran`", "é", "")
# what a simulator may do instead of simulating
BODIES = {
    "killed": "kill -KILL $$",
    "crashed": "kill -SEGV $$",
    "hung": "sleep 60",
    "no memory": "echo 'Out of memory'; exit 1",
    "disk full": "echo 'rawfile write error'; exit 0",
    "wrote nothing": "exit 0",
}


@contextmanager
def simulator(folder: Path, body: str) -> Iterator[None]:
    """A program that prints ngspice's version and then does `body`, in the place of ngspice."""
    path, before = folder / "ngspice", os.environ.get("NGSPICE")
    path.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "ngspice-39"; exit 0;; esac\n{body}\n')
    path.chmod(0o700)
    os.environ["NGSPICE"] = str(path)
    try:
        yield
    finally:
        os.environ.pop("NGSPICE")
        if before is not None:
            os.environ["NGSPICE"] = before


def _refused_texts() -> int:
    refused = 0
    for text in TEXTS:
        try:
            run_deck(RC.format(text), stop_time=1e-6, timeout=20.0)
        except AnalogrnnError:
            refused += 1
    return refused


def _refused_names() -> int:
    refused = 0
    for name in NAMES:
        try:
            layer = Cmru(name, np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.ones(1), k_min=0, k_max=2)
            design = map_network(Network((layer,)), load_technology(), MappingOptions(input_bound=2.0))
            run_network(design, np.zeros((1, 1, 1)))
        except AnalogrnnError:
            refused += 1
    return refused


def _reported_failures(folder: Path, bodies: dict[str, str]) -> int:
    """One of two clips' simulators fails in each way: the other clip is kept and the failure is reported."""
    layer = Cmru("cell", np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.ones(1), k_min=0, k_max=2)
    design = map_network(Network((layer,)), load_technology(), MappingOptions(input_bound=2.0))
    x, reported = np.array([[[2.0], [-2.0]]]), 0
    real = find_ngspice().executable
    # the clips differ in their first input current only
    high = f"DC {4.0 * design.unit_current:.10g}"
    for body in bodies.values():
        with simulator(folder, f'if grep -q "{high}" deck.cir; then {body}; exit 1; fi\nexec {real} "$@"'):
            run = run_network(design, x, Simulation(workers=1, timeout=5.0))
            reported += len(run.failures) == 1 and bool(run.ran["cell"][1, 0])
        with simulator(folder, body):
            try:
                run_network(design, x[:, :1], Simulation(workers=1, timeout=2.0))
            except SpiceError:
                reported += 1
    return reported


@TOPIC.measure(
    "hostile", "Hostile text and names are refused, and a simulator that fails is reported while other runs are kept."
)
def hostile(quick: bool) -> Measured:
    bodies = {name: BODIES[name] for name in (("killed",) if quick else BODIES)}
    before = set(Path.cwd().iterdir())
    with tempfile.TemporaryDirectory(prefix="analogrnn-") as name:
        texts, names = _refused_texts(), _refused_names()
        reported = _reported_failures(Path(name), bodies)
    left = len(set(Path.cwd().iterdir()) - before)
    of = len(TEXTS) + len(NAMES) + 2 * len(bodies)
    return Measured(
        (texts + names + reported) / of,
        "of cases",
        Bound.equals(1),
        {
            "refused texts": f"{texts} of {len(TEXTS)}",
            "refused names": f"{names} of {len(NAMES)}",
            "simulator failures (killed, hung, without memory or disk) reported": f"{reported} of {2 * len(bodies)}",
            "files left behind": left,
        },
        also={"no files left behind": not left},
    )
