"""Limiting tangent kernels: time, memory and accuracy, beside neural-tangents if it is there.

Networks are written twice, as architecture files and in the library's terms, and mean the
same kernel. Each case runs in a process of its own, on one core unless told otherwise, after
a first call that is not timed (it compiles there and fills tables here); the fastest of the
next calls counts, up to 20 or 3 seconds. On one core that is time of the processor, which
other programs do not disturb much; on more it is time of the clock. Memory is the peak
during a call above what was held before it. Errors are those of a few entries, the closest
pair of inputs among them, against the definition in extended precision (80 bits), relative
to the largest entry. A generic activation is one that is only given as a function: softplus
by the library's rule of 25 x 25 points.

    pip install -e '.[peer]'        # for the comparison
    python benchmarks/kernels.py [--quick] [--cores 1] [--limit 150] [--memory 10]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

Case = dict[str, Any]

GOAL = {"erf": "20x at H = 50", "softplus": "500x at n = 500, H = 3"}
FEATURES = 64
GAIN = {"erf": 1.4672, "softplus": 1.0419}
"""Standard deviations of weights that roughly keep variances, c_sigma^(1/2)."""


def cases(quick: bool) -> list[Case]:
    """What is run, in this order."""
    found: list[Case] = []
    sizes, depths = ((500,), (3, 50)) if quick else ((500, 1000, 2000), (3, 10, 50))
    for act in ("erf", "softplus"):
        for net in ("fc", "residual"):
            found += [
                {"net": net, "act": act, "n": n, "depth": h} for h in depths for n in sizes
            ]
    for act in ("erf", "softplus"):
        for net in ("conv", "conv pooled"):
            found.append({"net": net, "act": act, "n": 64, "depth": 3})
    if quick:
        return [c for c in found if c["net"] != "conv pooled"]
    return [*found, {"net": "fc", "act": "softplus", "n": 10_000, "depth": 3, "alone": True},
            {"net": "residual", "act": "erf", "n": 10_000, "depth": 50, "alone": True}]


def inputs(case: Case) -> np.ndarray:
    """Samples of equal norm in ten clusters, or images."""
    rng = np.random.default_rng(0)
    n = case["n"]
    if case["net"].startswith("conv"):
        return rng.standard_normal((n, 3, 8, 8))
    x = rng.standard_normal((10, FEATURES))[rng.integers(10, size=n)]
    x += 0.6 * rng.standard_normal((n, FEATURES))
    return x * (FEATURES**0.5 / np.linalg.norm(x, axis=1)[:, None])


def architecture(case: Case) -> str:
    """The network as an architecture file."""
    act, depth, w = case["act"], case["depth"], GAIN[case["act"]]
    images = case["net"].startswith("conv")
    shape = "[3, 8, 8]" if images else f"[{FEATURES}]"
    lines = ["govcheck: 1", "symbols: {m: 64}", f"input: {shape}", "layers:"]
    if images:
        for h in range(depth):
            fan = f"{w}/(3*sqrt(m))" if h else f"{w}/(3*sqrt(3))"
            lines.append(f"  - conv: {{out: m, kernel: 3, padding: same, bias: false, "
                         f"scale: {fan}}}")
            lines.append(f"  - {act}")
        pooled = case["net"] == "conv pooled"
        lines.append("  - global_avg_pool" if pooled else "  - flatten")
        fan = "sqrt(m)" if pooled else "(8*sqrt(m))"
        return "\n".join([*lines, f"  - affine: {{out: 1, bias: false, scale: {w}/{fan}}}"])
    lines.append(f"  - affine: {{out: m, bias: false, scale: 1/{FEATURES**0.5:.0f}}}")
    for _ in range(depth - 1):
        if case["net"] == "fc":
            lines += [f"  - {act}", f"  - affine: {{out: m, bias: false, scale: {w}/sqrt(m)}}"]
        else:
            lines += ["  - residual:", f"      - {act}",
                      f"      - affine: {{out: m, bias: false, scale: 1/({depth}*sqrt(m))}}"]
    return "\n".join([*lines, f"  - {act}",
                      f"  - affine: {{out: 1, bias: false, scale: {w}/sqrt(m)}}"])


def ours(case: Case) -> Callable[[], np.ndarray]:
    """A call of this package."""
    import govcheck as gc
    from govcheck.kernels.gram import limiting_kernels

    x, arch = inputs(case), gc.loads(architecture(case))

    def call() -> np.ndarray:
        found = limiting_kernels(arch, x, ("ntk",))
        return found["ntk"]

    return call


def theirs(case: Case) -> Callable[[], np.ndarray]:
    """A call of neural-tangents, compiled."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    depth, w = case["depth"], GAIN[case["act"]]

    def act() -> Any:
        if case["act"] == "erf":
            return stax.Erf()
        return stax.ElementwiseNumerical(jax.nn.softplus, deg=25)

    if case["net"].startswith("conv"):
        layers = [
            one for _ in range(depth)
            for one in (stax.Conv(1, (3, 3), padding="SAME", W_std=w), act())
        ]
        layers.append(stax.GlobalAvgPool() if case["net"] == "conv pooled" else stax.Flatten())
        x = inputs(case).transpose(0, 2, 3, 1)
    else:
        x, layers = inputs(case), [stax.Dense(1)]
        for _ in range(depth - 1):
            if case["net"] == "fc":
                layers += [act(), stax.Dense(1, W_std=w)]
            else:
                layers.append(stax.serial(
                    stax.FanOut(2),
                    stax.parallel(
                        stax.Identity(), stax.serial(act(), stax.Dense(1, W_std=1 / depth))
                    ),
                    stax.FanInSum(),
                ))
        layers.append(act())
    kernel = stax.serial(*layers, stax.Dense(1, W_std=w))[2]
    compiled = jax.jit(lambda a: kernel(a, None, "ntk"))
    return lambda: np.asarray(compiled(x).block_until_ready())


