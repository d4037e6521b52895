"""Limiting kernels of an architecture on data."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

from govcheck.bounds.answer import Unknown, merge_unknown
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr, mul
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.kernels.correlation import CorrelationMap, correlation_map
from govcheck.kernels.dual import EPS, EXACT, SNAP, Array, DualError
from govcheck.kernels.engine import Network, Pass, network, run
from govcheck.kernels.limits import NoKernelError
from govcheck.kernels.pairs import Pairs
from govcheck.kernels.tiles import Progress, Stored, fill, tiles

TILE: Final = 512
EQUAL: Final = 1e-13
"""Relative spread of squared norms up to which they are the same number, rounded."""

PROBES: Final = 8
"""Rows of which entries are looked at to tell what a matrix is made from."""

SUMMARIES: Final = ("last", "ntk", "output")


@dataclass(frozen=True, eq=False)
class LimitingKernels:
    """Limits of Gram matrices as all widths tend to infinity.

    Args:
        matrices: by name, n x n; what was asked for and exists. ``last``: derivative in the
            last hidden layer's weights, whose smallest eigenvalue is lambda_0. ``output``:
            covariance of the output, which is also the derivative in the output weights
            divided by their variance. ``ntk``: sum of all blocks that are not random.
            ``block:NODE.PARAMETER``: one block. ``gram:NODE``: vectors before a layer with
            random weights. ``variance:NODE``: what it makes of them.
        lost: by name, why there is no matrix.
        order: layers with random weights from input to output, copies told apart.
        random: blocks that are means of random matrices (trained numbers).
        means: by node, the mean of a unit of the vectors before it times the root of their
            number, for each sample.
        error: of the Gaussian expectations, rounding apart.
        entry_error: by name, estimated absolute error of the entries, rounding included.
        map: the scalar functions of the correlation, for inputs of equal norm.
    """

    matrices: Mapping[str, Array]
    lost: Mapping[str, Unknown]
    order: tuple[str, ...]
    random: frozenset[str]
    means: Mapping[str, Array]
    error: DualError
    entry_error: Mapping[str, float]
    map: CorrelationMap | None = None

    def __getitem__(self, name: str) -> Array:
        """A matrix by name.

        Raises:
            KeyError: if it does not exist, with the reason where that is known.
        """
        if name in self.lost:
            raise KeyError(f"{name}: {self.lost[name].reason}")
        return self.matrices[name]


class Job:
    """The kernels of one network on one data set, ready to be computed.

    Args:
        arch: the architecture.
        x: samples, (N, *input).
        want: names of matrices, see `LimitingKernels`; ``blocks``, ``grams`` and
            ``variances`` stand for all of their kind.
        values: values of symbols that override those of the file.
        tile: rows of a tile; chosen to fit the number of pixels by default.

    Raises:
        InputError: if the samples do not fit the architecture or are not finite.
        NoKernelError: if the network has no limiting kernel.
    """

    def __init__(
        self,
        arch: Architecture,
        x: ArrayLike,
        want: Sequence[str] = SUMMARIES,
        values: Mapping[Expr, arb] | None = None,
        tile: int | None = None,
    ) -> None:
        self.net = network(arch, values)
        self.pixels = self.net.pixels
        self.x = _samples(self.net, x, self.pixels)
        self.n = len(self.x)
        self.probe = self.net.remember(("probe", *want), lambda: self._probe(want))
        self.tile = tile or self._tile()
        self.names, self.lost = _names(self.probe, want)
        if any(n == "last" for n in want) and len(self.probe.order) < 2:
            self.lost["last"] = Unknown.because("there is no hidden layer with random weights")
        self.error = EXACT
        self.map: CorrelationMap | None = None
        self.norm = self._equal_norm()

    def _probe(self, want: Sequence[str]) -> Pass:
        """What there is, from a single pair; no numbers."""
        each = "blocks" in want
        found = run(
            self.net,
            self._pairs(slice(0, 1), slice(0, 1)),
            single=lambda name: each or f"block:{name}" in want,
        )
        found.values = dict.fromkeys(found.values, np.zeros(0))
        found.means = {}
        return found

    def _tile(self) -> int:
        """Rows of a tile: few enough to fit memory and to waste little below the diagonal."""
        if not self.pixels:
            return next((t for t in (128, 256) if self.n <= 16 * t), TILE)
        # closed forms want to stay in the cache, series to share coefficients
        side = TILE if self.probe.refinable else TILE / 2
        return max(8, int(side / math.sqrt(self.x.shape[2] ** self.pixels)))

    def _pairs(self, rows: slice, columns: slice) -> Pairs:
        a, b = self.x[rows], self.x[columns]
        if self.pixels == 0:
            return Pairs((a * a).sum(1)[:, None], a @ b.T, (b * b).sum(1)[None, :])
        if self.pixels == 1:
            left, right = (a * a).sum(1)[:, None], (b * b).sum(1)[None]
            return Pairs(left, np.einsum("icl,jcl->ijl", a, b), right, 1)
        return Pairs(
            np.einsum("icl,icr->ilr", a, a)[:, None],
            np.einsum("icl,jcr->ijlr", a, b),
            np.einsum("icl,icr->ilr", b, b)[None],
            2,
        )

    def _equal_norm(self) -> float | None:
        if self.pixels:
            return None
        squares = (self.x * self.x).sum(axis=1)
        low, high = float(squares.min()), float(squares.max())
        return (low + high) / 2 if low > 0 and high - low <= EQUAL * high else None

    def _wanted(self, name: str) -> bool:
        if "ntk" in self.names or any(n == f"block:{name}" for n in self.names):
            return True
        return "last" in self.names and name == self._last

    def _single(self, name: str) -> bool:
        last = "last" in self.names and name == self._last
        return last or any(n == f"block:{name}" for n in self.names)

    def _run(self, pairs: Pairs, refined: bool) -> dict[str, Array]:
        found = run(
            self.net, pairs, self._wanted, refined, single=self._single, grams=self._grams
        )
        return self._collect(found)

    def _grams(self, node: str) -> bool:
        return f"gram:{node}" in self.names or f"variance:{node}" in self.names

    @property
    def _last(self) -> str:
        return f"{self.probe.order[-2]}.weight" if len(self.probe.order) > 1 else ""

    def _collect(self, found: Pass) -> dict[str, Array]:
        self.error = self.error.worst(found.error)
        result: dict[str, Array] = {}
        for name in self.names:
            if name == "last":
                result[name] = found.values[f"block:{self._last}"]
            elif name == "ntk":
                blocks = [
                    v for k, v in found.values.items()
                    if k.startswith("block:") and k.removeprefix("block:") not in found.random
                ]
                result[name] = sum(blocks[1:], blocks[0])
            else:
                result[name] = found.values[name]
        return result

    def on_tile(self, rows: slice, columns: slice, refined: bool = False) -> dict[str, Array]:
        """Entries of a block of the matrices, from the inputs themselves."""
        pairs = self._pairs(rows, columns)
        shape = pairs.cross.shape[:2]
        found = self._run(pairs, refined)
        return {n: _plain(a, shape) for n, a in found.items()}

    def prepare(self) -> None:
        """For inputs of equal norm, find the kernels as functions of the correlation."""
        if self.norm is None or self.map is not None or not self.names:
            return
        norm = self.norm
        low, high = self._range(norm)

        def curves(refined: bool) -> Callable[[Array], Mapping[str, Array]]:
            def at(rho: Array) -> Mapping[str, Array]:
                one = np.full(1, norm)
                found = self._run(Pairs(one, norm * rho, one), refined)
                return {n: np.array(np.broadcast_to(a, rho.shape)) for n, a in found.items()}

            return at

        finer = curves(True) if self.probe.refinable else None
        self.map = correlation_map(curves(False), finer, low, high)

    def _range(self, norm: float) -> tuple[float, float]:
        """Smallest and largest correlation of different samples."""
        low, high = 1.0, -1.0
        for rows, columns in tiles(self.n, 2 * self.tile):
            gram = self.x[rows] @ self.x[columns].T
            if rows == columns:
                np.fill_diagonal(gram, gram[0, -1])
            if rows != columns or len(gram) > 1:
                low = min(low, float(gram.min()) / norm)
            # samples that are the same count as correlation 1, which is known apart
            high = max(high, float(gram.max(initial=-norm, where=gram < norm * (1 - SNAP)))
                       / norm)
        return (low, max(low, high)) if low <= 1 and high >= -1 else (0.0, 0.0)

    def on_map(self, rows: slice, columns: slice) -> dict[str, Array]:
        """Entries of a block of the matrices, from the functions of the correlation."""
        assert self.map is not None and self.norm is not None
        rho = self.x[rows] @ self.x[columns].T
        rho /= self.norm
        if rows == columns:
            np.fill_diagonal(rho, 1.0)
        return self.map.evaluate(rho)

    def entries(self, rows: slice, columns: slice) -> dict[str, Array]:
        """Entries of a block of the matrices."""
        self.prepare()
        return self.on_map(rows, columns) if self.map else self.on_tile(rows, columns)

    def entry_errors(self, matrices: Mapping[str, Array]) -> dict[str, float]:
        """Estimated errors of the entries, by comparison with a higher resolution."""
        if self.map is not None:
            differences = dict(self.map.error)
        elif not self.probe.refinable:
            differences = dict.fromkeys(matrices, 0.0)
        else:
            some = slice(0, min(self.n, 12))
            truth = self.on_tile(some, some, refined=True)
            differences = {n: float(np.abs(truth[n] - matrices[n][some, some]).max())
                           for n in matrices}
        depth = 2 + len(self.probe.order)
        return {
            n: 2 * differences[n] + 4 * EPS * depth * float(np.abs(np.diag(matrices[n])).max())
            for n in matrices
        }

    def compute(self, progress: Progress | None = None) -> LimitingKernels:
        """All matrices, in memory."""
        matrices = {n: np.empty((self.n, self.n)) for n in self.names}
        if matrices:
            fill(matrices, self.entries, self.tile, progress)
        return LimitingKernels(
            matrices,
            self.lost,
            tuple(self.probe.order),
            frozenset(self.probe.random),
            self.means(),
            self.error,
            self.entry_errors(matrices),
            self.map,
        )

    def means(self) -> dict[str, Array]:
        """Mean of a unit before each layer, from the samples one by one."""
        if self.pixels:
            return {}
        q = (self.x * self.x).sum(axis=1)
        if self.norm is None:
            found = run(self.net, Pairs(q, q, q), lambda name: False).means
        else:
            one = np.full(1, self.norm)
            found = self.net.remember(
                ("means", self.norm),
                lambda: run(self.net, Pairs(one, one, one), lambda name: False).means,
            )
        return {n: np.array(np.broadcast_to(a, q.shape)) for n, a in found.items()}

    def stored(self, name: str, path: str | Path) -> Stored:
        """Where one matrix is written to, with what an interrupted run left there.

        Raises:
            KeyError: if there is no such matrix.
        """
        if self.names != [name]:
            raise KeyError(self.lost[name].reason if name in self.lost else name)
        digest = hashlib.sha256(np.ascontiguousarray(self.x).tobytes())
        digest.update(f"{name} {np.__version__}".encode())
        # some entries, to the last bit, tell the network and the machine's arithmetic
        for i in np.unique(np.linspace(0, self.n - 1, PROBES).astype(int)).tolist():
            columns = slice(i, min(self.n, i + 64))
            digest.update(self.entries(slice(i, i + 1), columns)[name].tobytes())
        return Stored(Path(path), self.n, digest.hexdigest(), self.tile)

    def save(
        self,
        name: str,
        path: str | Path,
        progress: Progress | None = None,
        *,
        restart: bool = False,
    ) -> Array:
        """Write one matrix to a ``.npy`` file, taking up an interrupted run.

        Args:
            name: of the matrix.
            path: the file; it appears when it is complete, see `Stored`.
            progress: told how many tiles of how many are done.
            restart: throw away what an interrupted run left.

        Raises:
            InputError: if the file cannot be written.
            KeyError: if there is no such matrix.
        """
        stored = self.stored(name, path)
        return stored.write(name, self.entries, progress, restart=restart)


def _plain(a: Array, shape: tuple[int, ...]) -> Array:
    return np.array(np.broadcast_to(a, shape))


def _samples(net: Network, x: ArrayLike, pixels: int) -> Array:
    rows = np.ascontiguousarray(np.asarray(x, dtype=np.float64))
    problem = ""
    if rows.ndim < 2 or not rows.size:
        problem = f"samples come as an array (N, features), not of shape {rows.shape}"
    elif not np.isfinite(rows).all():
        problem = "the samples have entries that are not finite numbers"
    elif pixels and rows.ndim != len(net.arch.input) + 1:
        problem = f"samples of shape {rows.shape[1:]} do not fit an input with " \
                  f"{len(net.arch.input)} dimensions"
    else:
        expected = _size(net)
        size = math.prod(rows.shape[1:])
        if expected is not None and expected != size:
            problem = f"the samples have {size} features and the network takes {expected:g}"
    if problem:
        raise InputError(Problem("kernel-data", problem, net.arch.file))
    if pixels:
        return rows.reshape(len(rows), rows.shape[1], math.prod(rows.shape[2:]))
    return rows.reshape(len(rows), -1)


def _size(net: Network) -> float | None:
    """Number of entries of one sample, if the symbols in it have values."""
    try:
        return float(evaluate(mul(*net.arch.input), net.values).mid())
    except EvaluationError:
        return None


def _names(probe: Pass, want: Sequence[str]) -> tuple[list[str], dict[str, Unknown]]:
    """The matrices that exist among those wanted, and why others do not."""
    kinds = {"blocks": "block:", "grams": "gram:", "variances": "variance:"}
    names: list[str] = []
    lost: dict[str, Unknown] = {}
    for w in want:
        if w in kinds:
            names += [n for n in probe.values if n.startswith(kinds[w])]
            lost |= {n: u for n, u in probe.lost.items() if n.startswith(kinds[w])}
        elif w == "last":
            key = f"block:{probe.order[-2]}.weight" if len(probe.order) > 1 else ""
            if key in probe.values or key.removeprefix("block:") in probe.merged:
                names.append(w)
            elif key in probe.lost:
                lost[w] = probe.lost[key]
        elif w == "ntk":
            blocks = {n: u for n, u in probe.lost.items() if n.startswith("block:")}
            unknown = merge_unknown(blocks.values())
            if unknown is not None:
                lost[w] = unknown
            elif any(n.startswith("block:") for n in probe.values):
                names.append(w)
        elif w in probe.values:
            names.append(w)
        else:
            lost[w] = probe.lost.get(w, Unknown.because(f"there is no matrix called {w}"))
    return list(dict.fromkeys(names)), lost


def limiting_kernels(
    arch: Architecture,
    x: ArrayLike,
    want: Sequence[str] = SUMMARIES,
    *,
    values: Mapping[Expr, arb] | None = None,
    tile: int | None = None,
    progress: Progress | None = None,
) -> LimitingKernels | Unknown:
    """Limiting kernels of a network on samples; Unknown with the layer at which they are lost.

    Args:
        arch: the architecture.
        x: samples, (N, *input).
        want: names of matrices, see `LimitingKernels`.
        values: values of symbols that override those of the file.
        tile: rows of a tile; chosen to fit the number of pixels by default.
        progress: told how many tiles of how many are done.

    Raises:
        InputError: if the samples do not fit the architecture or are not finite.
    """
    try:
        return Job(arch, x, want, values, tile).compute(progress)
    except NoKernelError as error:
        return error.unknown
