"""A paper's definition of the last layer's Gram matrix beside what it should be the limit of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from flint import arb

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, ExprLike, as_expr
from govcheck.kernels.dual import Array, Dual
from govcheck.kernels.family import Family
from govcheck.kernels.papers import (
    ALL,
    Erratum,
    Kernels,
    conv_resnet_kernels,
    fc_kernels,
    resnet_kernels,
)
from govcheck.kernels.tiles import Progress, fill

NONE: Final[frozenset[Erratum]] = frozenset()
ENTRIES: Final = 1 << 21
"""Entries of one layer's matrix that are in memory at a time."""

NUMBER: Final[Mapping[Erratum, str]] = {
    "index": "D-1", "cross": "D-2", "skip": "D-3", "factor": "D-4",
}
MEANING: Final[Mapping[Erratum, str]] = {
    "index": "derivatives are taken at the covariances of one layer too early",
    "cross": "the cross terms of a residual layer are swapped",
    "skip": "the skip adds sums over patches",
    "factor": "the last layer lacks its residual factor",
}
DEFINITION: Final = {
    "fc": "Du et al. (2019), definition 5.1",
    "resnet": "Du et al. (2019), definition 6.1",
    "nf_resnet": "Du et al. (2019), definition 6.1, as Zhang et al. (2022) use it",
    "conv_resnet": "Du et al. (2019), definition 7.1",
}


@dataclass(frozen=True, eq=False)
class Definition:
    """The definition of ``K^(H)`` for a network, in numbers.

    Args:
        family: the network.
        dual: expectations of its activation.
        c_sigma: factor of the first layer.
        alphas: of the residual layers at first.
        patch, grid: of images, in pixels.
    """

    family: Family
    dual: Dual
    c_sigma: float
    alphas: tuple[float, ...]
    patch: int
    grid: tuple[int, ...]

    @property
    def title(self) -> str:
        """Where it stands in print."""
        return DEFINITION[self.family.kind]

    @property
    def errata(self) -> tuple[Erratum, ...]:
        """Those that concern this network."""
        if self.family.kind == "conv_resnet":
            return ("index", "cross", "skip", "factor") if self.alphas else ("index",)
        return ("index", "cross") if self.alphas else ("index",)

    @property
    def stretch(self) -> float | None:
        """``(H/alpha_H)^2``, which takes lambda_0 to what does not fall with depth."""
        if not self.alphas or self.alphas[-1] == 0:
            return None
        return (self.family.hidden / self.alphas[-1]) ** 2

    def last(
        self,
        x: Array,
        errata: frozenset[Erratum] = NONE,
        progress: Progress | None = None,
    ) -> Array:
        """``K^(H)``, corrected but for `errata`.

        Args:
            x: samples, (N, features), or (N, channels, ...) for images.
            errata: misprints to reproduce; `ALL` for the definition as printed.
            progress: told how many tiles of how many are done.

        Raises:
            ValueError: for one hidden layer with the erratum "index": as printed, its
                matrix is not defined.
        """
        places = math.prod(self.grid) if self.grid else 1
        rows = x.reshape(len(x), -1) if not self.grid else x.reshape(len(x), -1, places)
        size = max(1, int(math.sqrt(ENTRIES / places**2)) // 2)
        if len(rows) <= 2 * size:
            return self._kernels(rows, errata).last
        result = np.empty((len(rows), len(rows)))

        def tile(left: slice, right: slice) -> dict[str, Array]:
            if left == right:
                return {"last": self._kernels(rows[left], errata).last}
            both = np.concatenate([rows[left], rows[right]])
            count = left.stop - left.start
            return {"last": self._kernels(both, errata).last[:count, count:]}

        fill({"last": result}, tile, size, progress)
        return result

    def _kernels(self, rows: Array, errata: frozenset[Erratum]) -> Kernels:
        H = self.family.hidden
        if self.grid:
            rho = self.alphas[-1] if self.alphas else 1.0
            return conv_resnet_kernels(
                rows, H, self.dual, c_res=rho, patch=self.patch, grid=self.grid,
                c_sigma=self.c_sigma, errata=errata,
            )
        if self.alphas:
            return resnet_kernels(
                rows, self.alphas, self.dual, c_sigma=self.c_sigma, errata=errata
            )
        return fc_kernels(
            rows, H, self.dual, c_sigma=self.c_sigma, as_printed="index" in errata
        )


def definition(family: Family, values: Mapping[Expr, arb]) -> Definition | Unknown:
    """The definition of a family with numbers in place of symbols.

    Args:
        family: from `recognise`.
        values: of symbols.

    Returns:
        Unknown where there are no numbers, or no such definition (residual factors of a
        convolutional network that differ).
    """

    def number(e: ExprLike) -> float:
        return float(evaluate(as_expr(e), values).mid())

    dual = family.activation.dual(number)
    if isinstance(dual, Unknown):
        return dual
    alphas = tuple(number(a) for a in family.alphas)
    image = family.kind == "conv_resnet"
    if image and len(set(alphas)) > 1:
        return Unknown.because("the residual factors differ, where the definition has one c_res")
    return Definition(
        family, dual, number(family.c_sigma), alphas,
        int(number(family.patch)) if image else 1,
        tuple(int(number(g)) for g in family.grid) if image else (),
    )


__all__ = ["ALL", "MEANING", "NONE", "NUMBER", "Definition", "definition"]
