"""Softmax, gate, embeddings and learnable scales against gradient ascent.

Bound over the largest value found: at most 1.01 for the constants listed with each case.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from govcheck.bounds.answer import LOWER, QUANTITIES, Unknown
from govcheck.bounds.constants import COARSE, TIGHT
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, ZERO, as_expr, num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.derivatives import Function, first_order
from govcheck.plugin import At, ShapeError
from govcheck.plugin.layer import declared_bounds
from govcheck_plugins.layers.bilinear_gate import BilinearGate
from govcheck_plugins.layers.embedding import Embedding
from govcheck_plugins.layers.positional_embedding import PositionalEmbedding
from govcheck_plugins.layers.rezero import ReZero
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.layers.softmax import Softmax
from govcheck_plugins.layers.token_affine import TokenAffine

torch.set_num_threads(1)

UNBOUNDED = Unknown.because("the input set is unbounded", kind="unbounded")
DOUBLE = {"dtype": torch.float64}
HALF = num(Fraction(1, 2))


def values(e):
    return float(evaluate(as_expr(e), {}).mid())


# layer, shape, samples, norms of the batch and of X as a matrix, quantities that are attained
CASES = {
    "softmax": (Softmax(), (2,), 2, 3, 3, ("J", "xx")),
    "softmax of rows": (Softmax(HALF), (2, 3), 2, 4, 3, ()),
    "softmax, hot": (Softmax(num(3)), (2,), 1, 40, 40, ("J", "xx", "out")),
    "gate": (BilinearGate(), (2,), 1, 3, 3, ("J", "xx", "out")),
    "gate of rows": (BilinearGate(), (2, 4), 3, 3, 2, ("xx",)),
    "embedding": (Embedding(num(2)), (2, 3), 2, 3, 2, ("J", "xt")),
    "embedding, one sample": (Embedding(num(2)), (2, 2), 1, 3, 3, ("J", "xt", "D", "out")),
    "positions": (PositionalEmbedding(), (2, 2), 3, 3, 3, ("J", "sigma_J", "out", "D")),
    "positions, one sample": (
        PositionalEmbedding(), (2,), 1, 3, 3, ("J", "sigma_J", "out", "D", "sigma_D")),
    "rezero": (ReZero(), (3,), 2, Fraction(5, 2), 2, ("J", "out", "out_spec", "D", "xt")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_bound_is_crossed(case) -> None:
    layer, shape, samples, batch, top, tight = CASES[case]
    sizes = tuple(map(num, shape))
    radius = Fraction(5, 4)
    at = At("it", sizes, num(samples), num(batch), num(top), domain=Ball(num(radius)))
    f = Function(layer.module(shape, values))
    inputs, weights = Inputs((samples, *shape), float(batch), float(top)), Weights(float(radius))
    for mode in (TIGHT, COARSE):
        given = at if mode is TIGHT else At("it", sizes, num(samples), num(batch), num(batch),
                                            domain=Ball(num(radius)))
        constants = layer_constants(layer, given, mode)
        for quantity in QUANTITIES:
            end = evaluate(constants.value(quantity), {})
            if mode is COARSE:
                # less knowledge never gives a better bound
                fine = evaluate(layer_constants(layer, at, TIGHT).value(quantity), {})
                assert not (end > fine if quantity in LOWER else end < fine)
                continue
            found = attack(f, quantity, inputs, weights, starts=3, steps=60).value
            if quantity in LOWER:
                assert found >= float(end.lower()) - 1e-12
            else:
                assert found <= float(end.upper()) * (1 + 1e-9)
            if quantity in tight:
                assert found == pytest.approx(float(end.mid()), rel=0.01)


def test_softmax_in_closed_form() -> None:
    at = At("it", (sym("n"), sym("C")), sym("N"), UNBOUNDED, UNBOUNDED)
    constants = layer_constants(Softmax(sym("t")), at, TIGHT)
    shown = {q: repr(constants.value(q)) for q in ("J", "xx", "out", "out_max")}
    assert shown == {
        "J": "1/(2*t)", "xx": "sqrt(6)/(9*t^2)", "out": "sqrt(n)*sqrt(N)", "out_max": "sqrt(n)"
    }  # fmt: skip
    # without the range of softmax its output is bounded on bounded inputs only
    assert isinstance(layer_constants(Softmax(), at, COARSE).value("out"), Unknown)


def test_softmax_where_the_table_says() -> None:
    x = torch.zeros(1, 2, **DOUBLE)
    f = Function(Softmax().module((2,), values))
    assert first_order(f, f.theta, x)["J"] == pytest.approx(0.5, rel=1e-12)
    p = (1 + 1 / math.sqrt(3)) / 2
    h = torch.tensor([[1.0, -1.0]], **DOUBLE) / math.sqrt(2)
    x = torch.tensor([[math.log(p / (1 - p)), 0.0]], **DOUBLE)
    second = torch.autograd.functional.hvp(lambda z: (f(f.theta, z) * h).sum(), x, h)[1]
    assert float(second.norm()) == pytest.approx(math.sqrt(6) / 9, rel=1e-12)


@pytest.mark.parametrize("temperature", [0, -1])
def test_softmax_needs_a_positive_temperature(temperature) -> None:
    with pytest.raises(ValueError, match="temperature of softmax must be positive"):
        Softmax(num(temperature)).check()
    Softmax(sym("t")).check()


def test_gate_halves_the_last_axis() -> None:
    n, k = sym("n"), sym("k")
    assert BilinearGate().shape((n, 2 * k)) == (n, k)
    with pytest.raises(ShapeError, match="even number of features, not 5"):
        BilinearGate().shape((n, num(5)))
    x = torch.arange(8.0).reshape(1, 2, 4)
    assert BilinearGate().module((2, 4), values)(x).tolist() == [[[0, 3], [24, 35]]]


def test_gate_on_unbounded_inputs() -> None:
    at = At("it", (num(4),), num(2), UNBOUNDED, UNBOUNDED)
    constants = layer_constants(BilinearGate(), at, TIGHT)
    assert "a product of two features is not Lipschitz" in constants.value("J").reason
    assert isinstance(constants.value("out"), Unknown)
    assert constants.value("xx") is ONE


def test_embedding_looks_up_rows() -> None:
    module = Embedding(num(2)).module((3, 4), values)
    table = torch.arange(8.0, **DOUBLE).reshape(4, 2)
    module.table.data = table
    tokens = torch.tensor([[0, 3, 3], [2, 3, 1]])
    x = torch.nn.functional.one_hot(tokens, 4).double()
    assert torch.equal(module(x), torch.nn.functional.embedding(tokens, table))


def test_embedding_derivative_is_the_root_of_the_largest_count() -> None:
    f = Function(Embedding(num(2)).module((3, 4), values))
    for tokens, largest in (([[0, 3, 3], [2, 3, 1]], 3), ([[1, 1, 1], [1, 1, 1]], 6)):
        x = torch.nn.functional.one_hot(torch.tensor(tokens), 4).double()
        norm = num(Fraction(math.nextafter(math.sqrt(6), 3)))
        top = torch.linalg.matrix_norm(x.reshape(2, -1), 2).item()
        at = At("it", (num(3), num(4)), num(2), norm, num(Fraction(top * (1 + 1e-12))))
        d = first_order(f, f.theta, x)["D"]
        assert d == pytest.approx(math.sqrt(largest), rel=1e-12)
        bound = layer_constants(Embedding(num(2)), at, TIGHT).value("D")
        assert d <= values(bound)
        assert largest < 6 or values(bound) == pytest.approx(d)


def test_embedding_is_regular_for_single_different_tokens() -> None:
    f = Function(Embedding(num(2)).module((1, 4), values))
    x = torch.nn.functional.one_hot(torch.tensor([[0], [3]]), 4).double()
    assert first_order(f, f.theta, x)["sigma_D"] == pytest.approx(1)
    at = At("it", (ONE, num(4)), num(2), num(2), ONE, injective=ONE)
    assert layer_constants(Embedding(num(2)), at, TIGHT).value("sigma_D") is ONE


@pytest.mark.parametrize("layer", [Embedding(num(2)), PositionalEmbedding()], ids=lambda x: x.name)
def test_everything_leaves_the_derivative_in_the_parameters(layer) -> None:
    at = At("it", (num(2), num(3)), num(2), num(3), num(2), domain=Everything())
    constants = layer_constants(layer, at, TIGHT)
    assert isinstance(constants.value("out"), Unknown)
    assert all(not isinstance(constants.value(q), Unknown) for q in ("D", "xx", "xt", "tt"))


def test_positional_derivative_rows_and_one_sample() -> None:
    at = At("it", (num(2), num(3)), sym("N"), sym("B"), sym("S"), domain=Ball(sym("R")))
    constants = layer_constants(PositionalEmbedding(), at, TIGHT)
    assert constants.value("D_rows") is ONE
    assert constants.value("out_max") is sym("S") + sym("R")


def test_rezero_is_scale_with_its_keys_set() -> None:
    same = Scale(ONE, True, ZERO)
    at = At("it", (num(3),), num(2), num(3), num(2), domain=AroundInit(HALF))
    theirs, ours = (layer_constants(x, at, TIGHT) for x in (same, ReZero()))
    assert all(ours.value(q) == theirs.value(q) for q in QUANTITIES)
    assert ReZero().module((3,), values).factor.item() == 0
    with pytest.raises(TypeError):
        ReZero(factor=num(2))


def test_scale_starts_where_it_is_told() -> None:
    assert Scale(num(3), True, HALF).module((3,), values).factor.item() == 0.5
    assert Scale(num(3), True).module((3,), values).factor.item() == 1
    assert Scale(num(3)).module((3,), values).factor is None
    assert Scale(num(3), True, HALF).parameters((num(3),))[0].initial is HALF


@pytest.mark.parametrize("case", CASES)
def test_declared_parameters_are_those_of_the_module(case) -> None:
    layer, shape = CASES[case][:2]
    sizes = tuple(map(num, shape))
    module = layer.module(shape, values)
    declared = {p.name: tuple(map(values, p.shape)) for p in layer.parameters(sizes)}
    assert declared == {n: tuple(p.shape) for n, p in module.named_parameters()}
    out = module(torch.zeros(2, *shape, **DOUBLE))
    assert tuple(out.shape) == (2, *map(values, layer.shape(sizes)))


@pytest.mark.parametrize("layer", [Softmax(), BilinearGate()], ids=lambda x: x.name)
def test_a_number_has_no_axis(layer) -> None:
    with pytest.raises(ShapeError):
        layer.shape(())


def test_embedding_shape() -> None:
    assert Embedding(num(2)).shape((sym("t"), sym("v"))) == (sym("t"), num(2))
    with pytest.raises(ShapeError, match="one-hot samples"):
        Embedding(num(2)).shape((num(3),))


def test_token_affine_asks_for_no_norm_of_a_bias_that_it_does_not_have() -> None:
    domain = AroundInit(ONE)
    at = At("it", (num(2), num(3)), num(4), sym("F"), sym("S"), domain=domain)
    for bias, asked in ((False, {"weight"}), (True, {"weight", "bias"})):
        layer = TokenAffine(num(3), bias=bias)
        for attribute, _ in declared_bounds(TokenAffine):
            getattr(layer, attribute)(at)
        assert {f.parameter for f in domain.facts().values()} == asked
