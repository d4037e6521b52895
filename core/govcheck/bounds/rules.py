"""How bounds of maps combine; each rule is one line of calculus.

With separate parameters in each part, the derivative of a composition in all parameters
is a block row ``[A B]`` and ``|[A B]|^2 <= |A|^2 + |B|^2``; that is where the roots of
sums of squares come from. Bilinear forms are bounded through the largest eigenvalue of
the 2x2 matrix of their blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from govcheck.bounds.answer import (
    CARRIED,
    Bound,
    ComposedBound,
    Ref,
    Unknown,
    Value,
    v_add,
    v_best,
    v_eigenvalue,
    v_max,
    v_mul,
    v_rss,
    v_square,
)
from govcheck.bounds.constants import (
    INPUT_NORMS,
    NOT_ASKED,
    Constants,
    MapConstants,
    Mode,
    composed,
)
from govcheck.bounds.expr import ZERO, Expr, add, maximum, minimum, num, sqrt

SEQUENTIAL: Final = Ref("govcheck theory", "bound calculus, section 3, sequential")
LEMMA81: Final = Ref("M", "Lemma 8.1 and Prop 4.2")
WEYL: Final = Ref("M", "Prop 4.5", ("E2",))
SUM: Final = Ref("govcheck theory", "bound calculus, section 3, parallel sum")
CONCAT: Final = Ref("govcheck theory", "bound calculus, section 3, concatenation")
RESIDUAL: Final = Ref("M", "Prop 4.6")
ROWS: Final = Ref("elementary", "a row of AB is a row of A times B")
SHARED: Final = Ref("govcheck theory", "bound calculus, section 3, paths that share parameters")


class _Builder:
    """Collects composed bounds with the premises each one used."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.bounds: dict[str, ComposedBound] = {}

    def put(
        self, quantity: str, value: Value, rule: str, ref: Ref, *premises: Bound
    ) -> None:
        kept = tuple(p for p in premises if p.value is not ZERO or len(premises) == 1)
        self.bounds[quantity] = composed(quantity, self.node, value, rule, ref, kept)


def sequential(f: MapConstants, g: Constants[Any], node: str, mode: Mode) -> MapConstants:
    """``g o f`` with g's constants taken on the output set of f."""
    b = _Builder(node)
    for q in INPUT_NORMS:
        b.put(q, g.value(q), "output of the last map", SEQUENTIAL, g[q])
    b.put("J", v_mul(g.value("J"), f.value("J")), "chain rule", SEQUENTIAL, g["J"], f["J"])
    b.put(
        "sigma_J",
        v_mul(g.value("sigma_J"), f.value("sigma_J")),
        "sigma(AB) >= sigma(A) sigma(B)",
        WEYL,
        g["sigma_J"],
        f["sigma_J"],
    )
    if mode.order == 1:
        return _first_order(b, f, g)
    bend, used = curvature(f, g, mode, "J", "J")
    xx = v_add(bend, v_mul(g.value("J"), f.value("xx")))
    b.put("xx", xx, "chain rule, second order", SEQUENTIAL, *used, g["J"], f["xx"])
    if mode.lemma81:
        _sequential_by_products(b, f, g, mode)
    else:
        _sequential_sharp(b, f, g, mode)
    _rows(b, f, g, mode)
    return Constants(node, b.bounds)


def _first_order(b: _Builder, f: MapConstants, g: Constants[Any]) -> MapConstants:
    d = v_rss(v_mul(g.value("J"), f.value("D")), g.value("D"))
    b.put("D", d, "block row", SEQUENTIAL, g["J"], f["D"], g["D"])
    _sigma_d(b, f, g)
    for q in CARRIED:
        if q not in b.bounds:
            b.put(q, NOT_ASKED, "not asked", SEQUENTIAL)
    return Constants(b.node, b.bounds)


