"""What is known of the layers' outputs for a pair of inputs as the widths tend to infinity.

The units of a wide layer are independent and identically distributed given the layers
before, so one unit's second moments over the pairs of inputs say everything. A vector is a
combination ``sum_k c_k xi_k`` of *sources*: the units that one random matrix made. Different
sources have different matrices, so they are independent; ``c_k`` is a formula that may contain
the width, such as ``sqrt(c/m)``. Derivatives are kept the same way: for each trained array the
limit of ``<d xi/d theta (x_i), d xi/d theta (x_j)>`` for one unit, called its tangent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import ONE, Expr, ExprLike, as_expr, power, sqrt
from govcheck.kernels.dual import EXACT, Array, Dual, DualError
from govcheck.kernels.limits import Limits, NoKernelError
from govcheck.kernels.pairs import Pairs
from govcheck.plugin.layer import Shape

TWICE: Final = "a parameter acts on two summands that are not independent"
INSIDE: Final = "a trained factor before an activation is not independent of its input"


@dataclass(frozen=True, eq=False)
class Tangent:
    """Gram matrix of a derivative: ``factor`` (a formula) times ``values``.

    Args:
        values: one entry for each pair.
        factor: 1 unless the limit does not exist.
        random: whether the true block stays random, `values` being its mean (a trained
            number has one row of derivatives, hence a block of rank one).
    """

    values: Array
    factor: Expr = ONE
    random: bool = False

    def with_values(self, values: Array) -> Tangent:
        """Another Gram matrix with the same factor."""
        return Tangent(values, self.factor, self.random)

    def times(self, factor: Expr) -> Tangent:
        """The factor multiplied by another."""
        return Tangent(self.values, self.factor * factor, self.random)


Tangents = Mapping[str, "Tangent | Unknown"]
PixelMap = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Source:
    """Units made by one random matrix.

    Args:
        moments: second moments of one unit.
        mean: mean of one unit for each sample, None for the data itself.
        gaussian: whether a unit is Gaussian with mean 0.
        tangents: by trained array.
    """

    moments: Pairs
    mean: tuple[Array, Array] | None
    gaussian: bool
    tangents: Tangents = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Context:
    """Where a layer stands when it is asked for its kernel step.

    Args:
        node: name of the layer, copies in a repeat told apart as in ``affine[2]``.
        shape: shape of one input sample.
        limits: limits of formulas.
        deviation: standard deviation of the entries of a weight matrix with this fan-in.
        wanted: which parameters' tangents are followed, by name ``node.parameter``.
        key: name under which a parameter's tangent is followed: its own, or one shared by
            parameters of which only the sum is wanted.
        note: told the error of every expectation.
        seen: told the units before each random matrix and what it makes of them, by node.
        refine: the expectations at the resolution of this walk.
        remember: the result of a function, kept under a key from one walk over the network to
            the next: for what does not depend on the pairs of inputs.
    """

    node: str
    shape: Shape
    limits: Limits
    deviation: Callable[[Expr], Expr]
    wanted: Callable[[str], bool]
    note: Callable[[DualError], None]
    seen: Callable[[str, KernelState, Pairs], None]
    refine: Callable[[Dual], Dual]
    key: Callable[[str], str] = str
    remember: Callable[[Hashable, Callable[[], Any]], Any] = lambda key, make: make()

    def values(self, e: ExprLike) -> float:
        """Value of a formula of the layer's settings, which may not contain a width."""
        return self.limits.value(as_expr(e))


