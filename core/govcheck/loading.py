"""Read architectures with the installed plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from govcheck import spec
from govcheck.plugin.registry import load_registry

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.plugin.registry import Registry


def load(
    path: str | Path,
    *,
    registry: Registry | None = None,
    overrides: dict[str, str] | None = None,
) -> Architecture:
    """Read an architecture file.

    Args:
        path: the YAML file.
        registry: the plugins; loaded when omitted.
        overrides: values for declared symbols, as text, such as ``{"m": "128"}``.

    Raises:
        InputError: with every problem of the file.
    """
    return spec.load(path, registry or load_registry(), overrides or {})


def loads(
    text: str,
    *,
    registry: Registry | None = None,
    overrides: dict[str, str] | None = None,
) -> Architecture:
    """Read an architecture from a string; see `load`."""
    return spec.loads(text, registry or load_registry(), overrides=overrides or {})
