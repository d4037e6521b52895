"""The reports kept in the repository: complete, small, and what README and errata are made of."""

from pathlib import Path

import pytest

from govcheck.plugin.registry import load_registry
from govcheck.reproduce import pages, runner

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reports"
AGAIN = "run `make reproduce-table`"


@pytest.fixture(scope="module")
def keys():
    return list(load_registry().reproductions)


@pytest.fixture(scope="module")
def reports(keys):
    # reading computes every verdict anew and refuses one that its numbers do not give
    return runner.collected(FOLDER, keys)


def test_every_key_has_a_report(reports, keys):
    assert [r.key for r in reports] == keys, AGAIN
    assert all(not r.outcome.tables and r.outcome.plot is None for r in reports)
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 400_000


def test_the_table_of_the_readme_is_made_from_them(reports):
    text = (ROOT / "README.md").read_text("utf-8")
    assert pages.embedded(text, pages.summary(reports)) == text, AGAIN


def test_the_page_of_errata_is_made_from_them(reports):
    text = (FOLDER / runner.ERRATA).read_text("utf-8")
    assert text == pages.errata(reports), AGAIN


def test_every_erratum_of_the_papers_is_on_the_page(reports):
    text = pages.errata(reports)
    known = {e.id for r in reports for e in r.errata}
    assert {f"E{k}" for k in range(1, 11)} <= known
    for name in sorted(known):
        assert f"{name} " in text or f"{name}," in text or f"{name}:" in text


def test_no_number_speaks_against_a_corrected_statement(reports):
    assert [r.key for r in reports if r.outcome.correction_fails] == []
