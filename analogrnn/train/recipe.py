"""The settings of a training for hardware, each with its range. The defaults were chosen on validation clips."""

from dataclasses import asdict, dataclass

from analogrnn.errors import ParameterError, in_range

_RANGES = {
    "epochs": (1, 100_000),
    "batch": (1, 1_000_000),
    "rate": (1e-7, 1.0),
    "decay": (0.0, 1.0),
    "input_noise": (0.0, 10.0),
    "stretch": (0.0, 0.45),
    "chips": (1, 100_000),
    "groups": (1, 100_000),
    "refresh": (1, 10_000),
    "clean": (0.0, 1.0),
    "full": (0.0, 1.0),
    "lowest_threshold": (1e-3, 100.0),
    "largest_weight": (1e-3, 1e4),
    "select_from": (0.0, 1.0),
    "select_every": (1, 10_000),
    "select_chips": (1, 10_000),
}


@dataclass(frozen=True)
class Recipe:
    """Settings of `Training`. Raises ParameterError for a value out of range.

    epochs, batch     number of epochs; clips per batch
    rate, decay       peak learning rate of one cycle, and weight decay, of AdamW
    input_noise       standard deviation of noise added to the inputs
    stretch           largest fraction of a clip that a random crop removes at each end; frames are then interpolated
    chips, groups     chips drawn at once; chips per batch
    refresh           epochs between two draws, each from the mapped present network
    clean             fraction of the epochs, from the start, without mismatch
    full              fraction of the epochs after which mismatch is complete; between the two it grows linearly
    lowest_threshold  lower limit of the thresholds
    largest_weight    upper limit of the magnitude of weights and biases
    select_from       fraction of the epochs after which a network can be selected
    select_every      epochs between two scores on chips
    select_chips      chips of such a score, on validation clips
    seed              of the initial values, the batches, the chips and their noise
    """

    epochs: int = 120
    batch: int = 64
    rate: float = 3e-2
    decay: float = 1e-4
    input_noise: float = 0.2
    stretch: float = 0.04
    chips: int = 512
    groups: int = 32
    refresh: int = 2
    clean: float = 0.1
    full: float = 0.4
    lowest_threshold: float = 0.5
    largest_weight: float = 8.0
    select_from: float = 0.8
    select_every: int = 10
    select_chips: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            in_range(f"Recipe.{name}", getattr(self, name), low, high)
        if self.seed < 0:
            raise ParameterError(f"Recipe.seed = {self.seed} is below zero; give a whole number from 0.")

    def mismatch(self, epoch: int) -> float:
        """The share of the mismatch in an epoch, 0 to 1."""
        part = epoch / self.epochs
        if part < self.clean:
            return 0.0
        return min(1.0, (part - self.clean + 0.02) / max(1e-6, self.full - self.clean))

    def text(self) -> str:
        """All settings in one line, as a checkpoint keeps them."""
        return ", ".join(f"{name} {value!r}" for name, value in asdict(self).items())
