"""Verdicts follow from numbers; reports survive writing and refuse what does not follow."""

import importlib
import json
import math
from dataclasses import replace

import pytest

from govcheck.bounds.answer import Ref
from govcheck.errors import InputError
from govcheck.reproduce import pages, record, runner
from govcheck.reproduce.plot import Curve, Panel, Plot, svg
from govcheck.reproduce.protocol import (
    Claim,
    Context,
    Outcome,
    Pair,
    Report,
    Reproduction,
    Table,
)
from govcheck.theorems.protocol import Erratum

GOOD = Pair("x", 1.0, 1.0)
BAD = Pair("x", 1.0, 2.0)
RIGHT = Pair("x", 1.0, 1.0, reading="as_corrected")
WRONG = Pair("x", 1.0, 2.0, reading="as_corrected")
ERRATUM = Erratum("Q-1", "two", "one", "count")


@pytest.mark.parametrize(("relation", "computed", "holds"), [
    ("equal", 10.9, True), ("equal", 11.2, False), ("equal", 8.8, False),
    ("at most", 11.0, True), ("at most", 11.2, False), ("at most", -50.0, True),
    ("at least", 9.0, True), ("at least", 8.8, False), ("at least", 50.0, True),
])
def test_tolerances(relation, computed, holds):
    assert Pair("x", computed, 10.0, relation, rtol=0.1).holds is holds
    mirrored = {"at most": "at least", "at least": "at most"}.get(relation, relation)
    assert Pair("x", -computed, -10.0, mirrored, rtol=0.1).holds is holds


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_decide_nothing_are_refused(number):
    with pytest.raises(ValueError, match="computed"):
        Pair("x", number, 1.0)
    with pytest.raises(ValueError, match="published"):
        Pair("x", 1.0, number)


@pytest.mark.parametrize(("pairs", "verdict", "fails"), [
    ((GOOD,), "agrees", False),
    ((GOOD, BAD), "contradicted", False),
    ((BAD, RIGHT), "agrees after correction", False),
    ((BAD, RIGHT, WRONG), "contradicted", True),
    ((GOOD, WRONG), "agrees", True),
])
def test_verdict_of_a_claim(pairs, verdict, fails):
    claim = Claim("c", "s", pairs, corrected="t")
    assert claim.verdict == verdict
    assert claim.correction_fails is fails


def test_without_printed_numbers_a_reason_is_needed():
    assert Claim("c", "s", (RIGHT,), "t", reason="hidden").verdict == "not computable"
    for pairs, reason in (((), ""), ((RIGHT,), ""), ((GOOD,), "why not")):
        with pytest.raises(ValueError, match="reason"):
            Claim("c", "s", pairs, "t", reason=reason)
    with pytest.raises(ValueError, match="corrected"):
        Claim("c", "s", (GOOD, RIGHT))


def test_the_gravest_claim_decides():
    claims = [
        Claim("n", "s", reason="hidden"), Claim("a", "s", (GOOD,)),
        Claim("k", "s", (BAD, RIGHT), "t"), Claim("c", "s", (BAD,)),
    ]
    found = [Outcome(tuple(claims[: i + 1])).verdict for i in range(4)]
    assert found == ["not computable", "agrees", "agrees after correction", "contradicted"]


def test_a_verdict_cannot_be_stated():
    with pytest.raises(AttributeError):
        Outcome((Claim("a", "s", (GOOD,)),)).verdict = "agrees"
    assert "verdict" not in Claim.__dataclass_fields__
    assert "verdict" not in Outcome.__dataclass_fields__


PLOT = Plot("two lines", (Panel("p", "x", "y", (
    Curve("a", (1.0, 2.0), (3.0, 4.0), (2.0, 3.0), (4.0, 5.0)),
    Curve("b", (1.0, 2.0), (1.0, 1.0), style="dotted", color=0))),))
OUTCOME = Outcome(
    (Claim("a", "one | two", (BAD, RIGHT), "one", errata=("Q-1",)), Claim("b", "s", (GOOD,))),
    (Table("numbers", ("n", "v"), ((1, 0.5), ("two", 2.0))),), PLOT, ("a note",), ("some data",),
)
REPORT = Report("a-key", "title", "[Q] Thm 1",
                {"version": "0", "code": "c", "seed": 0, "size": "quick", "inputs": ""},
                OUTCOME, (ERRATUM,), 1.5, {"python": "3"})


def test_reports_survive_writing(tmp_path):
    runner.write(REPORT, tmp_path)
    assert record.read(tmp_path / "a-key.json") == REPORT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-key.json", "a-key.md", "a-key.svg"]
    assert b"<svg" in (tmp_path / "a-key.svg").read_bytes()


def test_a_verdict_that_does_not_follow_is_refused(tmp_path):
    runner.write(REPORT, tmp_path)
    path = tmp_path / "a-key.json"
    text = json.loads(path.read_text())
    for change in (
        lambda t: t.update(verdict="agrees"),
        lambda t: t["claims"][0].update(verdict="agrees"),
        lambda t: t["claims"][0]["pairs"][0].update(computed=2.0),
        lambda t: t["claims"][0]["pairs"][0].pop("published"),
        lambda t: t.update(govcheck_reproduction=99),
    ):
        changed = json.loads(json.dumps(text))
        change(changed)
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError):
            record.read(path)


