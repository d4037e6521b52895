"""Runs of layers whose derivatives are matrices and slopes: bounds of all of them together.

Where weights are known, the norm of ``A_k D_(k-1) ... D_j A_j`` for slopes D in sectors is
often far below the product of norms. With ``J0(j, k)`` that norm at the given weights, on a
set around them the telescoping sum of

    A'_k ... A'_j - A_k ... A_j = sum over i of (A'_k ... D_i)(A'_i - A_i)(D_(i-1) ... A_j)

for the same slopes gives, with ``r_i >= |A'_i - A_i|`` and ``m_i`` the steepest slope,

    J(j, k) = J0(j, k) + sum over i of J(i+1, k) m_i r_i m_(i-1) J0(j, i-1).

What a layer i of the run contributes to a derivative of the whole run it contributes through
the layers behind it, whose derivative is then bounded by J(i+1, k): for D as a block row, for
second derivatives as the forms that the rule of `bounds.rules` adds up layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from flint import arb

from govcheck.bounds.answer import (
    Bound,
    ComposedBound,
    Ref,
    Unknown,
    Value,
    v_add,
    v_best,
    v_eigenvalue,
    v_mul,
    v_rss,
)
from govcheck.bounds.constants import Constants, LayerConstants, MapConstants, Mode, composed
from govcheck.bounds.domain import AroundInit, ChainFact, Domain
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, maximum, minimum, mul
from govcheck.bounds.rules import curvature
from govcheck.graph.blocks import Leaf
from govcheck.plugin.activation import Activation
from govcheck.plugin.guard import Raised, attempt
from govcheck.plugin.layer import Shape
from govcheck.plugin.matrix import MatrixForm

LONGEST: Final = 8
"""Matrices in one run; the number of formulas grows with the square."""

ENTRIES: Final = 2**21
"""Largest number of entries of a matrix of a run."""

RULE: Final = "whole chain: slopes in sectors, norms of products"
CHAINS: Final = Ref("govcheck theory", "bound calculus, section 3, chains around given weights")

Ends = tuple[Expr, Expr]


@dataclass(frozen=True, eq=False)
class _Stage:
    """A layer of a run with the constants of the map that ends before it."""

    node: str
    own: LayerConstants
    before: MapConstants
    matrix: int | None = None


@dataclass(eq=False)
class Run:
    """Matrices and slopes in a row, from the first matrix with trained entries on.

    Args:
        around: the ball around given weights.
    """

    around: AroundInit
    stages: list[_Stage] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    forms: list[MatrixForm] = field(default_factory=list)
    sectors: list[Ends] = field(default_factory=list)
    _here: Ends = (ONE, ONE)
    _over: dict[tuple[int, int], Value] = field(default_factory=dict)

    def matrix(
        self, node: str, form: MatrixForm, own: LayerConstants, before: MapConstants
    ) -> None:
        """One more matrix."""
        if self.forms:
            self.sectors.append(self._here)
        self._here = (ONE, ONE)
        self.stages.append(_Stage(node, own, before, len(self.forms)))
        self.nodes.append(node)
        self.forms.append(form)

    def slopes(
        self, node: str, ends: Ends, own: LayerConstants, before: MapConstants
    ) -> None:
        """A diagonal derivative with entries between the ends."""
        self.stages.append(_Stage(node, own, before))
        (a, b), (c, d) = self._here, ends
        if (a, b) == (ONE, ONE):
            self._here = ends
        else:
            products = [mul(x, y) for x in (a, b) for y in (c, d)]
            self._here = (minimum(*products), maximum(*products))

    def given(self, j: int, k: int) -> Expr:
        """J0(j, k)."""
        if j > k:
            return ONE
        scale = mul(*(absolute(f.scale) for f in self.forms[j : k + 1]))
        norms = tuple(self._norm(i) for i in range(j, k + 1))
        if j == k:
            return mul(scale, norms[0])
        fact = ChainFact(tuple(self.nodes[j : k + 1]), norms, tuple(self.sectors[j:k]))
        return mul(scale, self.around.chain(fact))

    def _norm(self, i: int) -> Expr:
        form = self.forms[i]
        if not form.parameter:
            return form.fixed_norm
        return self.around.given(self.nodes[i], form.parameter, form.norm)

    def over(self, j: int, k: int) -> Value:
        """J(j, k), on the whole set."""
        if j > k:
            return ONE
        if (j, k) not in self._over:
            total: Value = self.given(j, k)
            for i in range(j, k + 1):
                form = self.forms[i]
                if not form.parameter:
                    continue
                moved = mul(
                    absolute(form.scale), form.moves, self.around.change(self.nodes[i])
                )
                behind = v_mul(self.over(i + 1, k), self._steepest(i) if i < k else ONE)
                front = mul(self.given(j, i - 1), self._steepest(i - 1) if i > j else ONE)
                total = v_add(total, v_mul(behind, moved, front))
            self._over[j, k] = total
        return self._over[j, k]

    def _steepest(self, i: int) -> Expr:
        low, high = self.sectors[i]
        return maximum(absolute(low), absolute(high))

    def behind(self) -> list[Value]:
        """Bounds of the derivative of what follows: the start, then each stage of the run."""
        last = len(self.forms) - 1
        found: list[Value] = [ONE]
        by_norms: Value = ONE
        pending: list[LayerConstants] = []
        best: Value = ONE
        for stage in reversed(self.stages):
            by_norms = v_mul(stage.own.value("J"), by_norms)
            if stage.matrix is None:
                pending.append(stage.own)
            else:
                alone = stage.matrix == last
                best, pending = by_norms if alone else self.over(stage.matrix, last), []
            together = v_mul(best, *(own.value("J") for own in pending))
            found.append(v_best([by_norms, together], "upper"))
        return found[::-1]

    def improved(self, here: MapConstants, mode: Mode) -> MapConstants:
        """The constants up to the last matrix, given those by the rule for two maps."""
        start = self.stages[0].before
        whole, *after = self.behind()
        steps = list(zip(self.stages, after, strict=True))
        span = f"{self.nodes[0]}..{self.nodes[-1]}"
        chain = ComposedBound(
            "J", span, self.over(0, len(self.forms) - 1), "upper", RULE, CHAINS,
            tuple(s.own["J"] for s in self.stages),
        )
        bounds = dict(here.bounds)

        def put(quantity: str, value: Value, *premises: Bound) -> None:
            kept = tuple(p for p in premises if p.value is not ZERO)
            bounds[quantity] = composed(quantity, here.node, value, RULE, CHAINS, kept)

        put("J", v_mul(whole, start.value("J")), chain, start["J"])
        parts = [v_mul(a, s.own.value("D")) for s, a in steps if s.own.value("D") is not ZERO]
        d = v_rss(v_mul(whole, start.value("D")), *parts)
        put("D", d, chain, start["D"], *(s.own["D"] for s in self.stages))
        if mode.order > 1:
            for q, value in self._second(whole, steps, mode).items():
                put(q, value, chain, start[q], *(s.own["xx"] for s in self.stages))
        return Constants(here.node, bounds)

    def _second(
        self, whole: Value, steps: list[tuple[_Stage, Value]], mode: Mode
    ) -> dict[str, Value]:
        start = self.stages[0].before
        xx, xt, tt = (v_mul(whole, start.value(q)) for q in ("xx", "xt", "tt"))
        for s, a in steps:
            if s.own.value("xx") is not ZERO:
                ways = (("J", "J"), ("J", "D"), ("D", "D"))
                jj, jd, dd = (
                    v_mul(a, curvature(s.before, s.own, mode, *way)[0]) for way in ways
                )
                xx, xt, tt = v_add(xx, jj), v_add(xt, jd), v_add(tt, dd)
            mixed, own = s.own.value("xt"), s.own.value("tt")
            if mixed is not ZERO or own is not ZERO:
                xt = v_rss(xt, v_mul(a, mixed, s.before.value("J")))
                tt = v_eigenvalue(tt, v_mul(a, mixed, s.before.value("D")), v_mul(a, own))
        return {"xx": xx, "xt": xt, "tt": tt}


def advance_run(
    run: Run | None,
    leaf: Leaf,
    shape: Shape,
    own: LayerConstants,
    before: MapConstants,
    domain: Domain,
    values: Mapping[Expr, arb],
) -> tuple[Run | None, bool]:
    """The run after one more layer; whether the layer ends a run of several matrices.

    Args:
        run: what there is so far; None behind a layer that is no part of any.
        leaf: the layer.
        shape: of one of its input samples.
        own: its constants.
        before: those of the map up to its input.
        domain: the parameter set.
        values: values of symbols.
    """
    around = domain.around()
    if around is None:
        return None, False
    layer = leaf.layer
    if isinstance(layer, Activation):
        if run is None:
            return None, False
        facts = layer.constants()
        ends = _valued((facts.slope_low, facts.slope_high), values)
        if ends is None:
            return None, False
        run.slopes(leaf.node, (ends[0], ends[1]), own, before)
        return run, False
    tried = attempt(lambda: layer.matrix_form(leaf.takes(shape)))
    form = None if isinstance(tried, Raised) else tried.value
    if not isinstance(form, MatrixForm) or _valued((form.scale,), values) is None:
        return None, False
    if form.size is None:
        if run is None or run.forms[-1].copies:
            return None, False
        run.slopes(leaf.node, (form.scale, form.scale), own, before)
        return run, False
    if not _fits(form, values):
        return None, False
    if run is None or len(run.forms) == LONGEST or not _alike(run.forms[-1], form, values):
        if not form.parameter:
            return None, False
        run = Run(around)
    run.matrix(leaf.node, form, own, before)
    return run, len(run.forms) > 1


def _valued(ends: tuple[Value, ...], values: Mapping[Expr, arb]) -> tuple[Expr, ...] | None:
    """The formulas, if all of them have finite values."""
    found = []
    for e in ends:
        if isinstance(e, Unknown) or _number(e, values) is None:
            return None
        found.append(e)
    return tuple(found)


def _number(e: Expr, values: Mapping[Expr, arb]) -> arb | None:
    try:
        number = evaluate(e, values)
    except EvaluationError:
        return None
    return number if number.is_finite() else None


def _fits(form: MatrixForm, values: Mapping[Expr, arb]) -> bool:
    assert form.size is not None
    found = [_number(n, values) for n in (*form.size, *form.copies)]
    sides = [n for n in found if n is not None]
    return len(sides) == len(found) and bool(sides[0] * sides[1] <= ENTRIES)


def _alike(a: MatrixForm, b: MatrixForm, values: Mapping[Expr, arb]) -> bool:
    if len(a.copies) != len(b.copies):
        return False
    pairs = zip(a.copies, b.copies, strict=True)
    return all(evaluate(x - y, values) == 0 for x, y in pairs)


__all__ = ["CHAINS", "Run", "advance_run"]
