"""What a data plugin is: it loads arrays, says where they come from and how exact they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from govcheck.plugin.layer import API_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    TargetArray = NDArray[np.int64] | NDArray[np.float64]

MAX_ENTRIES = 2**27
"""Largest number of input entries (1 GiB in float64) that a data set may have."""


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
    y: TargetArray
    source: str
    sha256: str
    seed: int | None = None


class DataError(ValueError):
    """The data cannot be used; the text says why and what to do."""


class DataSource(ABC):
    """A source of data; subclasses are frozen dataclasses whose fields are YAML keys.

    Fields may be annotated `int`, `str`, `bool`, `Literal` of strings or `Expr` (with
    defaults where optional). `load` returns what `dataset` makes of the arrays.
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


def dataset(
    x: NDArray[Any], y: NDArray[Any], shape: tuple[int, ...], source: str, seed: int | None = None
) -> Dataset:
    """Check arrays, bring them to the sample shape and to float64, and take their hash.

    Args:
        x: inputs, first dimension N.
        y: integer labels ``(N,)``, or real targets ``(N,)`` or ``(N, outputs)``.
        shape: sample shape to reshape to.
        source: one line for people.
        seed: of whatever was random.

    Raises:
        DataError: if the arrays do not fit each other or the shape, or are not finite.
    """
    import hashlib
    from math import prod

    import numpy as np

    inputs = _numbers(x, "x")
    if inputs.ndim < 2 or not len(inputs):
        raise DataError(
            f"x has shape {inputs.shape}; it takes one row for each sample, at least one"
        )
    have = prod(inputs.shape[1:])
    if have != prod(shape):
        raise DataError(
            f"each sample of {source} has {have} numbers, but the network's input "
            f"[{', '.join(map(str, shape))}] takes {prod(shape)}; "
            "change `input` or choose other data"
        )
    targets = y.astype(np.int64) if y.dtype.kind in "iub" else _numbers(y, "y")
    if targets.ndim == 1 and targets.dtype.kind == "f":
        targets = targets.reshape(-1, 1)
    if targets.ndim != (1 if targets.dtype.kind == "i" else 2) or len(targets) != len(inputs):
        raise DataError(
            f"y has shape {y.shape} for {len(inputs)} samples; it takes one integer label or "
            "one row of real targets for each sample"
        )
    if targets.dtype.kind == "i" and targets.min() < 0:
        raise DataError(f"class labels count from 0, but y contains {targets.min()}")
    inputs = np.ascontiguousarray(inputs.reshape(len(inputs), *shape))
    digest = hashlib.sha256()
    for part in (inputs, np.ascontiguousarray(targets)):
        digest.update(part.astype(part.dtype.newbyteorder("<")).tobytes())
    return Dataset(inputs, targets, source, digest.hexdigest(), seed)


def _numbers(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    import numpy as np

    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {array.dtype} values; it takes real numbers")
    if array.size > MAX_ENTRIES:
        raise DataError(f"{name} has {array.size} entries, above the limit of {MAX_ENTRIES}")
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float64] = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        place = ", ".join(map(str, bad[0]))
        raise DataError(
            f"{name}[{place}] is {array[tuple(bad[0])]}; every value must be a finite number "
            f"({len(bad)} are not)"
        )
    return numbers


def targets(data: Dataset, outputs: int, classification: bool) -> tuple[TargetArray, str]:
    """Bring the data's y to the form the cost takes.

    Labels become one-hot rows padded with zeros, or +1 and -1 (even and odd labels) for a
    network with one output. A classification cost keeps the labels.

    Returns:
        Labels, shape ``(N,)``, for a classification cost, else shape ``(N, outputs)``; and
        one line saying what was done.

    Raises:
        DataError: if y cannot serve this network and cost; the text says what can.
    """
    import numpy as np

    labels = data.y.dtype.kind == "i"
    if not labels:
        return _real_targets(data, outputs, classification)
    classes = int(data.y.max()) + 1
    if classification or outputs != 1:
        if outputs < classes:
            alone = "" if classification else ", or 1 output for +1/-1 targets"
            raise DataError(
                f"the labels go up to {classes - 1}, but the network has {outputs} "
                f"output{'s' if outputs != 1 else ''}; give it at least {classes}{alone}"
            )
        if classification:
            return data.y, f"labels 0 to {classes - 1} of {outputs} classes"
        rows = np.zeros((len(data.y), outputs))
        rows[np.arange(len(data.y)), data.y.astype(np.int64)] = 1.0
        padding = outputs - classes
        tail = f", {padding} columns of zeros" if padding else ""
        return rows, f"one-hot rows for {classes} classes{tail}"
    signs = np.where(data.y % 2 == 0, 1.0, -1.0).reshape(-1, 1)
    return signs, "+1 for even labels, -1 for odd labels"


def _real_targets(
    data: Dataset, outputs: int, classification: bool
) -> tuple[TargetArray, str]:
    if classification:
        raise DataError(
            "the cost takes class labels, but y holds real targets; use a square cost or "
            "data with integer labels"
        )
    width = data.y.shape[1]
    if width != outputs:
        raise DataError(
            f"y has {width} number{'s' if width != 1 else ''} for each sample, but the network "
            f"has {outputs} output{'s' if outputs != 1 else ''}; make them equal"
        )
    return data.y, f"{width} real target{'s' if width != 1 else ''} for each sample"
