"""Softmax cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Unknown, Value, merge_unknown, v_add, v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, function, power, sqrt
from govcheck.plugin import Cost, CostAt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CrossEntropy(Cost):
    """``gamma(Z) = (1/N) sum_i c(z_i)``, ``c(z) = log(sum_j exp z_j) - z_y``, y the label.

    Infimum 0, not attained. With ``p = softmax(z)``: ``grad c = p - e_y`` and
    ``1 - p_y = 1 - exp(-c)``. For one class c is identically 0.
    """

    name: ClassVar[str] = "cross_entropy"
    classification: ClassVar[bool] = True

    def gradient(self, at: CostAt) -> Value:
        """``|p - e_y|**2 <= 2 (1 - p_y)**2 <= 2`` for each sample, divided by N.

        Approached when every sample is put into one wrong class with certainty.
        """
        return sqrt(2 / at.samples)

    def curvature(self, at: CostAt) -> Value:
        """``|diag(p) - p p^T| <= 1/2``: the variance of a coordinate of v under p is at
        most ``(max v - min v)**2 / 4 <= |v|**2 / 2``; equality at ``p = (1/2, 1/2, 0...)``.
        """
        return Fraction(1, 2) / at.samples

    def pl(self, at: CostAt) -> Value:
        """There is none."""
        return Unknown.because(
            "cross-entropy is not PL: (1-e^{-c})^2/c -> 0 as c -> 0 (erratum E9); use kappa",
            kind="not PL",
        )

    def slope(self, at: CostAt) -> Value:
        """``kappa = (1 - exp(-N alpha)) / (N**(3/2) alpha)``.

        Every c_i is at least 0, so ``c_i <= N alpha``. There ``|grad c_i| >= 1 - p_y =
        1 - exp(-c_i) >= r c_i`` with ``r = (1 - exp(-N alpha)) / (N alpha)``, as
        ``1 - exp(-c)`` is concave. Hence ``|grad gamma| = (1/N) sqrt(sum |grad c_i|**2)
        >= (r/N) sqrt(sum c_i**2) >= (r/N) sum c_i / sqrt N = r gamma / sqrt N``.
        """
        if unknown := merge_unknown([at.alpha]):
            return unknown
        assert isinstance(at.alpha, Expr)
        if at.alpha is ZERO:
            return Unknown.because("the loss is 0 on the whole set, so its slope says nothing")
        decay = ONE - function("exp", -(at.samples * at.alpha))
        return decay / (power(at.samples, Fraction(3, 2)) * at.alpha)

    def level(self, at: CostAt, output_norm: Value) -> Value:
        """``c(z) <= log C + max z - z_y <= log C + sqrt2 |z|`` for C classes, averaged by
        Cauchy-Schwarz: ``log C + sqrt(2/N) |Z|``.
        """
        return v_add(function("log", at.outputs), v_mul(sqrt(2 / at.samples), output_norm))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        import torch

        if targets.is_floating_point() or targets.shape != outputs.shape[:1] or outputs.ndim != 2:
            raise ValueError(
                "the cost cross_entropy needs outputs of shape (N, classes) and N integer "
                f"labels, not {tuple(outputs.shape)} and {targets.dtype} {tuple(targets.shape)}"
            )
        return torch.nn.functional.cross_entropy(outputs, targets)
