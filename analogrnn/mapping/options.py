"""What the designer chooses."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

from analogrnn.errors import ParameterError, in_range
from analogrnn.mapping.inequalities import LEAST_PULSE, LEAST_SETTLE


@dataclass(frozen=True)
class MappingOptions:
    """What the designer chooses. SI units; None = the shortest that the margins allow.

    >>> options = ar.MappingOptions(unit_current=0.5e-9, cell_w=4e-6, cell_l=4e-6)
    """

    unit_current: float = 1e-9  # A that stand for 1 in the trained network
    cell_w: float = 10e-6
    cell_l: float = 10e-6
    synapse_w: float | None = None  # None: as the cell
    synapse_l: float | None = None
    shift_ratio: float = 1.8  # I_s / beta
    base_ratio: float = 1.6  # (I_c - I_s) / beta
    pulse_ratio: float = 0.15  # x = T_p / tau
    pulse_settle: float = 12.0  # T_p / t_in
    settle: float = 12.0  # tau between the end of a pulse and the next, after the dead time
    drive_ratio: float = 25.0  # R = I_on / I_tau of the DPI
    c_dpi: float = 2e-12
    lead: float = 0.6  # of the period, from a change of the inputs to the pulse; shared by layers in a row
    period: float | None = None
    pulse: float | None = None
    input_bound: float | None = None  # largest magnitude of an encoded input; default: the encoding's clip
    stretch: bool = False  # lengthen the period where rectified currents need longer to settle; always if it is None

    @classmethod
    def standard(cls, period: float | None = None) -> "MappingOptions":
        """The low-power stage: narrow and long devices, all currents in inverse proportion to the step time.

        Without a `period` it is 10 ms, and rectified currents may stretch it.
        """
        stretch, period = period is None, period or 10e-3
        return cls(
            stretch=stretch,
            unit_current=0.24e-9 * 10e-3 / period,
            cell_w=2e-6,
            cell_l=18e-6,
            shift_ratio=2.2,
            base_ratio=2.0,
            pulse_ratio=0.2,
            pulse_settle=8.01,
            drive_ratio=12.0,
            c_dpi=0.5e-12,
            period=period,
        )

    @classmethod
    def large(cls, period: float | None = None) -> "MappingOptions":
        """The standard stage in 2.2 times the area: what yields 99 % of mismatched ladders. At 22.5 ms by itself."""
        stretch, period = period is None, period or 22.5e-3
        same = cls.standard(period * 10.0 / 22.5)
        return replace(same, cell_w=4e-6, cell_l=20e-6, period=period, stretch=stretch)

    def __post_init__(self) -> None:
        limits = {
            "unit_current": (1e-12, 1e-6, "A"),
            "cell_w": (0.22e-6, 100e-6, "m"),
            "cell_l": (0.28e-6, 50e-6, "m"),
            "shift_ratio": (1.0, 20.0, ""),
            "base_ratio": (1.0, 20.0, ""),
            "pulse_ratio": (1e-3, 0.69, ""),
            "pulse_settle": (LEAST_PULSE, 1e4, ""),
            "settle": (LEAST_SETTLE, 100.0, "tau"),
            "drive_ratio": (2.0, 1e4, ""),
            "c_dpi": (1e-15, 1e-9, "F"),
            "lead": (0.01, 0.95, "of the period"),
        }
        for name, (low, high, unit) in limits.items():
            in_range(f"MappingOptions.{name}", getattr(self, name), low, high, unit)
        for name, (low, high, unit) in {
            "synapse_w": limits["cell_w"],
            "synapse_l": limits["cell_l"],
            "period": (1e-9, 1e3, "s"),
            "pulse": (1e-9, 1e3, "s"),
            "input_bound": (1e-6, 1e6, ""),
        }.items():
            if getattr(self, name) is not None:
                in_range(f"MappingOptions.{name}", getattr(self, name), low, high, unit)


class MappingChanges(TypedDict, total=False):
    """The fields of MappingOptions as keywords of `map_network`; a test keeps the two alike."""

    unit_current: float
    cell_w: float
    cell_l: float
    synapse_w: float | None
    synapse_l: float | None
    shift_ratio: float
    base_ratio: float
    pulse_ratio: float
    pulse_settle: float
    settle: float
    drive_ratio: float
    c_dpi: float
    lead: float
    period: float | None
    pulse: float | None
    input_bound: float | None
    stretch: bool


STAGES = ("default", "standard", "large")  # the named ones, see `stage_options`


def stage_options(stage: str, period: float | None = None) -> MappingOptions:
    """The options of a named stage, for another step time if `period` is given. Raises ParameterError."""
    match stage:
        case "default":
            return MappingOptions(period=period)
        case "standard":
            return MappingOptions.standard(period)
        case "large":
            return MappingOptions.large(period)
    raise ParameterError(f"stage = {stage!r} is unknown; known: {list(STAGES)}.")


def chosen_options(
    options: MappingOptions | None = None, stage: str | None = None, changes: MappingChanges | None = None
) -> MappingOptions:
    """`options`, or those of a named stage (default: `default`), with `changes`.

    The period of a named stage scales its currents, as in `stage_options`. Raises ParameterError for a name that is
    not known, or for both `options` and a stage.
    """
    given: dict[str, Any] = dict(changes or {})
    unknown = sorted(set(given) - {item.name for item in fields(MappingOptions)})
    if unknown:
        raise ParameterError(f"map_network has no parameter {unknown[0]!r}; it takes the fields of MappingOptions.")
    if options is not None and stage is not None:
        raise ParameterError("map_network takes options or a stage, not both; leave one of them out.")
    if options is None:
        options = stage_options(stage or "default", given.pop("period", None))
    return replace(options, **given)
