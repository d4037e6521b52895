"""Orthonormal inputs, on which bounds of the data matrix are exact."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from govcheck.plugin.data import MAX_ENTRIES, DataError, Dataset, DataSource, dataset


@dataclass(frozen=True)
class Orthonormal(DataSource):
    """orthonormal: the first ``n`` unit vectors, labelled in turn 0 to ``classes - 1``."""

    name: ClassVar[str] = "orthonormal"

    n: int
    classes: int = 2

    def load(self, shape: tuple[int, ...], folder: str) -> Dataset:
        """Take rows of the identity matrix."""
        import numpy as np

        features = prod(shape)
        if not 1 <= self.n <= features:
            raise DataError(
                f"orthonormal: there are 1 to {features} orthonormal vectors of {features} "
                f"numbers, not {self.n}"
            )
        if self.classes < 1:
            raise DataError(f"orthonormal: classes must be at least 1, not {self.classes}")
        if self.n * features > MAX_ENTRIES:
            raise DataError(
                f"orthonormal: {self.n} samples of {features} numbers are above the limit of "
                f"{MAX_ENTRIES} entries; choose a smaller n"
            )
        labels = np.arange(self.n, dtype=np.int64) % self.classes
        return dataset(
            np.eye(self.n, features), labels, shape,
            f"the first {self.n} of {features} orthonormal unit vectors",
        )
