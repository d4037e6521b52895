"""Bounds of convolutions against dense matrices built by torch from unit images."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
import scipy.sparse.linalg as sla
import torch
from torch.nn import functional

from govcheck.certify.conv_geometry import Axis, axes
from govcheck.certify.conv_norms import (
    conv_norm_upper,
    free_grid,
    grid_bound,
    residual_sigma_lower,
    schur,
    sized_grid,
    tap_sum,
    unfolding,
)

torch.set_num_threads(1)

ROUND = 1 + 1e-12
"""Allowance for the error of the reference, a float64 decomposition."""


def convolve(x, kernel, stride=1, padding=0, dilation=1, groups=1):
    f = functional.conv1d if kernel.ndim == 3 else functional.conv2d
    return f(x, torch.from_numpy(kernel), None, stride, padding, dilation, groups)


def dense(kernel, sizes, **settings):
    """Outputs x inputs, both flattened."""
    channels = kernel.shape[1] * settings.get("groups", 1)
    count = channels * prod(sizes)
    unit = torch.eye(count, dtype=torch.float64).reshape(count, channels, *sizes)
    return convolve(unit, kernel, **settings).reshape(count, -1).T.numpy()


def random_case(rng):
    dims = int(rng.integers(1, 3))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    while True:
        k = rng.integers(1, 5, dims).tolist()
        n = rng.integers(1, 9 if dims == 1 else 6, dims).tolist()
        stride = rng.integers(1, 4, dims).tolist()
        dilation = rng.integers(1, 4, dims).tolist()
        padding = rng.integers(0, 4, dims).tolist()
        extents = [d * (a - 1) + 1 for d, a in zip(dilation, k, strict=True)]
        if all(m + 2 * p >= e for m, p, e in zip(n, padding, extents, strict=True)):
            break
    shape = (groups * int(rng.integers(1, 4)), int(rng.integers(1, 4)), *k)
    kind = rng.integers(4)
    kernel = rng.standard_normal(shape)
    if kind == 1:
        kernel = np.abs(kernel)
    elif kind == 2:
        kernel = np.where(rng.random(shape) < 0.3, kernel, 0.0)
    elif kind == 3:
        kernel = np.ones(shape) * 10.0 ** rng.integers(-200, 200)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return kernel, n, settings


def every_bound(kernel, sizes, stride, padding, dilation, groups):
    along = axes(kernel.shape[2:], sizes, stride, padding, dilation)
    stack = kernel.reshape(groups, -1, *kernel.shape[1:])
    bounds = {"schur": schur(stack, along), "taps": tap_sum(stack)}
    bounds["free"] = grid_bound(stack, free_grid(along, 12))
    bounds["sized"] = grid_bound(stack, sized_grid(along))
    for inner in product((True, False), repeat=len(along)):
        bounds["unfolding", inner] = unfolding(stack, along, inner)
    return bounds


@pytest.mark.parametrize("seed", range(10))
def test_never_below_the_norm_of_a_hundred_random_kernels(seed):
    rng = np.random.default_rng(seed)
    loose = []
    for _ in range(100):
        kernel, sizes, settings = random_case(rng)
        unit = np.abs(kernel).max() or 1.0
        truth = np.linalg.norm(dense(kernel / unit, sizes, **settings), 2) if kernel.any() else 0
        best = conv_norm_upper(kernel, sizes, **settings)
        value = float(best.upper) / unit
        assert value * ROUND >= truth, (kernel.shape, sizes, settings, best.method)
        free = float(conv_norm_upper(kernel, None, **settings).upper) / unit
        assert free * ROUND >= truth
        if truth:
            loose.append(value / truth)
    assert np.median(loose) < 1.2


@pytest.mark.parametrize("seed", range(3))
def test_each_way_by_itself_is_sound(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(40):
        kernel, sizes, settings = random_case(rng)
        if np.abs(kernel).max() > 1e3 or not np.abs(kernel).max() > 1e-3:
            continue
        truth = np.linalg.norm(dense(kernel, sizes, **settings), 2)
        for name, value in every_bound(kernel, sizes, **settings).items():
            assert float(value) * ROUND >= truth, (name, kernel.shape, sizes, settings)


def true_norm(kernel, sizes, stride=1, padding=1):
    """Largest singular value by Lanczos steps on the map and its adjoint, to convergence."""
    adjoint = functional.conv_transpose2d
    weight = torch.from_numpy(kernel)
    channels = kernel.shape[1]

    def square(v):
        x = torch.from_numpy(np.asarray(v).reshape(1, channels, *sizes))
        y = functional.conv2d(x, weight, None, stride, padding)
        size = [(o - 1) * stride - 2 * padding + kernel.shape[2] for o in y.shape[2:]]
        rest = [n - m for n, m in zip(sizes, size, strict=True)]
        return adjoint(y, weight, None, stride, padding, rest).reshape(-1).numpy()

    count = channels * prod(sizes)
    operator = sla.LinearOperator((count, count), matvec=square, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(count)
    (value,), vector = sla.eigsh(operator, 1, which="LA", tol=1e-10, v0=start)
    residual = square(vector[:, 0]) - value * vector[:, 0]
    assert np.linalg.norm(residual) < 1e-6 * value
    return value**0.5


@pytest.mark.parametrize("seed", range(2))
def test_half_a_percent_on_a_layer_of_real_size(seed):
    kernel = np.random.default_rng(seed).standard_normal((64, 64, 3, 3)) / 24
    truth = true_norm(kernel, (32, 32))
    found = conv_norm_upper(kernel, (32, 32), padding=1)
    assert found.method == "sized_grid"
    assert truth <= float(found.upper) <= 1.005 * truth


def test_strided_layer_of_real_size():
    kernel = np.random.default_rng(3).standard_normal((64, 32, 3, 3)) / 24
    truth = true_norm(kernel, (32, 32), stride=2)
    found = float(conv_norm_upper(kernel, (32, 32), 2, 1).upper)
    assert truth <= found <= 1.02 * truth


def test_the_grid_of_the_image_is_too_small_for_the_laplacian():
    kernel, n = np.array([[[-1.0, 2.0, -1.0]]]), 7
    truth = np.linalg.norm(dense(kernel, [n], padding=1), 2)
    assert truth == pytest.approx(2 + 2 * np.cos(np.pi / (n + 1)), rel=1e-14)
    on_image = np.abs(np.fft.fft(kernel[0, 0], n)).max()
    assert on_image == pytest.approx((1 - 0.0119) * truth, rel=1e-4)
    ring = sized_grid(axes([3], [n], 1, 1))
    assert ring.points == [8]
    assert truth <= float(grid_bound(kernel[None], ring))
    assert truth <= float(conv_norm_upper(kernel, [n], 1, 1).upper) <= 1.01 * truth


def test_reshaped_kernel_is_no_operator_norm():
    """The norm of the reshaped kernel is 0.38, and the convolution stretches 13.4 times."""
    k, n = 36, 400
    kernel = np.full((1, 1, k, k), 0.38 / k)
    assert np.linalg.norm(kernel.reshape(1, -1), 2) == pytest.approx(0.38)
    # the map is the product of the sums of 36 neighbours along both axes
    line = np.linalg.norm(dense(np.ones((1, 1, k)), [n], padding=k - 1), 2)
    truth = line**2 * 0.38 / k
    assert truth >= 13.4
    found = conv_norm_upper(kernel, (n, n), padding=k - 1, budget=10**8)
    assert truth <= float(found.upper) <= 1.03 * truth


def test_norms_of_the_planes_are_no_operator_norm():
    """`torch.linalg.matrix_norm` of a kernel is that of each plane: 0.38 against 13.4."""
    kernel = np.full((13, 13, 3, 3), 0.38 / 3)
    planes = torch.linalg.matrix_norm(torch.from_numpy(kernel), 2)
    assert float(planes.max()) == pytest.approx(0.38)
    truth = np.linalg.norm(dense(kernel, (8, 8), padding=1), 2)
    found = float(conv_norm_upper(kernel, (8, 8), padding=1).upper)
    assert 13.4 <= truth <= found <= 1.1 * truth


def test_patches_that_do_not_meet_have_the_norm_of_the_matrix():
    kernel = np.random.default_rng(1).standard_normal((5, 3, 4, 4))
    found = conv_norm_upper(kernel, (12, 8), 4)
    assert found.method == "unfolding"
    assert float(found.upper) == pytest.approx(np.linalg.norm(kernel.reshape(5, -1), 2), rel=1e-9)


def test_a_kernel_as_large_as_the_image_is_one_matrix():
    kernel = np.random.default_rng(2).standard_normal((5, 3, 4, 4))
    found = conv_norm_upper(kernel, (4, 4))
    assert float(found.upper) == pytest.approx(np.linalg.norm(kernel.reshape(5, -1), 2), rel=1e-9)


def test_free_grid_converges_from_above():
    kernel = np.random.default_rng(3).standard_normal((4, 4, 3, 3))
    fine = np.arange(400) * 2 * np.pi / 400
    e = np.exp(1j * np.outer(fine, np.arange(3)))
    symbol = np.einsum("ht,wu,oitu->hwoi", e, e, kernel)
    peak = np.linalg.norm(symbol, 2, axis=(2, 3)).max()
    along = axes([3, 3])
    values = [float(grid_bound(kernel[None], free_grid(along, m))) for m in (8, 16, 32)]
    for value, factor in zip(values, (1.18, 1.04, 1.0098), strict=True):
        assert peak <= value <= factor * peak


def test_small_budgets_give_worse_sound_bounds():
    kernel = np.random.default_rng(4).standard_normal((8, 8, 3, 3))
    bounds = [
        conv_norm_upper(kernel, (16, 16), padding=1, budget=b) for b in (10**9, 10**6, 10)
    ]
    assert [b.method for b in bounds[::2]] == ["sized_grid", "unfolding"]
    values = [b.upper for b in bounds]
    assert values[0] <= values[1] <= values[2]


def test_zero_and_wrong_kernels():
    assert conv_norm_upper(np.zeros((2, 2, 3))).upper == 0
    for kernel, settings in [
        (np.ones((2, 2)), {}),
        (np.ones((3, 2, 3)), {"groups": 2}),
        (np.full((1, 1, 3), np.nan), {}),
        (np.ones((1, 1, 5)), {"sizes": [3]}),
        (np.ones((1, 1, 3)), {"stride": 2, "padding": "same"}),
        (np.ones((1, 1, 3)), {"stride": 0}),
        (np.ones((1, 1, 3)), {"padding": "valid"}),
        (np.ones((1, 1, 3)), {"padding": -1}),
        (np.ones((1, 1, 3, 3)), {"sizes": [5]}),
    ]:
        with pytest.raises(ValueError):
            conv_norm_upper(kernel, **settings)


@pytest.mark.parametrize("k", range(1, 5))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", range(1, 4))
def test_counts_of_an_axis(k, stride, dilation):
    for n, before, after in product((1, 4, 7), (0, 2), (0, 3)):
        if n + before + after < dilation * (k - 1) + 1:
            continue
        axis = Axis(k, stride, dilation, before, after, n)
        x = torch.eye(n, dtype=torch.float64)[:, None]
        padded = functional.pad(x, (before, after))
        ones = np.ones((1, 1, k))
        matrix = convolve(padded, ones, stride=stride, dilation=dilation)[:, 0].T.numpy()
        assert matrix.shape[0] == axis.out
        assert matrix.sum(axis=0).max() <= axis.uses
        assert matrix.sum(axis=1).max() <= axis.reach
        assert axis.uses <= Axis(k, stride, dilation).uses
        # the ring reproduces the matrix
        m = axis.alias_free
        ring = np.zeros((axis.out, m))
        for o, t in product(range(axis.out), range(k)):
            ring[o, (stride * o + dilation * t - before) % m] += 1
        assert m % stride == 0 and axis.out <= m // stride
        assert np.array_equal(ring[:, :n], matrix)


@pytest.mark.parametrize("seed", range(4))
def test_residual_sigma_is_below_the_truth(seed):
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(25):
        dims = int(rng.integers(1, 3))
        groups, c = int(rng.choice([1, 2])), int(rng.integers(1, 4))
        k = (2 * rng.integers(0, 3, dims) + 1).tolist()
        sizes = rng.integers(2, 9 if dims == 1 else 6, dims).tolist()
        dilation = int(rng.integers(1, 3))
        kernel = rng.standard_normal((groups * c, c, *k))
        kernel *= rng.uniform(0.1, 0.8) / np.linalg.norm(kernel.reshape(len(kernel), -1), 2)
        matrix = dense(kernel, sizes, padding="same", dilation=dilation, groups=groups)
        truth = np.linalg.svd(np.eye(len(matrix)) + matrix, compute_uv=False)[-1]
        sized = float(residual_sigma_lower(kernel, sizes, dilation, groups))
        free = float(residual_sigma_lower(kernel, None, dilation, groups))
        assert sized <= truth * ROUND
        assert free <= truth * ROUND
        assert free <= sized + 1e-9
        ratios.append(sized / truth)
    assert np.median(ratios) > 0.7


def test_residual_sigma_sees_what_the_norm_does_not():
    # I + T is positive definite although |T| is near 4
    laplacian = np.array([[[-1.0, 2.0, -1.0]]])
    assert float(residual_sigma_lower(laplacian, [9])) == pytest.approx(1, abs=0.15)
    assert float(residual_sigma_lower(laplacian)) >= 0.99
    # antisymmetric kernels are turned by a quarter
    shift = np.array([[[-3.0, 0.0, 3.0]]])
    assert float(residual_sigma_lower(shift, [9])) == pytest.approx(1, abs=1e-9)
    negative = np.array([[[0.0, -0.5, 0.0]]])
    assert float(residual_sigma_lower(negative)) == pytest.approx(0.5, abs=1e-9)
    assert residual_sigma_lower(np.array([[[0.0, -2.0, 0.0]]])) == 0
    assert residual_sigma_lower(np.zeros((1, 1, 3))) == 1


def test_residual_sigma_needs_a_map_that_keeps_shape():
    for kernel in (np.ones((1, 1, 2)), np.ones((2, 1, 3))):
        with pytest.raises(ValueError, match="keep shape"):
            residual_sigma_lower(kernel)
