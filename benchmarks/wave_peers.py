"""Workload C in vector libraries: the same nonlinear DPI, input node and hysteresis, one Runge-Kutta step a point.

And Rockpool's DynapSim, another model of the same kind: DPI synapse and membrane, as many neurons as we have stages.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import numpy as np

from analogrnn.streams import stream
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

    shape = stage.shape[1:]
    out = np.empty((len(line), *shape), dtype=np.float32)

    def run(_: int) -> np.ndarray:
        on, d, i_in = np.zeros(shape, bool), np.full(shape, floor), np.zeros(shape, np.float32)
        below, above = np.ones(shape, np.float32), np.zeros(shape, np.float32)
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
    """JAX: the whole run one jitted scan; float32."""
    import jax  # noqa: PLC0415 (may be absent)
    import jax.numpy as jnp  # noqa: PLC0415

    stage, line = jnp.asarray(work.stage, jnp.float32), jnp.asarray(work.line, jnp.float32)
    follow, fade = float(-np.expm1(-work.dt / work.t_in)), float(np.exp(-work.dt / work.tau))
    h, span, floor = work.dt / work.tau, work.ratio - 1.0, work.floor
    shape = stage.shape[1:]

    def slope(e: jax.Array) -> jax.Array:
        return span * e * (1 - e) / (1 + span * e)

    def whole(
        line: jax.Array, i_hi: jax.Array, i_lo: jax.Array, copy: jax.Array, left: jax.Array, right: jax.Array
    ) -> jax.Array:
        def step(
            carry: tuple[jax.Array, jax.Array, jax.Array], now: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
            on, d, i_in = carry
            below = jnp.roll(d, 1, axis=0).at[0].set(1.0)
            above = jnp.roll(d, -1, axis=0)  # the top stage takes nothing from above: its `right` is zero
            i_in = i_in + (copy * now + left * below + right * above - i_in) * follow
            k1 = slope(d)
            k2 = slope(d + 0.5 * h * k1)
            k3 = slope(d + 0.5 * h * k2)
            k4 = slope(d + h * k3)
            d = jnp.where(on, d + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, floor + (d - floor) * fade)
            on = (i_in >= i_hi) | (on & (i_in > i_lo))
            return (on, d, i_in), d

        first = (jnp.zeros(shape, bool), jnp.full(shape, floor, jnp.float32), jnp.zeros(shape, jnp.float32))
        return jax.lax.scan(step, first, line, unroll=2)[1]  # 4 and more are slower

    jitted = jax.jit(whole)

    def run(_: int) -> np.ndarray:
        return np.asarray(jitted(line, *stage))

    run(0)
    return run


def dynapsim_waves(work: Waves) -> Runner:
    """Rockpool's DynapSim, jitted by JAX: the membrane current of each neuron (P, N C) at every point; float32.

    The neurons' currents spread by 3 %, and each gets a spike in a twentieth of the points. The module is a constant of
    the jitted function: as an argument it ran 40 times slower, since XLA then multiplies by its empty recurrent matrix.
    """
    with _quiet():
        import jax  # noqa: PLC0415 (may be absent)
        import jax.numpy as jnp  # noqa: PLC0415
        from rockpool.devices.dynapse.lookup import default_currents  # noqa: PLC0415
        from rockpool.devices.dynapse.simulation import DynapSim  # noqa: PLC0415

    neurons, draw = work.stage.shape[1] * work.stage.shape[2], stream(1, "benchmark", "neurons")
    # its own generator of mismatch takes seven seconds
    mismatch = {
        name: default_currents[name] * (1.0 + 0.03 * draw.normal(size=neurons)).astype(np.float32)
        for name in ("Igain_mem", "Ispkthr", "Itau_mem", "Iref", "Ipulse")
    }
    module = DynapSim((neurons,), has_rec=False, rng_key=jax.random.PRNGKey(1), **mismatch)
    spikes = jnp.asarray(draw.random((1, len(work.line), neurons)) < 0.05, jnp.float32)
    whole = jax.jit(lambda given: module.evolve(given)[2]["imem"][0])

    def run(_: int) -> np.ndarray:
        return np.asarray(whole(spikes))

    run(0)
    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Rockpool names what else it could use at every import."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


CONTESTANTS = {
    "numpy": numpy_waves,
    "numba loop": plain_waves,
    "jax scan": jax_waves,
    "rockpool dynapsim": dynapsim_waves,
}
OTHER_MODELS = {"rockpool dynapsim": "another model: DPI synapse and membrane"}
