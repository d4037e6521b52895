"""Certified eigenvalues and norms beside the plain ones: time and distance.

The certified numbers are what `analyze`, `measure` and `gram` print; the plain ones are those of
numpy, without any guarantee. Times are of the processor on one core, the fastest of the calls
that fit into two seconds. The distance is that of the certified bound from the plain number,
relative to the largest eigenvalue or singular value.

    python benchmarks/certify.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from govcheck.certify.matrices import lambda_min_lower, norm_upper, spectral_facts


def fastest(call: Callable[[], object], most: float = 2.0) -> tuple[float, object]:
    """Seconds of processor time, and what the call returns."""
    best, result, end = float("inf"), None, time.process_time() + most
    while True:
        start = time.process_time()
        result = call()
        now = time.process_time()
        best = min(best, now - start)
        if now >= end:
            return best, result


def gram(n: int) -> np.ndarray:
    """A Gram matrix with a condition of about 100."""
    draw = np.random.default_rng(n)
    x = draw.standard_normal((n, 2 * n)) / (2 * n) ** 0.5
    return x @ x.T


def main() -> None:
    """Print one line for each size and number."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    quick = parser.parse_args().quick
    head = f"{'number':>30} {'plain s':>9} {'certified s':>12} {'times':>6} {'distance':>9}"
    print(head)

    def line(
        what: str, plain: Callable[[], object], proved: Callable[[], object],
        distance: Callable[[object, object], float],
    ) -> None:
        a, x = fastest(plain, 0.3 if quick else 2.0)
        b, y = fastest(proved, 0.3 if quick else 2.0)
        print(f"{what:>30} {a:9.4f} {b:12.4f} {b / a:6.2f} {distance(x, y):9.1e}", flush=True)

    for n in (50, 200) if quick else (100, 300, 1000, 2000):
        k = gram(n)
        known = float(np.linalg.eigvalsh(k)[0])
        line(f"lambda_min, n = {n}", lambda k=k: np.linalg.eigvalsh(k),
             lambda k=k: lambda_min_lower(k),
             lambda x, y: (x[0] - float(y)) / x[-1])
        line("the same, value known", lambda k=k: np.linalg.eigvalsh(k),
             lambda k=k, v=known: lambda_min_lower(k, guess=v),
             lambda x, y: (x[0] - float(y)) / x[-1])
    for rows, columns in ((64, 100),) if quick else ((64, 100), (256, 512), (1000, 2000)):
        w = np.random.default_rng(rows).standard_normal((rows, columns))
        line(f"|A|_2, {rows} x {columns}", lambda w=w: np.linalg.svd(w, compute_uv=False),
             lambda w=w: norm_upper(w), lambda x, y: (float(y) - x[0]) / x[0])
        line("both ends and the rank", lambda w=w: np.linalg.svd(w, compute_uv=False),
             lambda w=w: spectral_facts(w), lambda x, y: 0.0)


if __name__ == "__main__":
    main()
