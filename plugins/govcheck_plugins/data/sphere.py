"""Uniformly random points on the unit sphere."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from govcheck.plugin.data import MAX_ENTRIES, DataError, Dataset, DataSource, dataset


@dataclass(frozen=True)
class Sphere(DataSource):
    """sphere: ``n`` independent uniform unit vectors with random labels below ``classes``.

    Drawn with numpy's PCG64 from ``seed``; lengths are 1 up to float64 rounding.
    """

    name: ClassVar[str] = "sphere"

    n: int
    classes: int = 2
    seed: int = 0

    def load(self, shape: tuple[int, ...], folder: str) -> Dataset:
        """Draw the points and their labels."""
        import numpy as np

        for key, value, least in (("n", self.n, 1), ("classes", self.classes, 1),
                                  ("seed", self.seed, 0)):
            if value < least:
                raise DataError(f"sphere: {key} must be at least {least}, not {value}")
        features = prod(shape)
        if self.n * features > MAX_ENTRIES:
            raise DataError(
                f"sphere: {self.n} samples of {features} numbers are above the limit of "
                f"{MAX_ENTRIES} entries; choose a smaller n"
            )
        if self.classes > 2**62:
            raise DataError(f"sphere: {self.classes} classes are too many")
        draw = np.random.Generator(np.random.PCG64(self.seed))
        x = draw.standard_normal((self.n, features))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        labels = draw.integers(0, self.classes, self.n, dtype=np.int64)
        source = f"{self.n} uniform unit vectors in dimension {features}, seed {self.seed}"
        return dataset(x, labels, shape, source, self.seed)
