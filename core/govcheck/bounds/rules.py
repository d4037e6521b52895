"""How bounds of maps combine; each rule is one line of calculus.

With separate parameters in each part, the derivative of a composition in all parameters
is a block row ``[A B]`` and ``|[A B]|^2 <= |A|^2 + |B|^2``; that is where the roots of
sums of squares come from. Bilinear forms are bounded through the largest eigenvalue of
the 2x2 matrix of their blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from govcheck.bounds.answer import (
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
from govcheck.bounds.constants import Constants, MapConstants, Mode, composed
from govcheck.bounds.expr import ZERO, Expr, add, maximum, minimum

SEQUENTIAL: Final = Ref("govcheck theory", "bound calculus, section 3, sequential")
LEMMA81: Final = Ref("M", "Lemma 8.1 and Prop 4.2")
WEYL: Final = Ref("M", "Prop 4.5", ("E2",))
SUM: Final = Ref("govcheck theory", "bound calculus, section 3, parallel sum")
CONCAT: Final = Ref("govcheck theory", "bound calculus, section 3, concatenation")
RESIDUAL: Final = Ref("M", "Prop 4.6")
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
    for q in ("out", "out_spec", "out_inj"):
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
    xx = v_add(
        v_mul(g.value("xx"), v_square_of(f, "J")), v_mul(g.value("J"), f.value("xx"))
    )
    b.put("xx", xx, "chain rule, second order", SEQUENTIAL, g["xx"], f["J"], g["J"], f["xx"])
    if mode.lemma81:
        _sequential_by_products(b, f, g, mode)
    else:
        _sequential_sharp(b, f, g)
    return Constants(node, b.bounds)


def v_square_of(c: Constants[Any], quantity: str) -> Value:
    """The square of a constant."""
    return v_square(c.value(quantity))


def _sequential_sharp(b: _Builder, f: MapConstants, g: Constants[Any]) -> None:
    through = v_mul(g.value("J"), f.value("D"))
    b.put(
        "D", v_rss(through, g.value("D")), "block row", SEQUENTIAL, g["J"], f["D"], g["D"]
    )
    _sigma_d(b, f, g)
    upstream = v_add(
        v_mul(g.value("xx"), f.value("J"), f.value("D")), v_mul(g.value("J"), f.value("xt"))
    )
    b.put(
        "xt",
        v_rss(upstream, v_mul(g.value("xt"), f.value("J"))),
        "block row, second order",
        SEQUENTIAL,
        g["xx"],
        f["J"],
        f["D"],
        g["J"],
        f["xt"],
        g["xt"],
    )
    first = v_add(
        v_mul(g.value("xx"), v_square_of(f, "D")), v_mul(g.value("J"), f.value("tt"))
    )
    b.put(
        "tt",
        v_eigenvalue(first, v_mul(g.value("xt"), f.value("D")), g.value("tt")),
        "largest eigenvalue of [[xx D^2 + J tt, xt D], [xt D, tt]]",
        SEQUENTIAL,
        g["xx"],
        f["D"],
        g["J"],
        f["tt"],
        g["xt"],
        g["tt"],
    )


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
    b.put(
        "D", v_add(through, g.value("D")), "sum of products", LEMMA81, g["J"], f["D"], g["D"]
    )
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
    branches: Sequence[MapConstants], node: str, *, separate: bool = True
) -> MapConstants:
    """``f_1 + ... + f_k`` on the same input; `separate` if they share no parameters."""
    b = _Builder(node)
    ref = SUM if separate else SHARED
    for q in ("out", "out_spec", "J", "xx"):
        b.put(q, v_add(*_values(branches, q)), "triangle inequality", ref, *_all(branches, q))
    over_parameters: Callable[..., Value] = v_rss if separate else v_add
    rule = "block row" if separate else "triangle inequality, parameters shared"
    for q in ("D", "xt"):
        b.put(q, over_parameters(*_values(branches, q)), rule, ref, *_all(branches, q))
    tt = (v_max if separate else v_add)(*_values(branches, "tt"))
    b.put("tt", tt, "block diagonal" if separate else rule, ref, *_all(branches, "tt"))
    sigma_d = v_rss(*_values(branches, "sigma_D")) if separate else ZERO
    b.put("sigma_D", sigma_d, rule if separate else "trivial", ref, *_all(branches, "sigma_D"))
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


def concatenation(
    branches: Sequence[MapConstants], node: str, *, separate: bool = True
) -> MapConstants:
    """``(f_1, ..., f_k)`` on the same input, stacked; `separate` as in `parallel_sum`."""
    b = _Builder(node)
    ref = CONCAT if separate else SHARED
    for q in ("out", "out_spec", "J", "xx", "out_inj"):
        b.put(q, v_rss(*_values(branches, q)), "stacked rows", ref, *_all(branches, q))
    for q in ("D", "xt", "tt"):
        # separate parameters: |(f h_f, g h_g)| <= max of the norms times |(h_f, h_g)|
        value = (v_max if separate else v_rss)(*_values(branches, q))
        rule = "block diagonal" if separate else "stacked rows, parameters shared"
        b.put(q, value, rule, ref, *_all(branches, q))
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
    rule = "block diagonal" if separate else "trivial"
    b.put("sigma_D", sigma_d, rule, ref, *_all(branches, "sigma_D"))
    return Constants(node, b.bounds)


def join(
    kind: Literal["sum", "concat"],
    branches: Sequence[MapConstants],
    node: str,
    *,
    separate: bool = True,
) -> MapConstants:
    """Combine branches by a sum or a concatenation."""
    rule = parallel_sum if kind == "sum" else concatenation
    return rule(branches, node, separate=separate)


def _values(branches: Sequence[MapConstants], quantity: str) -> list[Value]:
    return [b.value(quantity) for b in branches]


def _all(branches: Sequence[MapConstants], quantity: str) -> list[ComposedBound]:
    return [b[quantity] for b in branches]


def tightened(c: MapConstants, mode: Mode) -> MapConstants:
    """Use that the operator norm is at most the Frobenius norm."""
    spec, out = c["out_spec"], c["out"]
    frobenius_only = "spectral" in mode.leave_out
    best = out.value if frobenius_only else v_best((spec.value, out.value), "upper")
    if best is spec.value:
        return c
    ref = Ref("elementary", "|A|_2 <= |A|_F")
    premises = (out,) if best is out.value else (spec, out)
    new = composed("out_spec", c.node, best, "Frobenius norm", ref, premises)
    return Constants(c.node, {**c.bounds, "out_spec": new})