def curvature(
    f: MapConstants, g: Constants[Any], mode: Mode, first: str, second: str
) -> tuple[Value, tuple[Bound, ...]]:
    """Norm of ``g''[A h, B k]`` for derivatives A, B of f: what curvature of g contributes.

    An elementwise g has ``|g''[u, v]|_2 <= sup|phi''| |u|_max |v|_2``, and ``|A h|_max`` is
    at most the largest row of A times ``|h|``.
    """
    flat = g.bounds.get("xx_inf")
    if flat is None or not flat.known or "rows" in mode.leave_out:
        product = v_mul(g.value("xx"), f.value(first), f.value(second))
        return product, (g["xx"], f[first], f[second])
    ways = [
        v_mul(flat.value, f.value(f"{p}_rows"), f.value(q))
        for p, q in dict.fromkeys(((first, second), (second, first)))
    ]
    rows = dict.fromkeys((f[f"{first}_rows"], f[f"{second}_rows"], f[first], f[second]))
    return v_best(ways, "upper"), (flat, *rows)


def _rows(b: _Builder, f: MapConstants, g: Constants[Any], mode: Mode) -> None:
    for q, larger in (("J_rows", "J"), ("D_rows", "D")):
        if q in mode.same:
            known = b.bounds[larger]
            b.put(q, known.value, f"at most {larger}", SEQUENTIAL, known)
    if "J_rows" in mode.same:
        return
    entry = g.bounds.get("J_inf")
    if entry is not None and entry.known:
        # |g'|_{max to max} times the largest row of f'
        factor, which = entry, "_rows"
    else:
        factor, which = g["J_rows"], ""
    j = v_mul(factor.value, f.value("J" + which))
    b.put("J_rows", j, "largest row of a product", ROWS, factor, f["J" + which])
    d = v_rss(v_mul(factor.value, f.value("D" + which)), g.value("D_rows"))
    b.put("D_rows", d, "largest row of a block row", ROWS, factor, f["D" + which], g["D_rows"])


def _without_root(v: Value) -> Value:
    """``c sqrt(a + b) <= c sqrt(a) + c sqrt(b)``, so that a repeat has a closed form."""
    if isinstance(v, Expr) and v.op == "let":
        return _without_root(v.args[0])
    if not (isinstance(v, Expr) and v.op == "mul" and v.payload[1:] == (Fraction(1, 2),)):
        return v
    inside, c = v.args[0], v.payload[0]
    if inside.op != "add" or not inside.nonneg or c < 0:
        return v
    first, *rest = inside.payload
    terms = zip(rest, inside.args, strict=True)
    return add(*(num(c) * sqrt(t) for t in (num(first), *(num(k) * a for k, a in terms))))


def v_square_of(c: Constants[Any], quantity: str) -> Value:
    """The square of a constant."""
    return v_square(c.value(quantity))


def _sequential_sharp(b: _Builder, f: MapConstants, g: Constants[Any], mode: Mode) -> None:
    through = v_mul(g.value("J"), f.value("D"))
    b.put(
        "D", v_rss(through, g.value("D")), "block row", SEQUENTIAL, g["J"], f["D"], g["D"]
    )
    _sigma_d(b, f, g)
    bend, used = curvature(f, g, mode, "J", "D")
    upstream = v_add(bend, v_mul(g.value("J"), f.value("xt")))
    xt = v_rss(upstream, v_mul(g.value("xt"), f.value("J")))
    rule = "block row, second order"
    b.put("xt", xt, rule, SEQUENTIAL, *used, g["J"], f["xt"], g["xt"], f["J"])
    bend, used = curvature(f, g, mode, "D", "D")
    first = v_add(bend, v_mul(g.value("J"), f.value("tt")))
    tt = v_eigenvalue(first, v_mul(g.value("xt"), f.value("D")), g.value("tt"))
    rule = "largest eigenvalue of [[xx D^2 + J tt, xt D], [xt D, tt]]"
    b.put("tt", tt, rule, SEQUENTIAL, *used, g["J"], f["tt"], g["xt"], f["D"], g["tt"])


