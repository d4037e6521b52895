import importlib.metadata
import os

import pytest
from hypothesis import settings

from govcheck.plugin.registry import GROUP, Registry, load_registry

# read once, when numpy and torch are imported, which is later than this file
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"

# a time limit for each example fails on busy machines and says nothing about the code
settings.register_profile("govcheck", deadline=None)
settings.load_profile("govcheck")


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-in plugin alone, which must be in working order."""
    own = [e for e in importlib.metadata.entry_points(group=GROUP) if e.dist.name == "govcheck"]
    found = load_registry(own)
    assert own and not found.broken, "\n".join(map(str, found.broken))
    return found
