"""Root mean square normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, mul, sqrt
from govcheck.plugin import At, Shape, ShapeError, Unknown, Value, Values, bound
from govcheck_plugins.layers._normalised import LEMMA, Groups, Normalised, product

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RmsNorm(Normalised):
    """rms_norm: ``x -> scale * x / sqrt(eps + |x|^2/d)`` on the last dimension, of size d.

    Nothing is subtracted and there is no bias. Where the samples are vectors and X is
    injective, ``|x|^2 >= injective^2`` sharpens the bounds.
    """

    name: ClassVar[str] = "rms_norm"
    centred: ClassVar[bool] = False

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("there is no dimension to normalise over")
        return shape

    def scale_shape(self, shape: Shape) -> Shape:
        return shape[-1:]

    def layout(self, at: At) -> Groups:
        size = at.shape[-1]
        return Groups(size, at.entries, product(at.samples, *at.shape[:-1]))

    def least_square(self, at: At) -> Expr:
        return at.injective**2 / at.shape[-1] if len(at.shape) == 1 else ZERO

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.norms import Normalise

        scale = shape[-1:] if self.affine else None
        return Normalise((-1,), values(self.eps), scale=scale, broadcast=scale, centre=False)

    def _smallest_scale(self, at: At) -> Expr:
        return at.floor("scale", "abs_min") if self.affine else ONE

    def _largest_square(self, at: At) -> Value:
        """Supremum of ``|x|^2/d`` over tokens x, which are parts of samples."""
        return at.sample if isinstance(at.sample, Unknown) else at.sample**2 / at.shape[-1]

    @bound("sigma_J", "lower", LEMMA, tight="one token of the largest norm, all scales equal")
    def least_singular_value(self, at: At) -> Value:
        """``min|scale| eps/(eps + |x|^2/d)^(3/2)``, the radial eigenvalue of Dn."""
        square = self._largest_square(at)
        if isinstance(square, Unknown):
            return ZERO
        radial = self.eps / (self.eps + square) ** Fraction(3, 2)
        return mul(self._smallest_scale(at), radial)

    @bound("out_spec", "upper", LEMMA, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """On vectors ``diag(scale) X diag(1/sqrt(eps + |x_j|^2/d))``."""
        if len(at.shape) > 1:
            return Unknown.because("tokens of one sample are scaled differently")
        slope = 1 / sqrt(self.eps + self.least_square(at))
        return v_mul(self.largest_scale(at), slope, at.spectral)

    @bound("out_inj", "lower", LEMMA)
    def output_injective(self, at: At) -> Value:
        """On vectors ``diag(scale) X diag(1/sqrt(eps + |x_j|^2/d))``."""
        square = self._largest_square(at)
        if len(at.shape) > 1 or isinstance(square, Unknown):
            return ZERO
        return mul(self._smallest_scale(at), at.injective, 1 / sqrt(self.eps + square))

    @bound("D", "upper", LEMMA, tight="approached near the origin, X in one coordinate")
    def parameter_derivative_near_zero(self, at: At) -> Value:
        """A row of n is at most ``|n|_F <= |X|_F/sqrt(eps + |x|^2/d)``."""
        if not self.affine:
            return ZERO
        return v_mul(1 / sqrt(self.eps + self.least_square(at)), at.frobenius)