def _sigma_d(b: _Builder, f: MapConstants, g: Constants[Any]) -> None:
    b.put(
        "sigma_D",
        v_rss(v_mul(g.value("sigma_J"), f.value("sigma_D")), g.value("sigma_D")),
        "D D^T is a sum over layers; Weyl",
        WEYL,
        g["sigma_J"],
        f["sigma_D"],
        g["sigma_D"],
    )


def _sequential_by_products(
    b: _Builder, f: MapConstants, g: Constants[Any], mode: Mode
) -> None:
    through = v_mul(g.value("J"), f.value("D"))
    own = _without_root(g.value("D"))
    b.put("D", v_add(through, own), "sum of products", LEMMA81, g["J"], f["D"], g["D"])
    if mode.printed:
        # the printed sum is above sigma(DF) for most matrices (E2): not a bound
        b.put(
            "sigma_D",
            v_add(v_mul(g.value("sigma_J"), f.value("sigma_D")), g.value("sigma_D")),
            "sum of products, as printed",
            WEYL,
            g["sigma_J"],
            f["sigma_D"],
            g["sigma_D"],
        )
    else:
        _sigma_d(b, f, g)
    xt = v_add(
        v_mul(g.value("xx"), f.value("J"), f.value("D")),
        v_mul(g.value("J"), f.value("xt")),
        v_mul(g.value("xt"), f.value("J")),
    )
    b.put("xt", xt, "sum of products", LEMMA81, g["xx"], f["J"], f["D"], g["J"], f["xt"], g["xt"])
    tt = v_add(
        v_mul(g.value("xx"), v_square_of(f, "D")),
        v_mul(g.value("J"), f.value("tt")),
        v_mul(2, g.value("xt"), f.value("D")),
        g.value("tt"),
    )
    b.put(
        "tt", tt, "sum of products", LEMMA81, g["xx"], f["D"], g["J"], f["tt"], g["xt"], g["tt"]
    )


def parallel_sum(
    branches: Sequence[MapConstants], node: str, mode: Mode, *, separate: bool = True
) -> MapConstants:
    """``f_1 + ... + f_k`` on the same input; `separate` if they share no parameters."""
    b = _Builder(node)
    ref = SUM if separate else SHARED
    sharp = separate and not mode.lemma81
    for q in ("out", "out_spec", "out_max", "J", "J_rows", "xx"):
        b.put(q, v_add(*_values(branches, q)), "triangle inequality", ref, *_all(branches, q))
    over_parameters: Callable[..., Value] = v_rss if sharp else v_add
    rule = "block row" if sharp else "triangle inequality"
    for q in ("D", "D_rows", "xt"):
        b.put(q, over_parameters(*_values(branches, q)), rule, ref, *_all(branches, q))
    tt = (v_max if sharp else v_add)(*_values(branches, "tt"))
    b.put("tt", tt, "block diagonal" if sharp else rule, ref, *_all(branches, "tt"))
    sigma_d = v_rss(*_values(branches, "sigma_D")) if separate else ZERO
    how = "block row" if separate else "trivial"
    b.put("sigma_D", sigma_d, how, ref, *_all(branches, "sigma_D"))
    for q, size in (("sigma_J", "J"), ("out_inj", "out_spec")):
        b.put(
            q,
            _perturbation(branches, q, size),
            "Weyl: the largest of sigma_i - sum of the other norms",
            RESIDUAL,
            *_all(branches, q),
            *_all(branches, size),
        )
    return Constants(node, b.bounds)


def _perturbation(branches: Sequence[MapConstants], sigma: str, norm: str) -> Value:
    """``sigma(A + B) >= sigma(A) - |B|``, for each branch in the role of A."""
    best: list[Expr] = []
    for i, main in enumerate(branches):
        low = main.value(sigma)
        others = [b.value(norm) for j, b in enumerate(branches) if j != i]
        if low is ZERO or isinstance(low, Unknown) or any(isinstance(v, Unknown) for v in others):
            continue
        best.append(add(low, *(-v for v in others if isinstance(v, Expr))))
    return maximum(0, *best) if best else ZERO