Real = np.longdouble


def expectations(act: str, q1: Any, c: Any, q2: Any) -> tuple[Any, Any]:
    """``E phi(u) phi(v)`` and ``E phi'(u) phi'(v)`` in extended precision, entry by entry."""
    pi = Real(4) * np.arctan(Real(1))
    if act == "erf":
        size = (1 + 2 * q1) * (1 + 2 * q2)
        return 2 / pi * np.arcsin(2 * c / np.sqrt(size)), 4 / pi / np.sqrt(size - 4 * c * c)
    z = np.arange(-12 * 8, 12 * 8 + 1).astype(Real) / 8
    weights = np.exp(-z * z / 2) / (8 * np.sqrt(2 * pi))
    both = []
    for a, b, d in zip(*(v.ravel() for v in np.broadcast_arrays(q1, c, q2)), strict=True):
        u = np.sqrt(a) * z[:, None]
        rest = np.sqrt(np.maximum(d - b * b / a, 0))
        v = b / np.sqrt(a) * z[:, None] + rest * z[None, :]
        weight = weights[:, None] * weights[None, :]
        both.append([
            (weight * np.logaddexp(u, Real(0)) * np.logaddexp(v, Real(0))).sum(),
            (weight / ((1 + np.exp(-u)) * (1 + np.exp(-v)))).sum(),
        ])
    shape = np.broadcast_shapes(*(np.shape(a) for a in (q1, c, q2)))
    values = np.array(both, dtype=Real)
    return values[:, 0].reshape(shape), values[:, 1].reshape(shape)


