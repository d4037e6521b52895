"""Scalar functions of the correlation: accuracy, singular ends, tiles on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest

from govcheck.errors import InputError
from govcheck.kernels import tiles
from govcheck.kernels.correlation import CorrelationMap, correlation_map
from govcheck.kernels.gram import Job, limiting_kernels


def sphere(n, d, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1)[:, None]


def curve(f):
    return lambda rho: {"k": f(rho)}


@pytest.mark.parametrize("f", [
    lambda r: np.arcsin(r * 0.8), np.exp, lambda r: r**7 - r, np.ones_like,
    lambda r: (np.sqrt(1 - r * r) + (np.pi - np.arccos(r)) * r) / np.pi,
    lambda r: 1 - np.arccos(r) / np.pi,
])
@pytest.mark.parametrize("ends", [(-1.0, 1.0), (-0.3, 0.9), (0.2, 0.2), (0.98, 0.999999)])
def test_functions_are_found_to_rounding(f, ends):
    found = correlation_map(curve(f), curve(f), *ends)
    rho = np.linspace(*ends, 1001)
    wrong = np.abs(found.evaluate(rho.copy())["k"] - f(rho)).max()
    assert wrong < 2e-14
    assert found.error["k"] < 2e-14
    assert found.degree < 64


def test_kinks_are_smooth_in_the_angle():
    f = curve(lambda r: 1 - np.arccos(r) / np.pi)
    found = correlation_map(f, f, -1.0, 1.0)
    assert found.angle and found.degree <= 2


def test_a_function_that_is_no_polynomial_is_said_to_be_so():
    f = curve(lambda r: np.abs(r - 0.1))
    found = correlation_map(f, f, -1.0, 1.0)
    rho = np.linspace(-1, 1, 999)
    wrong = np.abs(found.evaluate(rho.copy())["k"] - np.abs(rho - 0.1)).max()
    assert wrong > 1e-5
    assert found.error["k"] > 1e-6


def test_a_coarse_rule_shows_in_the_error():
    found = correlation_map(curve(np.exp), curve(lambda r: np.exp(r) + 1e-5), -0.5, 0.5)
    assert found.error["k"] == pytest.approx(1e-5, rel=1e-6)


def test_correlation_one_is_known_apart():
    def f(rho):
        return {"k": np.where(rho == 1, 7.0, rho)}

    found = correlation_map(f, f, 0.0, 0.5)
    assert found.evaluate(np.array([0.25, 1.0, 1 - 1e-16]))["k"] == pytest.approx([0.25, 7, 7])


def test_several_functions_at_once():
    def f(rho):
        return {"a": np.exp(rho), "b": rho**2}

    found = correlation_map(f, f, -1.0, 1.0)
    rho = np.linspace(-1, 1, 20001).reshape(3, -1)
    values = found.evaluate(rho.copy())
    assert values["a"] == pytest.approx(np.exp(rho), abs=1e-14)
    assert values["b"] == pytest.approx(rho**2, abs=1e-14)
    assert found.evaluate(rho.copy(), ("b",))["b"] == pytest.approx(rho**2, abs=1e-14)


@pytest.mark.parametrize("degree", [*range(8), 15, 16, 17, 40, 200])
@pytest.mark.parametrize("rows", [1, 3])
def test_series_in_blocks(degree, rows):
    """Every way to cut a series, and series that powers of t would lose all digits of."""
    rng = np.random.default_rng(degree)
    c = rng.standard_normal((rows, degree + 1))
    t = np.append(rng.uniform(-1, 1, 20_000), [-1.0, 0.0, 1.0])
    names = tuple("abc"[:rows])
    found = CorrelationMap(names, c, -1.0, 1.0, False, dict.fromkeys(names, np.nan), {})
    values = found.evaluate(np.minimum(t, 1 - 1e-14))
    for name, own in zip(names, c, strict=True):
        truth = np.polynomial.chebyshev.chebval(np.minimum(t, 1 - 1e-14), own)
        assert np.abs(values[name] - truth).max() < 1e-14 * (degree + 4) ** 2


@pytest.mark.parametrize("act", ["softplus", "tanh", "relu", "erf", "gelu"])
@pytest.mark.parametrize("build", ["fc", "resnet"])
def test_map_and_pairs_agree(act, build, fc, resnet):
    """The same kernels from single pairs, which know nothing of equal norms."""
    arch = fc(act, 6, d=5) if build == "fc" else resnet(act, [1.0] * 5, d=5)
    x = sphere(40, 5)
    x[7] = x[3]
    job = Job(arch, x, ("last", "ntk", "output"))
    fast = job.compute()
    assert fast.map is not None
    slow = job.on_tile(slice(0, 40), slice(0, 40))
    for name, matrix in slow.items():
        assert np.abs(fast[name] - matrix).max() < 1e-11 * np.abs(matrix).max()
        assert fast[name][3, 7] == fast[name][3, 3]
        assert np.array_equal(fast[name], fast[name].T)


def test_antiparallel_pairs(fc):
    x = sphere(6, 5)
    x[5] = -x[0]
    found = limiting_kernels(fc("tanh", 2, d=5), x, ("last",))
    assert found["last"][0, 5] == pytest.approx(-found["last"][0, 0], abs=1e-14)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_samples(n, fc, dual):
    found = limiting_kernels(fc("erf", 2, d=4), sphere(n, 4), ("last",))
    assert found["last"].shape == (n, n)


def test_large_norms_and_scales(fc):
    """Nothing depends on the samples being of unit norm."""
    x = 7 * sphere(10, 4)
    job = Job(fc("erf", 3, d=4), x, ("last",))
    assert job.compute()["last"] == pytest.approx(
        job.on_tile(slice(0, 10), slice(0, 10))["last"], abs=1e-10
    )


def test_files_are_written_and_mapped(tmp_path, fc):
    x = sphere(50, 4)
    arch, path = fc("softplus", 3, d=4), tmp_path / "k.npy"
    steps = []
    written = Job(arch, x, ("last",), tile=16).save(
        "last", path, lambda done, of: steps.append((done, of))
    )
    assert np.array_equal(np.load(path), written)
    assert np.array_equal(written, limiting_kernels(arch, x, ("last",), tile=16)["last"])
    assert steps[-1] == (10, 10) and len(steps) == 10
    assert [p.name for p in tmp_path.iterdir()] == ["k.npy"]


def test_an_interrupted_run_is_taken_up(tmp_path, fc, monkeypatch):
    monkeypatch.setattr(tiles, "FLUSH_SECONDS", -1.0)
    x = sphere(50, 4)
    arch, path = fc("softplus", 3, d=4), tmp_path / "k.npy"

    def stop(done, of):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Job(arch, x, ("last",), tile=16).save("last", path, stop)
    assert json.loads((tmp_path / "k.npy.part.json").read_text())["tiles"] == 6
    assert not path.exists()
    steps = []
    again = Job(arch, x, ("last",), tile=16).save("last", path, lambda d, of: steps.append(d))
    assert steps == [7, 8, 9, 10]
    assert np.array_equal(again, limiting_kernels(arch, x, ("last",), tile=16)["last"])


def test_other_data_starts_again(tmp_path, fc, monkeypatch):
    monkeypatch.setattr(tiles, "FLUSH_SECONDS", -1.0)
    arch, path = fc("softplus", 3, d=4), tmp_path / "k.npy"

    def stop(done, of):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Job(arch, sphere(50, 4), ("last",), tile=16).save("last", path, stop)
    x = sphere(50, 4, seed=1)
    steps = []
    again = Job(arch, x, ("last",), tile=16).save("last", path, lambda d, of: steps.append(d))
    assert steps[0] == 1
    assert np.array_equal(again, limiting_kernels(arch, x, ("last",), tile=16)["last"])


def test_unwritable_files(tmp_path, fc):
    job = Job(fc("softplus", 1, d=4), sphere(3, 4), ("last",))
    with pytest.raises(InputError, match="cannot be written"):
        job.save("last", tmp_path / "no" / "k.npy")
    with pytest.raises(KeyError):
        job.save("ntk", tmp_path / "k.npy")
