"""Handwritten digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from govcheck.plugin.data import DataError, Dataset, DataSource, dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

AVAILABLE = 1797


@dataclass(frozen=True)
class Digits(DataSource):
    """digits: 8x8 grey images of handwritten digits, pixels 0 to 16, labels 0 to 9.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998),
    test set, as bundled with scikit-learn.

    ``n`` samples from position ``start`` on. ``norm`` divides pixels by 16 (``sixteenth``,
    which is exact in floating point), each image by its Euclidean length (``unit``) or by
    nothing (``none``). ``center`` first subtracts the mean image of all 1797 samples.
    """

    name: ClassVar[str] = "digits"

    n: int = 32
    start: int = 0
    norm: Literal["sixteenth", "unit", "none"] = "sixteenth"
    center: bool = False

    def load(self, shape: tuple[int, ...], folder: str) -> Dataset:
        """Select, scale and label the images."""
        import numpy as np

        if self.n < 1 or self.start < 0 or self.start + self.n > AVAILABLE:
            raise DataError(
                f"digits has {AVAILABLE} samples, so n={self.n} from start={self.start} is not "
                f"possible; choose n >= 1 and start + n <= {AVAILABLE}"
            )
        pixels, labels = _table()
        chosen = slice(self.start, self.start + self.n)
        x = self._prepare(pixels)[chosen]
        return dataset(
            np.asarray(x), np.asarray(labels[chosen], dtype=np.int64), shape, self._describe()
        )

    def _prepare(self, pixels: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        x = pixels / 16 if self.norm == "sixteenth" else pixels
        if self.center:
            x = x - x.mean(axis=0)
        if self.norm == "unit":
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x

    def _describe(self) -> str:
        scale = {"sixteenth": "pixels/16", "unit": "unit length", "none": "pixels 0 to 16"}
        centred = ", mean image subtracted" if self.center else ""
        return (
            f"scikit-learn digits {self.start} to {self.start + self.n - 1}, "
            f"{scale[self.norm]}{centred}"
        )


def _table() -> tuple[NDArray[Any], NDArray[Any]]:
    """Pixels and labels of all samples, as ``sklearn.datasets.load_digits`` returns them.

    The package's own file is read: importing the package, SciPy's statistics included, costs
    more than most analyses.
    """
    import gzip
    from importlib.util import find_spec
    from pathlib import Path

    import numpy as np

    spec = find_spec("sklearn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            with gzip.open(file, "rt") as lines:
                table = np.loadtxt(lines, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    found: tuple[NDArray[Any], NDArray[Any]] = load_digits(return_X_y=True)
    return found
