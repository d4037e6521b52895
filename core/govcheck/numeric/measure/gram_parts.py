"""Gram matrices of one layer's parameters from its inputs and the signals that come back.

Rows are numbered sample by sample, output by output. With ``a_i`` the layer's input for
sample i and ``b_ic`` the derivative of output c of the network in the layer's output for
that sample, the derivative in the matrix of a dense layer is ``s b_ic a_i^T``, so that its
Gram matrix is ``s^2 (B B^T) o (A A^T)``. A layer used at several positions (tokens, pixels)
has a sum over positions, which is formed for a few rows of the matrix at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn import functional

from govcheck.numeric.affine import AffineMap
from govcheck.numeric.conv import ConvMap

SLICE_BYTES = 2**27
STRIP = 256
"""Rows of a matrix of inner products that are formed at a time."""

Turn = Callable[[Tensor, slice], Tensor]


@dataclass(frozen=True, eq=False)
class Rows:
    """A layer as a matrix M applied at t positions.

    Args:
        inputs: ``(n, t, groups, k)``.
        signals: ``(n, c, t, groups, r)``, the scale included.
        matrix: M, ``(groups, r, k)``, without the scale.
    """

    inputs: Tensor
    signals: Tensor
    matrix: Tensor


def product(a: Tensor, b: Tensor | None = None) -> Tensor:
    """``A B^T``, B being A when omitted; rows are flattened."""
    a = a.reshape(a.shape[0], -1)
    if b is not None:
        return a @ b.reshape(b.shape[0], -1).T
    if a.device.type == "cpu" and a.dtype in (torch.float32, torch.float64):
        # half the work: numpy sees that the matrix is symmetric, torch does not
        plain = a.detach().contiguous().numpy()
        return torch.from_numpy(plain @ plain.T)
    return a @ a.T


def hadamard(outer: Tensor, a: Tensor, factor: float) -> Tensor:
    """``outer o (factor^2 A A^T)``, each entry of the second for a block of the first.

    Args:
        outer: symmetric, ``(n c, n c)``.
        a: ``(n, k)``.
        factor: a number.
    """
    n = a.shape[0]
    c = outer.shape[0] // n
    if n <= STRIP:
        inner = product(a).mul_(factor**2)
        return (outer.view(n, c, n, c) * inner[:, None, :, None]).view_as(outer)
    made = torch.empty_like(outer)
    wide, narrow = made.view(n, c, n, c), outer.view(n, c, n, c)
    for start in range(0, n, STRIP):
        end = min(n, start + STRIP)
        inner = product(a[start:end], a[:end]).mul_(factor**2)
        torch.mul(narrow[start:end, :, :end], inner[:, None, :, None],
                  out=wide[start:end, :, :end])
        at, to = slice(start * c, end * c), slice(0, start * c)
        made[to, at] = made[at, to].T
    return made


def parts(unit: nn.Module, a: Tensor, b: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The Gram matrix of each parameter of a layer that treats samples one by one.

    Args:
        unit: the layer.
        a: its input, ``(n, ...)``.
        b: signals at its output, ``(n, c, ...)``.

    Yields:
        The parameter's name in the layer, and a matrix of n c rows.
    """
    if isinstance(unit, nn.Linear):
        yield from _linear(unit, a, b)
    elif isinstance(unit, AffineMap) and unit.kind == "plain" and unit.factor is None and (
        a.ndim == 2
    ):
        yield from _dense(a, b, unit.scale, bias=unit.bias is not None)
    elif isinstance(unit, AffineMap) and unit.kind in STRUCTURED:
        yield from _parametrised(unit, _affine_rows(unit, a, b), b)
    elif isinstance(unit, ConvMap) and unit.kind in STRUCTURED:
        yield from _parametrised(unit, _conv_rows(unit, a, b), b)
    else:
        yield from general(unit, a, b)


STRUCTURED = ("plain", "weight_norm", "entrywise", "torch_weight_norm", "orthogonal")


def _linear(unit: nn.Linear, a: Tensor, b: Tensor) -> Iterator[tuple[str, Tensor]]:
    n, c = b.shape[:2]
    if a.ndim == 2:
        yield from _dense(a, b, 1.0, bias=unit.bias is not None)
        return
    inputs = a.reshape(n, -1, 1, a.shape[-1])
    rows = Rows(inputs, b.reshape(n, c, inputs.shape[1], 1, -1), unit.weight.detach()[None])
    yield "weight", _weight(rows)
    if unit.bias is not None:
        yield "bias", product(_summed(b, -1))


