"""All classes that installed plugins provide, each with its owner, and what was set aside.

Built-ins come through the same entry-point group ``govcheck`` as everybody else's. They
load first, then the others by name; the first owner of a name keeps it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from types import ModuleType
from typing import Any, Final, Union

from govcheck.plugin.cost import Cost
from govcheck.plugin.data import DataSource
from govcheck.plugin.guard import Raised, attempt
from govcheck.plugin.importing import Importer
from govcheck.plugin.inspection import NOUN, Kind
from govcheck.plugin.layer import Layer
from govcheck.plugin.loader import Broken as Broken
from govcheck.plugin.loader import Loaded, Source, load_plugin
from govcheck.plugin.loader import Owner as Owner
from govcheck.reproduce.protocol import Reproduction
from govcheck.suggest.edit import Edit
from govcheck.theorems.protocol import Theorem

GROUP: Final = "govcheck"
OWN_DISTRIBUTION: Final = "govcheck"
KINDS: Final[tuple[Kind, ...]] = (
    "layers", "costs", "theorems", "data", "reproductions", "edits", "importers"
)


@dataclass(frozen=True)
class PluginInfo:
    """One loaded plugin.

    Args:
        name: name of its entry point.
        module: what the entry point names.
        distribution, version: the installed distribution; empty if it belongs to none.
        provides: registered names by kind.
    """

    name: str
    module: str
    distribution: str
    version: str
    provides: Mapping[Kind, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Registry:
    """Classes by name, and what was set aside on the way.

    Args:
        layers, costs, theorems, data, reproductions, edits, importers: classes by registered
            name, in loading order.
        plugins: the plugins that could be imported.
        broken: everything that was set aside.
    """

    layers: Mapping[str, type[Layer]]
    costs: Mapping[str, type[Cost]]
    theorems: Mapping[str, type[Theorem]]
    data: Mapping[str, type[DataSource]]
    reproductions: Mapping[str, type[Reproduction]]
    edits: Mapping[str, type[Edit]]
    importers: Mapping[str, type[Importer]]
    plugins: list[PluginInfo]
    broken: list[Broken]
    _owners: Mapping[tuple[Kind, str], Owner] = field(repr=False)

    def owner(self, kind: Kind, name: str) -> Owner:
        """Who provides a class.

        Raises:
            KeyError: if nothing of this kind has the name.
        """
        return self._owners[kind, name]


def load_registry(
    entry_points: Iterable[EntryPoint] | None = None,
    extra: Iterable[Union[ModuleType, str]] = (),
) -> Registry:
    """Load all plugins, each isolated from the others.

    Whatever goes wrong in one (failing import, failing or misspelt hook, unusable class,
    taken name) is noted in `Registry.broken`, and everything else keeps working.

    Args:
        entry_points: instead of those of the installed distributions.
        extra: further plugin modules, or their import names, loaded last.
    """
    broken: list[Broken] = []
    if entry_points is None:
        entries = _installed(broken)
    else:
        entries = [(e, _owner_of(e, e.dist)) for e in entry_points]
    entries.sort(key=lambda pair: (
        not _is_own(pair[1].distribution), pair[0].name, pair[1].distribution))
    sources = [Source(owner, entry.value, entry.load) for entry, owner in entries]
    sources += [_extra_source(module) for module in extra]
    return _assemble(sources, broken)


def _assemble(sources: Iterable[Source], broken: list[Broken]) -> Registry:
    classes: dict[Kind, dict[str, Any]] = {kind: {} for kind in KINDS}
    owners: dict[tuple[Kind, str], Owner] = {}
    plugins: list[PluginInfo] = []
    by_module: dict[str, Owner] = {}
    for source in sources:
        first = by_module.setdefault(source.module, source.owner)
        if first is not source.owner:
            again = Loaded(source.owner)
            again.set_aside("duplicate", f"module {source.module} is already loaded as {first}")
            broken += again.broken
            continue
        loaded = load_plugin(source)
        provides: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
        for kind, cls in loaded.classes:
            name: str = cls.name  # type: ignore[attr-defined]
            holder = owners.get((kind, name))
            if holder is None:
                owners[kind, name] = source.owner
                classes[kind][name] = cls
                provides[kind].append(name)
            else:
                loaded.set_aside("duplicate", (
                    f"{NOUN[kind]} {name} of {source.owner} ({cls.__qualname__}): the name is "
                    f"already taken by {holder}"
                ))
        broken += loaded.broken
        if loaded.imported:
            o = source.owner
            plugins.append(PluginInfo(
                o.plugin, source.module, o.distribution, o.version,
                {kind: tuple(names) for kind, names in provides.items()},
            ))
    return Registry(
        layers=classes["layers"],
        costs=classes["costs"],
        theorems=classes["theorems"],
        data=classes["data"],
        reproductions=classes["reproductions"],
        edits=classes["edits"],
        importers=classes["importers"],
        plugins=plugins,
        broken=broken,
        _owners=owners,
    )


def _installed(broken: list[Broken]) -> list[tuple[EntryPoint, Owner]]:
    """Entry points of all distributions; one with unreadable metadata is set aside."""
    found: list[tuple[EntryPoint, Owner]] = []
    seen: set[str] = set()
    for distribution in distributions():
        outcome = attempt(partial(_entries, distribution))
        if isinstance(outcome, Raised):
            place = getattr(distribution, "_path", distribution)
            broken.append(Broken("?", str(place), "metadata", outcome.text))
            continue
        for entry, owner in outcome.value:
            # a distribution found again further down sys.path is shadowed
            key = f"{_normal(owner.distribution)}:{entry.name}"
            if key not in seen:
                seen.add(key)
                found.append((entry, owner))
    if not any(_is_own(owner.distribution) for _, owner in found):
        broken.append(Broken(
            "builtin", OWN_DISTRIBUTION, "metadata",
            "govcheck's own entry point is not installed, so there are no built-in plugins; "
            "install the project with pip",
        ))
    return found


def _entries(distribution: Distribution) -> list[tuple[EntryPoint, Owner]]:
    return [(e, _owner_of(e, distribution)) for e in distribution.entry_points if e.group == GROUP]


def _owner_of(entry: EntryPoint, distribution: Distribution | None) -> Owner:
    if distribution is None:
        return Owner(entry.name)
    # metadata without a name or version gives None
    return Owner(entry.name, distribution.name or "", distribution.version or "")


def _extra_source(module: Union[ModuleType, str]) -> Source:
    if isinstance(module, str):
        return Source(Owner(module), module, lambda: importlib.import_module(module))
    return Source(Owner(module.__name__), module.__name__, lambda: module)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_own(distribution: str) -> bool:
    return _normal(distribution) == OWN_DISTRIBUTION