@dataclass(frozen=True, eq=False)
class KernelState:
    """A layer's output in the limit.

    Args:
        units: number of independent units, as a formula.
        terms: the sources with their coefficients.
        extra: tangents of trained factors of the vector itself.
        flat: whether the pixels of all units were laid out as one vector.
    """

    units: Expr
    terms: tuple[tuple[Source, Expr], ...]
    extra: Tangents = field(default_factory=dict)
    flat: bool = False

    def combined(self, weights: list[float]) -> tuple[Pairs, tuple[Array, Array] | None]:
        """Second moments and mean of ``sum_k weights_k xi_k``."""
        sources = [s for s, _ in self.terms]
        if len(sources) == 1:
            (source,), (w,) = sources, weights
            mean = None if source.mean is None else (w * source.mean[0], w * source.mean[1])
            return source.moments.scaled(w * w), mean
        known = [s.mean for s in sources if s.mean is not None]
        if len(known) < len(sources) and any(not s.gaussian and s.mean for s in sources):
            raise NoKernelError.because(
                "the data is added to units that have a mean; a first layer before the skip helps"
            )
        total: Pairs | None = None
        left: Array = np.zeros(1)
        right: Array = np.zeros(1)
        for source, w in zip(sources, weights, strict=True):
            own = source.moments
            if source.mean is not None and not source.gaussian:
                own = own.plus_product(source.mean, -1.0)
                left, right = left + w * source.mean[0], right + w * source.mean[1]
            part = own.scaled(w * w)
            total = part if total is None else total.plus(part)
        assert total is not None
        if left.any() or right.any():
            total = total.plus_product((left, right), 1.0)
        return total, None if len(known) < len(sources) else (left, right)

    def linear(
        self,
        ctx: Context,
        units: Expr,
        *,
        scale: Expr = ONE,
        bias: bool = False,
        fan: Expr,
        patch: Callable[[Array, int], Array] | None = None,
        weight: str = "weight",
        groups: int = 1,
        divisor: Expr = ONE,
    ) -> KernelState:
        """``z = scale W x + b`` with independent normal entries of W, and b = 0 at first.

        The units may be cut into groups, each seen by the rows of its own: what a row sees is
        the same in the limit, from fewer units, if they are alike and many in each group.

        Args:
            ctx: where the layer stands.
            units: number of rows of W.
            scale: a fixed factor.
            bias: whether b is trained.
            fan: number of entries of W that one output sees.
            patch: for a convolution, sums over the patch; takes an array and how many axes
                run over pixels.
            weight: name of W.
            groups: number of groups.
            divisor: W is divided by it; it depends on W, but is a formula in the limit and
                does not change the derivative but for this factor.
        """
        if groups > 1:
            self._alike(groups)
        scale, seen = scale / divisor, self.units / groups
        key = ("linear", scale, fan, seen, *(c for _, c in self.terms))
        std, gain, weights = ctx.remember(key, lambda: self._weights(ctx, scale, fan, seen))
        moments, _ = self.combined(weights)

        def fold(a: Array) -> Array:
            if self.flat:
                return moments.summed_array(a)
            return a if patch is None else patch(a, moments.pixels)

        tangents = {
            name: t if isinstance(t, Unknown) else t.with_values(fold(t.values))
            for name, t in self._tangents(ctx, weights, gain).items()
        }
        made = moments.each(fold, 0 if self.flat else moments.pixels)
        ctx.seen(ctx.node, self, made)
        own = f"{ctx.node}.{weight}"
        if ctx.wanted(own):
            factor = ctx.remember(("tangent", std), lambda: power(std, -2))
            collect(ctx, tangents, own, settled(ctx, Tangent(made.cross, factor)))
        own = f"{ctx.node}.bias"
        if bias and ctx.wanted(own):
            collect(ctx, tangents, own, Tangent(np.ones_like(made.cross)))
        zero = (np.zeros(1), np.zeros(1))
        return KernelState(units, ((Source(made, zero, True, tangents), ONE),))

    def _alike(self, groups: int) -> None:
        if any(s.mean is None for s, _ in self.terms):
            raise NoKernelError.because(
                "groups of the channels of the data are not alike; a first layer without groups "
                "helps"
            )
        if self.units is as_expr(groups):
            raise NoKernelError.because(
                "each group has a single channel, so that its sums do not become Gaussian"
            )

    def _weights(
        self, ctx: Context, scale: Expr, fan: Expr, seen: Expr
    ) -> tuple[Expr, Expr, list[float]]:
        std = ctx.deviation(fan)
        gain = scale * std * sqrt(seen)
        what = "the variance before the next activation"
        return std, gain, [ctx.limits.limit(gain * c, what) for _, c in self.terms]

    def _tangents(
        self, ctx: Context, weights: list[float], gain: Expr
    ) -> dict[str, Tangent | Unknown]:
        """Tangents of ``sum_k weights_k xi_k``, where gain times a coefficient is a weight."""
        total: dict[str, Tangent | Unknown] = {}
        for (source, _), w in zip(self.terms, weights, strict=True):
            for name, t in source.tangents.items():
                if not isinstance(t, Unknown) and w * w != 1:
                    t = t.with_values(t.values * (w * w))
                total[name] = t if name not in total else added(ctx, total[name], t)
        for name, t in self.extra.items():
            if not isinstance(t, Unknown):
                t = settled(ctx, t.times(gain**2))
            # where a source has this tangent too, it came through a matrix of its own
            total[name] = t if name not in total else added(ctx, total[name], t)
        return total

    def activated(self, ctx: Context, dual: Dual) -> KernelState:
        """``phi`` of each unit; units must be Gaussian."""
        if self.flat or not all(s.gaussian for s, _ in self.terms):
            raise NoKernelError.because(
                "the activation does not come after a layer with random weights, so that its "
                "input is not Gaussian"
            )
        dual = ctx.refine(dual)
        what = "the standard deviation before the activation"
        weights = [ctx.limits.limit(c, what) for _, c in self.terms]
        moments, _ = self.combined(weights)
        worst = [EXACT]

        def products(q1: Array, c: Array, q2: Array) -> Array:
            found = dual.expect(0, q1, c, q2)
            worst[0] = worst[0].worst(found.error)
            return found.values

        outer = moments.mapped(products)
        before = self._tangents(ctx, weights, ONE)
        for name in self.extra:
            before[name] = Unknown.because(INSIDE, quantity="kernel")
        tangents: dict[str, Tangent | Unknown] = {}
        if before:
            slope = dual.expect(1, *moments.triple)
            worst[0] = worst[0].worst(slope.error)
            tangents = {
                name: t if isinstance(t, Unknown) else t.with_values(t.values * slope.values)
                for name, t in before.items()
            }
        ctx.note(worst[0])
        mean = (dual.mean(moments.variances[0]), dual.mean(moments.variances[1]))
        return KernelState(self.units, ((Source(outer, mean, False, tangents), ONE),))

    def scaled(
        self, ctx: Context, factor: Expr, *, trained: str | None = None, initial: Expr = ONE
    ) -> KernelState:
        """``factor a x``; `trained` is the name of a, if it is trained, and `initial` its start.

        An untrained a is 1.
        """
        whole = factor if trained is None else factor * initial
        terms = tuple((s, c * whole) for s, c in self.terms)
        extra: dict[str, Tangent | Unknown] = {
            name: t if isinstance(t, Unknown) else replace(t, factor=t.factor * whole**2)
            for name, t in self.extra.items()
        }
        scaled = replace(self, terms=terms, extra=extra)
        name = f"{ctx.node}.{trained}"
        if trained is not None and ctx.wanted(name):
            first = self.terms[0][1]
            what = "a summand, relative to another,"
            moments, _ = self.combined([ctx.limits.limit(c / first, what) for _, c in self.terms])
            extra[name] = Tangent(moments.cross, (factor * first) ** 2, random=True)
        return scaled

    def plus(self, other: KernelState) -> KernelState:
        """The sum of two vectors of the same units."""
        if self.flat != other.flat:
            raise NoKernelError.because("flattened and unflattened units are added")
        terms: dict[Source, Expr] = dict(self.terms)
        for source, c in other.terms:
            terms[source] = terms[source] + c if source in terms else c
        extra = dict(self.extra)
        for name, t in other.extra.items():
            extra[name] = t if name not in extra else Unknown.because(TWICE, quantity="kernel")
        return replace(self, terms=tuple(terms.items()), extra=extra)

    def flattened(self) -> KernelState:
        """All entries as one vector."""
        return replace(self, flat=self.terms[0][0].moments.pixels > 0)

    def pooled(self) -> KernelState:
        """The mean over all pixels of each unit."""

        def mean(a: Array) -> Array:
            result: Array = a.mean(axis=(-2, -1))
            return result

        return self._on_pixels((mean, mean, mean), 0)

    def mixed(self, matrix: Array) -> KernelState:
        """The same linear map on the pixels of each unit.

        Args:
            matrix: output pixels x input pixels.
        """

        def rows(a: Array) -> Array:
            return matrix @ a

        def columns(a: Array) -> Array:
            return a @ matrix.T

        return self._on_pixels((lambda a: columns(rows(a)), rows, columns), 2)

    def _on_pixels(
        self, maps: tuple[PixelMap, PixelMap, PixelMap], pixels: int
    ) -> KernelState:
        """A linear map of the pixels: of moments, of means of rows and of those of columns."""
        if self.flat or self.terms[0][0].moments.pixels != 2:
            raise NoKernelError.because("the pixels to be averaged are not known in pairs")
        terms = tuple((_pooled(source, maps, pixels), c) for source, c in self.terms)
        extra = {n: _pooled_tangent(t, maps[0]) for n, t in self.extra.items()}
        return replace(self, terms=terms, extra=extra)

    def gathered(self, ctx: Context) -> KernelState:
        """The same vector as one source with coefficient 1, trained factors included."""
        weights = [ctx.limits.limit(c, "the output") for _, c in self.terms]
        moments, mean = self.combined(weights)
        gaussian = all(s.gaussian for s, _ in self.terms)
        source = Source(moments, mean, gaussian, self._tangents(ctx, weights, ONE))
        return replace(self, terms=((source, ONE),), extra={})

    def merged(self, ctx: Context) -> KernelState:
        """The same vector as one source, which is allowed once no other vector shares any."""
        if len(self.terms) == 1 or len({s.gaussian for s, _ in self.terms}) > 1:
            return self
        first = self.terms[0][1]
        what = "a summand, relative to another,"
        weights = [ctx.limits.limit(c / first, what) for _, c in self.terms]
        moments, mean = self.combined(weights)
        inner = replace(self, extra={})
        tangents = inner._tangents(ctx, weights, ONE)
        source = Source(moments, mean, self.terms[0][0].gaussian, tangents)
        return replace(self, terms=((source, first),))


