"""A repeated block in closed form against the same block written out."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from flint import arb, ctx

from govcheck.bounds.answer import QUANTITIES, UPPER
from govcheck.bounds.constants import COARSE, SUMS, TIGHT
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.evaluate import PRECISION, ball, evaluate
from govcheck.bounds.expr import ONE, num, sqrt, sym
from govcheck.bounds.printing import recurrences
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual, Step, chain
from govcheck.graph.compose import Composer
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.layers.sigmoid import Sigmoid
from govcheck_plugins.layers.softplus import Softplus
from govcheck_plugins.layers.tanh import Tanh

H, K, M, EPS, DELTA = sym("H"), sym("K"), sym("m"), sym("eps"), sym("delta", nonneg=False)
N, X_F, X_2, X_S, X_S1, R = (sym(n) for n in ("N", "X_F", "X_2", "sigma_X", "sigma_X1", "R"))
ENV = {
    K: evaluate(num(2), {}),
    M: evaluate(num(4), {}),
    EPS: evaluate(num(Fraction(1, 2)), {}),
    DELTA: evaluate(num(Fraction(1, 10)), {}),
    N: evaluate(num(3), {}),
    X_F: evaluate(num(Fraction(3, 2)), {}),
    X_2: evaluate(num(Fraction(11, 10)), {}),
    X_S: evaluate(num(Fraction(1, 3)), {}),
    X_S1: evaluate(num(Fraction(1, 2)), {}),
    R: evaluate(num(Fraction(3, 4)), {}),
}
MODES = {m.name: m for m in (TIGHT, COARSE, SUMS)}


def affine(node, weight, *, bias=False, scale=ONE):
    return Leaf(node, Affine(M, weight, bias, scale, EPS))


NORMALISED = Residual(
    "residual",
    chain(affine("wn", "weight_norm", scale=(1 - DELTA) / sqrt(M)), Leaf("tanh", Tanh())),
)
PLAIN = [affine("plain", "plain", bias=True), Leaf("tanh", Tanh())]
PARALLEL = Parallel(
    "parallel",
    "sum",
    (
        chain(affine("a", "plain")),
        chain(affine("b", "weight_norm", scale=num(2)), Leaf("softplus", Softplus())),
        chain(),
    ),
)
NESTED = [
    Repeat("inner", K, chain(NORMALISED)),
    affine("last", "plain", bias=True),
    Leaf("sigmoid", Sigmoid()),
]
TRAINED_SCALE = [Residual("r", chain(Leaf("scale", Scale(Fraction(1, 3) * ONE, True))))]
BLOCKS = {
    "weight-normalised residual": [NORMALISED],
    "residual without activation": [
        Residual("r", chain(affine("wn", "weight_norm", scale=(1 - DELTA) / M)))
    ],
    "plain affine without bias": [affine("plain", "plain")],
    "plain affine with bias": PLAIN,
    "orthogonal affine": [affine("q", "orthogonal", scale=num(2))],
    "parallel": [PARALLEL],
    "nested": NESTED,
    "entrywise and softplus": [
        affine("e", "entrywise", bias=True),
        Leaf("softplus", Softplus()),
    ],
    "trained scale": TRAINED_SCALE,
    "kinked": [affine("wn", "weight_norm"), Leaf("relu", Relu())],
    "explicit edges": [],
}
DOMAINS = {
    "everything": Everything,
    "ball": lambda: Ball(R, {"last": R / 2}),
    "around init": lambda: AroundInit(R),
}


def body(name):
    if name != "explicit edges":
        return chain(*BLOCKS[name])
    one, two = affine("one", "weight_norm"), affine("two", "plain")
    steps = (
        Step(one, (-1,)),
        Step(Leaf("tanh", Tanh()), (0,)),
        Step(two, (-1,)),
        Step(Join("join", "sum"), (1, 2, -1)),
    )
    return Chain(steps)


def unrolled(block: Chain, times: dict) -> Chain:
    """The chain with every repeat written out."""
    if not block.linear:
        return block
    made = []
    for step in block.steps:
        b = step.block
        if isinstance(b, Repeat):
            copy = [s.block for s in unrolled(b.body, times).steps]
            made.extend(copy * times[b.times])
        elif isinstance(b, Residual):
            made.append(Residual(b.node, unrolled(b.body, times)))
        elif isinstance(b, Parallel):
            made.append(Parallel(b.node, b.join, tuple(unrolled(c, times) for c in b.branches)))
        else:
            made.append(b)
    return chain(*made)


def constants(network, mode, domain):
    composer = Composer(N, domain, mode)
    return composer.run(network, composer.start((M,), X_F, X_2, X_S, X_S1)).constants


FIRST = affine("first", "entrywise", bias=True)


def network(name, times, first):
    blocks = [Repeat("repeat", times, body(name))]
    return chain(FIRST, *blocks) if first else chain(*blocks)


def written_out(name, most, first, mode, domain):
    """Constants after 1, 2, ..., `most` copies composed one after the other."""
    composer = Composer(N, domain, mode)
    here = composer.start((M,), X_F, X_2, X_S, X_S1)
    if first:
        here = composer.run(chain(FIRST), here)
    found = {}
    for times in range(1, most + 1):
        here = composer.run(unrolled(body(name), {K: 2}), here)
        found[times] = here.constants
    return found


def facts(domain):
    """Made-up numbers about weights; both sides use the same."""
    values = {"spectral": 2, "frobenius": 3, "max": Fraction(3, 2), "sigma_min": 1, "abs_min": 1,
              "residual": Fraction(3, 4)}
    values["row_max"] = Fraction(7, 4)
    return {s: ball(values[f.kind]) for s, f in domain.facts().items()}


def close(a: arb, b: arb) -> bool:
    """Enclosures of the same number, both narrow."""
    before, ctx.prec = ctx.prec, PRECISION
    try:
        return bool(abs(a - b) <= arb("1e-28") * (1 + abs(b)))
    finally:
        ctx.prec = before


@pytest.mark.parametrize("first", [False, True], ids=["from the data", "after a layer"])
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BLOCKS)
def test_value_in_the_count_is_that_of_the_unrolled_graph(name, mode, domain, first):
    where = DOMAINS[domain]()
    symbolic = constants(network(name, H, first), MODES[mode], where)
    plain = written_out(name, 8, first, MODES[mode], where)
    for q in QUANTITIES:
        # one copy alone can have an answer that two have not
        assert symbolic[q].known == plain[8][q].known, q
    for times, written in plain.items():
        env = ENV | facts(where) | {H: ball(times)}
        memo, memo_written = {}, {}
        for q in QUANTITIES:
            if symbolic[q].known:
                a = evaluate(symbolic[q].expr, env, memo)
                b = evaluate(written[q].expr, env, memo_written)
                assert close(a, b), (q, times, a, b)


SECOND_ORDER_STAYS_A_RECURRENCE = {
    # a squared sum of three or more geometric sequences
    "plain affine with bias",
    "parallel",
    "nested",
    "entrywise and softplus",
}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", BLOCKS)
def test_sums_give_closed_forms_without_recurrences(name, domain):
    result = constants(network(name, H, True), SUMS, DOMAINS[domain]())
    for q in UPPER:
        if result[q].known and not (q == "tt" and name in SECOND_ORDER_STAYS_A_RECURRENCE):
            assert not recurrences(result[q].expr), q


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["weight-normalised residual", "plain affine without bias"])
def test_no_copies_leave_the_network_as_it_was(name, mode):
    result = constants(network(name, H, False), MODES[mode], Ball(R))
    start = constants(chain(), MODES[mode], Ball(R))
    for q in QUANTITIES:
        a, b = (evaluate(c[q].expr, ENV | {H: ball(0)}) for c in (result, start))
        assert close(a, b), q


def residual_in_sympy(times):
    """Sums of products for ``times`` residual blocks ``X + s tanh(wn(w) X)``, with sympy.

    Layer constants by hand: J = s sqrt(m), D = s B/sqrt(eps), xt = s/sqrt(eps),
    tt = s kappa B/eps for the affine part, xx = 4/(3 sqrt 3) for tanh, s sqrt(m) = 1 - delta.
    """
    m, eps, b = sympy.Integer(4), sympy.Rational(1, 2), sympy.Rational(3, 2)
    a = 1 - sympy.Rational(1, 10)
    s, kappa, c = a / sympy.sqrt(m), 48 * sympy.sqrt(5) / 125, 4 / (3 * sympy.sqrt(3))
    k, i = sympy.symbols("k i", integer=True, nonnegative=True)
    r = 1 + a
    d_own, xt_own = s / sympy.sqrt(eps), s / sympy.sqrt(eps)
    # own constants of block k: the input norm is r**k b, of which D and tt are multiples
    out, j = b * r**times, r**times
    d = sympy.summation(r ** (times - 1 - k) * d_own * b * r**k, (k, 0, times - 1))
    xx = sympy.summation(r ** (times - 1 - k) * c * a**2 * r ** (2 * k), (k, 0, times - 1))
    xt_block = c * a * d_own * b * r**k + xt_own
    d_before = sympy.summation(r ** (k - 1 - i) * d_own * b * r**i, (i, 0, k - 1))
    xt_step = c * a**2 * r**k * d_before + xt_block * r**k
    xt = sympy.summation(sympy.expand(r ** (times - 1 - k) * xt_step), (k, 0, times - 1))
    tt_block = c * (d_own * b * r**k) ** 2 + s * kappa / eps * b * r**k
    tt_step = c * a**2 * d_before**2 + 2 * xt_block * d_before + tt_block
    tt = sympy.summation(sympy.expand(r ** (times - 1 - k) * tt_step), (k, 0, times - 1))
    return {"out": out, "J": j, "D": d, "xx": xx, "xt": xt, "tt": tt}


@pytest.mark.parametrize("times", [1, 2, 5, 8])
def test_closed_forms_agree_with_geometric_sums_of_sympy(times):
    result = constants(network("weight-normalised residual", H, False), SUMS, Everything())
    expected = residual_in_sympy(times)
    for q, number in expected.items():
        value = evaluate(result[q].expr, ENV | {H: ball(times)})
        exact = evaluate(num(Fraction(str(sympy.N(number, 40)))), {})
        assert close(value, exact), (q, value, exact)
