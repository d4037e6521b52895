"""The Gram matrices of an architecture on its own data: which ones, and their eigenvalues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from govcheck.analysis import concrete, symbol_values
from govcheck.bounds.answer import Unknown
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.kernels.dual import Array
from govcheck.kernels.family import recognise
from govcheck.kernels.gram import Job
from govcheck.kernels.limits import NoKernelError
from govcheck.kernels.printed import ALL, Definition, definition
from govcheck.kernels.spectrum import SmallestEigenvalue, smallest_eigenvalue
from govcheck.kernels.tiles import Progress
from govcheck.spec.names import shown, suggest

if TYPE_CHECKING:
    from govcheck.plugin.data import Dataset

EVERYTHING: Final = ("last", "ntk", "output", "blocks", "grams", "variances")
WORDS: Final = ("last", "feature", "ntk", "all")


def samples(arch: Architecture) -> Dataset:
    """The data that an architecture names.

    Raises:
        InputError: if it names none, or it cannot be loaded.
    """
    from govcheck.plugin.data import DataError

    if arch.data is None:
        raise InputError(Problem(
            "no-data", "a Gram matrix needs samples and the file has no data", arch.file,
            "add, for example, data: {sphere: {n: 20}}",
        ))
    shape = concrete(arch.input, symbol_values(arch), "input")
    try:
        return arch.data.load(shape, str(Path(arch.file).parent))
    except DataError as error:
        raise InputError(Problem("data", str(error), arch.file)) from None


def choose(arch: Architecture, x: Array, block: str) -> list[str]:
    """Names of the matrices that a word stands for, as `Job` takes them.

    Args:
        arch: the architecture.
        x: samples; only the first is looked at.
        block: ``last``, ``feature``, ``ntk``, ``all``, a layer's name for the derivatives in
            its parameters, or a name of a matrix.

    Raises:
        InputError: if there is no such matrix.
        NoKernelError: if the network has no limiting kernel.
    """
    probe = Job(arch, x[:1], EVERYTHING)
    every = [*probe.names, *probe.lost]
    feature = [f"gram:{probe.probe.order[-1]}"] if probe.probe.order else []
    match block:
        case "last" | "ntk":
            return [block]
        case "feature":
            return feature
        case "all":
            return ["last", *feature, "ntk", *(n for n in every if n.startswith("block:"))]
    own = [n for n in every if n.startswith(f"block:{block}.")]
    if own or block in every:
        return own or [block]
    layers = dict.fromkeys(n.removeprefix("block:").rpartition(".")[0]
                           for n in every if n.startswith("block:"))
    raise InputError(Problem(
        "unknown-block", f"there is no layer or Gram matrix {shown(block)}", "--block",
        suggest(block, [*WORDS, *layers], "blocks"),
    ))


def paper(arch: Architecture) -> Definition | Unknown:
    """The definition in print that an architecture belongs to."""
    family = recognise(arch)
    return family if isinstance(family, Unknown) else definition(family, symbol_values(arch))


@dataclass(frozen=True)
class DepthRow:
    """lambda_0 of one network on some samples.

    Args:
        depth: value of the depth symbol; None if it was not varied.
        n: number of samples.
        smallest: lambda_0.
        stretch: ``(H/alpha_H)^2`` of a residual family, else None; lambda_0 times it does
            not fall with depth.
        printed: lambda_0 of the definition as printed, if it was asked for and exists.
    """

    depth: int | None
    n: int
    smallest: SmallestEigenvalue
    stretch: float | None
    printed: float | None = None

    @property
    def depth_free(self) -> float | None:
        """``lambda_0 (H/alpha_H)^2``."""
        return None if self.stretch is None else self.smallest.value * self.stretch


def sweep(
    networks: Iterable[tuple[int | None, Architecture]],
    x: Array,
    points: Sequence[int],
    *,
    as_printed: bool = False,
    progress: Progress | None = None,
) -> Iterator[DepthRow]:
    """lambda_0 for each network on the first samples, for each number of them.

    Args:
        networks: each with the value of its depth symbol.
        x: samples.
        points: numbers of samples.
        as_printed: whether to compute the definition as printed too.
        progress: told how many tiles of how many are done, for each network.

    Raises:
        NoKernelError: if a network has no limiting kernel or no hidden layer.
    """
    most = x[: max(points)]
    for depth, arch in networks:
        job = Job(arch, most, ("last",))
        if "last" in job.lost:
            raise NoKernelError(job.lost["last"])
        found = job.compute(progress)
        own = paper(arch)
        stretch = None if isinstance(own, Unknown) else own.stretch
        wrong = None
        if as_printed and not isinstance(own, Unknown) and own.family.hidden > 1:
            wrong = own.last(most, ALL)
        for n in points:
            printed = None if wrong is None else smallest_eigenvalue(wrong[:n, :n]).value
            smallest = smallest_eigenvalue(found["last"][:n, :n], found.entry_error["last"])
            yield DepthRow(depth, n, smallest, stretch, printed)
