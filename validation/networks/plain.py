"""A plain evaluation of the checkpoints in float64 numpy, written apart from analogrnn: it imports nothing of it.

Each kind has a function of the tensors as they are named in the file and the encoded inputs x (T, S, D); it returns the
logits (S, C), or (T, S, C) where a vote over the steps follows.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import deserialize

CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"
Tensors = Mapping[str, np.ndarray]
_TYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64}


def read(name: str) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint, all widened to float64."""
    file = CHECKPOINTS / f"{name}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as data:
            return {key: data[key].astype(np.float64) for key in data.files}
    raw = deserialize((CHECKPOINTS / f"{name}.safetensors").read_bytes())  # type: ignore[no-untyped-call]
    return {key: _widened(part["data"], part["dtype"]).reshape(part["shape"]) for key, part in raw}


def _widened(data: bytes, kind: str) -> np.ndarray:
    """Numbers of one of the types above, or bfloat16, which is the upper half of a float32, as float64."""
    if kind == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return np.frombuffer(data, _TYPES[kind]).astype(np.float64)


def linear(t: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    """W x + b; without a bias W x."""
    return x @ t[f"{name}.weight"].T + t.get(f"{name}.bias", 0.0)


def cumulative(c: np.ndarray, b: np.ndarray, initial: np.ndarray | float, limit: float = np.inf) -> np.ndarray:
    """The states of a CMRU at eps = 1, step by step; candidates and thresholds (T, S, d)."""
    state = np.zeros(c.shape[1:]) + initial
    states = np.empty_like(c)
    for t in range(len(c)):
        moves = np.abs(c[t]) >= np.abs(b[t])
        state = np.clip(np.where(moves, state + np.sign(c[t]), state), -limit, limit)
        states[t] = state
    return states


def cmru(t: Tensors, name: str, x: np.ndarray, limit: float = np.inf) -> np.ndarray:
    """Outputs of a cell whose candidates and thresholds are its own parameters."""
    c = linear(t, name, x)
    b = np.zeros_like(c) + t.get(f"{name}.threshold", 0.0)
    if f"{name}.threshold_weight" in t:
        b = b + x @ t[f"{name}.threshold_weight"].T
    return t[f"{name}.alpha"] * cumulative(c, b, t.get(f"{name}.initial", 0.0), limit)


def first_quadrant(t: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    """Outputs of a first-quadrant BMRU that starts OFF."""
    c = np.maximum(linear(t, name, x), 0.0)
    state = np.zeros(c.shape[1:])
    out = np.empty_like(c)
    for step, value in enumerate(c):
        state = np.where(value >= t[f"{name}.b_hi"], 1.0, np.where(value <= t[f"{name}.b_lo"], 0.0, state))
        out[step] = t[f"{name}.alpha"] * state
    return out


def layer_norm(t: Tensors, name: str, x: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return t[f"{name}.weight"] * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) + t[f"{name}.bias"]


def batch_norm(t: Tensors, name: str, x: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    centred = x - t[f"{name}.running_mean"]
    return t[f"{name}.weight"] * centred / np.sqrt(t[f"{name}.running_var"] + epsilon) + t[f"{name}.bias"]


def one_cell(t: Tensors, x: np.ndarray) -> np.ndarray:
    return linear(t, "readout", cmru(t, "cell", x)[-1])


def data_parallel(t: Tensors, x: np.ndarray) -> np.ndarray:
    return one_cell({key.removeprefix("module."): value for key, value in t.items()}, x)


def flax_nested(t: Tensors, x: np.ndarray) -> np.ndarray:
    names: dict[str, np.ndarray] = {}
    for key, value in t.items():
        _, layer, parameter = key.split("/")
        kernel = parameter.endswith("kernel")
        names[f"{layer}.{parameter.replace('kernel', 'weight')}"] = value.T if kernel else value
    return linear(names, "head", cmru(names, "cell", linear(names, "encoder", x))[-1])


def bfloat16(t: Tensors, x: np.ndarray) -> np.ndarray:
    return linear(t, "readout", cmru(t, "cell", x, limit=4.0)[-1])


def separate_threshold(t: Tensors, x: np.ndarray) -> np.ndarray:
    states = cumulative(linear(t, "cell.candidate", x), linear(t, "cell.gate", x), t["cell.initial"])
    return linear(t, "readout", t["cell.alpha"] * states[-1])


def stacked(t: Tensors, x: np.ndarray) -> np.ndarray:
    return linear(t, "readout", cmru(t, "second", linear(t, "between", cmru(t, "first", x)))[-1])


def published_hardware(t: Tensors, x: np.ndarray) -> np.ndarray:
    """Logits per step: a vote follows."""
    a = np.maximum(linear(t, "fc1", x), 0.0)
    b = np.maximum(linear(t, "fc2", a + first_quadrant(t, "cell1", a)), 0.0)
    return linear(t, "readout", b + first_quadrant(t, "cell2", b))


def layer_norm_skip(t: Tensors, x: np.ndarray) -> np.ndarray:
    u = linear(t, "embed", x)
    return linear(t, "readout", (u + cmru(t, "cell", layer_norm(t, "norm", u)))[-1])


def with_batch_norm(t: Tensors, x: np.ndarray) -> np.ndarray:
    return linear(t, "readout", cmru(t, "cell", batch_norm(t, "norm", linear(t, "embed", x)))[-1])


KINDS: dict[str, Callable[[Tensors, np.ndarray], np.ndarray]] = {
    "data_parallel": data_parallel,
    "flax_nested": flax_nested,
    "bfloat16": bfloat16,
    "bias_free": one_cell,
    "separate_threshold": separate_threshold,
    "stacked": stacked,
    "published_hardware": published_hardware,
    "signed_alpha": one_cell,
    "layer_norm_skip": layer_norm_skip,
    "batch_norm": with_batch_norm,
}


def evaluate(name: str, x: np.ndarray) -> np.ndarray:
    """Logits of the checkpoint `name` on encoded inputs x (T, S, D)."""
    return KINDS[name](read(name), x)
