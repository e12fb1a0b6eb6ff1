"""Fast: the benchmark's ratios to its peers in one run, and to what the machine could do."""

import math

from validation.bounds import Bound
from validation.claims import Measured
from validation.montecarlo.bench import TOPIC, benchmark

TITLES = {"A": "Monte Carlo on spoken digits", "B": "long recurrence", "C": "waveforms"}
WORK = {
    "A": "spoken digits, d = 32, 300 clips, 1,000 chips",
    "B": "recurrence, d = 64, 784 steps, 48 chips, 100 samples",
    "C": "waveforms, 64 cells of 8 stages, 10,000 points",
}


def _least(identifier: str, part: str, key: str, bound: float, peer: str, unit: str = "-fold") -> None:
    """A ratio that should reach `bound`; the small workloads of a quick run only show that it is measured."""

    @TOPIC.measure(identifier, f"Speed of benchmark {part} ({TITLES[part]}) over {peer}.")
    def ratio(quick: bool) -> Measured:
        found = benchmark(part, quick)
        least = Bound.at_least(bound)
        if "failed" in found:
            return Measured(0.0, unit, least, {"failure": f"the benchmark failed: {found['failed']}"})
        if found[key] is None:  # an optional peer
            figures = {"failure": "not installed; add it with: pip install 'analogrnn[bench]'"}
            return Measured(0.0, unit, Bound() if quick else least, figures)
        figures = {"best peer": str(found["best_peer"])} if key == "ratio_to_best_peer" else {}
        figures["rate"] = f"{found['cell_steps_per_second'] / 1e6:,.0f} million steps per second"
        figures["workload"] = "tiny" if quick else WORK[part]
        value = float(found[key])
        if quick:
            return Measured(value, unit, Bound.above(0.0), figures, also={"finite": math.isfinite(value)})
        return Measured(value, unit, least, figures)


for _part in WORK:
    _least(f"speed-{_part.lower()}", _part, "ratio_to_best_peer", 5.0, "the best peer")
for _part in ("A", "B", "C"):
    _least(f"speed-{_part.lower()}-numpy", _part, "ratio_to_numpy", 10.0, "vectorised NumPy")
_least("speed-c-dynapsim", "C", "ratio_to_dynapsim", 5.0, "Rockpool's DynapSim, which has another model")
_least("speed-b-bound", "B", "fraction_of_bound", 0.5, "the bound of the machine", "of the bound")
