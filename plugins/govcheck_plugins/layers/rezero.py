"""The learnable residual scale of ReZero and SkipInit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from govcheck.bounds.expr import ONE, ZERO, Expr
from govcheck_plugins.layers.scale import Scale


@dataclass(frozen=True)
class ReZero(Scale):
    """rezero: X -> a X with one trained number a, 0 at first; SkipInit is the same map.

    The last layer of a residual branch. It is `scale` with its keys set.
    """

    name: ClassVar[str] = "rezero"

    factor: Expr = field(default=ONE, init=False)
    trainable: bool = field(default=True, init=False)
    initial: Expr = field(default=ZERO, init=False)