def _dense(a: Tensor, b: Tensor, factor: float, bias: bool) -> Iterator[tuple[str, Tensor]]:
    """The parameters of ``x -> factor w x + b``, one position for each sample."""
    outer = product(b.flatten(0, 1))
    yield "weight", hadamard(outer, a, factor)
    if bias:
        yield "bias", outer


def _summed(b: Tensor, channel: int) -> Tensor:
    """Signals added up over positions: ``(n c, channels)``."""
    b = b.movedim(channel, 2)
    return b.flatten(3).sum(3).flatten(0, 1) if b.ndim > 3 else b.flatten(0, 1)


def _affine_rows(unit: AffineMap, a: Tensor, b: Tensor) -> Rows:
    n, c = b.shape[:2]
    inputs = a.reshape(n, -1, 1, a.shape[-1])
    signals = unit.scale * b.reshape(n, c, inputs.shape[1], 1, b.shape[-1])
    return Rows(inputs, signals, unit.matrix().detach()[None])


def _conv_rows(unit: ConvMap, a: Tensor, b: Tensor) -> Rows:
    n, c = b.shape[:2]
    kernel = unit.kernel().detach()
    ends = [e for x in reversed(unit.along) for e in (x.before, x.after)]
    padded = functional.pad(a, ends)
    line = unit.along if len(unit.along) == 2 else (None, *unit.along)
    taps = tuple(1 if x is None else x.kernel for x in line)
    stride = tuple(1 if x is None else x.stride for x in line)
    dilation = tuple(1 if x is None else x.dilation for x in line)
    padded = padded if len(unit.along) == 2 else padded.unsqueeze(2)
    patches = functional.unfold(padded, taps, dilation, 0, stride)
    inputs = patches.transpose(1, 2).reshape(n, patches.shape[2], unit.groups, -1)
    signals = unit.scale * b.flatten(3).transpose(2, 3)
    signals = signals.reshape(n, c, inputs.shape[1], unit.groups, -1)
    return Rows(inputs, signals, kernel.reshape(unit.groups, -1, inputs.shape[3]))


