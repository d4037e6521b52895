"""Convolutions and classifiers divided by a spectral norm, with one trained number as norm.

Two readings of "spectrally normalised" for a convolution: the norm of its kernel reshaped to
``out x (in k k)``, as torch's own spectral norm takes it, and the norm of the convolution as an
operator on pictures with zeros around. They differ by a factor between 1/k and k about.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Reading = Literal["kernel", "operator"]
READINGS: Final[tuple[Reading, ...]] = get_args(Reading)
START: Final = 15
"""Power iterations before training, as torch's spectral norm does; one more at each step."""
TINY: Final = 1e-12


def _unit(v: Tensor) -> Tensor:
    unit: Tensor = v / v.norm().clamp_min(TINY)
    return unit


def _adjoint(u: Tensor, weight: Tensor, stride: int, padding: int, side: int) -> Tensor:
    reached = (u.shape[-1] - 1) * stride - 2 * padding + weight.shape[-1]
    return functional.conv_transpose2d(u, weight, None, stride, padding, side - reached)


class SpectralConv(nn.Module):
    """``gain * conv / norm`` without bias.

    Args:
        inputs, outputs: channels.
        kernel: its side.
        stride, padding: as in torch.
        reading: which norm.
        side: of the pictures that come in, for the operator's norm.
        gain: start of the trained number.
    """

    weight: Tensor
    vector: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, *,
        reading: Reading, side: int, gain: float,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.gain = nn.Parameter(torch.tensor(gain))
        self.reading, self.stride, self.padding = reading, stride, padding
        shape = (1, inputs, side, side) if reading == "operator" else (inputs * kernel**2,)
        self.register_buffer("vector", _unit(torch.randn(shape)))
        with torch.no_grad():
            for _ in range(START):
                self._iterate()

    def _forward(self, v: Tensor) -> Tensor:
        if self.reading == "kernel":
            return self.weight.flatten(1) @ v
        return functional.conv2d(v, self.weight, None, self.stride, self.padding)

    def _iterate(self) -> None:
        """One power iteration."""
        u = _unit(self._forward(self.vector))
        if self.reading == "kernel":
            back = self.weight.flatten(1).T @ u
        else:
            back = _adjoint(u, self.weight, self.stride, self.padding, self.vector.shape[-1])
        self.vector.copy_(_unit(back))

    def norm(self) -> Tensor:
        """The norm as estimated now, below the true one; differentiable in the weight."""
        with torch.no_grad():
            if self.training:
                self._iterate()
            u = _unit(self._forward(self.vector))
        # autograd keeps the vector for the backward pass, while later steps overwrite it
        return (u * self._forward(self.vector.clone())).sum()

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a batch."""
        y: Tensor = functional.conv2d(
            x, self.weight * (self.gain / self.norm()), None, self.stride, self.padding)
        return y


class ResidualClassifier(nn.Module):
    """``P x + gain W x/|W| + b``, P the projection to the first features.

    The gain and b start at 0, so all singular values start at 1. W starts at random: with W = 0
    as well (the paper: all parameters zero) W/|W| is undefined, and nothing would ever move.

    Args:
        features, classes: sizes; ``classes <= features``.
    """

    vector: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        if classes > features:
            raise ValueError(f"{classes} classes of {features} features")
        self.linear = nn.Linear(features, classes)
        nn.init.zeros_(self.linear.bias)
        self.gain = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("vector", _unit(torch.randn(features)))
        with torch.no_grad():
            for _ in range(START):
                self._iterate()

    def _iterate(self) -> None:
        w = self.linear.weight
        self.vector.copy_(_unit(w.T @ _unit(w @ self.vector)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(N, features)``."""
        w = self.linear.weight
        with torch.no_grad():
            if self.training:
                self._iterate()
            u = _unit(w @ self.vector)
        norm = u @ (w @ self.vector.clone())
        y: Tensor = functional.linear(x, w * (self.gain / norm), self.linear.bias)
        return x[:, :len(w)] + y


def both_norms(weight: Tensor, stride: int, padding: int, side: int, steps: int = 200
               ) -> tuple[float, float]:
    """Norms of a convolution in both readings, by singular values and by power iterations.

    Args:
        weight: ``(out, in, k, k)``.
        stride, padding: of the convolution.
        side: of the pictures.
        steps: power iterations; the second number is a lower estimate.
    """
    with torch.no_grad():
        w = weight.detach().double()
        kernel = float(torch.linalg.matrix_norm(w.flatten(1), 2))
        generator = torch.Generator().manual_seed(0)
        v = _unit(torch.randn(1, w.shape[1], side, side, dtype=torch.float64,
                              generator=generator).to(w.device))
        top = 0.0
        for _ in range(steps):
            y = functional.conv2d(v, w, None, stride, padding)
            top = float(y.norm())
            v = _unit(_adjoint(y, w, stride, padding, side))
    return kernel, top
