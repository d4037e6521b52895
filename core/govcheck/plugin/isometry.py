"""Maps that only rearrange the entries of a sample."""

from __future__ import annotations

from typing import Final

from govcheck.bounds.answer import Ref, Value
from govcheck.bounds.expr import ONE, ZERO
from govcheck.plugin.layer import At, Layer, bound

REARRANGE: Final = Ref("elementary", "a permutation of coordinates is orthogonal")


class Isometry(Layer):
    """A map without parameters that permutes the entries of each sample."""

    @bound("out", "upper", REARRANGE, tight="exact")
    def output(self, at: At) -> Value:
        """The norm is kept."""
        return at.frobenius

    @bound("out_spec", "upper", REARRANGE, tight="exact", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """The operator norm of the sample matrix is kept."""
        return at.spectral

    @bound("out_max", "upper", REARRANGE, tight="exact", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """The norm of each sample is kept."""
        return at.sample

    @bound("out_inj", "lower", REARRANGE, tight="exact")
    def output_injective(self, at: At) -> Value:
        """Kept as well."""
        return at.injective

    @bound("J", "upper", REARRANGE, tight="exact")
    def jacobian(self, at: At) -> Value:
        """Orthogonal."""
        return ONE

    @bound("J_inf", "upper", REARRANGE, tight="exact", uses=("rows",))
    def jacobian_max_norm(self, at: At) -> Value:
        """A permutation keeps the max norm."""
        return ONE

    @bound("sigma_J", "lower", REARRANGE, tight="exact")
    def least_singular_value(self, at: At) -> Value:
        """Orthogonal."""
        return ONE

    @bound("xx", "upper", REARRANGE, tight="exact: linear")
    def second_derivative(self, at: At) -> Value:
        """Linear."""
        return ZERO
