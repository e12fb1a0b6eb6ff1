"""What a good user of each tool would write for the recurrence with mismatch and noise: float32, both cores.

Every contestant is a function of (core, noisy) that returns a callable of a seed; that returns stages ON (C, S, d).
What can be done once for all seeds (tables, layouts, compiling) is done before. State: where a lane stands in the
flattened tables, so that a step is one look-up of each threshold, one normal, two comparisons.
"""

import functools
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import prange

from analogrnn.kernels.simd.compiled import compiled
from benchmarks.workloads import Recurrence

Runner = Callable[[int], np.ndarray]
THREADS = 2
_FAR = np.float32(1e30)


@dataclass(frozen=True, eq=False)
class Core:
    """The arrays of a recurrence in the layout that suits vector libraries: cells before samples.

    Either candidates (T, d, S) that all chips share, or inputs x (T, D, S) and weights (C, d, D), biases (C, d).
    """

    up: np.ndarray  # (C, d, N + 1) float32 by level
    down: np.ndarray
    sigma: np.ndarray  # (d, 1)
    start: np.ndarray  # (d,)
    samples: int
    candidates: np.ndarray | None = None
    x: np.ndarray | None = None
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None

    @property
    def steps(self) -> int:
        given = self.x if self.candidates is None else self.candidates
        assert given is not None
        return len(given)

    @property
    def origin(self) -> np.ndarray:
        """(C, d, 1) where each ladder's table starts in the flattened tables."""
        chips, cells, levels = self.up.shape
        return (np.arange(chips * cells) * levels).reshape(chips, cells, 1)

    def part(self, chips: slice) -> "Core":
        weight, bias = (None if a is None else a[chips] for a in (self.weight, self.bias))
        return Core(
            self.up[chips],
            self.down[chips],
            self.sigma,
            self.start,
            self.samples,
            self.candidates,
            self.x,
            weight,
            bias,
        )


