"""Small torch modules that layer plugins build on."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Elementwise(nn.Module):
    """A map without parameters that acts on each entry.

    Args:
        fn: the map, any shape to the same shape.
        label: what `repr` shows.
    """

    def __init__(self, fn: Callable[[Tensor], Tensor], label: str) -> None:
        super().__init__()
        self.fn = fn
        self.label = label

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map; the shape stays."""
        return self.fn(x)

    def extra_repr(self) -> str:
        """The label."""
        return self.label
