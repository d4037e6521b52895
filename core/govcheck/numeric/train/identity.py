"""What makes two runs the same run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from govcheck.analysis import Analysis
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Mark
from govcheck.numeric.train.settings import Settings


def architecture_hash(arch: Architecture) -> str:
    """SHA-256 of all that an architecture says about the network, its data and its start.

    Names of files, places in them, comments, theorems asked for and the ``train`` block do
    not count.
    """
    parts = {
        "values": {repr(s): repr(v) for s, v in arch.values.items()},
        **{k: _plain(getattr(arch, k))
           for k in ("input", "body", "cost", "data", "init", "domain")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mark):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [f"{type(value).__module__}.{type(value).__qualname__}", fields]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | str) or value is None else repr(value)


def identity(analysis: Analysis, settings: Settings) -> dict[str, Any]:
    """What a resumed run must have in common with the run it continues."""
    assert analysis.data is not None
    return {
        "architecture": architecture_hash(analysis.architecture),
        "data": analysis.data.dataset.sha256,
        "init_seed": analysis.architecture.init.seed,
        "settings": settings.identity(),
    }
