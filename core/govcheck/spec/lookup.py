"""What the reader of architecture files needs to know about installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from govcheck.plugin.cost import Cost
from govcheck.plugin.data import DataSource
from govcheck.plugin.layer import Layer
from govcheck.theorems.protocol import Theorem


class Lookup(Protocol):
    """Plugin classes by registered name."""

    @property
    def layers(self) -> Mapping[str, type[Layer]]:
        """Layers."""

    @property
    def costs(self) -> Mapping[str, type[Cost]]:
        """Costs."""

    @property
    def data(self) -> Mapping[str, type[DataSource]]:
        """Data sources."""

    @property
    def theorems(self) -> Mapping[str, type[Theorem]]:
        """Theorems."""
