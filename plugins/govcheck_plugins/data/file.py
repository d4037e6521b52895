"""The user's own data: a .npz archive or a .csv table."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from govcheck.plugin.data import DataError, Dataset, DataSource, dataset
from govcheck_plugins.data._table import read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 2**30


@dataclass(frozen=True)
class File(DataSource):
    """file: samples from ``path``, relative to the architecture file.

    A ``.npz`` archive holds arrays ``x`` (N first) and ``y``; pickled objects are refused.
    A ``.csv`` table holds one sample in each row, numbers separated by commas, with or
    without a header; the column named ``target``, or the last one, is y. ``labels`` says
    whether y holds class labels (``yes``), real targets (``no``), or labels exactly when
    all its values are written as integers (``auto``). ``n`` keeps the first n samples.
    """

    name: ClassVar[str] = "file"

    path: str
    target: str = ""
    labels: Literal["auto", "yes", "no"] = "auto"
    n: int = 0

    def load(self, shape: tuple[int, ...], folder: str) -> Dataset:
        """Read the file and check every number."""
        path = Path(folder) / self.path
        kind = path.suffix.lower()
        if kind not in (".npz", ".csv"):
            raise DataError(f"{path}: data files end in .npz or .csv")
        if self.n < 0:
            raise DataError(f"{path}: n must be positive, or 0 for all samples, not {self.n}")
        try:
            size = path.stat().st_size
            if not path.is_file():
                raise DataError(f"{path} is not a file")
            if size > MAX_BYTES:
                raise DataError(f"{path} has {size} bytes, above the limit of {MAX_BYTES}")
            x, y = self._npz(path) if kind == ".npz" else read_table(path, self.target)
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist; paths are relative to the architecture file"
            ) from None
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} cannot be read: {error}") from error
        if self.n > len(x):
            raise DataError(f"{path} has {len(x)} samples, fewer than n={self.n}")
        if self.n and len(x) == len(y):
            x, y = x[: self.n], y[: self.n]
        try:
            return dataset(x, self._typed(y), shape, self.path)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def _npz(self, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
        import numpy as np

        if self.target:
            raise DataError(f"{path}: `target` names a column of a .csv file; remove it")
        try:
            with zipfile.ZipFile(path) as archive:
                sizes = {m.filename: m.file_size for m in archive.infolist()}
        except zipfile.BadZipFile as error:
            raise DataError(f"{path} is not a .npz archive: {error}") from error
        for wanted in ("x", "y"):
            size = sizes.get(f"{wanted}.npy")
            if size is None:
                found = ", ".join(sorted(n.removesuffix(".npy") for n in sizes)) or "nothing"
                raise DataError(f"{path} holds no array `{wanted}` (it holds {found})")
            if size > MAX_BYTES:
                raise DataError(
                    f"{path}: array `{wanted}` has {size} bytes, above the limit of {MAX_BYTES}"
                )
        try:
            with np.load(path, allow_pickle=False) as arrays:
                x, y = arrays["x"], arrays["y"]
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"{path} is damaged: {error}") from error
        if x.ndim == 0 or y.ndim == 0:
            raise DataError(f"{path}: `x` and `y` need a first dimension, one entry a sample")
        return x, y

    def _typed(self, y: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        if y.dtype.kind not in "fiub" or self.labels == "auto":
            return y
        if self.labels == "no":
            return y.astype(np.float64)
        flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        with np.errstate(invalid="ignore"):
            whole = flat.astype(np.int64)
        if not np.array_equal(whole, flat):
            raise DataError("y holds values that are not integers, so they are not labels")
        return whole
