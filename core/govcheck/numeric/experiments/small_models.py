"""The four MNIST models of [M] 5.2 with the same parameters.

The paper gives neither channels nor kernels nor the step size. They are those of the code the
authors released with their later article (MNIST part; MacDonald, Valmadre, Saratchandran, Lucey,
"On skip connections and normalisation layers in deep optimisation", 2023): conv 1->5 of 5x5,
average pool 2, two 5x5 convolutions 5->5, a 1x1 convolution 5->20 of stride 3, 3x3
convolutions 5->20 of stride 2 and 20->20, 320 features. Two models of the paper are not in that
code: the residual classifier of ResLin and ResLinProj is added here from the paper's text, its
'identity mapping' being the projection to the first ten features.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Kind = Literal["Chain", "Res", "ResLin", "ResLinProj"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SIDE: Final = 28
CLASSES: Final = 10
LAYERS: Final = ("block 2-3", "block 5-6", "normalise, relu", "linear")


def pooled_identity(x: Tensor, stride: int, channels: int, before: int | None = None) -> Tensor:
    """Average pool scaled so that ``A A^T = Id``, then channels of zeros.

    Args:
        x: ``(N, c, h, w)``; h and w are multiples of the stride.
        stride: also the size of the windows.
        channels: of the result.
        before: how many of the zero channels come first; half of them, rounded down.
    """
    extra = channels - x.shape[1]
    first = extra // 2 if before is None else before
    pooled = stride * functional.avg_pool2d(x, stride, stride)
    return functional.pad(pooled, (0, 0, 0, 0, first, extra - first))


def _norm(channels: int) -> nn.BatchNorm2d:
    # only ever on the training batch
    return nn.BatchNorm2d(channels, track_running_stats=False)


class First(nn.Module):
    """Convolutions 2 and 3."""

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.bn1, self.conv1 = _norm(5), nn.Conv2d(5, 5, 5, 1, 2)
        self.bn2, self.conv2 = _norm(5), nn.Conv2d(5, 5, 5, 1, 2)
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to ``(N, 5, 12, 12)``."""
        y: Tensor = self.conv1(functional.relu(self.bn1(x)))
        y = self.conv2(functional.relu(self.bn2(y)))
        return x + y if self.skip else y


class Second(nn.Module):
    """Convolutions 4 (on the shortcut, if there is one), 5 and 6."""

    def __init__(self, skip: bool, pool: bool) -> None:
        super().__init__()
        self.bn1, self.shortcut = _norm(5), nn.Conv2d(5, 20, 1, 3)
        self.conv1, self.bn2 = nn.Conv2d(5, 20, 3, 2, 1), _norm(20)
        self.conv2 = nn.Conv2d(20, 20, 3, 1)
        self.skip, self.pool = skip, pool

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to ``(N, 5, 12, 12)``; the result has 320 features."""
        x = functional.relu(self.bn1(x))
        y: Tensor = self.conv2(functional.relu(self.bn2(self.conv1(x))))
        if self.skip:
            y = y + self.shortcut(x)
        if self.pool:
            y = y + pooled_identity(x, 3, 20)
        return y.flatten(1)


class SmallNet(nn.Module):
    """One of the four models; all have parameters of the same names and shapes.

    Args:
        kind: which.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(1, 5, 5, 1)
        self.first = First(kind != "Chain")
        self.second = Second(kind != "Chain", kind == "ResLinProj")
        self.bn = nn.BatchNorm1d(320, track_running_stats=False)
        self.linear = nn.Linear(320, CLASSES)
        self.residual = kind in ("ResLin", "ResLinProj")

    def stem(self, x: Tensor) -> Tensor:
        """Convolution 1 and the pool."""
        return functional.avg_pool2d(self.conv(x), 2)

    def normalised(self, x: Tensor) -> Tensor:
        """Batch norm and ReLU of the features."""
        return functional.relu(self.bn(x))

    def classify(self, x: Tensor) -> Tensor:
        """The last layer."""
        y: Tensor = self.linear(x)
        return x[:, :CLASSES] + y if self.residual else y

    def rest(self, x: Tensor) -> Tensor:
        """All after the stem."""
        return self.classify(self.normalised(self.second(self.first(x))))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(N, 1, 28, 28)``."""
        return self.rest(self.stem(x))


def models(seed: int, device: torch.device) -> dict[Kind, SmallNet]:
    """The four models with equal parameters, torch's default initialisation from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = SmallNet("Chain").state_dict()
        found: dict[Kind, SmallNet] = {}
        for kind in KINDS:
            found[kind] = SmallNet(kind)
            found[kind].load_state_dict(start)
    return {k: m.to(device) for k, m in found.items()}
