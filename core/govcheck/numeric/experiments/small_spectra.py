"""Singular values of the layers of the small models, batch norm in train mode.

Batch norm couples the samples, so a block's Jacobian has (samples x 720)^2 entries. With the batch
statistics held constant it is block diagonal; the difference has rank at most two for each
normalised channel, hence by Weyl's inequality the distribution functions differ by at most
``2 channels / number of singular values``. The last two layers and the whole are exact.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from govcheck.numeric.experiments.small_models import (
    LAYERS,
    First,
    Second,
    SmallNet,
    pooled_identity,
)

WHOLE: Final = "all layers as one map"
CHUNK: Final = 160
WIDE: Final = 8
"""From this ratio of sides on, singular values are roots of the eigenvalues of J J^T."""


@dataclass(frozen=True, eq=False)
class LayerValues:
    """Singular values of one layer's Jacobian, as many as its smaller side.

    Args:
        layer: of `LAYERS`, or `WHOLE` for the map from the first block to the logits.
        values: ascending, of the samples looked at.
        error: by how much coupling through batch statistics can move the distribution function
            of the full batch; 0 where it is taken into account.
    """

    layer: str
    values: NDArray[np.float64]
    error: float


def layer_values(
    net: SmallNet, x: Tensor, samples: Sequence[int] | None = None, *, whole: bool = True
) -> list[LayerValues]:
    """Singular values of the layers' Jacobians in their input, on the whole batch, in float64.

    Args:
        net: its parameters are left alone.
        x: images ``(N, 1, 28, 28)``.
        samples: those of which the blocks' Jacobians are taken; all.
        whole: also of the map from the first block to the logits.
    """
    chosen = list(range(len(x)) if samples is None else samples)
    net, x = copy.deepcopy(net).double(), x.double()
    with torch.no_grad():
        a = net.stem(x)
        b = net.first(a)
        weight = net.linear.weight
        if net.residual:
            weight = weight + torch.eye(*weight.shape).to(weight)
        found = [
            _values(LAYERS[0], _block(net.first, a, chosen), _error(net.first, len(x), 720)),
            _values(LAYERS[1], _block(net.second, b, chosen), _error(net.second, len(x), 320)),
            _values(LAYERS[2], feature_jacobians(net.bn, net.second(b)), 0.0),
            _values(LAYERS[3], weight[None], 0.0),
        ]
    if whole:
        found.append(_values(WHOLE, whole_jacobian(net, a)[None], 0.0))
    return found


def _values(layer: str, jacobians: Tensor, error: float) -> LayerValues:
    rows, columns = jacobians.shape[-2:]
    if columns >= WIDE * rows:
        # errors of about 1e-8 of the largest value, and only where values are as small
        square = torch.linalg.eigvalsh(jacobians @ jacobians.mT)
        found = square.clamp(min=0).sqrt()
    else:
        found = torch.linalg.svdvals(jacobians)
    return LayerValues(layer, np.sort(found.flatten().cpu().numpy()), error)


def _error(block: nn.Module, batch: int, side: int) -> float:
    channels = sum(m.num_features for m in block.modules() if isinstance(m, nn.BatchNorm2d))
    return 2 * channels / (batch * side)


def _block(block: First | Second, x: Tensor, samples: list[int]) -> Tensor:
    """Jacobians of a block with constant statistics, one for each sample."""
    pre = _slopes(block.bn1, x)[samples].flatten(1)
    inside = block.conv1(functional.relu(block.bn1(x)))
    post = _slopes(block.bn2, inside)[samples].flatten(1)
    shape = x.shape[1:]
    eye = torch.eye(shape.numel()).reshape(-1, *shape).to(x)
    inner = _matrix(block.conv1, eye)
    middle = torch.eye(inner.shape[0]).reshape(-1, *inside.shape[1:]).to(x)
    jac = _matrix(block.conv2, middle) @ (post[:, :, None] * inner)
    if isinstance(block, Second):
        if block.skip:
            jac = jac + _matrix(block.shortcut, eye)
        if block.pool:
            jac = jac + pooled_identity(eye, 3, 20).flatten(1).T
        return jac * pre[:, None, :]
    jac = jac * pre[:, None, :]
    return jac + eye.flatten(1) if block.skip else jac


def _matrix(conv: nn.Conv2d, eye: Tensor) -> Tensor:
    out = functional.conv2d(eye, conv.weight, None, conv.stride, conv.padding)
    return out.flatten(1).T.contiguous()


def _slopes(bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """The derivative of batch norm and ReLU with constant statistics, entry by entry."""
    var = x.var((0, 2, 3), unbiased=False)
    gain = (bn.weight / torch.sqrt(var + bn.eps)).reshape(1, -1, 1, 1)
    slopes: Tensor = (bn(x) > 0) * gain
    return slopes


def feature_jacobians(bn: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Jacobians of batch norm and ReLU of features over the batch, exact.

    Args:
        bn: of C features.
        x: ``(N, C)``.

    Returns:
        One matrix for each feature, ``(C, N, N)``; features are not coupled.
    """
    centred = x - x.mean(0)
    root = torch.sqrt(centred.square().mean(0) + bn.eps)
    n = (centred / root).T
    size = len(x)
    inner = torch.eye(size).to(x) - 1 / size - n[:, :, None] * n[:, None, :] / size
    active = (bn(x) > 0).T.to(x)
    scaled: Tensor = active[:, :, None] * (bn.weight / root)[:, None, None] * inner
    return scaled


def whole_jacobian(net: SmallNet, a: Tensor) -> Tensor:
    """The Jacobian of all layers after the stem, ``(10 N, 720 N)``, coupling included.

    Args:
        net: the model.
        a: what the stem gives.
    """
    a = a.detach().requires_grad_()
    with torch.enable_grad():
        y = net.rest(a).flatten()
        eye = torch.eye(len(y)).to(y)
        rows = [torch.autograd.grad(y, a, part, retain_graph=True, is_grads_batched=True)[0]
                for part in torch.split(eye, CHUNK)]
    return torch.cat(rows).flatten(1)
