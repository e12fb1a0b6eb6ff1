"""Fast: the benchmark's ratios to its peers in one run, and to what the machine could do."""

import math

from validation.claims import Measured
from validation.montecarlo.bench import TOPIC, benchmark

WORK = {
    "A": "spoken digits, d = 32, 300 clips, 1,000 chips",
    "B": "recurrence, d = 64, 784 steps, 200 chips, 100 samples",
    "C": "waveforms, 64 cells of 8 stages, 10,000 points",
}


def _least(identifier: str, part: str, key: str, bound: float, claim: str) -> None:
    """A ratio that should reach `bound`; the small workloads of a quick run only show that it is measured."""

    @TOPIC.measure(identifier)
    def ratio(quick: bool) -> Measured:
        found = benchmark(part, quick)
        if "failed" in found:
            return Measured(0.0, "x", f">= {bound:g}", False, f"{part}: the benchmark failed: {found['failed']}")
        if found[key] is None:  # an optional peer
            return Measured(
                0.0,
                "x",
                "reported" if quick else f">= {bound:g}",
                quick,
                f"{part}: {claim}: not installed; add it with: pip install 'analogrnn[bench]'",
            )
        value = float(found[key])
        peer = f" ({found['best_peer']})" if key == "ratio_to_best_peer" else ""
        rate = f"{found['cell_steps_per_second'] / 1e6:,.0f} M steps/s"
        if quick:
            return Measured(
                value, "x", "a number > 0", math.isfinite(value) and value > 0.0, f"{part}, tiny: {claim}{peer}, {rate}"
            )
        return Measured(value, "x", f">= {bound:g}", value >= bound, f"{part}: {claim}{peer}, {rate}; {WORK[part]}")


for _part in WORK:
    _least(f"speed-{_part.lower()}", _part, "ratio_to_best_peer", 5.0, "speed over the best peer")
for _part in ("A", "B", "C"):
    _least(f"speed-{_part.lower()}-numpy", _part, "ratio_to_numpy", 10.0, "speed over vectorised NumPy")
_least("speed-c-dynapsim", "C", "ratio_to_dynapsim", 5.0, "speed over Rockpool's DynapSim, another model")
_least("speed-b-bound", "B", "fraction_of_bound", 0.5, "part of the machine's bound")