def test_pages_tell_numbers_and_escape_bars():
    page = pages.page(REPORT)
    assert "Verdict: **agrees after correction**" in page
    assert "one \\| two" in page
    assert "| x | 1 | = | 2 | printed | **no** |" in page
    errata = pages.errata([REPORT])
    assert "Q-1 in short: two - instead: one" in errata
    assert "| x | 1 | = | 1 | corrected | yes |" in errata
    assert "### b" not in errata
    assert "| Q-1 | [Q] Thm 1 | a-key | a | agrees after correction | quick |" in errata
    assert "Mistakes that no number" not in errata and "Left open" not in errata
    assert "| `a-key` | title | [Q] Thm 1 | agrees after correction |" in pages.summary([REPORT])


def test_the_page_of_errata_hides_no_number_that_speaks_against_a_statement():
    many = tuple(Pair(f"p{k}", float(k), 50.0, "at most") for k in range(60))
    silent = Erratum("Q-2", "three", "four", "read it")
    outcome = Outcome((Claim("many", "s", many), Claim("open", "who knows", reason="no data")))
    text = pages.errata([replace(REPORT, outcome=outcome, errata=(ERRATUM, silent))])
    assert "### many: contradicted" in text
    for k in range(60):
        assert (f"| p{k} |" in text) is (k >= 51 or k < pages.EVIDENCE - 9)
    assert "48 more numbers, all of which hold, are in the report of a-key" in text
    assert "* Q-2: three - instead: four. Why: read it." in text
    assert "* [Q] Thm 1 (a-key, open): who knows. no data." in text


def test_the_summary_says_why_a_key_has_no_verdict():
    outcome = Outcome((Claim("open", "who knows", reason="no data"),))
    text = pages.summary([replace(REPORT, outcome=outcome)])
    assert "| not computable | 1 not computable: no data | quick |" in text


def test_the_same_plot_makes_the_same_file():
    assert svg(PLOT) == svg(PLOT)


class Tiny(Reproduction):
    """Something small."""

    name = "tiny"
    title = "tiny"
    reference = Ref("Q", "Thm 1")
    quick_seconds = full_seconds = 1
    fail = False

    def run(self, context):
        if self.fail:
            raise KeyboardInterrupt
        value = float(context.draw("x").standard_normal())
        return Outcome((Claim("c", "s", (Pair("x", value, 9.0),)),))


def test_a_key_is_run_and_kept(tmp_path, monkeypatch):
    settings = runner.Settings(tmp_path / "new" / "reports", quick=True)
    assert runner.finished(Tiny, settings) is None
    report = runner.run(Tiny, settings)
    assert runner.finished(Tiny, settings) == report
    assert sorted(p.name for p in settings.folder.iterdir()) == ["tiny.json", "tiny.md"]
    for other in (
        runner.Settings(settings.folder, quick=False), runner.Settings(settings.folder, True, 1)
    ):
        assert runner.finished(Tiny, other) is None
    monkeypatch.setattr(Tiny, "inputs", lambda self, context: "other data")
    assert runner.finished(Tiny, settings) is None


def test_an_interrupted_key_leaves_the_report_that_was_there(tmp_path, monkeypatch):
    settings = runner.Settings(tmp_path, quick=True)
    before = runner.run(Tiny, settings)
    monkeypatch.setattr(Tiny, "fail", True)
    with pytest.raises(KeyboardInterrupt):
        runner.run(Tiny, settings)
    assert runner.finished(Tiny, settings) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.json", "tiny.md"]


def test_unfinished_work_of_other_code_is_not_gone_on_from(tmp_path, monkeypatch):
    settings = runner.Settings(tmp_path, quick=True)
    found = []

    class Long(Tiny):
        name = "long"

        def run(self, context):
            part = context.scratch / "part"
            found.append(part.exists())
            part.write_text("")
            raise KeyboardInterrupt

    def stop():
        with pytest.raises(KeyboardInterrupt):
            runner.run(Long, settings)

    stop()
    stop()
    monkeypatch.setattr(runner, "_code", lambda cls: "other")
    stop()
    stop()
    assert found == [False, True, False, True]


def test_seeds_are_reproducible_and_differ_by_name():
    a, b = Context("k", seed=3), Context("k", seed=3)
    assert a.draw("x").random() == b.draw("x").random() != a.draw("y").random()
    assert a.draw("x").random() != Context("k", seed=4).draw("x").random()
    assert a.draw("x").random() != Context("l", seed=3).draw("x").random()


def test_a_report_is_of_its_code_but_not_of_its_estimates(tmp_path, monkeypatch):
    path = tmp_path / "key_of_code.py"
    text = (
        "from govcheck.reproduce.protocol import Reproduction\n"
        "class Key(Reproduction):\n"
        "    name = 'code'\n"
        "    quick_seconds: float = 1\n"
        "    full_seconds = 2\n"
        "    def run(self, context):\n"
        "        return 1\n")
    path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    key = importlib.import_module("key_of_code").Key
    settings = runner.Settings(tmp_path)
    before = runner.identity(key, settings)
    path.write_text(text.replace("float = 1", "float = 30").replace("seconds = 2", "seconds = 9"))
    assert runner.identity(key, settings) == before
    path.write_text(text.replace("return 1", "return 2"))
    assert runner.identity(key, settings)["code"] != before["code"]
