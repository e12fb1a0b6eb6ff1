"""Random changes of training clips: a crop in time, and noise."""

from analogrnn.errors import MissingDependencyError
from analogrnn.network import InputEncoding
from analogrnn.train import NO_TORCH
from analogrnn.train.recipe import Recipe

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


def augmented(x: Tensor, recipe: Recipe, encoding: InputEncoding, generator: torch.Generator) -> Tensor:
    """Inputs x (T, B, D) after a random crop, interpolated to T steps, and with noise.

    The time ramp, if the encoding has one, is generated in hardware: it is not stretched.
    """
    if recipe.stretch:
        steps, batch, _ = x.shape
        start, end = recipe.stretch * torch.rand(2, batch, generator=generator, dtype=x.dtype)
        at = (start + torch.linspace(0.0, 1.0, steps, dtype=x.dtype)[:, None] * (1.0 - end - start)) * (steps - 1)
        left = at.long().clamp(0, steps - 2)
        part = (at - left)[:, :, None]
        clip = torch.arange(batch)
        crop = (1.0 - part) * x[left, clip] + part * x[left + 1, clip]
        x = torch.cat([crop[:, :, :-1], x[:, :, -1:]], dim=2) if encoding.ramp else crop
    if recipe.input_noise:
        x = x + recipe.input_noise * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x
