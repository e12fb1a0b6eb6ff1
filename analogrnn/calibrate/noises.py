"""Noise of the comparator: current noise at the state node, clamped at half the supply, referred to the input."""

import tempfile
from pathlib import Path

import numpy as np

from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe
from analogrnn.errors import SpiceError
from analogrnn.spice.deck import number
from analogrnn.spice.engine import DECK, RAW, Job, Ngspice, run_process, write_job
from analogrnn.spice.raw import Waveforms, read_raw

BAND = (0.1, 1e7)  # Hz
ABOUT = "bmru_cell, .noise at the state node, clamped at half the supply"


def noise_probe(bench: CalibrationBench, i_th: float) -> Probe:
    """Noise of one cell at the edge of setting.

    density    A/Hz^0.5  input-referred, at a tenth of the input pole
    bandwidth  Hz        noise bandwidth of the input pole, pi/2 of its corner
    flicker    A/Hz^0.5  input-referred, at 1 Hz
    """
    setup = bench.setup
    body = [
        *bench.diode("th", i_th),
        *bench.diode("on", i_th / 2),
        "Vh bh 0 DC " + number(setup.supply),
        f"Iin 0 n DC {number(0.97 * i_th)} AC 1",
        f"Xc n a o vdd 0 bth bh bon bmru_cell {setup.size}",
        "Vo o 0 0.5",
        f"Va a 0 {number(setup.supply / 2)}",
        "Hout out 0 Va 1e9",
        "Rout out 0 1e9",
    ]
    analysis = f".noise v(out) Iin dec 20 {number(BAND[0])} {number(BAND[1])}"
    job = bench.job(bench.deck(body, ("bmru_cell",), analysis, static=True))

    def read(waves: Waveforms) -> Numbers:
        frequency = waves.axis
        at_input, at_node = waves["inoise_spectrum"], waves["onoise_spectrum"]
        transfer = (at_node / at_input) ** 2
        transfer = transfer / transfer[0]
        pole = float(np.interp(-0.5, -transfer, frequency))
        return {
            "density": float(np.interp(pole / 10, frequency, at_input)),
            "bandwidth": np.pi / 2 * pole,
            "flicker": float(np.interp(1.0, frequency, at_input)),
        }

    return Probe(f"noise_{i_th:.4g}", job, read, noise=True)


def run_noise(job: Job, ngspice: Ngspice) -> Waveforms:
    """Run a .noise deck; its raw file holds two plots (spectrum and totals), which the engine refuses.

    Raises SpiceError, with the log, if the run fails or has no spectrum.
    """
    with tempfile.TemporaryDirectory(prefix="analogrnn-") as name:
        folder = Path(name)
        write_job(job, folder, noise=True)
        argv = [str(ngspice.executable), "-n", "-b", "-r", RAW, DECK]
        outcome = run_process(argv, folder, timeout=job.timeout, limits=(ngspice.max_memory, ngspice.max_file))
        if outcome.returncode != 0 or not (folder / RAW).is_file():
            raise SpiceError("ngspice failed on a .noise deck; see the log.", outcome.log)
        for plot in read_raw(folder / RAW):
            if "inoise_spectrum" in plot.signals:
                return plot
    raise SpiceError("ngspice wrote no noise spectrum; see the log.", outcome.log)
