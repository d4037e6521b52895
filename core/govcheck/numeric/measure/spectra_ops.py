"""Derivatives of single layers as linear maps of batches, and their compositions.

Products need no automatic derivatives where the layers are known: they are as fast as the
layers themselves, in float32 too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK_BYTES: Final = 2**21
"""Of a batch, worked on at a time where that saves a pass over memory."""


class Op(nn.Module):
    """The derivative of one map of batches, a linear map.

    ``buffers`` hold what it needs, so that `Op.to` moves all of it; `constant` says that it is
    the same for every sample and every point.
    """

    constant = False

    def jv(self, v: Tensor) -> Tensor:
        """Apply it to a batch."""
        raise NotImplementedError

    def jtu(self, u: Tensor) -> Tensor:
        """Apply its transpose."""
        raise NotImplementedError


class Diagonal(Op):
    """Each entry times a number of its own.

    Args:
        d: numbers that broadcast against a batch.
        constant: see `Op`.
    """

    d: Tensor

    def __init__(self, d: Tensor, *, constant: bool = False) -> None:
        super().__init__()
        self.register_buffer("d", d)
        self.constant = constant

    def jv(self, v: Tensor) -> Tensor:
        return self.d * v

    def jtu(self, u: Tensor) -> Tensor:
        return self.d * u


class Matrix(Op):
    """``W ⊗ Id``: the last dimension times a matrix."""

    constant = True
    w: Tensor

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.register_buffer("w", w)

    def jv(self, v: Tensor) -> Tensor:
        return functional.linear(v, self.w)

    def jtu(self, u: Tensor) -> Tensor:
        return u @ self.w


class Conv(Op):
    """A convolution after padding with zeros.

    Args:
        kernel: as torch takes it.
        ends: numbers of zeros, as `torch.nn.functional.pad` takes them.
        stride: along each axis.
        dilation: along each axis.
        groups: of channels.
        sizes: of the input's axes.
    """

    constant = True
    kernel: Tensor

    def __init__(
        self, kernel: Tensor, ends: list[int], stride: list[int], dilation: list[int],
        groups: int, shape: torch.Size,
    ) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)
        self.stride, self.dilation, self.groups = stride, dilation, groups
        axes = len(stride)
        before, after = ends[::2][::-1], ends[1::2][::-1]
        # the same number of zeros at both ends is part of the convolution itself
        self.even = before == after
        self.ends, self.inner = ends, tuple(
            slice(b, b + n) for b, n in zip(before, shape, strict=True))
        self.padding = before if self.even else [0] * axes
        self.padded = list(shape) if self.even else [
            b + n + a for b, n, a in zip(before, shape, after, strict=True)]
        self.channels = kernel.shape[1] * groups

    def jv(self, v: Tensor) -> Tensor:
        convolve = functional.conv1d if len(self.stride) == 1 else functional.conv2d
        if not self.even:
            v = functional.pad(v, self.ends)
        out: Tensor = convolve(
            v, self.kernel, None, self.stride, self.padding, self.dilation, self.groups
        )
        return out

    def jtu(self, u: Tensor) -> Tensor:
        like = u.new_empty(u.shape[0], self.channels, *self.padded)
        zeros = [0] * len(self.stride)
        x: Tensor = torch.ops.aten.convolution_backward(
            u, like, self.kernel, None, self.stride, self.padding, self.dilation, False,
            zeros, self.groups, [True, False, False],
        )[0]
        return x if self.even else x[(slice(None), slice(None), *self.inner)]


class Norm(Op):
    """``v -> G (v - q1 - n q2)`` with ``q1 = mean v`` and ``q2 = mean n v`` over each group.

    n are the normalised entries. With the groups' statistics held constant it is ``G`` alone:
    ``G (q1 + n q2)`` has rank 2 for each group.

    Args:
        gain: G, that broadcasts against a batch.
        n: the normalised entries.
        dims: that a group runs over.
        centre: without it, there is no q1.
    """

    gain: Tensor
    n: Tensor

    def __init__(self, gain: Tensor, n: Tensor, dims: tuple[int, ...], *, centre: bool) -> None:
        super().__init__()
        self.register_buffer("gain", gain)
        self.register_buffer("n", n)
        self.dims, self.centre = dims, centre
        self.frozen = False
        self.push: tuple[Tensor, Tensor] | None = None
        self.pull: tuple[Tensor, Tensor] | None = None

    @property
    def couples(self) -> bool:
        """Whether a group runs over samples."""
        return 0 in self.dims

    @property
    def statistics(self) -> torch.Size:
        """Shape of q1, and of q2."""
        return torch.Size(1 if i in self.dims else s for i, s in enumerate(self.n.shape))

    @property
    def rank(self) -> int:
        """Of the part that holds through the statistics, at most."""
        return (1 + self.centre) * self.statistics.numel()

    def _centred(self, v: Tensor) -> Tensor:
        """``v - q1 - n q2``."""
        blocks = in_blocks(v)
        first, second = self._means(v, blocks)
        if len(blocks) == 1:
            return torch.addcmul(v if first is None else v - first, self.n, second, value=-1)
        made = torch.empty_like(v)
        for b in blocks:
            one, two = _rows(first, b), _rows(second, b)
            assert two is not None
            torch.addcmul(v[b] if one is None else v[b] - one, self.n[b], two, value=-1,
                          out=made[b])
        return made

    def _means(self, v: Tensor, blocks: list[slice]) -> tuple[Tensor | None, Tensor]:
        if len(blocks) == 1:
            first = v.mean(self.dims, keepdim=True) if self.centre else None
            return first, (self.n * v).mean(self.dims, keepdim=True)
        size = self.n.numel() // self.statistics.numel()

        def mean(parts: list[Tensor]) -> Tensor:
            whole = torch.cat(parts)
            return (whole.sum(0, keepdim=True) if self.couples else whole) / size

        def total(part: Tensor) -> Tensor:
            return part.sum(self.dims, keepdim=True)

        return (mean([total(v[b]) for b in blocks]) if self.centre else None,
                mean([total(self.n[b] * v[b]) for b in blocks]))

    def jv(self, v: Tensor) -> Tensor:
        if not self.frozen:
            v = self._centred(v)
        if self.push is not None:
            v = v - self.push[0] - self.n * self.push[1]
        return self.gain * v

    def jtu(self, u: Tensor) -> Tensor:
        w = self.gain * u
        if not self.frozen:
            w = self._centred(w)
        if self.pull is not None:
            size = self.n.numel() // self.statistics.numel()
            w = w + (self.pull[0] + self.n * self.pull[1]) / size
        return w


def in_blocks(v: Tensor) -> list[slice]:
    """The samples of a batch in blocks that fit into a processor's cache."""
    n = v.shape[0]
    if v.device.type != "cpu" or n == 0:
        return [slice(0, n)]
    step = max(1, BLOCK_BYTES * n // max(1, v.numel() * v.element_size()))
    return [slice(i, min(n, i + step)) for i in range(0, n, step)]


def _rows(t: Tensor | None, b: slice) -> Tensor | None:
    return t if t is None or t.shape[0] == 1 else t[b]


class Row(Op):
    """One after the other."""

    def __init__(self, ops: list[Op]) -> None:
        super().__init__()
        self.ops = nn.ModuleList(ops)
        self.constant = all(o.constant for o in ops)

    def __iter__(self) -> Iterator[Op]:
        for op in self.ops:
            assert isinstance(op, Op)
            yield op

    def jv(self, v: Tensor) -> Tensor:
        for op in self:
            v = op.jv(v)
        return v

    def jtu(self, u: Tensor) -> Tensor:
        for op in reversed(list(self)):
            u = op.jtu(u)
        return u


class Joined(Op):
    """Steps with the places their inputs come from; several inputs are joined first.

    Args:
        steps: maps, None for nothing but the join.
        sources: of each: 0 for the input, k for what step k - 1 gives.
        widths: sizes of the parts along dimension 1 where they are put side by side, None
            where they are added.
    """

    def __init__(
        self, steps: list[Op | None], sources: list[tuple[int, ...]],
        widths: list[tuple[int, ...] | None],
    ) -> None:
        super().__init__()
        self.ops = [Row([]) if s is None else s for s in steps]
        self.steps = nn.ModuleList(self.ops)
        self.sources, self.widths = sources, widths
        self.constant = all(s is None or s.constant for s in steps)

    def jv(self, v: Tensor) -> Tensor:
        results = [v]
        for step, sources, widths in zip(self.ops, self.sources, self.widths, strict=True):
            parts = [results[s] for s in sources]
            results.append(step.jv(torch.cat(parts, 1) if widths else total(parts)))
        return results[-1]

    def jtu(self, u: Tensor) -> Tensor:
        back: list[Tensor | None] = [None] * len(self.ops) + [u]
        for k in reversed(range(len(self.ops))):
            given = back[k + 1]
            if given is None:
                continue
            g = self.ops[k].jtu(given)
            widths, sources = self.widths[k], self.sources[k]
            parts = torch.split(g, list(widths), 1) if widths else [g] * len(sources)
            for s, part in zip(sources, parts, strict=True):
                now = back[s]
                back[s] = part if now is None else now + part
        assert back[0] is not None
        return back[0]


def total(parts: list[Tensor]) -> Tensor:
    """Their sum."""
    result = parts[0]
    for p in parts[1:]:
        result = result + p
    return result


class Automatic(Op):
    """The derivative of any module, by automatic derivatives in float64."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        super().__init__()
        self._x = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            self._y = module(self._x)
            self._u = torch.zeros_like(self._y).requires_grad_()
            if self._y.requires_grad:
                (self._g,) = torch.autograd.grad(
                    self._y, self._x, self._u, create_graph=True, materialize_grads=True)
            else:
                self._g = torch.zeros_like(self._x)

    def jv(self, v: Tensor) -> Tensor:
        if not self._g.requires_grad:
            return torch.zeros_like(self._y).to(v)
        (out,) = torch.autograd.grad(self._g, self._u, v.to(self._g), retain_graph=True,
                                     materialize_grads=True)
        return out.to(v)

    def jtu(self, u: Tensor) -> Tensor:
        if not self._y.requires_grad:
            return torch.zeros_like(self._x).to(u)
        (out,) = torch.autograd.grad(self._y, self._x, u.to(self._y), retain_graph=True,
                                     materialize_grads=True)
        return out.to(u)


def norms(op: Op) -> list[Norm]:
    """The batch norms inside that couple samples."""
    return [m for m in op.modules() if isinstance(m, Norm) and m.couples]