def with_skip(both: MapConstants, branch: Constants[Any]) -> MapConstants:
    """``X + g(X)`` for one layer g that bounds ``sigma(Id + J)`` from below by itself.

    Args:
        both: the constants by `parallel_sum`, whose ``sigma_J`` is the least known otherwise.
        branch: the layer's own constants.
    """
    own = branch.bounds.get("sigma_skip")
    weyl = both["sigma_J"]
    if own is None or not isinstance(own.value, Expr) or own.value is ZERO:
        return both
    best = v_best((own.value, weyl.value), "lower")
    rule = "the larger of the layer's own bound and Weyl's"
    found = composed("sigma_J", both.node, best, rule, SUM, (own, weyl))
    return Constants(both.node, {**both.bounds, "sigma_J": found})


def concatenation(
    branches: Sequence[MapConstants], node: str, mode: Mode, *, separate: bool = True
) -> MapConstants:
    """``(f_1, ..., f_k)`` on the same input, stacked; `separate` as in `parallel_sum`."""
    b = _Builder(node)
    ref = CONCAT if separate else SHARED
    stacked: Callable[..., Value] = v_add if mode.lemma81 else v_rss
    rule = "triangle inequality" if mode.lemma81 else "stacked rows"
    for q in ("out", "out_spec", "out_max", "J", "xx"):
        b.put(q, stacked(*_values(branches, q)), rule, ref, *_all(branches, q))
    out_inj = v_rss(*_values(branches, "out_inj"))
    b.put("out_inj", out_inj, "stacked rows", ref, *_all(branches, "out_inj"))
    sharp = separate and not mode.lemma81
    for q in ("J_rows", "D_rows"):
        b.put(q, v_max(*_values(branches, q)), "rows of one branch", ROWS, *_all(branches, q))
    for q in ("D", "xt", "tt"):
        # separate parameters: |(f h_f, g h_g)| <= max of the norms times |(h_f, h_g)|
        value = (v_max if sharp else stacked)(*_values(branches, q))
        b.put(q, value, "block diagonal" if sharp else rule, ref, *_all(branches, q))
    alone = len(branches) == 1
    b.put(
        "sigma_J",
        branches[0].value("sigma_J") if alone else ZERO,
        "the only branch" if alone else "trivial: stacked rows need not be independent",
        ref,
        *_all(branches, "sigma_J"),
    )
    lows = [v for v in _values(branches, "sigma_D") if isinstance(v, Expr)]
    sigma_d = minimum(*lows) if separate and len(lows) == len(branches) else ZERO
    how = "block diagonal" if separate else "trivial"
    b.put("sigma_D", sigma_d, how, ref, *_all(branches, "sigma_D"))
    return Constants(node, b.bounds)


def join(
    kind: Literal["sum", "concat"],
    branches: Sequence[MapConstants],
    node: str,
    mode: Mode,
    *,
    separate: bool = True,
) -> MapConstants:
    """Combine branches by a sum or a concatenation."""
    rule = parallel_sum if kind == "sum" else concatenation
    return rule(branches, node, mode, separate=separate)


def _values(branches: Sequence[MapConstants], quantity: str) -> list[Value]:
    return [b.value(quantity) for b in branches]


def _all(branches: Sequence[MapConstants], quantity: str) -> list[ComposedBound]:
    return [b[quantity] for b in branches]


def tightened(c: MapConstants, mode: Mode) -> MapConstants:
    """The larger norm for one that is not known, or not told apart under this mode."""
    new = dict(c.bounds)
    ref = Ref("elementary", "|column|_2 <= |A|_2 <= |A|_F")
    for q, larger in (("out_spec", "out"), ("out_max", "out_spec")):
        small, large = new[q], new[larger]
        if (q in mode.same or not small.known) and small.value is not large.value:
            new[q] = composed(q, c.node, large.value, f"at most {larger}", ref, (large,))
    return Constants(c.node, new)
