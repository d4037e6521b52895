"""The derivative of a part of a network in its input, layer by layer.

Products with it need no automatic derivatives where the layers are known: they are as fast as
the layers themselves. The point is that of float64 arithmetic; products may run in float32.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual
from govcheck.numeric.affine import AffineMap, ScaleMap
from govcheck.numeric.build import Network
from govcheck.numeric.conv import ConvMap
from govcheck.numeric.measure.spectra_ops import (
    Automatic,
    Conv,
    Diagonal,
    Joined,
    Matrix,
    Norm,
    Op,
    Row,
    total,
)
from govcheck.numeric.measure.spectra_place import Part
from govcheck.numeric.modules import Elementwise
from govcheck.numeric.norms import FixedNorm, Normalise

ENTRYWISE: Final = (
    Elementwise, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Softplus, nn.ELU,
    nn.Identity,
)


def linearise(module: nn.Module, x: Tensor) -> tuple[Tensor, Op]:
    """What a module gives at a float64 batch, and its derivative there."""
    with torch.no_grad():
        match module:
            case Network():
                return _chain(module, module.chain, x)
            case Part():
                return _chain(module.network, module.chain, x)
            case nn.Sequential():
                return _row(list(module.children()), x)
            case _:
                return _leaf(module, x)


def _row(modules: list[nn.Module], x: Tensor) -> tuple[Tensor, Op]:
    ops = []
    for m in modules:
        x, op = linearise(m, x)
        ops.append(op)
    return x, Row(ops)


def _chain(network: Network, chain: Chain, x: Tensor) -> tuple[Tensor, Op]:
    results, steps = [x], list[Op | None]()
    sources: list[tuple[int, ...]] = []
    widths: list[tuple[int, ...] | None] = []

    def add(y: Tensor, op: Op | None, inputs: tuple[int, ...], sizes: tuple[int, ...] | None
            ) -> None:
        results.append(y)
        steps.append(op)
        sources.append(inputs)
        widths.append(sizes)

    def join(kind: str, places: tuple[int, ...]) -> None:
        parts = [results[p] for p in places]
        if kind == "concat":
            add(torch.cat(parts, 1), None, places, tuple(p.shape[1] for p in parts))
        else:
            add(total(parts), None, places, None)

    # places of the chain's steps among the results, which also hold what branches give
    at = [0]
    for step in chain.steps:
        inputs = tuple(at[s + 1] for s in step.sources)
        inner = results[inputs[0]]
        match step.block:
            case Leaf(node) | Repeat(node):
                add(*linearise(network._child(node), inner), inputs, None)
            case Residual(_, body):
                add(*_chain(network, body, inner), inputs, None)
                join("sum", (inputs[0], len(results) - 1))
            case Parallel(_, kind, branches):
                first = len(results)
                for branch in branches:
                    add(*_chain(network, branch, inner), inputs, None)
                join(kind, tuple(range(first, len(results))))
            case Join(_, kind):
                join(kind, inputs)
        at.append(len(results) - 1)
    simple = all(s == (k,) for k, s in enumerate(sources))
    if simple:
        return results[-1], Row([s for s in steps if s is not None])
    return results[-1], Joined(steps, sources, widths)


def _leaf(module: nn.Module, x: Tensor) -> tuple[Tensor, Op]:
    match module:
        case ScaleMap():
            factor = torch.ones_like(x[:1]).flatten()[:1]
            return module(x), Diagonal(module(factor), constant=True)
        case AffineMap():
            return module(x), Matrix((module.scale * module.matrix()).detach())
        case nn.Linear():
            return module(x), Matrix(module.weight.detach())
        case ConvMap():
            ends = [e for a in reversed(module.along) for e in (a.before, a.after)]
            kernel = (module.scale * module.kernel()).detach()
            return module(x), Conv(
                kernel, ends, [a.stride for a in module.along],
                [a.dilation for a in module.along], module.groups, x.shape[2:],
            )
        case nn.Conv1d() | nn.Conv2d() if (
            module.padding_mode == "zeros" and not isinstance(module.padding, str)
        ):
            ends = [e for p in reversed(module.padding) for e in (p, p)]
            return module(x), Conv(
                module.weight.detach(), ends, list(module.stride), list(module.dilation),
                module.groups, x.shape[2:],
            )
        case Normalise(groups=None):
            return module(x), _norm(
                x, module.dims, module.eps, module.scale, module.broadcast, centre=module.centre)
        case nn.modules.batchnorm._BatchNorm() if module.training and x.dim() > 1:
            dims = (0, *range(2, x.dim()))
            shape = (-1, *(1 for _ in x.shape[2:]))
            op = _norm(x, dims, module.eps, module.weight, shape, centre=True)
            # calling the module would change its running statistics
            y = op.n if module.weight is None else op.n * module.weight.detach().reshape(shape)
            if module.bias is not None:
                y = y + module.bias.detach().reshape(shape)
            return y, op
        case FixedNorm():
            ones = torch.ones_like(x[:1])
            return module(x), Diagonal(module(ones) - module(0 * ones), constant=True)
    if isinstance(module, ENTRYWISE):
        with torch.enable_grad():
            at = x.detach().clone().requires_grad_()
            y = module(at)
            if not y.requires_grad:
                return y, Diagonal(torch.zeros_like(x))
            (d,) = torch.autograd.grad(y.sum(), at, materialize_grads=True)
        return y.detach(), Diagonal(d)
    with torch.enable_grad():
        traced = Automatic(module, x)
    return traced._y.detach(), traced


def _norm(
    x: Tensor, dims: tuple[int, ...], eps: float, scale: Tensor | None,
    broadcast: tuple[int, ...] | None, *, centre: bool,
) -> Norm:
    moved = x - x.mean(dims, keepdim=True) if centre else x
    root = torch.sqrt(eps + (moved * moved).mean(dims, keepdim=True))
    gain = 1 / root
    if scale is not None:
        gain = gain * scale.detach().reshape(broadcast or ())
    return Norm(gain, moved / root, tuple(d % x.dim() for d in dims), centre=centre)
