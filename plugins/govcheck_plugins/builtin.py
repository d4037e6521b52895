"""The built-in plugin: public files of layers, costs, theorems, data, edits, reproduce.

There is no list to keep: a concrete class defined in one of these files is registered.
Files and classes whose name starts with an underscore are helpers and are left out.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any

from govcheck.plugin import Cost, DataSource, Importer, Layer, hookimpl
from govcheck.reproduce.protocol import Reproduction
from govcheck.suggest.edit import Edit
from govcheck.theorems.protocol import Theorem


def modules(kind: str) -> list[ModuleType]:
    """The public modules of ``govcheck_plugins.<kind>``, by name."""
    package = import_module(f"govcheck_plugins.{kind}")
    return [
        import_module(f"{package.__name__}.{info.name}")
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name)
        if not info.name.startswith("_")
    ]


def classes(module: ModuleType, base: type[Any]) -> list[Any]:
    """Concrete public subclasses of `base` defined in a module, in file order."""
    return [value for value in vars(module).values() if _is_plugin(value, module, base)]


def _is_plugin(value: Any, module: ModuleType, base: type) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and not inspect.isabstract(value)
        and hasattr(value, "name")
    )


@hookimpl
def govcheck_layers() -> list[type[Layer]]:
    """Built-in layers."""
    return [c for m in modules("layers") for c in classes(m, Layer)]


@hookimpl
def govcheck_costs() -> list[type[Cost]]:
    """Built-in costs."""
    return [c for m in modules("costs") for c in classes(m, Cost)]


@hookimpl
def govcheck_theorems() -> list[type[Theorem]]:
    """Built-in theorems."""
    return [c for m in modules("theorems") for c in classes(m, Theorem)]


@hookimpl
def govcheck_data() -> list[type[DataSource]]:
    """Built-in data sources."""
    return [c for m in modules("data") for c in classes(m, DataSource)]


@hookimpl
def govcheck_reproductions() -> list[type[Reproduction]]:
    """Built-in results of papers."""
    return [c for m in modules("reproduce") for c in classes(m, Reproduction)]


@hookimpl
def govcheck_edits() -> list[type[Edit]]:
    """Built-in changes of architectures."""
    return [c for m in modules("edits") for c in classes(m, Edit)]


@hookimpl
def govcheck_importers() -> list[type[Importer]]:
    """Torch modules and functions that built-in layers compute."""
    return [c for m in modules("importers") for c in classes(m, Importer)]
