"""Reports of one small network, compared with files.

Write them anew with ``GOVCHECK_WRITE_GOLDEN=1 pytest tests/core/report/test_golden.py`` and look
at what changed.
"""

import json
import os
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
def test_golden_file(small_full, name):
    shown = FORMATS[name](small_full)
    path = DATA / name
    if os.environ.get("GOVCHECK_WRITE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
