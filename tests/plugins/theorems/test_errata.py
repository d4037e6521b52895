"""The numbers that the errata give as evidence, computed afresh."""

import numpy as np
import pytest
import torch

from govcheck_plugins.theorems._errata import ERRATA, errata

torch.set_num_threads(1)


def wn(w, eps):
    return w / torch.sqrt(eps + (w**2).sum(1, keepdim=True))


def smallest(a):
    return np.linalg.svd(a, compute_uv=False).min()


def surjectivity(a):
    return smallest(a) if a.shape[0] <= a.shape[1] else 0.0


def test_every_erratum_is_recorded_once():
    assert list(ERRATA) == [f"E{i}" for i in range(1, 11)]
    assert [e.id for e in errata("E7", "E2")] == ["E7", "E2"]


def test_e1_the_exponent():
    theta, slope = 1.0, 0.1
    gradient = slope * (slope * theta)
    loss = (slope * theta) ** 2 / 2
    mu = 2.0  # z^2/2: |z|^2 = 2 (z^2/2)
    assert gradient**2 == pytest.approx(1e-4)
    assert mu * slope * loss == pytest.approx(1e-3)
    assert gradient**2 < mu * slope * loss
    assert gradient**2 == pytest.approx(mu * slope**2 * loss)


def test_e2_sums_and_sums_of_squares():
    assert smallest(np.array([[1.0, 1.0]])) == pytest.approx(np.sqrt(2))
    rng = np.random.default_rng(0)
    above_sum = above_squares = 0
    for _ in range(1000):
        a, b = rng.standard_normal((2, 3, 6))
        whole = smallest(np.hstack([a, b]))
        above_sum += smallest(a) + smallest(b) > whole
        above_squares += np.hypot(smallest(a), smallest(b)) > whole * (1 + 1e-12)
    assert 600 < above_sum < 760
    assert above_squares == 0


def test_e3_products():
    a, b = np.array([[1.0, 0.0]]), np.array([[0.0], [1.0]])
    assert smallest(a) == smallest(b) == 1
    assert smallest(a @ b) == 0
    assert surjectivity(b) == 0
    rng = np.random.default_rng(1)
    for _ in range(300):
        m, n, k = rng.integers(1, 5, 3)
        a, b = rng.standard_normal((m, n)), rng.standard_normal((n, k))
        assert surjectivity(a @ b) >= surjectivity(a) * surjectivity(b) - 1e-12


def test_e4_the_input_derivative():
    d1, d0, samples, eps = 4, 3, 1, 1.0
    w = torch.zeros(d1, d0, dtype=torch.float64)
    w[:, 0] = 1e4
    x = torch.full((d0, samples), 1e-6, dtype=torch.float64)
    jacobian = torch.linalg.matrix_norm(wn(w, eps), 2)  # times the identity of size N
    size = torch.linalg.norm(x)
    printed = torch.sqrt((samples + d1**2 * size**2 * (d0 + 1)) / eps)
    assert jacobian == pytest.approx(np.sqrt(d1), rel=1e-6)
    assert printed == pytest.approx(1, abs=1e-6)


def second_derivative_norm(d0, eps):
    """Largest Frobenius norm of the second derivative of one row, over a grid of lengths."""
    best = 0.0
    for r in np.sqrt(eps) * np.linspace(0.3, 1.2, 10):
        w = torch.zeros(d0, dtype=torch.float64)
        w[0] = r

        def row(v):
            return v / torch.sqrt(eps + v @ v)

        tensor = torch.func.jacfwd(torch.func.jacfwd(row))(w)
        best = max(best, float(torch.linalg.norm(tensor)))
    return best


@pytest.mark.parametrize(("d0", "eps", "violated"), [(1, 6.7, False), (1, 7, True),
                                                    (64, 11, False), (64, 11.4, True)])
def test_e5_the_second_derivative(d0, eps, violated):
    found, printed = second_derivative_norm(d0, eps), np.sqrt(5 * d0 / eps**3)
    assert (found > printed) == violated


def test_e5_the_value_and_the_corrected_bound():
    eps, w = 7.0, torch.tensor([np.sqrt(7) / 2], dtype=torch.float64)
    row = torch.func.jacfwd(torch.func.jacfwd(lambda v: v / torch.sqrt(eps + v @ v)))
    found = float(torch.linalg.norm(row(w)))
    assert found == pytest.approx(0.1227, abs=5e-5)
    assert np.sqrt(5 / eps**3) == pytest.approx(0.1207, abs=5e-5)
    assert found == pytest.approx(48 * np.sqrt(5) / 125 / eps)


def test_e6_the_derivative_at_zero():
    d1, d0, eps = 3, 2, 0.5
    w = torch.zeros(d1, d0, dtype=torch.float64)
    derivative = torch.func.jacrev(lambda v: wn(v, eps))(w).reshape(d1 * d0, -1)
    assert torch.linalg.norm(derivative) ** 2 == pytest.approx(d1 * d0 / eps)
    assert torch.linalg.matrix_norm(derivative, 2) ** 2 == pytest.approx(1 / eps)
    assert d1 * d0 / eps < d1 * (d0 + 1) / eps


def test_e7_the_series():
    r, cubes, sixths, marks = 1.0, 0.0, 0.0, {}
    for t in range(1, 100_001):
        cubes, sixths = cubes + r**-3, sixths + r**-6
        r += r**-3
        if t in (1_000, 10_000, 100_000):
            marks[t] = cubes, sixths
    growth = [marks[10 * t][0] / marks[t][0] for t in (1_000, 10_000)]
    assert growth == pytest.approx([10**0.25] * 2, rel=0.1)
    assert marks[100_000][1] - marks[10_000][1] < marks[10_000][1] - marks[1_000][1]
    assert marks[100_000][1] < 1.14


def test_e9_cross_entropy_has_no_pl_constant():
    def quotient(gap):
        z = torch.tensor([[gap, 0.0]], dtype=torch.float64, requires_grad=True)
        c = torch.nn.functional.cross_entropy(z, torch.tensor([0]))
        (g,) = torch.autograd.grad(c, z)
        c = c.detach()
        return float((g**2).sum() / c), float(2 * (1 - torch.exp(-c)) ** 2 / c)

    values = [quotient(gap) for gap in (0.0, 5.0, 10.0, 20.0)]
    for found, formula in values:
        assert found == pytest.approx(formula, rel=1e-6)
    assert values[-1][0] < 1e-8
    assert [v[0] for v in values] == sorted((v[0] for v in values), reverse=True)


def test_e10_equal_rows():
    d1, eps = 4, 1.0
    direction = np.array([0.6, 0.8, 0.0])
    x = torch.tensor(np.outer(direction, [0.6, 0.0, 0.8]))
    w = torch.tensor(1e5 * np.tile(direction, (d1, 1)))
    assert torch.linalg.norm(x) == pytest.approx(1)
    assert torch.linalg.norm(wn(w, eps) @ x) == pytest.approx(np.sqrt(d1), rel=1e-9)
