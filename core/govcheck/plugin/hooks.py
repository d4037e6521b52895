"""Hooks a govcheck plugin may implement, and the marker to implement them with.

A plugin is a module named in the entry-point group ``govcheck`` with functions marked
`hookimpl`; each returns a list of classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from govcheck.plugin.cost import Cost
    from govcheck.plugin.data import DataSource
    from govcheck.plugin.layer import Layer
    from govcheck.theorems.protocol import Theorem

PROJECT = "govcheck"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def govcheck_layers() -> list[type[Layer]]:  # type: ignore[empty-body]
    """Layer classes of this plugin."""


@hookspec
def govcheck_costs() -> list[type[Cost]]:  # type: ignore[empty-body]
    """Cost classes of this plugin."""


@hookspec
def govcheck_theorems() -> list[type[Theorem]]:  # type: ignore[empty-body]
    """Theorem classes of this plugin."""


@hookspec
def govcheck_data() -> list[type[DataSource]]:  # type: ignore[empty-body]
    """Data source classes of this plugin."""