def by_level(up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (C, d, N + 1) of each level; where both would move, they meet halfway."""
    far = np.full((*up.shape[:2], 1), _FAR)
    high, low = np.concatenate([up, far], axis=2), np.concatenate([-far, down], axis=2)
    both = high <= low
    middle = 0.5 * (np.where(both, high, 0.0) + np.where(both, low, 0.0))
    high, low = np.where(both, middle, high), np.where(both, middle, low)
    return high.astype(np.float32), np.maximum(low, -_FAR).astype(np.float32)


def shared_core(work: Recurrence) -> Core:
    up, down = by_level(work.up, work.down)
    candidates = np.ascontiguousarray(work.candidates.transpose(0, 2, 1), dtype=np.float32)
    sigma, cells = work.sigma.astype(np.float32)[:, None], up.shape[1]
    return Core(up, down, sigma, np.zeros(cells, dtype=np.int64), candidates.shape[2], candidates)


def numpy_threads(core: Core, noisy: bool) -> Runner:
    """NumPy, vectorised over chips, cells and samples; two threads, in pieces that fit the cache."""
    chips, cells, _ = core.up.shape
    size = max(1, min(-(-chips // THREADS), 65536 // (cells * core.samples)))
    pieces = [core.part(slice(start, start + size)) for start in range(0, chips, size)]

    def one(arguments: tuple[int, Core, np.random.SeedSequence]) -> np.ndarray:
        _, piece, seed = arguments
        rng = np.random.Generator(np.random.SFC64(seed))
        shape = (len(piece.up), cells, piece.samples)
        origin = piece.origin
        at = np.ascontiguousarray(np.broadcast_to(origin + piece.start[:, None], shape))
        up, down, u, edge = (
            piece.up.ravel(),
            piece.down.ravel(),
            np.empty(shape, np.float32),
            np.empty(shape, np.float32),
        )
        candidate = np.empty(shape, np.float32)
        moves = np.empty(shape, bool), np.empty(shape, bool)
        for t in range(piece.steps):
            if piece.candidates is not None:
                candidate = piece.candidates[t]
            else:
                assert piece.x is not None
                assert piece.weight is not None
                assert piece.bias is not None
                np.matmul(piece.weight, piece.x[t], out=candidate)
                candidate += piece.bias[:, :, None]
            if noisy:
                rng.standard_normal(out=u, dtype=np.float32)
                u *= piece.sigma
                u += candidate
            else:
                u[...] = candidate
            np.greater_equal(u, np.take(up, at, out=edge, mode="clip"), out=moves[0])
            np.less_equal(u, np.take(down, at, out=edge, mode="clip"), out=moves[1])
            at += moves[0]
            at -= moves[1]
        return (at - origin).transpose(0, 2, 1)

    def run(seed: int) -> np.ndarray:
        seeds = np.random.SeedSequence(seed).spawn(len(pieces))
        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(one, zip(range(len(pieces)), pieces, seeds, strict=True))))

    return run


@compiled(parallel=True)
def _loop(
    c: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    sigma: np.ndarray,
    start: np.ndarray,
    noisy: bool,
    seed: int,
    out: np.ndarray,
) -> None:
    steps, samples, cells = (len(x), x.shape[1], up.shape[1]) if c.size == 0 else c.shape
    for chip in prange(len(up)):
        np.random.seed(seed + chip)  # noqa: NPY002 (numba's own generator)
        for i in range(cells):
            for s in range(samples):
                n = start[i]
                for t in range(steps):
                    if c.size:
                        u = c[t, s, i]
                    else:
                        u = bias[chip, i]
                        for j in range(x.shape[2]):
                            u += weight[chip, i, j] * x[t, s, j]
                    if noisy:
                        u += sigma[i] * np.float32(np.random.standard_normal())  # noqa: NPY002
                    if u >= up[chip, i, n]:
                        n += 1
                    elif u <= down[chip, i, n]:
                        n -= 1
                out[chip, s, i] = n


def numba_loop(core: Core, noisy: bool) -> Runner:
    """A plain numba loop over both cores, with numba's own normal generator."""
    none = np.zeros((0, 0, 0), np.float32)
    c = none if core.candidates is None else np.ascontiguousarray(core.candidates.transpose(0, 2, 1))
    x = none if core.x is None else np.ascontiguousarray(core.x.transpose(0, 2, 1))
    weight = none if core.weight is None else core.weight
    bias = np.zeros((0, 0), np.float32) if core.bias is None else core.bias

    def run(seed: int) -> np.ndarray:
        out = np.empty((len(core.up), core.samples, core.up.shape[1]), dtype=np.int64)
        _loop(c, x, weight, bias, core.up, core.down, core.sigma[:, 0], core.start, noisy, seed, out)
        return out

    return run


def torch_eager(core: Core, noisy: bool) -> Runner:
    """PyTorch, eager, its own two threads."""
    return _torch(core, noisy, compiled=False)


def torch_compiled(core: Core, noisy: bool) -> Runner:
    """PyTorch with the step compiled."""
    return _torch(core, noisy, compiled=True)


@functools.cache
def _torch_step(compiled: bool) -> Callable[..., Any]:
    """One function for all batches of chips, so that it is compiled once for each shape."""
    import torch  # noqa: PLC0415 (may be absent)

    torch.set_num_threads(THREADS)

    def step(at: Any, candidate: Any, up: Any, down: Any, sigma: Any, noisy: bool) -> Any:
        u = candidate + sigma * torch.randn(at.shape) if noisy else candidate
        return at + (u >= torch.take(up, at)).long() - (u <= torch.take(down, at)).long()

    return torch.compile(step) if compiled else step


def _torch(core: Core, noisy: bool, *, compiled: bool) -> Runner:
    import torch  # noqa: PLC0415 (may be absent)

    advance = _torch_step(compiled)
    up, down, sigma = (torch.from_numpy(a) for a in (core.up.ravel(), core.down.ravel(), core.sigma))
    given = None if core.candidates is None else torch.from_numpy(core.candidates)
    x, weight, bias = (None if a is None else torch.from_numpy(a) for a in (core.x, core.weight, core.bias))
    origin = torch.from_numpy(core.origin)
    chips, cells, _ = core.up.shape

    def run(seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        at = (origin + torch.from_numpy(core.start)[:, None]).expand(chips, cells, core.samples).contiguous()
        with torch.no_grad():
            for t in range(core.steps):
                if given is not None:
                    candidate = given[t].expand(at.shape)
                else:
                    assert x is not None
                    assert weight is not None
                    assert bias is not None
                    candidate = torch.baddbmm(bias[:, :, None], weight, x[t].expand(chips, -1, -1))
                at = advance(at, candidate, up, down, sigma, noisy)
        return (at - origin).numpy().transpose(0, 2, 1)

    return run


@functools.cache
def _jax_scan(shape: tuple[int, int, int], levels: int, noisy: bool, weighted: bool) -> Callable[..., Any]:
    """The jitted scan for this shape; everything else is an argument, so that batches of chips share it."""
    import jax  # noqa: PLC0415 (may be absent)
    import jax.numpy as jnp  # noqa: PLC0415

    def whole(
        key: jax.Array,
        inputs: jax.Array,
        up: jax.Array,
        down: jax.Array,
        sigma: jax.Array,
        start: jax.Array,
        weight: jax.Array,
        bias: jax.Array,
    ) -> jax.Array:
        def step(carry: tuple[jax.Array, jax.Array], given: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
            n, key = carry
            key, use = jax.random.split(key)
            u = jnp.einsum("cij,js->cis", weight, given) + bias[:, :, None] if weighted else given
            if noisy:
                u = u + sigma * jax.random.normal(use, shape, dtype=jnp.float32)
            rise, fall = up[:, :, :1], down[:, :, :1]
            for k in range(1, levels):
                here = n >= k
                rise, fall = jnp.where(here, up[:, :, k, None], rise), jnp.where(here, down[:, :, k, None], fall)
            n = n + (u >= rise).astype(jnp.int32) - (u <= fall).astype(jnp.int32)
            return (n, key), None

        first = jnp.broadcast_to(start[:, None], shape)
        (n, _), _ = jax.lax.scan(step, (first, key), inputs)
        return n

    scan: Callable[..., jax.Array] = jax.jit(whole)
    return scan


def jax_scan(core: Core, noisy: bool) -> Runner:
    """JAX, the whole recurrence one jitted scan; thresholds by a chain of selections, which XLA fuses."""
    return _jax(core, noisy, "threefry2x32")


def jax_rbg(core: Core, noisy: bool) -> Runner:
    """As `jax_scan`, with XLA's own random bits instead of JAX's default."""
    return _jax(core, noisy, "rbg")


def _jax(core: Core, noisy: bool, generator: str) -> Runner:
    import jax  # noqa: PLC0415 (may be absent)
    import jax.numpy as jnp  # noqa: PLC0415

    chips, cells, levels = core.up.shape
    whole = _jax_scan((chips, cells, core.samples), levels, noisy, core.weight is not None)
    given = [
        core.x if core.candidates is None else core.candidates,
        core.up,
        core.down,
        core.sigma,
        core.start.astype(np.int32),
        0.0 if core.weight is None else core.weight,
        0.0 if core.bias is None else core.bias,
    ]
    arrays = [jnp.asarray(a) for a in given]

    def run(seed: int) -> np.ndarray:
        return np.asarray(whole(jax.random.key(seed, impl=generator), *arrays)).transpose(0, 2, 1)

    return run


CONTESTANTS = {
    "numpy": numpy_threads,
    "numba loop": numba_loop,
    "torch eager": torch_eager,
    "torch compiled": torch_compiled,
    "jax scan": jax_scan,
    "jax scan, rbg": jax_rbg,
}
_NEEDS = {
    "torch eager": "torch",
    "torch compiled": "torch",
    "jax scan": "jax",
    "jax scan, rbg": "jax",
    "rockpool dynapsim": "jax rockpool",
}


def missing(name: str) -> str | None:
    """The package that a contestant needs and that is not installed, or None."""
    packages = _NEEDS.get(name, "").split()
    return next((package for package in packages if importlib.util.find_spec(package) is None), None)
