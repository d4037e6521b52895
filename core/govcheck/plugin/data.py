"""What a data plugin is: it loads arrays, says where they come from and how exact they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin.layer import API_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """N samples in float64, exactly as the network sees them.

    Args:
        x: inputs, shape ``(N, *sample shape)``.
        y: integer class labels, shape ``(N,)``, or real targets, shape ``(N, outputs)``.
        source: one line for people: what it is and where from.
        sha256: of the bytes of x and y.
        seed: of whatever was random, None if nothing was.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64] | NDArray[np.float64]
    source: str
    sha256: str
    seed: int | None = None


class DataError(ValueError):
    """The data cannot be used; the text says why and what to do."""


class DataSource(ABC):
    """A source of data; subclasses are frozen dataclasses whose fields are YAML keys.

    Fields may be annotated `int`, `str`, `bool`, `Expr` (with defaults where optional).
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION

    @abstractmethod
    def load(self, shape: tuple[int, ...], folder: str) -> Dataset:
        """Load the samples.

        Args:
            shape: sample shape the architecture's ``input`` asks for; the source reshapes
                to it where sizes allow and otherwise raises `DataError`.
            folder: folder of the architecture file, for relative paths.

        Raises:
            DataError: if a file is missing, malformed or of another shape.
        """
