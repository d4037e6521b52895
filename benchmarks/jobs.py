"""The jobs of ``run.py``: each yields rows of the table."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent


class Row(NamedTuple):
    """One line of the table, texts only."""

    what: str
    ours: str = ""
    peer: str = ""
    ratio: str = ""
    note: str = ""


def beside(what: str, ours: float, peer: float, note: str, more: str = "") -> Row:
    """A row with two times."""
    return Row(what, f"{ours:.3g} s{more}", f"{peer:.3g} s", f"{ours / peer:.2f}", note)


def start(quick: bool) -> Iterator[Row]:
    """Cold starts, each in a new interpreter with compiled modules on disk."""
    resnet, digits = (str(ROOT / "examples" / f) for f in ("resnet18.yaml", "plain_relu.yaml"))
    command = "import sys; from govcheck_cli.main import main; sys.exit(main(sys.argv[1:]))"
    calls = {
        "bare": ("pass",),
        "imports": ("import numpy, yaml, flint",),
        "help": (command, "--help"),
        "resnet": (command, "analyze", resnet, "--json"),
        "digits": (command, "analyze", digits, "--json"),
    }
    best = dict.fromkeys(calls, float("inf"))
    with tempfile.TemporaryDirectory() as cache:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache
        for turn in range(3 if quick else 8):
            for name, (code, *arguments) in calls.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([sys.executable, "-c", code, *arguments], check=name in (
                    "bare", "imports", "help"), stdout=subprocess.DEVNULL, env=env)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                if turn:
                    best[name] = min(best[name], took)
    yield beside("cold `govcheck --help`", best["help"], best["bare"],
                 "beside: `python -c pass`, which cannot be saved")
    unavoidable = "beside: `import numpy, yaml, flint` in a new interpreter"
    yield beside("cold `govcheck analyze`, ResNet-18", best["resnet"], best["imports"],
                 unavoidable)
    yield beside("cold `govcheck analyze`, 4 layers, digits", best["digits"], best["imports"],
                 unavoidable)


def resnet152(quick: bool) -> Iterator[Row]:
    """Symbolic analysis of ResNet-152."""
    from resnet152 import measure

    r = measure()
    yield beside(f"symbolic analysis, ResNet-152 ({r['layers']} layers)", r["seconds"], r["yaml"],
                 "beside: `yaml.safe_load` of the file alone; goal 5 s and 1 GB",
                 f", {r['peak_mib']:.0f} MiB")


def chain(quick: bool) -> Iterator[Row]:
    """Growth with the number of distinct blocks."""
    from chain import alone

    first = 0.0
    for n in (100, 200) if quick else (1250, 2500, 5000, 10_000):
        r = alone(n)
        each = (float(r["load"]) + float(r["analyse"]) + float(r["evaluate"])) / n
        first = first or each
        yield Row(f"chain of {n:,} distinct residual blocks", f"{each * n:.1f} s, "
                  f"{float(r['peak_mib']):.0f} MiB", f"{1000 * first:.1f} ms a block",
                  f"{each / first:.2f}",
                  "beside: a block of the shortest chain; the ratio, of seconds a block, is 1 "
                  "where growth is linear")


def certify(quick: bool) -> Iterator[Row]:
    """Certified eigenvalues and norms beside the plain ones of numpy."""
    import certify as script

    from govcheck.certify.matrices import lambda_min_lower, norm_upper

    for n in (200,) if quick else (300, 1000, 2000):
        k = script.gram(n)
        a, x = script.fastest(lambda k=k: np.linalg.eigvalsh(k))
        b, y = script.fastest(lambda k=k: lambda_min_lower(k))
        yield beside(f"certified lambda_min, n = {n}", b, a, "beside: `eigvalsh`, which cannot be "
                     f"saved; certified less plain {(x[0] - float(y)) / x[-1]:.0e} of lambda_max")
    rows, columns = (64, 100) if quick else (1000, 2000)
    w = np.random.default_rng(rows).standard_normal((rows, columns))
    a, x = script.fastest(lambda: np.linalg.svd(w, compute_uv=False))
    b, y = script.fastest(lambda: norm_upper(w))
    yield beside(f"certified norm, {rows} x {columns}", b, a, "beside: one SVD; relative distance "
                 f"{(float(y) - x[0]) / x[0]:.0e}")


def convolutions(quick: bool) -> Iterator[Row]:
    """Certified norms of convolutions."""
    from certify import fastest

    from govcheck.certify.conv_matrix import conv_matrix
    from govcheck.certify.conv_norms import conv_norm_upper

    def dense(kernel: Any, side: int) -> float:
        return float(np.linalg.norm(conv_matrix(kernel, (side, side), 1, 1), 2))

    def ring(kernel: Any, side: int) -> float:
        symbol = np.fft.fft2(kernel, (side, side)).transpose(2, 3, 0, 1)
        return float(np.linalg.svd(symbol, compute_uv=False).max())

    draw = np.random.default_rng(0)
    small, large = ((4, 6), (8, 8)) if quick else ((8, 12), (64, 32))
    for (channels, side), plain, note in (
        (small, dense, "beside: SVD of the dense matrix"),
        (large, ring, "beside: FFT and its SVDs, periodic, in floating point, which cannot be "
         "saved"),
    ):
        kernel = draw.standard_normal((channels, channels, 3, 3))
        a, x = fastest(lambda p=plain, k=kernel, s=side: p(k, s))
        b, y = fastest(
            lambda k=kernel, s=side: float(conv_norm_upper(k, (s, s), padding=1).upper))
        yield beside(f"certified norm, conv {channels} x {channels} x 3 x 3 on {side} x {side}",
                     b, a, f"{note}; bound over it {y / x:.4f}")


def certificates(quick: bool) -> Iterator[Row]:
    """Finding a certificate, beside the check that each search has to end with."""
    import govcheck as gc
    from govcheck.certify import checker, search
    from govcheck.certify.program import task

    names = ("certify_digits",) if quick else ("certify_digits", "certify_residual")
    for name in names:
        arch = gc.load(ROOT / "examples" / f"{name}.yaml")
        begin = time.process_time()
        found = search.certify(task(arch), steps=arch.train.get("steps", 100_000))
        middle = time.process_time()
        if found.file is None:
            yield Row(f"certificate, {name}", f"{middle - begin:.3g} s", note="open")
            continue
        checker.check(found.file)
        yield beside(f"certificate, {name}, after {found.steps} steps", middle - begin,
                     time.process_time() - middle,
                     "beside: its checker alone, which every search ends with")


def kernels(quick: bool) -> Iterator[Row]:
    """Limiting tangent kernels."""
    import kernels as script

    peer = find_spec("neural_tangents") is not None
    options = argparse.Namespace(cores=1, limit=150, memory=10)
    for net, act, n, depth in (
        (("fc", "erf", 500, 3), ("fc", "softplus", 500, 3)) if quick else (
            ("fc", "erf", 1000, 10), ("residual", "erf", 1000, 50), ("fc", "softplus", 500, 3),
            ("conv", "erf", 64, 3))
    ):
        case = {"net": net, "act": act, "n": n, "depth": depth}
        own = script.child(case, "ours", options)
        label = f"tangent kernel, {net}, {act}, n = {n}, depth {depth}"
        if not isinstance(own, dict):
            yield Row(label, own)
            continue
        mine = f"{own['seconds']:.3g} s, error {own['error']:.0e}"
        other = script.child(case, "theirs", options) if peer else None
        if isinstance(other, dict):
            yield Row(label, mine, f"{other['seconds']:.3g} s",
                      f"{own['seconds'] / other['seconds']:.3f}",
                      f"beside: neural-tangents, error {other['error']:.0e}")
        elif act == "erf" and net == "fc":
            took = formula(script, case)
            yield Row(label, mine, f"{took:.3g} s", f"{own['seconds'] / took:.2f}",
                      "beside: the closed formula in numpy, which cannot be saved; "
                      "neural-tangents is not installed")
        else:
            yield Row(label, mine, note=f"neural-tangents: {other or 'not installed'}")


def formula(script: Any, case: dict[str, Any]) -> float:
    """Seconds of the closed recursion in float64."""
    x, gain = script.inputs(case), script.GAIN["erf"] ** 2

    def call() -> Any:
        c = x @ x.T / script.FEATURES
        tangent = c
        for _ in range(case["depth"]):
            d = 1 + 2 * np.diag(c)
            size = np.outer(d, d)
            f = 2 / np.pi * np.arcsin(2 * c / np.sqrt(size))
            slope = 4 / np.pi / np.sqrt(size - 4 * c * c)
            tangent, c = gain * (f + tangent * slope), gain * f
        return tangent

    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        call()
        best = min(best, time.process_time() - begin)
    return best


def measurements(quick: bool) -> Iterator[Row]:
    """Gram matrices and Hessians beside public tools, those that are installed."""
    import contextlib
    import statistics
    import warnings

    import measure as script
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found: list[tuple[str, float, list[float] | None, str]] = []

    def note(name: str, took: float, ratios: list[float] | None = None, note: str = "") -> None:
        found.append((name, took, ratios, note))

    script.show = note
    n, width = (50, 128) if quick else (200, 512)
    about = f"MLP 784-{width}^3, n = {n}"
    work: list[tuple[str, Callable[[], None]]] = [
        (f"tangent Gram matrix, {about}, {str(dtype)[6:]}",
         lambda dtype=dtype: script.compare_grams(n, width, dtype))
        for dtype in (torch.float32, torch.float64)
    ]
    m, wide = (100, 128) if quick else (500, 400)
    work += [
        (f"Hessian's lambda_max, MLP 784-{wide}^3-10, n = {m}",
         lambda: script.compare_hessians(m, wide)),
        ("tangent Gram matrix, Jacobian too large", lambda: script.large(
            *((200, 512) if quick else (2000, 4096)))),
    ]
    for what, job in work:
        found.clear()
        with contextlib.redirect_stdout(sys.stderr):
            job()
        ours = found[0]
        if what.endswith("too large"):
            for name, took, _, remark in found:
                yield Row(f"tangent Gram matrix, n = {2000 if not quick else 200}, {name[10:]}",
                          f"{took:.3g} s", note=remark)
            continue
        if len(found) == 1:
            took, remark = plain_hessian(script, m, wide)
            yield beside(what, ours[1], took, f"beside: scipy's `eigsh` with torch's products, "
                         f"{remark}; curvlinops is not installed")
        for name, took, ratios, remark in found[1:]:
            ratio = 1 / statistics.median(ratios or [took / ours[1]])
            yield Row(what, f"{ours[1]:.3g} s", f"{took:.3g} s", f"{ratio:.3f}",
                      f"beside: {name}; {remark}")


def plain_hessian(script: Any, n: int, width: int, wanted: float = 1e-5) -> tuple[float, str]:
    """Seconds of Lanczos by scipy on products by two backward passes, and a remark."""
    import statistics

    import torch
    from scipy.sparse.linalg import LinearOperator, eigsh

    net, x = script.mlp(width, 10), script.batch(n)
    torch.manual_seed(script.SEED + 2)
    y = torch.randn(n, 10, dtype=x.dtype)
    parameters = list(net.parameters())
    size = sum(p.numel() for p in parameters)

    def largest(tolerance: float) -> float:
        loss = (net(x) - y).square().mean()
        slopes = torch.autograd.grad(loss, parameters, create_graph=True)
        flat = torch.cat([g.flatten() for g in slopes])

        def product(v: Any) -> Any:
            back = torch.autograd.grad(flat, parameters, torch.from_numpy(v.ravel()),
                                       retain_graph=True)
            return torch.cat([g.flatten() for g in back]).numpy()

        operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(size)
        return float(eigsh(operator, k=1, which="LA", tol=tolerance, v0=start,
                           return_eigenvectors=False)[0])

    tolerance, remark = script.loosest(largest, largest(1e-9), wanted)
    return statistics.median(script.seconds(lambda: largest(tolerance))[0]
                             for _ in range(5)), remark


def spectra(quick: bool) -> Iterator[Row]:
    """Distribution of singular values where no dense matrix fits."""
    import spectra as script
    import torch

    from govcheck.numeric.measure.record import Budget
    from govcheck.numeric.measure.spectra import layer_spectrum

    torch.set_num_threads(1)
    for n in (2,) if quick else (8, 32):
        torch.manual_seed(script.SEED + 1)
        x = torch.randn(n, script.CHANNELS, script.PIXELS, script.PIXELS)
        begin = time.process_time()
        found = layer_spectrum(script.layer(), "network", x, method="lanczos", seed=script.SEED,
                               budget=Budget(2**34))
        took = time.process_time() - begin
        yield Row(f"spectrum of conv and batch norm, {found.rows:,} rows", f"{took:.3g} s",
                  note=f"error of the distribution {found.distribution.error:.4f} at 99 %; "
                  f"no peer: its dense matrix has {8 * found.rows**2 / 1e12:.3g} TB")


def watch(quick: bool) -> Iterator[Row]:
    """A training loop with and without the watch."""
    import watch as script

    without, within, _ = script.compare(16 if quick else 48, 8 if quick else 32, 8)
    yield beside("ResNet-18 training under `gc.watch`", within, without,
                 "beside: the same steps without, which cannot be saved; goal 1.05")


JOBS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "start": start,
    "resnet152": resnet152,
    "chain": chain,
    "certify": certify,
    "convolutions": convolutions,
    "certificates": certificates,
    "kernels": kernels,
    "measurements": measurements,
    "spectra": spectra,
    "watch": watch,
}
