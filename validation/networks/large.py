"""Two layers of 256 units over 784 steps: time and memory of mapping, of the nominal chip and of mismatched chips."""

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn.chip import nominal_chip
from analogrnn.convert import convert_exact, prune
from analogrnn.mapping import map_network
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import forward
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks.bench import TOPIC, clips, imported

NAME, CLIPS, CHIPS = "pixel_digits", 20, 5
SMALLEST = 1e-3


@dataclass(frozen=True)
class Account:
    """Seconds of each stage, peak memory in bytes, and what came out."""

    mapping: float
    nominal: float
    chips: float
    memory: int
    before: int
    steps_equal: float
    digital: float
    on_chips: float


def run(count: int, chips: int) -> Account:
    """Map the network, run the nominal chip and mismatched chips on `count` clips, in this process."""
    test = clips("mnist_pixels", "test")
    x, labels = test.x[:, :count], test.labels[:count]
    # weights too small for a mirror
    network = prune(convert_exact(imported(NAME)).network, x[:, :1], SMALLEST).network
    digital = forward(network, x)
    before = _peak()
    started = time.perf_counter()
    design = map_network(network, load_technology(), input_bound=3.0)
    mapping = time.perf_counter() - started
    started = time.perf_counter()
    found = simulate(nominal_chip(design), x)
    nominal = time.perf_counter() - started
    started = time.perf_counter()
    classes = score_chips(design, x, range(chips), Variability(seed=1))
    seconds = time.perf_counter() - started
    equal = float(np.mean([np.mean(found.levels[name] == digital.states[name]) for name in found.levels]))
    return Account(
        mapping,
        nominal,
        seconds,
        _peak(),
        before,
        equal,
        float(np.mean(digital.classes == labels)),
        float(np.mean(classes == labels)),
    )


def _peak() -> int:
    """Largest memory that this process has used, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@lru_cache(maxsize=2)
def account(quick: bool) -> Account:
    """The same in a process of its own, so that its memory is its own."""
    count, chips = (1, 1) if quick else (CLIPS, CHIPS)
    code = (
        "import json; from dataclasses import asdict; from validation.networks.large import run; "
        f"print(json.dumps(asdict(run({count}, {chips}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return Account(**json.loads(done.stdout.splitlines()[-1]))


@TOPIC.measure(
    "large-nominal",
    "Steps at which the nominal chip of two layers of 256 units over 784 steps equals the digital network.",
)
def nominal(quick: bool) -> Measured:
    a = account(quick)
    return Measured(
        a.steps_equal,
        "of steps",
        Bound.equals(1.0),
        {
            "clips": 1 if quick else CLIPS,
            "mapping": f"{a.mapping:.1f} s",
            "nominal chip": f"{a.nominal:.1f} s",
            "accuracy of the digital network": f"{a.digital:.2f} (trained on 1,280 images once)",
        },
    )


@TOPIC.measure("large-chips", "Time per mismatched chip of two layers of 256 units over 784 steps, with noise.")
def on_chips(quick: bool) -> Measured:
    a = account(quick)
    count, chips = (1, 1) if quick else (CLIPS, CHIPS)
    return Measured(
        a.chips / chips,
        "s",
        Bound(),
        {"chips": chips, "clips": count, "device size": "10 x 10 um", "accuracy": f"{a.on_chips:.2f}"},
    )


@TOPIC.measure("large-memory", "Peak memory of mapping and simulating two layers of 256 units over 784 steps.")
def memory(quick: bool) -> Measured:
    a = account(quick)
    return Measured(a.memory, "B", Bound(), {"before mapping": f"{a.before / 2**20:.0f} MiB"})
