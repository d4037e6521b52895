"""How the analysis of a chain of distinct residual blocks grows: time and memory.

Each size runs in a process of its own, so that its peak memory is its own.

    python benchmarks/chain.py [SIZE ...]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

SIZES = (1250, 2500, 5000, 10_000)


def architecture(blocks: int) -> str:
    """A chain whose blocks all differ: each has a scale of its own."""
    lines = [
        "govcheck: 1",
        "symbols: {m: 16, eps: 1}",
        "input: [16]",
        "cost: square",
        "data: {orthonormal: {n: 8}}",
        "layers:",
        "  - affine: {out: m, weight: entrywise, eps: eps, bias: false}",
    ]
    for i in range(blocks):
        scale = f"(1 - {i + 1}/{2 * blocks})/sqrt(m)"
        lines += [
            "  - residual:",
            f"      - affine: {{out: m, weight: weight_norm, eps: eps, bias: false, "
            f"scale: {scale}}}",
            "      - tanh",
        ]
    return "\n".join(lines)


def peak_mib() -> float:
    """Peak memory of this process, interpreter and libraries included."""
    status = Path("/proc/self/status")
    if status.exists():
        # what getrusage says begins with the memory of the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(blocks: int) -> dict[str, float | str]:
    """Analyse one chain in this process."""
    import govcheck as gc
    from govcheck.bounds.evaluate import upper

    start = time.process_time()
    arch = gc.loads(architecture(blocks))
    loaded = time.process_time()
    result = gc.analyze(arch)
    analysed = time.process_time()
    beta = upper(result.value(result.bounds["beta"]))
    done = time.process_time()
    return {
        "blocks": blocks,
        "load": loaded - start,
        "analyse": analysed - loaded,
        "evaluate": done - analysed,
        "peak_mib": peak_mib(),
        "beta": str(beta),
    }


def alone(blocks: int) -> dict[str, float | str]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--one", str(blocks)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float | str] = json.loads(run.stdout)
    return found


def main() -> None:
    """Print one row for each size, with the ratio to the first per block."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    sizes = [int(a) for a in sys.argv[1:]] or list(SIZES)
    print(f"{'blocks':>7} {'load s':>8} {'analyse s':>10} {'evaluate s':>11} "
          f"{'peak MiB':>9} {'s/block, ratio':>15}  beta")
    first = None
    for n in sizes:
        r = alone(n)
        each = (r["load"] + r["analyse"] + r["evaluate"]) / n
        first = first or each
        print(f"{n:7d} {r['load']:8.2f} {r['analyse']:10.2f} {r['evaluate']:11.2f} "
              f"{r['peak_mib']:9.0f} {each / first:15.2f}  {r['beta']}", flush=True)


if __name__ == "__main__":
    main()
