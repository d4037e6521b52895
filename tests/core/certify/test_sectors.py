"""Norms of products with slopes in sectors: searched for from below, known where they can be."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from flint import arb

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.certify.chains import averaged_norm
from govcheck.certify.conv_matrix import conv_matrix
from govcheck.certify.matrices import norm_upper
from govcheck.certify.sectors import chain_norms
from govcheck.plugin import Activation
from govcheck_plugins.builtin import govcheck_layers

torch.set_num_threads(1)


def sectors_of_activations():
    """Slope intervals of all activations that have a bounded one, by name."""
    found = {}
    for kind in govcheck_layers():
        if issubclass(kind, Activation):
            for example in kind.examples():
                facts = example.layer.constants()
                if hasattr(facts.slope_low, "op") and hasattr(facts.slope_high, "op"):
                    ends = facts.slope_low, facts.slope_high
                    found[kind.name] = tuple(evaluate(e, {}) for e in ends)
    return found


TOLERANCE = 1 + 1e-12
SECTORS = sectors_of_activations()


def bounds(matrices, sectors, pairs=None, **budgets):
    norms = [ball(norm_upper(m)) for m in matrices]
    pairs = [(0, len(matrices) - 1)] if pairs is None else pairs
    found = chain_norms(matrices, norms, sectors, pairs, **budgets)
    return {p: float(v) for p, v in found.items()}


def by_expansion(matrices, sectors):
    norms = [ball(norm_upper(m)) for m in matrices]
    return float(averaged_norm(matrices, norms, [arb(0)] * len(norms), sectors))


def steepest(matrices, sectors, rng, starts=4, rounds=25):
    """The largest norm found by choosing one diagonal after the other the best way.

    For fixed singular vectors the form is linear in each diagonal, and largest at its ends.
    """
    ends = [(float(a), float(b)) for a, b in sectors]
    best = 0.0
    for _ in range(starts):
        d = [rng.uniform(a, b, len(m)) for (a, b), m in zip(ends, matrices, strict=False)]
        for _ in range(rounds):
            for k, (a, b) in enumerate(ends):
                front, behind = matrices[0], np.eye(len(matrices[-1]))
                for i in range(k):
                    front = matrices[i + 1] @ (d[i][:, None] * front)
                for i in range(len(ends) - 1, k, -1):
                    behind = behind @ matrices[i + 1] * d[i]
                behind = behind @ matrices[k + 1]
                u, s, v = np.linalg.svd((behind * d[k]) @ front)
                best = max(best, s[0])
                d[k] = np.where((u[:, 0] @ behind) * (front @ v[0]) > 0, b, a)
    return best


@pytest.mark.parametrize("name", sorted(SECTORS))
def test_no_slopes_cross_the_bound(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    for trial in range(5):
        sizes = rng.integers(1, 9, rng.integers(3, 6))
        matrices = [
            rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-2, 2)
            for n, m in pairwise(sizes)
        ]
        if trial % 2:
            # low rank makes products far smaller than norms
            matrices[0] = np.outer(matrices[0][:, 0], rng.standard_normal(sizes[0]))
        sectors = [SECTORS[name]] * (len(matrices) - 1)
        ((_, bound),) = bounds(matrices, sectors).items()
        assert steepest(matrices, sectors, rng) <= bound * TOLERANCE
        assert bound <= by_expansion(matrices, sectors) * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_mixed_sectors_and_convolutions(seed):
    rng = np.random.default_rng(seed)
    stride, padding, groups = (int(n) for n in (rng.integers(1, 3), rng.integers(2), 1 + seed % 2))
    first = conv_matrix(
        rng.standard_normal((4, 2 // groups, 3)), (6,), stride, padding, groups=groups
    )
    width = len(first) // 4
    second = conv_matrix(rng.standard_normal((2, 4, 2)), (width,), padding=1)
    matrices = [first, second, rng.standard_normal((3, len(second)))]
    sectors = [SECTORS[n] for n in rng.choice(sorted(SECTORS), 2)]
    for pair, bound in bounds(matrices, sectors, [(0, 1), (1, 2), (0, 2)]).items():
        part = matrices[pair[0] : pair[1] + 1], sectors[pair[0] : pair[1]]
        assert steepest(*part, rng, starts=2, rounds=10) <= bound * TOLERANCE


def test_a_tanh_network_from_torch():
    """64-256-256-10, seed 0: 1.269 by norms, 0.730 by expansion; the certificate is better."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(*s) for s in ((64, 256), (256, 256), (256, 10))]
    matrices = [m.weight.detach().double().numpy() for m in layers]
    sectors = [(arb(0), arb(1))] * 2
    norms = np.prod([np.linalg.norm(m, 2) for m in matrices])
    assert norms == pytest.approx(1.2686, abs=1e-4)
    assert by_expansion(matrices, sectors) == pytest.approx(0.73019, abs=1e-5)
    (bound,) = bounds(matrices, sectors).values()
    assert 0.257 < bound <= 0.56


def test_without_budget_it_is_the_expansion():
    rng = np.random.default_rng(3)
    matrices = [rng.standard_normal((5, 5)) for _ in range(3)]
    sectors = [(arb(0), arb(1))] * 2
    (bound,) = bounds(matrices, sectors, certificates=0).values()
    assert bound == pytest.approx(by_expansion(matrices, sectors), rel=1e-12)
    (better,) = bounds(matrices, sectors).values()
    assert better < bound


def test_slopes_that_are_one_number_give_the_product():
    rng = np.random.default_rng(4)
    matrices = [rng.standard_normal((6, 6)) for _ in range(3)]
    sectors = [(arb(1), arb(1)), (arb(-2), arb(-2))]
    (bound,) = bounds(matrices, sectors).values()
    exact = 2 * np.linalg.norm(matrices[2] @ matrices[1] @ matrices[0], 2)
    assert exact <= bound <= exact * (1 + 1e-9)


def test_orthogonal_images_of_two_layers():
    """Rows and columns that meet in nothing: half the product of norms, attained."""
    first, second = np.eye(2)[:, :1], np.array([[1.0, 1.0]])
    sectors = [(arb(0), arb(1))]
    (bound,) = bounds([first, second], sectors).values()
    assert 1 <= bound <= 1.21
    apart = np.array([[0.0, 1.0]])
    (bound,) = bounds([first, apart], sectors).values()
    # any E of norm at most one, not only a diagonal one, is allowed for
    assert bound == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("factor", [1e-200, 1e-20, 1e20, 1e140])
def test_scales(factor):
    rng = np.random.default_rng(5)
    plain = [rng.standard_normal((4, 4)) for _ in range(2)]
    sectors = [(arb(0), arb(1))]
    (small,) = bounds(plain, sectors, certificates=0).values()
    (large,) = bounds([plain[0] * factor, plain[1]], sectors).values()
    assert large <= factor * small * (1 + 1e-9)
    assert steepest([plain[0], plain[1]], sectors, rng) * factor <= large * TOLERANCE


def test_zeros():
    zero, one = np.zeros((3, 2)), np.ones((2, 3))
    assert set(bounds([zero, one], [(arb(0), arb(1))]).values()) == {0.0}
    assert set(bounds([one, zero], [(arb(0), arb(0))]).values()) == {0.0}


def test_bad_lengths():
    with pytest.raises(ValueError, match="n - 1 sectors"):
        chain_norms([np.eye(2)], [arb(1)], [(arb(0), arb(1))], [(0, 0)])