def _parametrised(
    unit: AffineMap | ConvMap, rows: Rows, b: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """All parameters of ``x -> s f P(w) x + b``: the chain rule to w, f, gains and bias."""
    f = 1.0 if unit.factor is None else float(unit.factor.detach())
    if unit.factor is not None:
        yield "factor", product(_along(rows, _plain(unit, rows)).sum((1, 2))[:, None])
    if unit.kind != "orthogonal":
        w = unit.weight.detach().reshape(rows.matrix.shape)
        if unit.kind == "torch_weight_norm":
            lengths = torch.linalg.vector_norm(w, dim=2, keepdim=True)
            yield "gain", product(_along(rows, f * w / lengths))
        yield "weight", _weight_parametrised(unit, rows, w, f)
    if unit.bias is not None:
        yield "bias", product(_summed(b, 2 if isinstance(unit, ConvMap) else -1))


def _plain(unit: AffineMap | ConvMap, rows: Rows) -> Tensor:
    """P(w) without the factor."""
    with torch.no_grad():
        whole = unit._normalised() if isinstance(unit, AffineMap) else _without_factor(unit)
    return whole.reshape(rows.matrix.shape)


def _without_factor(unit: ConvMap) -> Tensor:
    factor, unit.factor = unit.factor, None
    try:
        return unit.kernel()
    finally:
        unit.factor = factor


def _along(rows: Rows, matrix: Tensor) -> Tensor:
    """``<b_ic, matrix a_i>`` for each row of the matrix: ``(n c, groups, r)``."""
    z = torch.einsum("ntgk,grk->ntgr", rows.inputs, matrix)
    return torch.einsum("nctgr,ntgr->ncgr", rows.signals, z).flatten(0, 1)


def _weight_parametrised(unit: AffineMap | ConvMap, rows: Rows, w: Tensor, f: float) -> Tensor:
    if unit.kind == "plain":
        return _weight(rows, factor=f)
    if unit.kind == "entrywise":
        slope = f * unit.eps / (unit.eps + w * w) ** 1.5
        flat = slope.flatten(0, 1)
        return _weight(rows, lambda m, at: m * flat[at])
    squares = (w * w).sum(2, keepdim=True)
    if unit.kind == "weight_norm":
        root, lead = torch.sqrt(unit.eps + squares), torch.as_tensor(f)
    else:
        assert unit.gain is not None
        gain = unit.gain.detach().reshape(*w.shape[:2], 1)
        root, lead = torch.sqrt(squares), f * gain
    lead = (lead / root).expand(*w.shape[:2], 1)
    if rows.inputs.shape[1] == 1:
        return _row_normalised(rows, w, root, lead)
    flat_w, flat_lead = (w / root).flatten(0, 1), lead.flatten(0, 1)

    def turn(m: Tensor, at: slice) -> Tensor:
        direction = flat_w[at]
        inner = (m * direction).sum(-1, keepdim=True)
        return flat_lead[at] * (m - inner * direction)

    return _weight(rows, turn)


def _row_normalised(rows: Rows, w: Tensor, root: Tensor, lead: Tensor) -> Tensor:
    """The derivative in row r is ``lead_r b_r (1 - v_r v_r^T) a`` with ``v_r = w_r/root_r``,
    and ``(1 - v v^T)^2 = 1 - (2 - |v|^2) v v^T``."""
    v = w / root
    signals = rows.signals * lead.squeeze(2)
    scaled = Rows(rows.inputs, signals, rows.matrix)
    whole = _weight(scaled)
    bend = torch.sqrt(2 - (v * v).sum(2, keepdim=True))
    return whole - product(_along(scaled, bend * v))


def _weight(rows: Rows, turn: Turn | None = None, factor: float = 1.0) -> Tensor:
    """The Gram matrix of the derivatives in the matrix.

    Args:
        rows: the layer.
        turn: a linear map of derivatives ``(n c, rows, k)`` in the rows ``at`` of all groups
            in order; none when omitted.
        factor: multiplies the derivatives.
    """
    n, c, t, groups, r = rows.signals.shape
    k = rows.inputs.shape[3]
    if t == groups == 1 and turn is None:
        outer = product(rows.signals.reshape(n * c, r))
        return hadamard(outer, rows.inputs.reshape(n, k), factor)
    total = rows.inputs.new_zeros(n * c, n * c)
    step = max(1, SLICE_BYTES // max(1, n * c * k * rows.inputs.element_size()))
    for g in range(groups):
        a = rows.inputs[:, :, g]
        for start in range(0, r, step):
            end = min(r, start + step)
            b = rows.signals[:, :, :, g, start:end]
            m = torch.einsum("nctr,ntk->ncrk", b, a).flatten(0, 1)
            m = m if turn is None else turn(m, slice(g * r + start, g * r + end))
            m = m.flatten(1)
            total.addmm_(m, m.T, alpha=factor**2)
    return total


def general(unit: nn.Module, a: Tensor, b: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Per-sample gradients of any layer, in blocks of samples that fit into memory."""
    parameters = {n: p.detach() for n, p in unit.named_parameters()}
    size = sum(p.numel() for p in parameters.values())
    n, c = b.shape[:2]
    step = max(1, SLICE_BYTES // max(1, c * size * a.element_size()))
    blocks = [slice(i, min(n, i + step)) for i in range(0, n, step)]
    found = {name: a.new_zeros(n * c, n * c) for name in parameters}
    for i in blocks:
        left = per_sample(unit, parameters, a[i], b[i])
        for j in blocks:
            if j.start > i.start:
                break
            right = left if j == i else per_sample(unit, parameters, a[j], b[j])
            at, to = (slice(s.start * c, s.stop * c) for s in (i, j))
            for name, total in found.items():
                total[at, to] = product(left[name], right[name])
                total[to, at] = total[at, to].T.clone()
    yield from found.items()


def per_sample(
    unit: nn.Module, parameters: dict[str, Tensor], a: Tensor, b: Tensor
) -> dict[str, Tensor]:
    """Gradients of ``<unit(a_i), b_ic>`` in each parameter: ``(n c, *shape)``."""

    def one(x: Tensor, signals: Tensor) -> dict[str, Tensor]:
        def out(p: dict[str, Tensor]) -> Tensor:
            y: Tensor = functional_call(unit, p, (x.unsqueeze(0),))
            return y[0]

        back: Callable[[Tensor], tuple[dict[str, Tensor]]] = vjp(out, parameters)[1]
        result: dict[str, Tensor] = vmap(back)(signals)[0]
        return result

    found = vmap(one)(a, b)
    return {name: g.flatten(0, 1) for name, g in found.items()}
