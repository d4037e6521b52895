"""Estimated memory: not below what is used, and not far above it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from govcheck.kernels import plan as module
from govcheck.kernels.gram import Job
from govcheck.kernels.plan import SPECTRUM_COPIES, available, plan
from govcheck.kernels.spectrum import spectrum


def samples(n, d, equal):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    x /= np.linalg.norm(x, axis=1)[:, None]
    return x if equal else x * rng.uniform(0.8, 1.2, (n, 1))


def peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("equal, want", [
    (True, ("last",)), (True, ("last", "ntk", "blocks")), (False, ("last",)), (False, ("ntk",)),
])
def test_estimates_cover_what_is_used(fc, equal, want):
    job = Job(fc("softplus", 3, d=4), samples(600, 4, equal), want)
    found = plan(job, spectrum=False)
    used = peak(job.compute)
    assert used <= 1.1 * found.peak + 2**20
    assert found.peak <= 4 * used + 2**23


def test_images(network, dual, images):
    text = (
        "  - conv: {out: m, kernel: 3, padding: same, bias: false}\n  - softplus\n"
        "  - scale: {factor: sqrt(c/m)}\n  - flatten\n  - affine: {out: 1, bias: false}\n"
    )
    arch = network(text, dual("softplus"), shape="[2, 3]")
    job = Job(arch, np.concatenate([images] * 60), ("last",))
    assert peak(job.compute) <= 1.1 * plan(job, spectrum=False).peak + 2**20


def test_copies_of_eigenvalues():
    x = samples(400, 5, True)
    k = (x @ x.T) ** 3
    k = np.triu(k) + np.triu(k, 1).T
    used = peak(lambda: spectrum(k, 1e-15)) + k.nbytes
    # LAPACK's own copy is not seen by the tracer
    assert used + k.nbytes <= (SPECTRUM_COPIES + 0.5) * k.nbytes


def test_files_keep_no_matrix(fc):
    job = Job(fc("softplus", 2, d=4), samples(300, 4, True), ("last",))
    plan(job)
    kept, mapped = (plan(job, mapped=m, spectrum=False) for m in (False, True))
    assert kept.peak - mapped.peak >= 8 * 300**2
    assert plan(job, mapped=True).peak > plan(job, mapped=True, spectrum=False).peak


def test_the_largest_size_fits(fc):
    x = samples(500, 4, True)
    whole = plan(Job(fc("softplus", 2, d=4), x, ("last",)))
    cap = whole.peak // 3
    n = whole.largest(cap)
    assert 0 < n < 500
    assert plan(Job(fc("softplus", 2, d=4), x[:n], ("last",))).peak <= cap * 1.05
    assert plan(Job(fc("softplus", 2, d=4), x[: n + 60], ("last",))).peak > cap
    assert whole.largest(whole.peak) == 500
    assert whole.largest(10) == 0


def test_tracing_goes_on(fc):
    job = Job(fc("erf", 1, d=4), samples(10, 4, True), ("last",))
    tracemalloc.start()
    try:
        plan(job)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    plan(job)
    assert not tracemalloc.is_tracing()


def test_available_memory(monkeypatch, tmp_path):
    assert 0 < available() < 2**50
    monkeypatch.setattr(module, "_meminfo", lambda: 1000)
    monkeypatch.setattr(module, "_number", lambda path: 500)
    assert available() == 400
    monkeypatch.setattr(module, "_number", lambda path: None)
    assert available() == 800
    assert module._number is not None


@pytest.mark.parametrize("text, value", [("123\n", 123), ("max\n", None)])
def test_limits_of_containers(tmp_path, text, value):
    (tmp_path / "memory.max").write_text(text)
    assert module._number(tmp_path / "memory.max") == value
    assert module._number(tmp_path / "none") is None
