import os

# before numpy or torch is imported: they read these once
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"

import pytest
from hypothesis import settings

from govcheck.plugin.registry import Registry, load_registry

# a time limit for each example fails on busy machines and says nothing about the code
settings.register_profile("govcheck", deadline=None)
settings.load_profile("govcheck")


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The installed plugins; the tests need them all in working order."""
    found = load_registry()
    assert not found.broken, "\n".join(map(str, found.broken))
    return found
