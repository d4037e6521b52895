"""Digits, sphere and orthonormal inputs."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from govcheck.plugin.data import DataError
from govcheck_plugins.data.digits import Digits
from govcheck_plugins.data.orthonormal import Orthonormal
from govcheck_plugins.data.sphere import Sphere


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 8, 8)])
def test_digits_default_is_pixels_over_16(shape):
    data = Digits().load(shape, ".")
    assert data.x.shape == (32, *shape)
    assert (data.x.reshape(32, 64) * 16 == load_digits().data[:32]).all()
    assert (data.y == load_digits().target[:32]).all()
    assert data.y.dtype == np.int64
    assert data.seed is None
    assert "digits" in data.source


def test_digits_smallest_singular_value_is_017():
    x = Digits(n=32).load((64,), ".").x
    assert np.linalg.svd(x, compute_uv=False)[-1] == pytest.approx(0.17, abs=0.001)
    assert np.linalg.matrix_rank(Digits(n=64).load((64,), ".").x) == 51


def test_digits_window():
    data = Digits(n=10, start=1787).load((64,), ".")
    assert (data.y == load_digits().target[-10:]).all()
    assert (data.x == load_digits().data[-10:] / 16).all()


def test_digits_unit_and_centred():
    unit = Digits(n=5, norm="unit").load((64,), ".").x
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-15)
    raw = load_digits().data
    np.testing.assert_allclose(
        Digits(n=1797, center=True).load((64,), ".").x * 16, raw - raw.mean(axis=0), atol=1e-12
    )
    both = Digits(n=5, norm="unit", center=True).load((64,), ".").x
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, rtol=1e-15)
    assert (Digits(n=3, norm="none").load((64,), ".").x == raw[:3]).all()


@pytest.mark.parametrize(("n", "start"), [(0, 0), (-1, 0), (1798, 0), (1, 1797), (5, -1)])
def test_digits_out_of_range(n, start):
    with pytest.raises(DataError, match="1797"):
        Digits(n=n, start=start).load((64,), ".")


def test_digits_of_another_shape():
    with pytest.raises(DataError, match=r"64 numbers.*\[10\] takes 10"):
        Digits().load((10,), ".")


def test_hash_is_of_the_bytes():
    data = Digits(n=2).load((8, 8), ".")
    assert data.sha256 == hashlib.sha256(data.x.tobytes() + data.y.tobytes()).hexdigest()
    assert data.sha256 == Digits(n=2).load((64,), ".").sha256
    assert data.sha256 != Digits(n=2, start=1).load((8, 8), ".").sha256


def test_sphere_is_reproducible_and_uniform():
    data = Sphere(n=4000, classes=3, seed=7).load((1, 3), ".")
    assert data.x.shape == (4000, 1, 3)
    x = data.x.reshape(4000, 3)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-15)
    # by Archimedes each coordinate is uniform on [-1, 1]: mean 0, variance 1/3
    assert np.abs(x.mean(axis=0)).max() < 5 * (1 / 3 / 4000) ** 0.5
    np.testing.assert_allclose((x**2).mean(axis=0), 1 / 3, atol=0.03)
    assert set(data.y.tolist()) == {0, 1, 2}
    assert data.seed == 7
    assert Sphere(n=4000, classes=3, seed=7).load((3,), ".").sha256 == data.sha256
    assert Sphere(n=4000, classes=3, seed=8).load((3,), ".").sha256 != data.sha256


@pytest.mark.parametrize("source", [Sphere(n=0), Sphere(n=3, classes=0), Sphere(n=3, seed=-1),
                                    Sphere(n=2**40), Orthonormal(n=0), Orthonormal(n=5),
                                    Orthonormal(n=2, classes=0)])
def test_impossible_requests(source):
    with pytest.raises(DataError, match=f"^{source.name}: "):
        source.load((4,), ".")


def test_orthonormal():
    data = Orthonormal(n=3, classes=2).load((2, 2), ".")
    x = data.x.reshape(3, 4)
    assert (x @ x.T == np.eye(3)).all()
    assert data.y.tolist() == [0, 1, 0]