def _pooled(source: Source, maps: tuple[PixelMap, PixelMap, PixelMap], pixels: int) -> Source:
    means = source.mean
    if means is not None and not source.gaussian:
        means = (maps[1](means[0]), maps[2](means[1]))
    tangents = {n: _pooled_tangent(t, maps[0]) for n, t in source.tangents.items()}
    return Source(source.moments.each(maps[0], pixels), means, source.gaussian, tangents)


def _pooled_tangent(t: Tangent | Unknown, pairs: PixelMap) -> Tangent | Unknown:
    return t if isinstance(t, Unknown) else t.with_values(pairs(t.values))


def settled(ctx: Context, t: Tangent) -> Tangent:
    """The tangent with its factor replaced by the limit, where there is one."""
    if t.factor is ONE:
        return t
    try:
        value = ctx.limits.limit(t.factor, "a tangent")
    except NoKernelError:
        return t
    return Tangent(t.values * value, ONE, t.random)


def collect(ctx: Context, tangents: dict[str, Tangent | Unknown], name: str, t: Tangent) -> None:
    """Add a parameter's tangent to those of a source, with others if only a sum is wanted."""
    # a block whose factor is not settled may have no limit, and must not take others with it
    key = ctx.key(name) if t.factor is ONE and not t.random else name
    tangents[key] = t if key not in tangents else added(ctx, tangents[key], t)


def added(ctx: Context, a: Tangent | Unknown, b: Tangent | Unknown) -> Tangent | Unknown:
    """Tangent of the sum of two vectors whose derivatives are uncorrelated."""
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        return a if isinstance(a, Unknown) else b
    if a.factor is b.factor:
        return Tangent(a.values + b.values, a.factor, a.random or b.random)
    try:
        ratio = ctx.limits.limit(b.factor / a.factor, "a tangent, relative to another,")
    except NoKernelError as error:
        return error.unknown
    return Tangent(a.values + ratio * b.values, a.factor, a.random or b.random)


def data_state(units: Expr, moments: Pairs) -> KernelState:
    """The inputs: `moments` is their Gram matrix, a sum over this many units."""
    return KernelState(units, ((Source(moments, None, False), ONE / sqrt(units)),))
