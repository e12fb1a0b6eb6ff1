"""The command `size`: ladders of the devices that it chooses, with mismatch, in ngspice on the foundry's models."""

from analogrnn import sizing
from analogrnn.statistics import proportion_interval
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.circuits.topic import TOPIC
from validation.claims import Measured

TARGET = sizing.Target(ladder_yield=0.99, period=10e-3)


@TOPIC.measure(
    "chosen-size-follows",
    "Mismatched ladders of the size that `size` chooses for a yield of 0.99 follow the digital ladder at every step.",
)
def chosen_size(quick: bool) -> Measured:
    """At that yield two or more of eight ladders fail once in 380 such runs, both of two once in 10,000."""
    technology, ladders = load_technology(), 2 if quick else 8
    found = sizing.choose(TARGET, technology)
    follow = sizing.confirm(TARGET, found.size, technology, ladders, 1)
    low, high = proportion_interval(follow, ladders)
    return Measured(
        follow / ladders,
        "of the ladders",
        Bound.at_least(0.5 if quick else 0.875),
        {
            "device": f"{found.size.w * 1e6:.3g} x {found.size.l * 1e6:.3g} um",
            "unit current": f"{found.size.unit_current * 1e9:.3g} nA",
            "period": f"{TARGET.period * 1e3:g} ms",
            "predicted yield": f"{found.ladder_yield:.4f}",
            "ladders": ladders,
            "95 % interval": f"{low:.3f} to {high:.3g}",
        },
        also={"the target is met": not found.limits},
    )
