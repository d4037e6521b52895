"""Gram matrices and the Hessian's largest eigenvalue, side by side with public tools.

BackPACK and curvlinops are compared where they are installed; without them the script prints
our figures and those of torch alone. Every figure is the CPU time of one thread; tools take
turns, so that each round sees the same machine, and a ratio is the median over the rounds, with
the smallest and the largest one. The Hessian is in float64; peak memory is that of a process of
its own.

    pip install "govcheck[peer-measure]"
    python benchmarks/measure.py [--quick]
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from govcheck.numeric.measure.gram import grams
from govcheck.numeric.measure.hessian import hessian_extremes
from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.subject import Subject

INPUTS, SEED = 784, 0


def mlp(width: int, outputs: int, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """784-width-width-width-outputs with tanh."""
    torch.manual_seed(SEED)
    sizes = [INPUTS, width, width, width]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, dtype=dtype), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, outputs, dtype=dtype))


def batch(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random unit vectors."""
    torch.manual_seed(SEED + 1)
    x = torch.randn(n, INPUTS, dtype=dtype)
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)


def seconds(work: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Median of the CPU time, and the result."""
    took, found = [], None
    for _ in range(repeat):
        start = time.process_time()
        found = work()
        took.append(time.process_time() - start)
    return statistics.median(took), found


def rounds(tools: dict[str, tuple[Callable[[], Any], int]], count: int) -> dict[str, list[float]]:
    """CPU times of all tools in turn, each the median of its own number of repetitions."""
    made: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(count):
        for name, (work, repeat) in tools.items():
            made[name].append(seconds(work, repeat)[0])
    return made


def gram_ours(net: nn.Module, x: Tensor) -> Tensor:
    """Layer by layer, by govcheck; building the subject included."""
    s = Subject(net, x, dtype=x.dtype, copied=False)
    return grams(s, lambda name: False, Budget(2**34)).total.matrix


def gram_per_sample(net: nn.Module, x: Tensor) -> Tensor:
    """Per-sample gradients by torch.func, multiplied."""
    weights = {n: p.detach() for n, p in net.named_parameters()}

    def out(p: dict[str, Tensor], one: Tensor) -> Tensor:
        return functional_call(net, p, (one[None],))[0, 0]

    rows = vmap(grad(out), (None, 0))(weights, x)
    return sum(g.flatten(1) @ g.flatten(1).T for g in rows.values())


def gram_backpack(net: nn.Module, x: Tensor) -> Tensor:
    """Per-sample gradients by BackPACK, multiplied; the network must be extended."""
    from backpack import backpack
    from backpack.extensions import BatchGrad

    with backpack(BatchGrad()):
        net(x).sum().backward()
    total = x.new_zeros(len(x), len(x))
    for p in net.parameters():
        total += p.grad_batch.flatten(1) @ p.grad_batch.flatten(1).T
        p.grad = None
        del p.grad_batch
    return total


def gram_curvlinops(net: nn.Module, x: Tensor) -> Tensor:
    """Products of the Jacobian with those of its transpose with the identity, by curvlinops."""
    from curvlinops import JacobianLinearOperator, TransposedJacobianLinearOperator

    data = [(x, x.new_zeros(len(x), 1))]
    about = (net, list(net.parameters()), data)
    j = JacobianLinearOperator(*about, check_deterministic=False)
    jt = TransposedJacobianLinearOperator(*about, check_deterministic=False)
    return j @ (jt @ torch.eye(len(x), dtype=x.dtype))


def compare_grams(n: int, width: int, dtype: torch.dtype, count: int = 3) -> None:
    """All tools on one Gram matrix."""
    net, x = mlp(width, 1, dtype), batch(n, dtype)
    print(f"\nGram matrix, MLP {INPUTS}-{width}^3-1, n = {n}, {str(dtype)[6:]}")
    work: dict[str, Callable[[], Tensor]] = {
        "govcheck": lambda: gram_ours(net, x),
        "per-sample Jacobians (torch.func)": lambda: gram_per_sample(net, x),
    }
    if have("backpack"):
        from backpack import extend

        extended = extend(copy.deepcopy(net))
        work["BackPACK"] = lambda: gram_backpack(extended, x)
    if have("curvlinops"):
        work["curvlinops"] = lambda: gram_curvlinops(net, x)
    exact = work["govcheck"]()
    apart = {name: float((tool().detach() - exact).abs().max() / exact.abs().max())
             for name, tool in work.items()}
    took = rounds({name: (tool, 10 if name == "govcheck" else 1) for name, tool in work.items()},
                  count)
    compared(took, {name: f"relative difference {d:.0e}" for name, d in apart.items()})


def compare_hessians(n: int, width: int, wanted: float = 1e-5, count: int = 5) -> None:
    """Largest eigenvalue of the Hessian: each tool at the loosest tolerance that is enough."""
    net, x = mlp(width, 10), batch(n)
    torch.manual_seed(SEED + 2)
    y = torch.randn(n, 10, dtype=x.dtype)
    size = sum(p.numel() for p in net.parameters())
    print(f"\nlambda_max of the Hessian to {wanted:.0e}, MLP with {size} parameters, n = {n}")

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def mine(tolerance: float) -> float:
        fresh = Subject(net, x, y, loss)
        return hessian_extremes(fresh, tolerance=tolerance, ends=("largest",))[0].value

    tools = {"govcheck": mine}
    if have("curvlinops"):
        from curvlinops import HessianLinearOperator
        from scipy.sparse.linalg import eigsh

        def theirs(tolerance: float) -> float:
            h = HessianLinearOperator(net, nn.MSELoss(), list(net.parameters()), [(x, y)],
                                      check_deterministic=False)
            found = eigsh(h.to_scipy(), k=1, which="LA", tol=tolerance,
                          return_eigenvectors=False)
            return float(found[0])

        tools["curvlinops with scipy's eigsh"] = theirs
    exact = mine(1e-11)
    enough = {name: loosest(tool, exact, wanted) for name, tool in tools.items()}
    took = rounds({name: (lambda t=tool, e=enough[name][0]: t(e), 1)
                   for name, tool in tools.items()}, count)
    compared(took, {name: note for name, (_, note) in enough.items()})


def loosest(tool: Callable[[float], float], exact: float, wanted: float) -> tuple[float, str]:
    """The loosest tolerance whose result is near enough, and a remark."""
    for tolerance in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        error = abs(tool(tolerance) / exact - 1)
        if error <= wanted:
            break
    return tolerance, f"tolerance {tolerance:.0e}, relative error {error:.0e}"


def alone(n: int, width: int, dtype: torch.dtype) -> None:
    """One Gram matrix in this process, its time and peak memory as JSON."""
    x = batch(n, dtype)
    s = Subject(mlp(width, 1, dtype), x, dtype=dtype, copied=False)
    start = time.process_time()
    found = grams(s, lambda name: False, Budget(2**34))
    took = time.process_time() - start
    print(json.dumps({"seconds": took, "GB": peak(), "parameters": s.parameters,
                      "trace": float(torch.trace(found.total.matrix))}))


def peak() -> float:
    """Peak memory of this process, interpreter and libraries included."""
    status = Path("/proc/self/status")
    if status.exists():
        # what getrusage says begins with the memory of the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def large(n: int, width: int) -> None:
    """A Gram matrix whose Jacobian would not fit anywhere."""
    print(f"\nGram matrix, MLP {INPUTS}-{width}^3-1, n = {n}, each in a process of its own")
    for dtype in ("float32", "float64"):
        out = subprocess.run(
            [sys.executable, __file__, "--alone", str(n), str(width), dtype],
            check=True, capture_output=True, text=True,
        ).stdout
        row = json.loads(out)
        item = 4 if dtype == "float32" else 8
        whole = n * row["parameters"] * item / 1e9
        show(f"govcheck, {dtype}", row["seconds"], note=f"peak {row['GB']:.2f} GB, weights and "
             f"interpreter included; the Jacobian alone: {whole:.0f} GB")


def compared(took: dict[str, list[float]], notes: dict[str, str]) -> None:
    """One line for each tool, the first being ours."""
    ours = next(iter(took.values()))
    for name, theirs in took.items():
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        if theirs is ours:
            show(name, statistics.median(theirs))
        else:
            show(name, statistics.median(theirs), ratios, notes[name])


def show(name: str, took: float, ratios: list[float] | None = None, note: str = "") -> None:
    """One line."""
    ratio = "" if ratios is None else (
        f"{statistics.median(ratios):.4g}x ({min(ratios):.4g} to {max(ratios):.4g})")
    print(f"  {name:<34}{took:9.4f} s {ratio:>24}  {note}", flush=True)


def have(module: str) -> bool:
    """Whether a tool is installed; says so where it is not."""
    found = importlib.util.find_spec(module) is not None
    if not found:
        print(f"  {module} is not installed", flush=True)
    return found


def main() -> None:
    """Run everything, or small sizes only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--alone", nargs=3, metavar=("N", "WIDTH", "DTYPE"),
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if options.alone is not None:
        n, width, dtype = options.alone
        alone(int(n), int(width), getattr(torch, dtype))
        return
    print(f"torch {torch.__version__}, CPU seconds of one thread")
    for dtype in (torch.float32, torch.float64):
        compare_grams(*((50, 128) if options.quick else (200, 512)), dtype)
    compare_hessians(*((100, 128) if options.quick else (500, 400)))
    large(*((200, 512) if options.quick else (2000, 4096)))


if __name__ == "__main__":
    main()