def patched(a: Any) -> Any:
    """Mean over patches of 9 pixels, zeros outside; the last two axes are the image."""
    image = np.pad(a, [(0, 0)] * (a.ndim - 2) + [(1, 1)] * 2)
    return sum(image[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / Real(9)


def truth(case: Case, places: list[tuple[int, int]]) -> Any:
    """Entries of the kernel by the definition."""
    x = inputs(case).astype(Real)
    left, right = (x[[p[k] for p in places]] for k in (0, 1))
    act, depth, w2 = case["act"], case["depth"], Real(GAIN[case["act"]]) ** 2
    images = case["net"] == "conv"
    size = Real(3 if images else FEATURES)
    q1, c, q2 = ((a * b).sum(axis=1) / size
                 for a, b in ((left, left), (left, right), (right, right)))
    if images:
        q1, c, q2 = (w2 * patched(a) for a in (q1, c, q2))
    tangent, gain = c, w2
    for h in range(depth):
        last = h == depth - 1
        f, slope = expectations(act, q1, c, q2)
        own1, own2 = (expectations(act, q, q, q)[0] for q in (q1, q2))
        if last or not images:
            if case["net"] == "residual" and not last:
                gain = 1 / Real(depth) ** 2
                tangent = tangent + gain * (f + tangent * slope)
                q1, c, q2 = q1 + gain * own1, c + gain * f, q2 + gain * own2
                continue
            tangent = w2 * (f + tangent * slope)
            q1, c, q2 = w2 * own1, w2 * f, w2 * own2
        else:
            tangent = w2 * patched(f + tangent * slope)
            q1, c, q2 = (w2 * patched(a) for a in (own1, f, own2))
    return tangent.mean(axis=(1, 2)) if images else tangent


def some_places(case: Case) -> list[tuple[int, int]]:
    """A few pairs: equal ones, the closest and the farthest of the first, others."""
    if case["net"] == "conv":
        return [(0, 0), (1, 0), (5, 63)]
    x = inputs(case)[:500]
    gram = x @ x.T - 1e3 * np.eye(len(x))
    close, far = (int(p) for p in (gram.argmax(), (gram + 2e3 * np.eye(len(x))).argmin()))
    n = len(x)
    return [(0, 0), divmod(close, n), divmod(far, n), (0, 1), (2, 77), (3, 140)]


def resident(key: str) -> float:
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def measure(case: Case, side: str, cores: int) -> dict[str, float]:
    """Run one case in this process."""
    clock = time.process_time if cores == 1 else time.perf_counter
    call = (ours if side == "ours" else theirs)(case)
    values = call() if case["n"] <= 2000 else np.zeros((0, 0))
    Path("/proc/self/clear_refs").write_text("5")
    before, times = resident("VmRSS"), []
    while len(times) < 20 and sum(times) < 3:
        start = clock()
        values = call()
        times.append(clock() - start)
    peak = resident("VmHWM") - before
    found = {"seconds": min(times), "mib": max(0.0, peak)}
    if case["net"] != "conv pooled":
        places = some_places(case)
        own = np.array([values[p] for p in places])
        exact = truth(case, places)
        found["error"] = float(np.abs(own - exact).max() / np.abs(np.diag(values)).max())
    return found


def child(case: Case, side: str, options: argparse.Namespace) -> dict[str, float] | str:
    """Run one case in a process of its own; a text says why there is no result."""
    command = [sys.executable, __file__, "--one", json.dumps({"case": case, "side": side}),
               "--cores", str(options.cores), "--memory", str(options.memory),
               "--limit", str(options.limit)]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=20 * options.limit, check=False,
            env=os.environ | {"OMP_NUM_THREADS": str(options.cores)},
        )
    except subprocess.TimeoutExpired:
        return f"> {options.limit:.0f} s, stopped"
    if run.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"> {options.limit:.0f} s, stopped"
    if run.returncode:
        full = any(word in run.stderr for word in ("RESOURCE_EXHAUSTED", "MemoryError", "alloc"))
        if full or run.returncode < 0:
            return f"> {options.memory} GiB, stopped"
        raise RuntimeError(run.stderr[-2000:])
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return result


def shown(result: dict[str, float] | str | None) -> str:
    """Three columns."""
    if not isinstance(result, dict):
        return f"{result or '-':>27}"
    error = f"{result['error']:8.0e}" if "error" in result else "       -"
    return f"{result['seconds']:9.4f} {result['mib']:8.0f} {error}"


def main() -> None:
    """Print one row for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a few small cases")
    parser.add_argument("--cores", type=int, default=1, help="cores for either side")
    parser.add_argument("--limit", type=float, default=150,
                        help="seconds of the processor for a process and core")
    parser.add_argument("--memory", type=int, default=10, help="GiB of data for a process")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory << 30,) * 2)
        seconds = math.ceil(options.cores * options.limit)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        task = json.loads(options.one)
        print(json.dumps(measure(task["case"], task["side"], options.cores)))
        return
    peer = find_spec("neural_tangents") is not None
    if not peer:
        print("neural-tangents is not installed: there is no comparison "
              "(pip install -e '.[peer]')")
    print(f"cores for each side: {options.cores}; goals: erf {GOAL['erf']}, generic "
          f"{GOAL['softplus']}, n = 10,000 in a minute, error 1e-10")
    print(f"{'network':<12} {'activation':<10} {'n':>6} {'H':>3} | {'ours s':>9} {'MiB':>8} "
          f"{'error':>8} | {'theirs s':>9} {'MiB':>8} {'error':>8} | {'ratio':>7}")
    for case in cases(options.quick):
        own = child(case, "ours", options)
        other = child(case, "theirs", options) if peer and "alone" not in case else None
        ratio = ""
        if isinstance(own, dict) and isinstance(other, dict):
            ratio = f"{other['seconds'] / own['seconds']:7.1f}"
        print(f"{case['net']:<12} {case['act']:<10} {case['n']:6d} {case['depth']:3d} | "
              f"{shown(own)} | {shown(other)} | {ratio:>7}", flush=True)


if __name__ == "__main__":
    main()
