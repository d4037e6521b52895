"""Norms of products, and of chains with diagonal matrices in between."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from flint import arb

from govcheck.bounds.evaluate import ball
from govcheck.certify import chains
from govcheck.certify.chains import averaged_norm, product_norms
from govcheck.certify.matrices import norm_upper

RNG = np.random.default_rng(11)


def draw(*sizes):
    return [RNG.standard_normal((b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]


def norms(weights):
    return [ball(norm_upper(w)) for w in weights]


def product(weights):
    result = weights[0]
    for w in weights[1:]:
        result = w @ result
    return result


def bound(weights, sectors, radii=None, **more):
    zero = [arb(0)] * len(weights)
    ends = [(ball(a), ball(b)) for a, b in sectors]
    return float(averaged_norm(weights, norms(weights), radii or zero, ends, **more))


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e150])
def test_norms_of_products_are_close_and_never_below(unit):
    weights = [w * unit if i == 1 else w for i, w in enumerate(draw(7, 9, 5, 8, 3))]
    found = product_norms(weights, norms(weights))
    for j in range(4):
        for k in range(j, 4):
            with mpmath.workdps(40):
                exact = mpmath.matrix(weights[j].tolist())
                for w in weights[j + 1 : k + 1]:
                    exact = mpmath.matrix(w.tolist()) * exact
                truth = mpmath.svd_r(exact, compute_uv=False)[0]
                bound_ = mpmath.mpf(found(j, k).str(30, radius=False))
                assert truth <= bound_ * (1 + mpmath.mpf(10) ** -25)
                assert bound_ <= truth * (1 + mpmath.mpf(10) ** -9)


def test_a_zero_factor():
    weights = draw(3, 4, 2)
    weights[1][:] = 0
    assert bound(weights, [(0, 1)]) < 1e-200


def test_without_budget_products_of_norms_remain():
    weights = draw(6, 6, 6, 6)
    found = product_norms(weights, norms(weights), 0)
    naive = np.prod([np.linalg.norm(w, 2) for w in weights])
    assert float(found(0, 2)) == pytest.approx(naive, rel=1e-9)


@pytest.mark.parametrize("sectors", [[(0, 1)] * 2, [(-0.2, 1.1)] * 2, [(-1, 0.5), (0.3, 0.3)]])
def test_no_diagonal_matrices_cross_the_bound(sectors):
    weights = draw(5, 6, 6, 4)
    top = bound(weights, sectors)
    best = 0.0
    for _ in range(300):
        d = [np.diag(RNG.choice(s, 6)) for s in sectors]
        best = max(best, np.linalg.norm(weights[2] @ d[1] @ weights[1] @ d[0] @ weights[0], 2))
    naive = np.prod([np.linalg.norm(w, 2) for w in weights])
    naive *= np.prod([max(abs(a), abs(b)) for a, b in sectors])
    assert 0.5 * top < best <= top <= naive * (1 + 1e-9)


def test_closed_form_of_two_matrices():
    a, b = draw(4, 5, 3)
    # D = 1/2 + E/2: half the norm of the product and half the product of norms
    exact = (np.linalg.norm(b @ a, 2) + np.linalg.norm(b, 2) * np.linalg.norm(a, 2)) / 2
    assert bound([a, b], [(0, 1)]) == pytest.approx(exact, rel=1e-9)


def test_linear_chains_get_the_norm_of_the_product():
    weights = draw(5, 5, 5, 5, 5)
    assert bound(weights, [(1, 1)] * 3) == pytest.approx(
        np.linalg.norm(product(weights), 2), rel=1e-9
    )


def test_perturbed_weights_stay_below():
    weights, radius = draw(4, 4, 4, 4), 0.1
    top = bound(weights, [(1, 1)] * 2, [ball(0.1)] * 3)
    still = bound(weights, [(1, 1)] * 2)
    moved = []
    for w in weights:
        step = RNG.standard_normal((400, 4, 4))
        step *= radius / np.linalg.norm(step, 2, axis=(1, 2))[:, None, None]
        moved.append(w + step)
    worst = np.linalg.norm(moved[2] @ moved[1] @ moved[0], 2, axis=(1, 2)).max()
    assert still < worst <= top
    assert still == pytest.approx(np.linalg.norm(product(weights), 2), rel=1e-9)


def test_long_chains_are_cut(monkeypatch):
    weights = draw(*[4] * 8)
    whole = bound(weights, [(0, 1)] * 6)
    monkeypatch.setattr(chains, "LONGEST", 3)
    cut = bound(weights, [(0, 1)] * 6)
    naive = float(np.prod([np.linalg.norm(w, 2) for w in weights]))
    assert whole <= cut <= naive * (1 + 1e-9)
    parts = [bound(weights[i : i + 3], [(0, 1)] * (len(weights[i : i + 3]) - 1)) for i in (0, 3, 6)]
    assert cut == pytest.approx(np.prod(parts), rel=1e-9)


def test_sizes_must_match():
    with pytest.raises(ValueError, match="n - 1 sectors"):
        averaged_norm(draw(2, 2), [arb(1)], [arb(0)], [(arb(0), arb(1))])
