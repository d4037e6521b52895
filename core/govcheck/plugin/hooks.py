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
    from govcheck.plugin.importing import Importer
    from govcheck.plugin.layer import Layer
    from govcheck.reproduce.protocol import Reproduction
    from govcheck.suggest.edit import Edit
    from govcheck.theorems.protocol import Theorem

PROJECT = "govcheck"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def govcheck_layers() -> list[type[Layer]]:
    """Layer classes of this plugin."""
    raise NotImplementedError


@hookspec
def govcheck_costs() -> list[type[Cost]]:
    """Cost classes of this plugin."""
    raise NotImplementedError


@hookspec
def govcheck_theorems() -> list[type[Theorem]]:
    """Theorem classes of this plugin."""
    raise NotImplementedError


@hookspec
def govcheck_data() -> list[type[DataSource]]:
    """Data source classes of this plugin."""
    raise NotImplementedError


@hookspec
def govcheck_reproductions() -> list[type[Reproduction]]:
    """Results of papers that this plugin computes again."""
    raise NotImplementedError


@hookspec
def govcheck_edits() -> list[type[Edit]]:
    """Changes of architectures that ``govcheck suggest`` may try."""
    raise NotImplementedError


@hookspec
def govcheck_importers() -> list[type[Importer]]:
    """Classes that recognise torch modules and functions as layers."""
    raise NotImplementedError
