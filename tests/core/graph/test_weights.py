"""Initial weights: distributions, independence of streams, and numbers about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from flint import arb

from govcheck.bounds.domain import AroundInit, Ball
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import num, sqrt, sym
from govcheck.certify.weight_facts import weight_facts
from govcheck.errors import InputError
from govcheck.graph.architecture import Architecture, InitSpec
from govcheck.graph.blocks import Leaf, Repeat, Residual, chain
from govcheck.graph.weights import Placed, fact_values, initial_weights, placed_layers
from govcheck.plugin import Layer, Parameter
from govcheck.plugin.guard import PluginWarning

M = sym("m")


@dataclass(frozen=True)
class Dense(Layer):
    """A layer with a matrix, a kernel, a bias, another vector and a factor."""

    name: ClassVar[str] = "dense"
    out: object

    def parameters(self, shape):
        return (
            Parameter("weight", (self.out, *shape)),
            Parameter("kernel", (self.out, num(3), num(2), num(2))),
            Parameter("bias", (self.out,)),
            Parameter("shift", (self.out,)),
            Parameter("factor", ()),
            Parameter("scale", (self.out,)),
        )

    def module(self, shape, values):
        raise NotImplementedError


def layer(node="a", out=M, inputs=400):
    return Placed(node, Dense(out), (num(inputs),))


def draw(method, std=None, seed=0, m=300, **keywords):
    spec = InitSpec(method, std, seed)
    return initial_weights([layer(**keywords)], {M: ball(m)}, spec)


@pytest.mark.parametrize(
    ("method", "std", "weight_std", "kernel_std"),
    [
        ("normal", None, 1.0, 1.0),
        ("normal", num(1) / 4, 0.25, 0.25),
        ("normal", 1 / sqrt(M), 300**-0.5, 300**-0.5),
        ("lecun", None, 400**-0.5, 12**-0.5),
        ("he", None, 200**-0.5, 6**-0.5),
        ("torch", None, (3 * 400) ** -0.5, (3 * 12) ** -0.5),
        ("zero", None, 0.0, 0.0),
    ],
)
def test_standard_deviations(method, std, weight_std, kernel_std):
    w = draw(method, std)
    assert w["a", "weight"].shape == (300, 400)
    assert w["a", "kernel"].shape == (300, 3, 2, 2)
    # five standard errors: the variance of a sample variance is at most 2 s^4 / n
    assert w["a", "weight"].std() == pytest.approx(weight_std, rel=5 / (2 * 120000) ** 0.5)
    assert w["a", "kernel"].std() == pytest.approx(kernel_std, rel=5 / (2 * 3600) ** 0.5)
    assert abs(w["a", "weight"].mean()) <= 5 * weight_std / 120000**0.5


def test_torch_range_is_that_of_nn_linear():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    w = draw("torch")
    reference = torch.nn.Linear(400, 300)
    for name in ("weight", "bias"):
        ours = np.abs(w["a", name]).max()
        theirs = float(getattr(reference, name).detach().abs().max())
        assert ours <= 1 / 20
        assert ours == pytest.approx(theirs, rel=0.05)


@pytest.mark.parametrize("method", ["normal", "lecun", "he", "torch", "zero"])
def test_vectors_and_factors(method):
    w = draw(method)
    assert (w["a", "bias"] == 0).all() == (method != "torch")
    assert (w["a", "shift"] == 0).all()
    assert (w["a", "scale"] == 1).all()
    assert w["a", "factor"].shape == ()
    assert w["a", "factor"] == 1


def test_other_layers_and_seeds_do_not_matter_or_do():
    values = {M: ball(5)}
    alone = initial_weights([layer("b")], values, InitSpec())
    more = initial_weights([layer("a"), layer("b"), layer("c")], values, InitSpec())
    assert (alone["b", "weight"] == more["b", "weight"]).all()
    assert (more["a", "weight"] != more["b", "weight"]).all()
    other = initial_weights([layer("b")], values, InitSpec(seed=1))
    assert (alone["b", "weight"] != other["b", "weight"]).all()
    # matrix and kernel of one layer have streams of their own as well
    small, kernel = more["a", "weight"].ravel()[:60], more["a", "kernel"].ravel()
    assert not np.isin(small, kernel).any()


def test_everything_wrong_is_told_at_once():
    placed = [layer("a"), layer("b", out=num(5) / 2), layer("c", out=num(0))]
    with pytest.raises(InputError) as caught:
        initial_weights(placed, {}, InitSpec("he", num(1), -3))
    codes = [p.code for p in caught.value.problems]
    assert codes == ["init-seed", "init-std", *["parameter-shape"] * 3]
    assert "symbol m has no value" in str(caught.value)


@pytest.mark.parametrize("std", [num(-1), sym("unvalued")])
def test_bad_standard_deviation(std):
    with pytest.raises(InputError, match="std"):
        draw("normal", std)


def test_too_many_weights():
    with pytest.raises(InputError, match="above the limit"):
        draw("normal", m=10**9)


def test_copies_in_repeats():
    inner = Repeat("in", num(2), chain(Leaf("b", Dense(num(4)))))
    body = chain(
        Leaf("a", Dense(num(4))),
        Repeat("out", M, chain(Residual("r", chain(inner)), Leaf("c", Dense(num(4))))),
    )
    shapes = {n: (num(4),) for n in "abc"}
    placed = placed_layers(body, shapes, {M: ball(2)})
    assert [p.node for p in placed] == [
        "a", "b[0,0]", "b[0,1]", "c[0]", "b[1,0]", "b[1,1]", "c[1]",
    ]
    assert [p.leaf for p in placed] == list("abbcbbc")
    w = initial_weights(placed, {}, InitSpec())
    assert (w["b[0,0]", "weight"] != w["b[0,1]", "weight"]).all()
    for count in (None, arb(1) / 3, ball(-1), ball(10**7)):
        with pytest.raises(InputError):
            placed_layers(body, shapes, {} if count is None else {M: count})


def around(kind, parameter="weight", node="b"):
    domain = AroundInit(num(1))
    ask = domain.floor if kind in ("sigma_min", "abs_min") else domain.norm
    ask(node, parameter, kind)
    return domain.facts()


@pytest.mark.parametrize("kind", ["spectral", "frobenius", "max", "sigma_min", "abs_min"])
def test_facts_are_the_worst_over_copies(kind):
    body = chain(Repeat("r", num(3), chain(Leaf("b", Dense(M)))))
    arch = Architecture("t", "t", {}, {}, (num(6),), body, (num(6),), init=InitSpec("lecun"))
    shapes, values = {"b": (num(6),)}, {M: ball(6)}
    facts = around(kind)
    ((_, found),) = fact_values(arch, facts, shapes, values).items()
    weights = initial_weights(placed_layers(body, shapes, values), values, arch.init)
    copies = [weights[f"b[{i}]", "weight"] for i in range(3)]
    truth = {
        "spectral": max(np.linalg.norm(w, 2) for w in copies),
        "frobenius": max(np.linalg.norm(w) for w in copies),
        "max": max(np.abs(w).max() for w in copies),
        "sigma_min": min(np.linalg.svd(w, compute_uv=False)[-1] for w in copies),
        "abs_min": min(np.abs(w).min() for w in copies),
    }[kind]
    assert float(found.mid()) == pytest.approx(truth, rel=1e-9)
    assert float(found.rad()) < 1e-9 * truth


def test_facts_wait_for_values():
    body = chain(Repeat("r", sym("H"), chain(Leaf("b", Dense(num(3))))))
    arch = Architecture("t", "t", {}, {}, (num(3),), body, (num(3),))
    assert fact_values(arch, around("max"), {"b": (num(3),)}, {}) == {}
    body = chain(Leaf("b", Dense(M)))
    arch = Architecture("t", "t", {}, {}, (num(3),), body, (num(3),))
    assert fact_values(arch, around("max"), {"b": (num(3),)}, {}) == {}
    assert len(fact_values(arch, around("max"), {"b": (num(3),)}, {M: ball(3)})) == 1
    assert fact_values(arch, {}, {}, {}) == {}


def test_numbers_about_vectors_kernels_and_factors():
    factor = np.array(-2.0)
    for kind in ("spectral", "frobenius", "max", "sigma_min", "abs_min"):
        assert weight_facts(factor, kind) == 2
    vector = np.array([3.0, -4.0])
    assert weight_facts(vector, "spectral") == 5
    assert weight_facts(vector, "max") == 4
    assert weight_facts(vector, "abs_min") == 3
    assert weight_facts(vector, "sigma_min") == 0
    kernel = np.zeros((2, 1, 2, 2))
    kernel[0, 0, 0, 0], kernel[1, 0, 1, 1] = 3, 2
    assert weight_facts(kernel, "spectral").contains(3)
    assert weight_facts(kernel, "sigma_min").contains(2)
    assert weight_facts(kernel, "abs_min") == 0


def test_surjectivity_of_tall_matrices_is_zero():
    assert weight_facts(np.eye(3, 5), "sigma_min").contains(1)
    assert weight_facts(np.eye(5, 3), "sigma_min") == 0


def test_numbers_that_do_not_exist():
    with pytest.raises(ValueError, match="no number"):
        weight_facts(np.eye(2), "trace")
    with pytest.raises(ValueError, match="finite"):
        weight_facts(np.array([np.nan]), "max")
    with pytest.raises(ValueError, match="smallest"):
        weight_facts(np.zeros((0, 3)), "abs_min")


@dataclass(frozen=True)
class Doubled(Layer):
    """A layer that knows a norm of its own and spoils another."""

    name: ClassVar[str] = "doubled"

    def parameters(self, shape):
        return (Parameter("weight", (*shape, *shape)),)

    def module(self, shape, values):
        raise NotImplementedError

    def parameter_norm(self, parameter, kind, array, shape, values):
        if kind == "twice":
            return 2 * super().parameter_norm(parameter, "spectral", array, shape, values)
        if kind == "sizes":
            return arb(shape[0]) * arb(values(M + 1))
        if kind == "wrong":
            return -1
        return super().parameter_norm(parameter, kind, array, shape, values)


def doubled(*kinds):
    body = chain(Repeat("r", num(2), chain(Leaf("b", Doubled()))))
    arch = Architecture("t", "t", {}, {}, (M,), body, (M,), init=InitSpec("lecun"))
    shapes, values = {"b": (M,)}, {M: ball(5)}
    domain = AroundInit(num(1) / 2)
    bounds = [domain.norm("b", "weight", kind, num(3)) for kind in kinds]
    weights = initial_weights(placed_layers(body, shapes, values), values, arch.init)
    copies = [weights[f"b[{i}]", "weight"] for i in range(2)]
    return bounds, fact_values(arch, domain.facts(), shapes, values), copies


def test_a_layer_computes_norms_of_its_own():
    bounds, found, copies = doubled("twice", "spectral", "sizes")
    norm = max(np.linalg.norm(w, 2) for w in copies)
    for bound, truth in zip(bounds, (2 * norm, norm, 30), strict=True):
        assert float(evaluate(bound, found).mid()) == pytest.approx(truth + 1.5)


def test_norms_of_a_layer_scale_with_the_slope_on_a_ball():
    assert Ball(num(2)).norm("b", "weight", "twice", num(3)) is num(6)


@pytest.mark.parametrize(
    ("kind", "why"), [("wrong", "returned -1"), ("trace", "raised ValueError: no number")]
)
def test_a_norm_that_a_layer_fails_to_give_is_left_out(kind, why):
    with pytest.warns(PluginWarning, match=f"Doubled.parameter_norm at b.0. {why}"):
        _, found, _ = doubled(kind)
    assert found == {}
