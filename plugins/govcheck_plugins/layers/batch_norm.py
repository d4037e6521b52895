"""Batch normalisation as a map of the whole batch, and with fixed statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from govcheck.bounds.answer import v_add, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, mul, num, sqrt
from govcheck.plugin import At, Example, Ref, Shape, ShapeError, Unknown, Value, Values, bound
from govcheck.plugin.activation import require_positive
from govcheck_plugins.layers._normalised import LEMMA, Groups, Normalised, product

if TYPE_CHECKING:
    from torch import nn

    from govcheck.certify.operations import Operation

TABLE: Final = Ref("govcheck theory", "layer constants, section 2 (batch norm, both modes)")


@dataclass(frozen=True)
class BatchNorm(Normalised):
    """batch_norm: each channel normalised, samples ``[c, ...]``; one scale and bias for each.

    ``mode: train`` uses mean and biased variance over samples and positions, and so couples
    the samples; all bounds hold on every batch. ``mode: eval`` is the affine map ``scale
    (x - mean)/sqrt(eps + var) + bias``. ``running_var`` is a lower bound of the running
    variances of all channels, ``running_var_max`` an upper one (without it no sigma_J is
    known), and ``running_mean`` bounds the absolute running means.
    """

    name: ClassVar[str] = "batch_norm"

    mode: Literal["train", "eval"] = "train"
    running_var: Expr = ONE
    running_var_max: Expr | None = None
    running_mean: Expr = ZERO

    def check(self) -> None:
        super().check()
        if self.running_var is not ZERO:
            require_positive(self.name, running_var=self.running_var)
        high = self.running_var_max
        if high is not None and (high - self.running_var).is_number and not (
            high - self.running_var
        ).nonneg:
            raise ValueError("running_var_max is less than running_var")

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("there are no channels to normalise")
        return shape

    def scale_shape(self, shape: Shape) -> Shape:
        return shape[:1]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        fixed = cls(mode="eval", running_var=num(1) / 4, running_var_max=num(4), running_mean=ONE)
        plain = replace(fixed, running_mean=ZERO, affine=False)
        more = (fixed, replace(fixed, affine=False), plain)
        return (*super().examples(), *(Example(layer, (3,), 2) for layer in more))

    def layout(self, at: At) -> Groups:
        size = product(at.samples, *at.shape[1:])
        return Groups(size, size, size)

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        from govcheck.certify.operations import normalise_batch, scale, shift

        trained = (scale(1.0, "scale"), shift("bias")) if self.affine else ()
        if self.mode == "train":
            return (normalise_batch(values(self.eps)), *trained)
        known = self.running_var_max is not None and self.running_var_max is self.running_var
        if not known or self.running_mean is not ZERO:
            return Unknown.because(
                "batch_norm in eval mode is given by bounds of its statistics; certificates take "
                "it where they say what these are: running_var_max equal to running_var, and "
                "running_mean 0"
            )
        return (scale(float((values(self.eps) + values(self.running_var)) ** -0.5)), *trained)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.norms import FixedNorm, Normalise

        scale = shape[:1] if self.affine else None
        broadcast = (shape[0], *(1 for _ in shape[1:]))
        if self.mode == "train":
            dims = (0, *range(2, len(shape) + 1))
            return Normalise(dims, values(self.eps), scale=scale, broadcast=broadcast)
        low = values(self.running_var)
        high = low if self.running_var_max is None else values(self.running_var_max)
        mean = values(self.running_mean)
        return FixedNorm(
            mean, (low, high), values(self.eps), affine=self.affine, broadcast=broadcast
        )

    def _steepest(self) -> Expr:
        """Largest ``1/sqrt(eps + var)`` in eval mode."""
        return 1 / sqrt(self.eps + self.running_var)

    def _flattest(self, at: At) -> Expr:
        """Smallest ``|scale|/sqrt(eps + var)`` in eval mode."""
        if self.running_var_max is None:
            return ZERO
        scale = at.floor("scale", "abs_min") if self.affine else ONE
        return mul(scale, 1 / sqrt(self.eps + self.running_var_max))

    def _standardised(self, x: Value, entries: Expr) -> Value:
        """Norm of ``(x - mean)/sqrt(eps + var)`` from that of x."""
        shift = mul(absolute(self.running_mean), sqrt(entries))
        return v_mul(self._steepest(), v_add(x, shift))

    def _evaluated(self, at: At, x: Value) -> Value:
        return v_add(v_mul(self.largest_scale(at), self._standardised(x, at.entries)),
                     self.offset(at))

    @bound("out", "upper", LEMMA, tight="approached far from the origin", uses=("boundedness",))
    def output(self, at: At) -> Value:
        """``|n| <= sqrt(m)`` in each channel of a batch, whatever comes in; not in eval mode."""
        if self.mode == "eval":
            return Unknown.because("with fixed statistics the output is as large as the input")
        return super().output(at)

    @bound("out", "upper", LEMMA, tight="all scales equal; approached near the origin in train")
    def output_near_zero(self, at: At) -> Value:
        """``max|scale| |X - mean|_F/sqrt(eps + var) + |bias| sqrt(m)``."""
        if self.mode == "eval":
            return self._evaluated(at, at.frobenius)
        return super().output_near_zero(at)

    @bound("out_spec", "upper", TABLE, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """In eval mode rows of X are scaled and matrices of rank one added."""
        if self.mode == "train":
            return Unknown.because("the samples are coupled")
        return self._evaluated(at, at.spectral)

    @bound("out_max", "upper", TABLE, uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """In eval mode ``out`` for a batch of one."""
        if self.mode == "train":
            return Unknown.because("the samples are coupled")
        return self._evaluated(replace(at, samples=ONE), at.sample)

    @bound("out_inj", "lower", TABLE)
    def output_injective(self, at: At) -> Value:
        """In eval mode rows of X are scaled, if nothing is added."""
        if self.mode == "train" or self.affine or self.running_mean is not ZERO:
            return ZERO
        return mul(self._flattest(at), at.injective)

    @bound("J", "upper", TABLE, tight="train: X constant on a channel; eval: always")
    def jacobian(self, at: At) -> Value:
        """``max|scale_c|/sqrt(eps + var_c)``; in train mode the variance can be 0."""
        if self.mode == "eval":
            return v_mul(self.largest_scale(at), self._steepest())
        return super().jacobian(at)

    @bound("sigma_J", "lower", TABLE, tight="train; eval with running_var_max")
    def least_singular_value(self, at: At) -> Value:
        """Train: 0, as J is square and maps constants to 0. Eval: ``min|scale|/sqrt(...)``."""
        return self._flattest(at) if self.mode == "eval" else ZERO

    @bound("D", "upper", TABLE, tight="train: always; eval: X constant, on one channel")
    def parameter_derivative(self, at: At) -> Value:
        """Columns ``[n_c 1]`` of a channel: orthogonal in train mode, of norm at most sqrt(m)."""
        if self.mode == "eval" and self.affine:
            root = sqrt(self.layout(at).size)
            return v_rss(self._standardised(at.frobenius, self.layout(at).size), root)
        return super().parameter_derivative(at)

    @bound("xx", "upper", LEMMA, tight="|Px|^2 = m eps/4 in a channel, directions along Px")
    def second_derivative(self, at: At) -> Value:
        """Train: ``kappa max|scale|/(eps sqrt m)``, kappa = 48 sqrt5/125. Eval: affine in X."""
        return ZERO if self.mode == "eval" else super().second_derivative(at)

    @bound("xt", "upper", LEMMA, tight="train: X constant; eval: always")
    def mixed_derivative(self, at: At) -> Value:
        """``D2f[h, k] = k_scale * Dn[h]``, at most ``|k| |h| sup|Dn|``."""
        if self.mode == "eval" and self.affine:
            return self._steepest()
        return super().mixed_derivative(at)
