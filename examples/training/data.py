"""The data sets of these scripts, encoded: mean and scale come from the training frames alone."""

import numpy as np
from fit import Part

import analogrnn as ar

PARTS = ("train", "validation", "test")
CLIP = 3.0  # bound of the encoded inputs


def spoken_digits(frames: int = 32, *, ramp: bool = True) -> dict[str, Part]:
    """Ten digits as 13 MFCC per frame, resampled to so many frames, with a time ramp."""
    return _encoded({name: ar.datasets.spoken_digits(name) for name in PARTS}, frames, ramp=ramp)


def japanese_vowels(frames: int = 29) -> dict[str, Part]:
    """Nine speakers as 12 coefficients per frame, resampled to the length of the longest, with a time ramp."""
    return _encoded({name: ar.datasets.japanese_vowels(name) for name in PARTS}, frames)


def pixel_digits(images: int = 1280) -> dict[str, Part]:
    """Some MNIST images, one pixel per step, with a time ramp."""
    found = _encoded({name: ar.datasets.mnist_pixels(name) for name in PARTS}, 784)
    some = {name: range(0, len(part.y), max(1, len(part.y) // images)) for name, part in found.items()}
    return {name: Part(part.x[:, some[name]][:, :images], part.y[some[name]][:images]) for name, part in found.items()}


def copy_first_input(steps: int = 100) -> dict[str, Part]:
    """A value and a marker of the first step per step; the first value is the target."""
    found = {}
    for name in PARTS:
        part = ar.datasets.copy_first_input(name, steps)
        found[name] = Part.of(np.stack(part.features, axis=1), np.asarray(part.targets))
    return found


def _encoded(parts: dict[str, ar.datasets.Sequences], frames: int, *, ramp: bool = True) -> dict[str, Part]:
    every = np.concatenate(parts["train"].features)
    encoding = ar.network.InputEncoding(every.mean(axis=0), every.std(axis=0), CLIP, frames, ramp)
    return {name: Part.of(encoding(part.features), np.asarray(part.labels)) for name, part in parts.items()}
