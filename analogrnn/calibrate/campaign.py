"""The calibration as a whole: selects the probes, runs them, keeps finished results, compares and writes.

A partial file beside the result holds each finished probe under the digest of its deck, models and simulator. The file
is replaced atomically after each probe, so that an interruption loses only the probes that were running.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from analogrnn.calibrate import (
    cells,
    corners,
    dpis,
    entries,
    ladders,
    maps,
    noises,
    soft_thresholds,
    stairs,
    statics,
    switching,
)
from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe, Setup, others
from analogrnn.calibrate.entries import Entry
from analogrnn.campaign import write_whole
from analogrnn.errors import CalibrationError, SpiceError
from analogrnn.outputs.files import make_folder
from analogrnn.spice.engine import Ngspice, find_ngspice, run_decks
from analogrnn.technology import Table, Technology, flat, nested, quantities

CARRIED = ("foundry", "declared", "measured", "cited")  # kinds that a calibration copies unchanged
HEADER = """\
# {process}. Written by `analogrnn calibrate {name}`. One table per value, and under `size` one group of tables
# per calibrated size of device. Every table states where its value comes from:
#   value, unit       SI; a curve has lists `at` (in the unit `axis`) and `value`
#   meaning           what it is and where it acts
#   kind              foundry   a constant of the foundry's model files
#                     simulated ngspice on the foundry's models
#                     declared  our choice or assumption, not a result
#   source, method    which file, circuit or deck, and how the value was taken from it
#   count             number of runs or points behind it (0 for foundry and declared)
#   uncertainty       relative one-sigma or bound, as `method` says; 0 where it is exact by definition

"""


@dataclass(frozen=True)
class Campaign:
    """What to run. `carried`: tables that are copied unchanged. `quick`: probes that reproduce part of the values."""

    bench: CalibrationBench
    carried: Mapping[str, Any]
    quick: bool = False

    def probes(self) -> list[Probe]:
        """All probes, those that run longest first."""
        bench, setup = self.bench, self.bench.setup
        standard = setup.threshold_ratio * setup.unit
        moves = (2.0,) if self.quick else (*(-m for m in switching.DOWN), *switching.UP)
        found = [
            stairs.stairs_probe(b, self._bench_technology(b), cell, stages)
            for stages in (ladders.STAGES, 1)
            for b in self.benches
            for cell in (0, 1)
        ]
        found += [switching.switching_probe(bench, setup.unit, move) for move in moves]
        for b in self.benches:
            technology, units = self._bench_technology(b), self._units(b.setup)
            found += [cells.maps_probe(b, units)]
            found += [ladders.ladder_probe(b, technology, unit, cell) for unit in units for cell in (0, 1)]
            found += [soft_thresholds.soft_probe(b)]
        found += [dpis.dpi_probe(bench, f"dpi_c{n}", dpis.standard(bench, c=n * setup.c_dpi)) for n in (1, 2, 4)]
        found += [statics.device_probe(bench, p) for p in "np"] + [statics.mirror_probe(bench)]
        found += [noises.noise_probe(bench, standard), dpis.leak_probe(bench)]
        if not self.quick:
            found += [statics.mismatch_probe(bench, p) for p in "np"] + corners.corner_probes(bench)
        return found

    def entries(self, results: Mapping[str, Numbers]) -> dict[str, Entry]:
        """All simulated values of the calibration file, from the results of the probes by name."""
        setup = self.bench.setup
        found = entries.static_entries(setup, results) | maps.output_entry(setup, results)
        found |= entries.dpi_entries(setup, results) | entries.noise_entries(setup, results)
        gain = found["dpi_gain"].value
        assert not isinstance(gain, list)
        found |= maps.supply_entries(setup, results) | entries.switching_entries(setup, results)
        simulated = {
            name: Table(e.at, tuple(e.value)) if isinstance(e.value, list) else e.value for name, e in found.items()
        }
        for bench in self.benches:
            measured = maps.columns(bench.setup, results, gain)
            found |= maps.map_entries(bench.setup, measured) | soft_thresholds.soft_entries(bench.setup, results)
            found |= maps.trim_entries(bench, self._bench_technology(bench), results, measured)
        if not self.quick:
            technology = ladders.bench_technology(setup, self._known() | simulated)
            found |= entries.mismatch_entries(technology, setup, results) | corners.corner_entries(results)
        return found

    @property
    def benches(self) -> tuple[CalibrationBench, ...]:
        """The bench of the standard device, and unless quick those of the other devices."""
        return (self.bench, *(() if self.quick else (CalibrationBench(setup) for setup in others(self.bench.setup))))

    def _units(self, setup: Setup) -> tuple[float, ...]:
        # the two unit currents between which the wider half window lies
        first = setup.units.index(setup.unit)
        return setup.units[first : first + 2] if self.quick else setup.units

    def _bench_technology(self, bench: CalibrationBench) -> Technology:
        return ladders.bench_technology(bench.setup, self._known())

    def _known(self) -> dict[str, float | Table]:
        return {name: float(table["value"]) for name, table in self.carried.items()}


def carried_over(content: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a calibration file that do not come from the simulator."""
    return {
        name: table for name, table in flat(content).items() if isinstance(table, dict) and table.get("kind") in CARRIED
    }


