"""What batch, layer, group, instance and RMS normalisation have in common.

The entries of a batch fall into disjoint groups of m entries. With P the projection onto
``1^perp`` (or the identity, for RMS) and ``g(u) = u / sqrt(c + |u|^2)``, ``c = m eps``, each
group x becomes ``n(x) = sqrt(m) g(P x)``, then every entry is multiplied by its scale and
its bias is added. All bounds hold for every batch, whatever its norm.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Unknown, v_add, v_best, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, Expr, minimum, mul, num, sqrt
from govcheck.plugin import At, Layer, Parameter, Ref, Shape, Value, Values, bound
from govcheck.plugin.activation import require_positive

if TYPE_CHECKING:
    from govcheck.certify.operations import Operation

CURVATURE: Final = Fraction(48, 125) * sqrt(5)
"""Supremum of ``c |D2g|``, attained at ``|u|^2 = c/4`` along u."""

LEMMA: Final = Ref("govcheck theory", "layer constants, section 2 (lemma on u/sqrt(c+|u|^2))")
EPS: Final = num(Fraction(1, 100000))


@dataclass(frozen=True)
class Groups:
    """How entries are grouped.

    Args:
        size: m, the number of entries that are normalised together.
        shared: number of entries of all groups that one scale can reach: groups fall into
            sets with scales of their own, and this is the size of a set.
        repeat: number of entries with the same scale.
    """

    size: Expr
    shared: Expr
    repeat: Expr


@dataclass(frozen=True, kw_only=True)
class Normalised(Layer):
    """Normalise groups, then multiply by ``scale`` and add ``bias`` if ``affine``."""

    centred: ClassVar[bool] = True

    affine: bool = True
    eps: Expr = EPS

    @abstractmethod
    def layout(self, at: At) -> Groups:
        """The groups of a batch."""

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        """Groups that lie side by side in a sample, then what is trained for each channel."""
        from govcheck.certify.operations import normalise, scale, shift

        groups = self.groups_in_order(shape, values)
        if isinstance(groups, Unknown):
            return groups
        trained = (scale(1.0, "scale"), shift("bias")) if self.affine else ()
        return (normalise(values(self.eps), groups), *trained)

    def groups_in_order(self, shape: tuple[int, ...], values: Values) -> int | Unknown:
        """How many groups a sample falls into, if they lie side by side and are centred."""
        return Unknown.because(f"certificates know no {self.name}")

    @abstractmethod
    def scale_shape(self, shape: Shape) -> Shape:
        """Shape of ``scale``, and of ``bias``."""

    def check(self) -> None:
        require_positive(self.name, eps=self.eps)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        if not self.affine:
            return ()
        names = ("scale", "bias") if self.centred else ("scale",)
        at_first = {"scale": ONE, "bias": ZERO}
        return tuple(Parameter(n, self.scale_shape(shape), at_first[n]) for n in names)

    def least_square(self, at: At) -> Expr:
        """Lower bound of ``|Px|^2/m`` of every group: 0, since constants may come in."""
        return ZERO

    def largest_scale(self, at: At) -> Value:
        """Supremum of the largest ``|scale|``."""
        return at.norm("scale", "max") if self.affine else ONE

    def offset(self, at: At) -> Value:
        """Frobenius norm of the bias as it is added to a batch."""
        if not (self.affine and self.centred):
            return ZERO
        return v_mul(at.norm("bias", "frobenius"), sqrt(self.layout(at).repeat))

    def with_offset(self, at: At, scaled: Value) -> Value:
        """Bound of ``|scale * n + bias|_F``; orthogonal where a group has only one scale."""
        groups = self.layout(at)
        join = v_rss if self.centred and groups.shared / groups.repeat is ONE else v_add
        return join(scaled, self.offset(at))

    def _scaled(self, at: At) -> Value:
        """Bound of ``|scale * n|_F``.

        ``|n|^2 < m`` in each group: at most ``max|scale| sqrt(entries)``, and at most
        ``|scale| sqrt(shared)``, as each set has a share of ``|scale|^2``.
        """
        by_largest = v_mul(self.largest_scale(at), sqrt(at.entries))
        shared = self.layout(at).shared
        if not self.affine or at.entries / shared is ONE:
            return by_largest
        by_total = v_mul(at.norm("scale", "frobenius"), sqrt(shared))
        if at.norm("scale", "frobenius") is at.norm("scale", "max"):
            return by_total
        return v_best([by_largest, by_total], "upper")

    @bound("out", "upper", LEMMA, tight="approached far from the origin", uses=("boundedness",))
    def output(self, at: At) -> Value:
        """``|n| < sqrt(m)`` in each group, whatever comes in."""
        return self.with_offset(at, self._scaled(at))

    @bound("out", "upper", LEMMA, tight="approached near the origin, all scales equal")
    def output_near_zero(self, at: At) -> Value:
        """``|n(x)| <= |P x| / sqrt(eps + |Px|^2/m)``."""
        slope = 1 / sqrt(self.eps + self.least_square(at))
        return self.with_offset(at, v_mul(self.largest_scale(at), slope, at.frobenius))

    @bound("out_max", "upper", LEMMA, uses=("rows", "boundedness"))
    def output_sample(self, at: At) -> Value:
        """Where samples are normalised by themselves: ``out`` for a batch of one."""
        return self.output(replace(at, samples=ONE))

    @bound("J", "upper", LEMMA, tight="X = 0, all scales equal, groups of at least 2")
    def jacobian(self, at: At) -> Value:
        """``|Dn| = 1/sqrt(eps + |Px|^2/m)``; block diagonal over groups, so the largest counts.

        Groups of constants, which have ``P x = 0``, are in every input ball.
        """
        return v_mul(self.largest_scale(at), 1 / sqrt(self.eps + self.least_square(at)))

    @bound("sigma_J", "lower", LEMMA, tight="exact: 0")
    def least_singular_value(self, at: At) -> Value:
        """0: J is square and maps the constants of a group to 0."""
        return ZERO

    @bound("D", "upper", LEMMA, tight="all of a set's mass on the entries of one scale")
    def parameter_derivative(self, at: At) -> Value:
        """``sqrt(shared)``, with the bias and without it.

        ``[n 1]`` of one centred group has orthogonal columns no longer than ``sqrt(m)``; the
        columns of one scale and its bias are some rows of it, stacked over the groups that
        the scale reaches. Columns of different scales have disjoint supports.
        """
        return sqrt(self.layout(at).shared) if self.affine else ZERO

    @bound("xx", "upper", LEMMA, tight="|Px|^2 = m eps/4, directions along Px, all scales equal")
    def second_derivative(self, at: At) -> Value:
        """``sqrt(m) sup|D2g| = kappa/(eps sqrt m)``, kappa = 48 sqrt5/125; groups as for J.

        ``D2g[h,h] <= 2/(sqrt3 (c + |u|^2))`` too, which is less where u cannot be small.
        """
        root = sqrt(self.layout(at).size)
        value = CURVATURE / (self.eps * root)
        least = self.least_square(at)
        if least is not ZERO:
            value = minimum(value, 2 / (sqrt(3) * root * (self.eps + least)))
        return v_mul(self.largest_scale(at), value)

    @bound("xt", "upper", LEMMA, tight="X = 0, one scale with at least 2 entries in a group")
    def mixed_derivative(self, at: At) -> Value:
        """``D2f[h, k] = k_scale * Dn[h]``, at most ``|k| |h| sup|Dn|``."""
        return 1 / sqrt(self.eps + self.least_square(at)) if self.affine else ZERO

    @bound("tt", "upper", LEMMA, tight="exact: linear in scale and bias")
    def parameter_second_derivative(self, at: At) -> Value:
        """Linear in scale and bias."""
        return ZERO


def product(*sizes: Expr) -> Expr:
    """Product of dimensions; 1 for none."""
    return mul(*sizes) if sizes else ONE
