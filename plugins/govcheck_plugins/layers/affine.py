"""Affine layers, with the weight parameterised plainly or so that it stays bounded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, minimum, mul, num, sqrt
from govcheck.bounds.answer import Unknown, Value, v_add, v_mul, v_rss
from govcheck.plugin import (
    At,
    Layer,
    Parameter,
    Ref,
    Shape,
    ShapeError,
    Values,
    bound,
    same_dimension,
)

if TYPE_CHECKING:
    from torch import nn

KAPPA = Fraction(48, 125) * sqrt(5)

CALCULUS = Ref("govcheck theory", "bound calculus, section 4")
WEIGHT_NORM_E4 = Ref("M", "Thm 4.4, eq (40)", ("E4",))


@dataclass(frozen=True)
class Affine(Layer):
    """affine: X -> s P(w) X + b 1^T, on vectors.

    ``weight`` chooses P: ``plain`` (the matrix itself), ``weight_norm`` (rows
    ``w/sqrt(eps + |w|^2)``), ``entrywise`` (``w/sqrt(eps + w^2)``, [M] eq 26) or
    ``orthogonal`` (a fixed matrix with orthonormal rows or columns times one trained
    factor). ``scale`` is s; ``bias`` adds a trained b.
    """

    name: ClassVar[str] = "affine"

    out: Expr
    weight: Literal["plain", "weight_norm", "entrywise", "orthogonal"] = "plain"
    bias: bool = True
    scale: Expr = ONE
    eps: Expr = ONE
