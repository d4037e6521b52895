"""Ways to make the matrix of an affine map from its parameters.

Each answers for its own P: w -> P(w), from a set of parameters to matrices, X being the
matrix the result is applied to. Operator norms of P, Frobenius norms of what D is applied
to; see `govcheck.plugin.At` for the sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from govcheck.bounds.answer import Unknown, Value, v_best, v_eigenvalue, v_max, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, Expr, maximum, minimum, mul, sqrt
from govcheck.plugin import At, Parameter, same_dimension

KAPPA: Final = Fraction(48, 125) * sqrt(5)
"""Supremum of ``c |D2(u/sqrt(c + |u|^2))|``."""


@dataclass(frozen=True)
class Parameterisation(ABC):
    """P for matrices with ``rows`` rows and ``columns`` columns."""

    rows: Expr
    columns: Expr
    eps: Expr
    factor: bool

    def parameters(self) -> tuple[Parameter, ...]:
        """Trained arrays."""
        return (Parameter("weight", (self.rows, self.columns)),)

    @abstractmethod
    def norm(self, at: At) -> Value:
        """Supremum of ``|P(w)|_2``."""

    @abstractmethod
    def derivative(self, at: At) -> Value:
        """Supremum of ``|DP(w)[h]|_2`` over unit h."""

    def applied(self, at: At) -> Value:
        """Supremum of ``|DP(w)[h] X|_F`` over unit h, where ``|DP[h]|_F`` is at most |DP|."""
        return v_mul(self.derivative(at), at.spectral)

    @abstractmethod
    def curvature(self, at: At) -> Value:
        """Supremum of ``|D2P(w)[h, h] X|_F`` over unit h."""

    def row(self, at: At) -> Value:
        """Supremum of the largest Euclidean norm of a row of ``P(w)``."""
        return self.norm(at)

    def least(self, at: At) -> Expr:
        """Infimum of the surjectivity modulus of ``P(w)``."""
        return ZERO

    def injective(self, at: At) -> Expr:
        """Infimum of ``min |P(w) x|`` over unit x."""
        return ZERO

    def regular(self, at: At) -> Expr:
        """Infimum of the surjectivity modulus of ``DP(w)``."""
        return ZERO


class Plain(Parameterisation):
    """The matrix itself."""

    def norm(self, at: At) -> Value:
        return at.norm("weight", "spectral")

    def derivative(self, at: At) -> Value:
        return ONE

    def curvature(self, at: At) -> Value:
        return ZERO

    def row(self, at: At) -> Value:
        return at.norm("weight", "row_max")

    def least(self, at: At) -> Expr:
        return at.floor("weight", "sigma_min")

    def regular(self, at: At) -> Expr:
        return ONE


class _Bounded(Parameterisation):
    """Pieces of w, rows or entries, made shorter than 1: ``u/sqrt(eps + |u|^2)``."""

    piece: str

    @abstractmethod
    def pieces(self) -> Expr:
        """How many there are."""

    def row(self, at: At) -> Value:
        """The worst row has equal pieces, as has the worst matrix in `norm`."""
        k = self.pieces() / self.rows
        r = at.norm("weight", "row_max")
        return sqrt(k) if isinstance(r, Unknown) else sqrt(k) * r / sqrt(k * self.eps + r**2)

    def norm(self, at: At) -> Value:
        r = at.norm("weight", "frobenius")
        if isinstance(r, Unknown):
            return sqrt(self.pieces())
        # t -> t/(eps+t) is concave, so equal pieces are the worst case
        return sqrt(self.pieces()) * r / sqrt(self.pieces() * self.eps + r**2)

    def derivative(self, at: At) -> Value:
        return 1 / sqrt(self.eps)

    def curvature(self, at: At) -> Value:
        return v_mul(KAPPA / self.eps, at.spectral)

    def regular(self, at: At) -> Expr:
        r = at.norm("weight", self.piece)
        if isinstance(r, Unknown):
            return ZERO
        return self.eps / (self.eps + r**2) ** Fraction(3, 2)


class WeightNorm(_Bounded):
    """Rows ``w/sqrt(eps + |w|^2)``."""

    # a row of w is at most as long as the operator norm of w
    piece = "spectral"

    def pieces(self) -> Expr:
        return self.rows

    def norm(self, at: At) -> Value:
        best = super().norm(at)
        spectral = at.norm("weight", "spectral")
        if spectral is at.norm("weight", "frobenius") or not isinstance(spectral, Expr):
            return best
        assert isinstance(best, Expr)
        return minimum(best, spectral / sqrt(self.eps))


class Entrywise(_Bounded):
    """Entries ``w/sqrt(eps + w^2)``."""

    piece = "max"

    def pieces(self) -> Expr:
        return mul(self.rows, self.columns)


class Orthogonal(Parameterisation):
    """A fixed matrix Q with orthonormal rows or columns times a trained factor."""

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("factor", (), ONE),)

    def norm(self, at: At) -> Value:
        return at.norm("factor", "max")

    def derivative(self, at: At) -> Value:
        return ONE

    def applied(self, at: At) -> Value:
        """``|Q X|_F``."""
        return at.frobenius

    def curvature(self, at: At) -> Value:
        return ZERO

    def _square(self, at: At) -> Expr:
        return at.floor("factor", "abs_min") if same_dimension(self.rows, self.columns) else ZERO

    def least(self, at: At) -> Expr:
        return self._square(at)

    def injective(self, at: At) -> Expr:
        return self._square(at)


class TorchWeightNorm(Parameterisation):
    """Rows ``g v/|v|``, g and v trained.

    With ``|g_i| <= g`` and ``|v_i| >= r``: a change of ``g_i`` moves a row along ``v_i``, a
    change of ``v_i`` moves it across, by at most ``g/r`` times as much; so
    ``|DP| = max(1, g/r)``. The second derivative of ``v/|v|`` is at most ``2/(sqrt3 r^2)``,
    the first ``1/r``. Where v may be 0 there is no bound: v/|v| jumps there.
    """

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("gain", (self.rows,), ONE), *super().parameters())

    def norm(self, at: At) -> Value:
        """``|P|_2 <= |P|_F = |g|``, attained by equal rows, and ``|P|_2 <= (g/r) |V|_2``."""
        by_rows, spectral = at.norm("gain", "frobenius"), at.norm("weight", "spectral")
        largest, r = at.norm("gain", "max"), self._radius(at)
        if isinstance(by_rows, Unknown) or isinstance(spectral, Unknown):
            return by_rows
        if isinstance(largest, Unknown) or isinstance(r, Unknown):
            return by_rows
        # the smaller of by_rows and product / r, with a value where r is 0 as well
        product = largest * spectral
        return product / maximum(r, product / by_rows)

    def _radius(self, at: At) -> Value:
        r = at.floor("weight", "row_min")
        if r is ZERO:
            return Unknown.because(
                "the direction v/|v| jumps where a row v of the weight is 0, and the "
                "parameter set contains such weights",
                kind="not smooth",
            )
        return r

    def _slope(self, at: At) -> Value:
        r = self._radius(at)
        return v_mul(at.norm("gain", "max"), r if isinstance(r, Unknown) else 1 / r)

    def derivative(self, at: At) -> Value:
        return v_max(ONE, self._slope(at))

    def curvature(self, at: At) -> Value:
        r = self._radius(at)
        if isinstance(r, Unknown):
            return r
        twice = v_mul(2 / sqrt(3) / r**2, at.norm("gain", "max"))
        return v_mul(v_eigenvalue(ZERO, 1 / r, twice), at.spectral)

    def least(self, at: At) -> Expr:
        """``P = diag(g/|v|) V``, and no row of V is longer than ``|V|_2``."""
        longest = at.norm("weight", "spectral")
        if isinstance(longest, Unknown):
            return ZERO
        return mul(at.floor("gain", "abs_min"), at.floor("weight", "sigma_min")) / longest

    def regular(self, at: At) -> Expr:
        longest = at.norm("weight", "spectral")
        if isinstance(longest, Unknown):
            return ZERO
        return minimum(1, at.floor("gain", "abs_min") / longest)


class Standardised(WeightNorm):
    """Rows ``g u/sqrt(eps + |u|^2)``, ``u = w - mean(w)``; g trained if ``factor``, else 1.

    A row of the standardised convolutions of Qiao et al. (2019) and Brock et al. (2021):
    ``(w - mean)/sqrt(var + e)`` with n entries is this one times ``sqrt n``, eps = n e. With
    ``q(u) = u/sqrt(eps + |u|^2)``, ``|q| < 1`` and ``|Dq| <= 1/sqrt(eps)``, and w -> u is an
    orthogonal projection: with changes k of g and h of w, ``|DP[k, h]|_F <= |k| + |g| |h|/
    sqrt(eps)`` and ``|D2P[(k, h), (k, h)]|_F <= 2 |k| |h|/sqrt(eps) + |g| (kappa/eps) |h|^2``.
    """

    def parameters(self) -> tuple[Parameter, ...]:
        weight = super().parameters()
        return (Parameter("gain", (self.rows,), ONE), *weight) if self.factor else weight

    def _largest(self, at: At) -> Value:
        return at.norm("gain", "max") if self.factor else ONE

    def norm(self, at: At) -> Value:
        """``|P|_2 <= max|g| |Q|_2`` and ``|P|_2 <= |P|_F < |g|``."""
        by_largest = v_mul(self._largest(at), super().norm(at))
        if not self.factor:
            return by_largest
        return v_best([by_largest, at.norm("gain", "frobenius")], "upper")

    def row(self, at: At) -> Value:
        return v_mul(self._largest(at), super().row(at))

    def derivative(self, at: At) -> Value:
        own = v_mul(self._largest(at), super().derivative(at))
        return v_rss(ONE, own) if self.factor else own

    def curvature(self, at: At) -> Value:
        own = v_mul(self._largest(at), KAPPA / self.eps)
        if self.factor:
            own = v_eigenvalue(ZERO, 1 / sqrt(self.eps), own)
        return v_mul(own, at.spectral)

    def regular(self, at: At) -> Expr:
        """0: adding a number to a row of w changes nothing."""
        return ZERO


class Spectral(Parameterisation):
    """``a W/|W|_2`` with a trained if ``factor``, else 1.

    It is Lipschitz where ``|W|_2 >= r > 0``: with top singular vectors u, v of W and
    ``t = u.h v`` a change h gives ``(h - t W/|W|_2)/|W|_2``, that is ``h - t u v^T``, of norm
    ``sqrt(1 - t^2)``, minus ``t (W/|W|_2 - u v^T)``, of operator norm at most 1; together at
    most ``sqrt2/r``, and applied to X at most ``sqrt(|X|_2^2 + |X|_F^2)/r``. The derivative
    jumps where the top singular value is multiple.
    """

    def parameters(self) -> tuple[Parameter, ...]:
        weight = super().parameters()
        return (Parameter("factor", (), ONE), *weight) if self.factor else weight

    def _factor(self, at: At) -> Value:
        return at.norm("factor", "max") if self.factor else ONE

    def norm(self, at: At) -> Value:
        return self._factor(at)

    def _slope(self, at: At, change: Value) -> Value:
        r = at.floor("weight", "least_norm")
        if r is ZERO:
            return Unknown.because(
                "W/|W|_2 jumps at W = 0, which the parameter set contains", kind="not smooth"
            )
        return v_mul(self._factor(at), change, 1 / r)

    def derivative(self, at: At) -> Value:
        own = self._slope(at, sqrt(2))
        return v_rss(own, ONE) if self.factor else own

    def applied(self, at: At) -> Value:
        own = self._slope(at, v_rss(at.spectral, at.frobenius))
        return v_rss(own, at.frobenius) if self.factor else own

    def curvature(self, at: At) -> Value:
        return Unknown.because(
            "the derivative of W/|W|_2 jumps where the largest singular value of W is multiple",
            kind="not smooth",
        )

    def least(self, at: At) -> Expr:
        largest = at.norm("weight", "spectral")
        if isinstance(largest, Unknown):
            return ZERO
        a = at.floor("factor", "abs_min") if self.factor else ONE
        return mul(a, at.floor("weight", "sigma_min")) / largest


KINDS: Final[dict[str, type[Parameterisation]]] = {
    "plain": Plain,
    "weight_norm": WeightNorm,
    "entrywise": Entrywise,
    "orthogonal": Orthogonal,
    "torch_weight_norm": TorchWeightNorm,
    "spectral": Spectral,
    "standardised": Standardised,
}
