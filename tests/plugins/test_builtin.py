"""One file, one contribution: a forgotten or unnamed class must not pass unnoticed."""

import pkgutil
from importlib import import_module

import pytest

from govcheck_plugins import builtin

HOOK = {
    "layers": builtin.govcheck_layers,
    "costs": builtin.govcheck_costs,
    "theorems": builtin.govcheck_theorems,
    "data": builtin.govcheck_data,
    "reproductions": builtin.govcheck_reproductions,
    "edits": builtin.govcheck_edits,
    "importers": builtin.govcheck_importers,
}
FOLDER = {kind: kind for kind in HOOK} | {"reproductions": "reproduce"}
FILES = [
    (kind, info.name)
    for kind in HOOK
    for info in pkgutil.iter_modules(import_module(f"govcheck_plugins.{FOLDER[kind]}").__path__)
    if not info.name.startswith("_")
]


@pytest.mark.parametrize(("kind", "file"), FILES)
def test_every_file_contributes_a_registered_class(kind, file, registry):
    module = f"govcheck_plugins.{FOLDER[kind]}.{file}"
    registered = [c for c in getattr(registry, kind).values() if c.__module__ == module]
    assert registered, f"{module} contributes nothing"


@pytest.mark.parametrize("kind", HOOK)
def test_the_files_are_all_there_is(kind, registry):
    found = HOOK[kind]()
    assert len(found) == len(set(found)) > 0
    assert set(found) <= set(getattr(registry, kind).values())
    assert {c.__module__.rpartition(".")[2] for c in found} == {f for k, f in FILES if k == kind}


@pytest.mark.parametrize(("kind", "file"), [x for x in FILES if x[0] in ("layers", "costs")])
def test_layers_and_costs_are_called_like_their_files(kind, file, registry):
    assert file in getattr(registry, kind)


def test_helpers_and_imported_classes_are_left_out():
    module = import_module("govcheck_plugins.costs.square")
    assert hasattr(module, "Quadratic")
    assert [c.__name__ for c in builtin.classes(module, builtin.Cost)] == ["Square"]
    names = {m.__name__ for m in builtin.modules("costs")}
    assert "govcheck_plugins.costs._quadratic" not in names
