"""A residual block around one layer uses what that layer knows of the identity plus itself."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from govcheck.bounds.constants import TIGHT
from govcheck.bounds.domain import AroundInit, Everything
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, ZERO, num, sqrt, sym
from govcheck.certify.residual import sigma_min_of_residual
from govcheck.graph.blocks import Leaf, Residual, chain
from govcheck.graph.compose import Composer
from govcheck.numeric.build import build_chain, values_in
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.conv import Conv
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.layers.tanh import Tanh

torch.set_num_threads(1)

N, X_F, X_2 = sym("N"), sym("X_F"), sym("X_2")
RADIUS = Fraction(1, 50)


def composed(layer, shape, domain):
    body = chain(Residual("r", chain(Leaf("g", layer))))
    composer = Composer(N, domain, TIGHT)
    whole = composer.run(body, composer.start(shape, X_F, X_2)).constants["sigma_J"]
    # the block after the identity
    return body, whole.premises[0]


def sizes(shape):
    return tuple(int(d.number) for d in shape)


def compared(layer, shape, weight):
    """The bound of ``sigma_J``, Weyl's bound and the truth at weights on the sphere."""
    domain = AroundInit(num(RADIUS))
    body, answer = composed(layer, shape, domain)
    here = sizes(shape)
    facts = domain.facts()
    env = {
        s: layer.parameter_norm(f.parameter, f.kind, weight, here, values_in({}))
        for s, f in facts.items()
    }
    bound = float(evaluate(answer.expr, env).lower())
    weyl = max(0.0, float(evaluate(answer.premises[1].expr, env).lower()))
    entries = int(np.prod(here))
    truth = float("inf")
    rng = np.random.default_rng(5)
    for _ in range(10):
        step = rng.standard_normal(weight.shape)
        step *= float(RADIUS) / np.linalg.norm(step)
        truth = min(truth, dense(body, here, weight + step, entries))
    return bound, weyl, truth, dense(body, here, weight, entries)


def dense(body, shape, weight, entries):
    module = build_chain(body, shape, values_in({}))
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.from_numpy(np.asarray(weight)))
        unit = torch.eye(entries, dtype=torch.float64).reshape(entries, *shape)
        return float(torch.linalg.svdvals(module(unit).reshape(entries, -1))[-1])


def draw(*shape):
    return np.random.default_rng(3).standard_normal(shape)


@pytest.mark.parametrize("scale", [num(1), num(Fraction(-1, 3)), 1 / sqrt(2)], ids=repr)
def test_affine(scale):
    # skew parts move no singular value of the identity to 0, however large they are
    a = draw(6, 6)
    weight = 2 * (a - a.T) + a @ a.T / 10 * (-1 if scale.nonneg is False else 1)
    layer = Affine(num(6), "plain", False, scale)
    bound, weyl, truth, centre = compared(layer, (num(6),), weight)
    s = abs(float(evaluate(scale, {})))
    assert weyl == 0
    assert 0.1 < bound <= truth
    assert bound == pytest.approx(centre - s * float(RADIUS), rel=1e-9)


@pytest.mark.parametrize("shape", [(2, 9), (2, 5, 5)])
def test_conv(shape):
    taps = (3,) * (len(shape) - 1)
    kernel = draw(2, 2, *taps) / 20
    middle = (..., *(1 for _ in taps))
    # twice the identity and something small: the norm is above 1, the Hermitian part positive
    kernel[middle] += 2 * np.eye(2)
    layer = Conv(num(2), num(3), padding="same", bias=False)
    bound, weyl, truth, _ = compared(layer, tuple(map(num, shape)), kernel)
    assert weyl == 0
    assert 0.8 * truth < bound <= truth


@pytest.mark.parametrize("factor", [num(1), num(Fraction(-3, 2)), sqrt(3)], ids=repr)
def test_trained_scale(factor):
    layer = Scale(factor, trainable=True)
    a, s = 2.5, float(evaluate(factor, {}))
    bound, weyl, _, centre = compared(layer, (num(3),), np.array(a))
    assert weyl <= bound - 0.1 if s > 0 else weyl == pytest.approx(bound)
    assert centre == pytest.approx(abs(1 + s * a))
    assert bound == pytest.approx(abs(1 + s * a) - abs(s) * float(RADIUS), rel=1e-12)


def test_fixed_scale():
    _, answer = composed(Scale(num(-4)), (num(3),), Everything())
    assert answer.expr is num(3)
    _, answer = composed(Scale(num(Fraction(1, 2))), (num(3),), Everything())
    # Weyl alone gives a half
    assert answer.expr is num(Fraction(3, 2))


@pytest.mark.parametrize(
    "layer",
    [
        Affine(num(6), "weight_norm", False),
        Affine(num(6), "plain", False, sym("s")),
        Affine(num(6), "plain", False, ZERO),
        Scale(sym("s"), trainable=True),
        Tanh(),
    ],
)
def test_without_own_bound_weyl_decides(layer):
    _, answer = composed(layer, (num(6),), AroundInit(num(RADIUS)))
    assert "Weyl" in answer.rule


def test_a_longer_branch_does_not_use_the_bound_of_its_layer():
    body = chain(Residual("r", chain(Leaf("a", Scale(num(-4))), Leaf("b", Scale(num(-1))))))
    composer = Composer(N, Everything(), TIGHT)
    answer = composer.run(body, composer.start((num(2),), X_F, X_2)).constants["sigma_J"]
    answer = answer.premises[0]
    # the branch is 4 X, so the truth is 5; Weyl gives 4 - 1 = 3 in the other order
    assert float(evaluate(answer.expr, {})) <= 5
    assert "Weyl" in answer.rule


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e200, 1e307])
def test_certified_value_is_close_and_below(size):
    w = draw(5, 5) * size
    import mpmath

    found = sigma_min_of_residual(w, evaluate(ONE / 3, {}))
    with mpmath.workdps(700):
        exact = mpmath.eye(5) + mpmath.matrix(w.tolist()) / 3
        truth = mpmath.svd_r(exact, compute_uv=False)[4]
        assert mpmath.mpf(found.str(40, radius=False)) <= truth * (1 + mpmath.mpf(10) ** -30)
        assert float(found) >= (1 - 1e-9) * float(truth)


def test_refusals():
    with pytest.raises(ValueError, match="keeps shape"):
        sigma_min_of_residual(draw(2, 3), evaluate(ONE, {}))
    with pytest.raises(ValueError):
        sigma_min_of_residual(np.full((2, 2), np.nan), evaluate(ONE, {}))
