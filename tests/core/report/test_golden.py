"""Reports of one small network, compared with files."""

import json
from pathlib import Path

import pytest

from govcheck.report import latex, markdown
from govcheck.report.bibliography import bibtex

DATA = Path(__file__).parents[2] / "data" / "report"

FORMATS = {
    "small.json": lambda doc: json.dumps(doc, indent=1, ensure_ascii=False) + "\n",
    "small.md": markdown.render,
    "small.tex": lambda doc: latex.render(doc, bibliography="small"),
    "small.bib": bibtex,
}


@pytest.mark.parametrize("name", FORMATS)
def test_golden_file(small_full, golden, name):
    golden(DATA / name, FORMATS[name](small_full))
