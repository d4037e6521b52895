"""Which heavy packages importing a module loads, seen from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from typing import Final

HEAVY: Final = ("torch", "sympy", "rich", "sklearn", "scipy", "pandas", "matplotlib", "jax",
                "tensorflow")

_SCRIPT: Final = """\
import importlib, importlib.util, json, sys
heavy = set(json.loads(sys.argv[1]))
for name, path in json.loads(sys.argv[2]):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        if not path:
            raise
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
sys.stdout.write("\\n" + json.dumps(sorted(heavy & set(sys.modules))))
"""


def heavy_imports(modules: Iterable[type]) -> tuple[str, ...]:
    """Heavy packages that are loaded once the modules of these classes are imported.

    Raises:
        RuntimeError: if the import fails; the text is the end of the traceback.
    """
    return _loaded(tuple(sorted({(c.__module__, _path(c)) for c in modules})))


@cache
def _loaded(modules: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p or os.curdir for p in sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps(HEAVY), json.dumps(modules)],
        capture_output=True, text=True, env=environment, check=False, timeout=300,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr else "no reason")
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def _path(cls: type) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