def run_probes(
    probes: list[Probe],
    partial: Path,
    models: str,
    *,
    fresh: bool,
    workers: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Numbers]:
    """Run the probes that the partial file does not hold yet; return all results by name of the probe.

    `models` is the digest of the model files. `fresh` ignores the partial file. Raises SpiceError for the first probe
    that fails, CalibrationError for a partial file that can't be read.
    """
    ngspice = find_ngspice()
    digest = {probe.key: probe.digest(ngspice.version, models) for probe in probes}
    stored = {} if fresh else _read_partial(partial)
    results: dict[str, Numbers] = {
        probe.key: stored[digest[probe.key]] for probe in probes if digest[probe.key] in stored
    }
    waiting = [probe for probe in probes if probe.key not in results]
    make_folder(partial.parent)

    def keep(probe: Probe, numbers: Numbers) -> None:
        results[probe.key] = numbers
        stored[digest[probe.key]] = numbers
        write_whole(partial, json.dumps(stored, indent=1).encode())
        if progress:
            progress(len(results), len(probes))

    for probe in (p for p in waiting if p.noise):
        keep(probe, plain(probe.read(noises.run_noise(probe.job, ngspice))))
    decks = [probe for probe in waiting if not probe.noise]
    for index, outcome in run_decks([probe.job for probe in decks], workers, ngspice):
        probe = decks[index]
        if isinstance(outcome, SpiceError):
            raise SpiceError(
                f"calibration: {probe.key}: {outcome} Finished probes are kept; run it again.", outcome.log
            )
        keep(probe, plain(probe.read(outcome)))
    return results


def plain(numbers: Mapping[str, Any]) -> Numbers:
    """The numbers of a probe as Python's own, because JSON takes no numpy numbers."""
    return {
        name: [float(v) for v in value] if isinstance(value, list) else float(value) for name, value in numbers.items()
    }


def document(campaign: Campaign, found: Mapping[str, Entry], name: str, process: str, ngspice: Ngspice) -> str:
    """The text of the calibration file: carried values unchanged, simulated ones with the provenance of the run.

    Raises CalibrationError for a value that is neither carried nor simulated.
    """
    setups = [bench.setup for bench in campaign.benches]
    tables: dict[str, Any] = {"name": name, "process": process}
    for key, m in quantities(setup.name for setup in setups).items():
        entry, kept = found.get(key), campaign.carried.get(key)
        if kept is not None:
            tables[key] = kept
            continue
        if entry is None:
            raise CalibrationError(f'calibration: no probe measures [{key}]; add it to the file with kind "declared".')
        value = [rounded(v) for v in entry.value] if isinstance(entry.value, list) else rounded(entry.value)
        axis = {"axis": m["axis"], "at": list(entry.at)} if entry.at else {}
        setup = next((s for s in setups if key.startswith(s.entry(""))), setups[0])
        tables[key] = {
            **axis,
            "value": value,
            "unit": m["unit"],
            "meaning": m["doc"],
            "kind": "simulated",
            "source": f"{entry.source}; {_conditions(setup, ngspice)}",
            "method": entry.method,
            "count": entry.count,
            "uncertainty": rounded(entry.uncertainty, 2),
        }
    return HEADER.format(process=process, name=name) + tomli_w.dumps(nested(tables))


def _conditions(setup: Setup, ngspice: Ngspice) -> str:
    return (
        f"ngspice {ngspice.version}, models {setup.pdk.sha256[:12]}, typical, {setup.temperature:g} C, "
        f"{setup.supply:g} V, W = {setup.device.w * 1e6:g} um, L = {setup.device.l * 1e6:g} um, unit current "
        f"{setup.unit * 1e9:g} nA"
    )


def compare(found: Mapping[str, Entry], content: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """(name, new, committed, deviation over the stated uncertainty) of every value.

    Of a curve, the point that deviates most among those that both curves have.
    """
    rows, committed = [], flat(content)
    for name, entry in found.items():
        old = committed.get(name)
        if not isinstance(old, dict) or old.get("kind") != "simulated":
            continue
        # the uncertainty of a mirror's error or of a coefficient is absolute, as its `method` says
        absolute = "absolute" in old["method"]
        pairs = _pairs(entry, old)
        allowed = max(float(old["uncertainty"]), 1e-4)
        worst = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
        scale = 1.0 if absolute else max(abs(worst[1]), 1e-12)
        rows.append((name, float(worst[0]), float(worst[1]), abs(worst[0] - worst[1]) / (allowed * scale)))
    return rows


def _pairs(entry: Entry, old: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(new, committed) of a value, or of each point of the new curve that the committed curve also has."""
    if not isinstance(entry.value, list):
        return [(entry.value, old["value"])]
    known = dict(zip(old["at"], old["value"], strict=True))
    return [(value, known[at]) for at, value in zip(entry.at, entry.value, strict=True) if at in known]


def rounded(value: float, digits: int = 5) -> float:
    """`value` with that many significant digits."""
    return float(f"{value:.{digits}g}")


def _read_partial(path: Path) -> dict[str, Numbers]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CalibrationError(f"can't resume from {path}: {error}; start again with --fresh.") from error
    if not isinstance(content, dict):
        raise CalibrationError(f"can't resume from {path}: it holds no results; start again with --fresh.")
    return content


def default_setup(setup: Setup, content: Mapping[str, Any]) -> Setup:
    """Return `setup`. Raises CalibrationError if the file declares another device, whose values must not mix in."""
    for each in (setup, *others(setup)):
        for name, given in (("w", each.device.w), ("l", each.device.l)):
            table = flat(content).get(each.entry(name))
            if isinstance(table, dict) and abs(float(table["value"]) / given - 1.0) > 1e-9:
                raise CalibrationError(
                    f"calibration: [{each.entry(name)}] = {table['value']} m, but the bench measures {given:g} m."
                )
    return setup
