"""Pre-activation ResNets of [M] 5.3: the original and the modified one.

The original is the pre-activation ResNet-18 of the recipe's repository (github.com/kuangliu/
pytorch-cifar), of any width and depth. The modified one has

1. a residual classifier (`ResidualClassifier`),
2. a residual layer in place of each projection: a scaled average pool with zero channels plus
   a spectrally normalised 1x1 convolution of gain 0 at the start,
3. spectrally normalised convolutions where no batch norm follows: the first one and the last one
   of each block; their gains start as torch starts a linear layer of one input, uniform on
   [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from govcheck.numeric.experiments.pictures import CHANNELS, SIDE
from govcheck.numeric.experiments.small_models import pooled_identity
from govcheck.numeric.experiments.spectral_norm import (
    Reading,
    ResidualClassifier,
    SpectralConv,
)

Design = Literal["original", "kernel", "operator"]
"""The original, or the modified one with a reading of spectral normalisation."""


def _gain() -> float:
    return float(torch.empty(()).uniform_(-1, 1))


def _conv(inputs: int, outputs: int, kernel: int, stride: int, side: int,
          reading: Reading | None) -> nn.Module:
    padding = kernel // 2
    if reading is None:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return SpectralConv(inputs, outputs, kernel, stride, padding, reading=reading, side=side,
                        gain=_gain())


class PooledShortcut(nn.Module):
    """Scaled average pool with zero channels, plus a normalised convolution of gain 0."""

    def __init__(self, inputs: int, outputs: int, stride: int, side: int, reading: Reading
                 ) -> None:
        super().__init__()
        self.conv = SpectralConv(inputs, outputs, 1, stride, 0, reading=reading, side=side,
                                 gain=0.0)
        self.stride, self.outputs = stride, outputs

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a batch."""
        y: Tensor = self.conv(x)
        return y + pooled_identity(x, self.stride, self.outputs)


class Block(nn.Module):
    """Pre-activation block with two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, side: int,
                 reading: Reading | None) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = _conv(outputs, outputs, 3, 1, side // stride, reading)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = (
                nn.Conv2d(inputs, outputs, 1, stride, bias=False) if reading is None
                else PooledShortcut(inputs, outputs, stride, side, reading))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a batch."""
        active = functional.relu(self.bn1(x))
        y: Tensor = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return y + (x if self.shortcut is None else self.shortcut(active))


class ResNet(nn.Module):
    """Four stages of blocks on 32x32 pictures, then an average and a classifier.

    Args:
        design: which.
        classes: number of labels.
        width: channels of the first stage; 64 is the published size.
        depths: blocks of each stage.
    """

    def __init__(self, design: Design, classes: int, width: int = 64,
                 depths: Sequence[int] = (2, 2, 2, 2)) -> None:
        super().__init__()
        reading: Reading | None = None if design == "original" else design
        side, channels = SIDE, width
        self.conv = _conv(CHANNELS, width, 3, 1, side, reading)
        blocks = []
        for stage, depth in enumerate(depths):
            for k in range(depth):
                stride = 2 if stage and not k else 1
                blocks.append(Block(channels, width * 2**stage, stride, side, reading))
                channels, side = width * 2**stage, side // stride
        self.blocks = nn.ModuleList(blocks)
        self.linear: nn.Module = (nn.Linear(channels, classes) if reading is None
                                  else ResidualClassifier(channels, classes))

    def features(self, x: Tensor) -> list[Tensor]:
        """What goes into each block, and what the last one gives."""
        found = [self.conv(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(N, 3, 32, 32)``."""
        y: Tensor = self.linear(self.features(x)[-1].mean((2, 3)))
        return y


def build(design: Design, classes: int, width: int, depths: Sequence[int], seed: int,
          device: torch.device) -> ResNet:
    """A model with torch's default initialisation from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ResNet(design, classes, width, depths)
    return net.to(device)


def convolutions(net: ResNet) -> list[tuple[str, SpectralConv, int]]:
    """The normalised convolutions that are more than 1x1, with the side of what comes in."""
    found = []
    side = SIDE
    if isinstance(net.conv, SpectralConv):
        found.append(("first", net.conv, side))
    for k, block in enumerate(net.blocks):
        assert isinstance(block, Block)
        side //= block.conv1.stride[0]
        if isinstance(block.conv2, SpectralConv):
            found.append((f"block {k + 1}", block.conv2, side))
    return found
