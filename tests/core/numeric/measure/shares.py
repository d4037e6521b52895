"""Numbers of some networks, found by one process or by several that share the samples.

    python shares.py OUT.npz RENDEZVOUS RANK SIZE
"""

import sys

import numpy as np
import torch
import torch.distributed as dist
from torch.func import grad, hessian, jvp, vjp, vmap

from govcheck.analysis import analyze
from govcheck.loading import loads
from govcheck.numeric.distributed import Processes, together
from govcheck.numeric.measure.hessian import hessian_density, hessian_extremes
from govcheck.numeric.measure.jacobian import second_derivatives
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.run import measure
from govcheck.numeric.measure.sets import proven
from govcheck.numeric.measure.sharded import Sharded
from govcheck.numeric.measure.subject import subject
from govcheck.plugin.registry import load_registry

BATCH_NORM = """
govcheck: 1
input: [1, 8, 8]
layers:
  - conv: {out: 3, kernel: 3, stride: 2, padding: 1, scale: 1/3}
  - batch_norm: {eps: 1/10}
  - tanh
  - residual:
      - conv: {out: 3, kernel: 3, padding: same, scale: 1/5}
      - batch_norm: {eps: 1/10}
      - softplus
  - global_avg_pool
  - affine: {out: 3}
cost: cross_entropy
data: {sphere: {n: 5, classes: 3}}
init: {normal: {seed: 0}}
"""
PLAIN = """
govcheck: 1
input: [64]
layers:
  - affine: {out: 6, weight: entrywise, eps: 1, bias: false}
  - residual:
      - affine: {out: 6, weight: weight_norm, eps: 1, bias: false, scale: 1/2}
      - tanh
  - affine: {out: 10}
cost: half_square
data: {digits: {n: 5}}
init: {normal: {seed: 0}}
domain: {around_init: 1/10}
"""


def numbers(text, processes, registry):
    analysis = analyze(loads(text, registry=registry), "tight", registry)
    s, start = subject(analysis)
    if processes is not None:
        s = Sharded(s, processes)
    generator = torch.Generator().manual_seed(3)

    def draw(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    v, u = draw(s.parameters), draw(s.rows)
    found = {"outputs": s.outputs, "loss": s.loss(s.theta).detach()}
    p = Products(s)
    found |= {"jv": p.jv(v), "jtu": p.jtu(u), "gradient": p.gradient, "hv": p.hv(v)}
    x = Products(s, "input")
    found |= {"x jv": x.jv(draw(s.x.numel())), "x jtu": x.jtu(u), "x hv": x.hv(s.x.reshape(-1))}

    # the compositions of torch.func
    few = torch.randn(2, s.parameters, generator=generator, dtype=torch.float64)
    g = grad(s.loss)
    found["func jvp"] = jvp(s, (s.theta,), (v,))[1]
    found["func vjp"] = vjp(s, s.theta)[1](u.reshape(s.outputs.shape))[0]
    found["jvp of grad"] = jvp(g, (s.theta,), (v,))[1]
    found["grad of jvp"] = grad(lambda t: jvp(s.loss, (t,), (v,))[1])(s.theta)
    found["vmap of grad"] = vmap(g)(s.theta + 0.1 * few)
    found["vmap of jvp of grad"] = vmap(lambda d: jvp(g, (s.theta,), (d,))[1])(few)
    found["vmap over x"] = vmap(lambda d: s(s.theta, d), in_dims=1)(
        torch.stack([s.x, 2 * s.x], 1))
    found["hessian of some"] = hessian(lambda t: s.loss(torch.cat([t, s.theta[3:]])))(s.theta[:3])

    for m in hessian_extremes(s, seed=1) + second_derivatives(s, rounds=2, starts=1):
        found[m.quantity] = torch.tensor(m.value, dtype=torch.float64)
    found["density"] = torch.tensor(hessian_density(s, probes=2, steps=6)[1].nodes)
    # no room for the Gram matrix: its extremes come from products
    bounds = proven(analysis, s, start, registry)
    small = Budget(max_bytes=100)
    result = measure(s, start, bounds, ["outputs", "loss", "gram", "jacobian", "dynamics"],
                     budget=small)
    for m in result.measured:
        # ends far from convergence move with rounding, as do numbers that are rounding alone
        if m.quantity not in ("gram_min", "sigma_D", "I_2_order"):
            found[f"{m.quantity}@{m.where}"] = torch.tensor(m.value, dtype=torch.float64)
    return {name: np.asarray(t.detach()) for name, t in found.items()}


def everything(processes=None):
    registry = load_registry()
    with together(processes):
        found = {"norm " + k: a for k, a in numbers(BATCH_NORM, processes, registry).items()}
        return found | {"plain " + k: a for k, a in numbers(PLAIN, processes, registry).items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out, rendezvous, rank, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size)
    np.savez(out, **everything(Processes(rank, size)))
    dist.destroy_process_group()
