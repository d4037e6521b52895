"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from govcheck.bounds.answer import v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, num
from govcheck.plugin import (
    At,
    Example,
    Layer,
    MatrixForm,
    Ref,
    Shape,
    Unknown,
    Value,
    Values,
    bound,
)

if TYPE_CHECKING:
    from torch import nn

HALF: Final = num(Fraction(1, 2))
MASK: Final = Ref("elementary", "a diagonal matrix with entries 0 and 1/(1-p)")


@dataclass(frozen=True)
class Dropout(Layer):
    """dropout: the identity in ``mode: eval``; in ``mode: train`` with one fixed mask.

    In training each entry is 0 or ``1/(1 - rate)`` times itself. The bounds hold for every
    mask, and so for every step, but each step has a mask and hence a loss of its own; the
    torch module draws one mask from ``seed``.
    """

    name: ClassVar[str] = "dropout"

    rate: Expr = HALF
    mode: Literal["eval", "train"] = "eval"
    seed: int = 0

    def check(self) -> None:
        if self.rate.is_number and not 0 <= self.rate.number < 1:
            raise ValueError(f"rate must be at least 0 and less than 1, not {self.rate!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed}")

    @classmethod
    def examples(cls) -> Sequence[Example]:
        layers = (cls(rate, "train", seed) for rate, seed in ((HALF, 1), (HALF / 2, 2)))
        return (*super().examples(), *(Example(layer, (2, 4)) for layer in layers))

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        return None if self._drops() else MatrixForm()

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.rearrange import FixedDropout

        rate = values(self.rate) if self.mode == "train" else 0.0
        return FixedDropout(rate, self.seed)

    def _drops(self) -> bool:
        return self.mode == "train" and self.rate is not ZERO

    def _factor(self) -> Expr:
        return 1 / (1 - self.rate) if self._drops() else ONE

    @bound("J", "upper", MASK, tight="an entry is kept")
    def jacobian(self, at: At) -> Value:
        """The largest entry of the mask."""
        return self._factor()

    @bound("sigma_J", "lower", MASK, tight="eval: exact; train: an entry is dropped")
    def least_singular_value(self, at: At) -> Value:
        """A dropped entry makes a row of zeros."""
        return ZERO if self._drops() else ONE

    @bound("out", "upper", MASK, tight="all of X in entries that are kept")
    def output(self, at: At) -> Value:
        """The largest entry of the mask times ``|X|_F``."""
        return v_mul(self._factor(), at.frobenius)

    @bound("out_spec", "upper", MASK, tight="eval: exact", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """The identity in evaluation; a mask can raise the operator norm of X."""
        if self._drops():
            return Unknown.because("a mask can raise the operator norm")
        return at.spectral

    @bound("out_max", "upper", MASK, tight="all of a sample in kept entries", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """The largest entry of the mask times the norm of a sample."""
        return v_mul(self._factor(), at.sample)

    @bound("out_inj", "lower", MASK, tight="eval: exact")
    def output_injective(self, at: At) -> Value:
        """The identity in evaluation."""
        return ZERO if self._drops() else at.injective

    @bound("xx", "upper", MASK, tight="exact: linear")
    def second_derivative(self, at: At) -> Value:
        """Linear."""
        return ZERO
