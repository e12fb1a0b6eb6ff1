"""Workload C in vector libraries: the same nonlinear DPI, input node and hysteresis, one Runge-Kutta step a point."""

import numpy as np

from benchmarks.ours import plain_waves
from benchmarks.peers import Runner
from benchmarks.workloads import Waves


def numpy_waves(work: Waves) -> Runner:
    """NumPy over all ladders and stages, a Python loop over time; float32."""
    stage, line = work.stage.astype(np.float32), work.line.astype(np.float32)
    i_hi, i_lo, copy, left, right = stage
    follow, fade = np.float32(-np.expm1(-work.dt / work.t_in)), np.float32(np.exp(-work.dt / work.tau))
    h, span, floor = (np.float32(v) for v in (work.dt / work.tau, work.ratio - 1.0, work.floor))

    def slope(e: np.ndarray) -> np.ndarray:
        grown = span * e
        return grown * (1 - e) / (1 + grown)

    def run(_: int) -> np.ndarray:
        shape = stage.shape[1:]
        on, d, i_in = np.zeros(shape, bool), np.full(shape, floor), np.zeros(shape, np.float32)
        below, above = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        out = np.empty((len(line), *shape), dtype=np.float32)
        for p in range(len(line)):
            below[1:], above[:-1] = d[:-1], d[1:]
            i_in += (copy * line[p] + left * below + right * above - i_in) * follow
            k1 = slope(d)
            k2 = slope(d + 0.5 * h * k1)
            k3 = slope(d + 0.5 * h * k2)
            k4 = slope(d + h * k3)
            risen = d + h * (k1 + 2 * k2 + 2 * k3 + k4) / np.float32(6)
            d = np.where(on, risen, floor + (d - floor) * fade)
            on = (i_in >= i_hi) | (on & (i_in > i_lo))
            out[p] = d
        return out

    return run


def jax_waves(work: Waves) -> Runner:
    """JAX: the whole run one jitted scan; float32. The nearest to what Rockpool's DynapSim does."""
    import jax  # noqa: PLC0415 (may be absent)
    import jax.numpy as jnp  # noqa: PLC0415

    stage, line = jnp.asarray(work.stage, jnp.float32), jnp.asarray(work.line, jnp.float32)
    i_hi, i_lo, copy, left, right = stage
    follow, fade = float(-np.expm1(-work.dt / work.t_in)), float(np.exp(-work.dt / work.tau))
    h, span, floor = work.dt / work.tau, work.ratio - 1.0, work.floor
    shape = stage.shape[1:]

    def slope(e):
        return span * e * (1 - e) / (1 + span * e)

    @jax.jit
    def whole(line):
        def step(carry, now):
            on, d, i_in = carry
            below = jnp.concatenate([jnp.ones((1, shape[1]), jnp.float32), d[:-1]])
            above = jnp.concatenate([d[1:], jnp.zeros((1, shape[1]), jnp.float32)])
            i_in = i_in + (copy * now + left * below + right * above - i_in) * follow
            k1 = slope(d)
            k2 = slope(d + 0.5 * h * k1)
            k3 = slope(d + 0.5 * h * k2)
            k4 = slope(d + h * k3)
            d = jnp.where(on, d + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, floor + (d - floor) * fade)
            on = (i_in >= i_hi) | (on & (i_in > i_lo))
            return (on, d, i_in), d

        first = (jnp.zeros(shape, bool), jnp.full(shape, floor, jnp.float32), jnp.zeros(shape, jnp.float32))
        return jax.lax.scan(step, first, line, unroll=4)[1]

    def run(_: int) -> np.ndarray:
        return np.asarray(whole(line))

    run(0)
    return run


CONTESTANTS = {"numpy": numpy_waves, "numba loop": plain_waves, "jax scan": jax_waves}
