import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture(scope="session")
def writes_golden() -> bool:
    """Whether tests write the files that they otherwise compare with."""
    return bool(os.environ.get("GOVCHECK_WRITE_GOLDEN"))


@pytest.fixture(scope="session")
def golden(writes_golden: bool) -> Callable[[Path, str], None]:
    """Asserts that a text is what a file has."""

    def same(path: Path, text: str) -> None:
        if writes_golden:
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return same


@pytest.fixture(scope="session")
def shows() -> Callable[[str, list[str]], None]:
    """Asserts that an output has the lines of a page, `...` standing for what is left out."""

    def compare(printed: str, page: list[str]) -> None:
        runs: list[list[str]] = [[]]
        for line in page:
            if line == "...":
                runs.append([])
            else:
                runs[-1].append(line.rstrip())
        lines = [line.rstrip() for line in printed.splitlines()]
        at = 0
        for run in filter(None, runs):
            while lines[at : at + len(run)] != run:
                at += 1
                assert at < len(lines), "\n".join(run)
            at += len(run)

    return compare
