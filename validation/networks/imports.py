"""Ten checkpoints of ten kinds: what comes in computes what a plain evaluation of the file computes."""

from dataclasses import replace

import numpy as np

from analogrnn.convert import convert_exact
from analogrnn.network import Network, Pooling, forward
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks import plain
from validation.networks.bench import TOPIC, clips, imported, keyword_clips, read

TOLERANCE = 1e-9
WHAT = {
    "data_parallel": "torch with the prefix of DataParallel",
    "flax_nested": "a flattened Flax tree",
    "bfloat16": "bfloat16 tensors",
    "bias_free": "layers without biases",
    "separate_threshold": "thresholds from a layer of their own",
    "stacked": "two cells with a linear layer between",
    "published_hardware": "the published hardware shape, per step",
    "signed_alpha": "real initial states and outputs of either sign",
    "layer_norm_skip": "LayerNorm and a skip",
    "batch_norm": "batch normalisation",
}


def per_step(network: Network) -> Network:
    """The network without a final vote, so that its outputs per step are compared."""
    last = network.layers[-1]
    voted = isinstance(last, Pooling) and last.mode == "vote"
    return replace(network, layers=network.layers[:-1]) if voted else network


def _row(name: str) -> None:
    @TOPIC.measure(
        f"import-{name}".replace("_", "-"),
        f"Imported checkpoint with {WHAT[name]}: largest difference of an output from a plain evaluation of the file.",
    )
    def difference(quick: bool) -> Measured:
        test = keyword_clips("test") if name == "published_hardware" else clips("spoken_digits", "test")
        x = test.x[:, ::10] if quick else test.x
        expected = plain.evaluate(name, x)
        network = per_step(imported(name))
        converted = convert_exact(network)
        found, after = (forward(one, x).logits for one in (network, converted.network))
        worst = float(np.abs(after - expected).max())
        made = read(name)
        changes = [f"{change.conversion} of {change.layer}" for change in converted.changes]
        return Measured(
            float(np.abs(found - expected).max()),
            "1",
            Bound.at_most(TOLERANCE),
            {
                "clips": x.shape[1],
                "largest output": f"{np.abs(expected).max():.3g}",
                "tensors used": len(made.used),
                "left over": ", ".join(made.left_over) or "none",
                "exact conversions": ", ".join(changes) or "none",
                "difference after them": f"{worst:.2g}",
            },
            also={f"within {TOLERANCE:g} after all exact conversions": worst <= TOLERANCE},
        )


for _name in WHAT:
    _row(_name)
