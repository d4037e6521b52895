import copy
from decimal import Decimal
from fractions import Fraction

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import govcheck
from govcheck.errors import InputError
from govcheck.report.budget import read_budget
from govcheck.report.budget_check import check, render
from govcheck.report.document import document
from govcheck.report.schema import report_schema

TEXT = """
govcheck: 1
name: small
symbols: {m: 3, R: 2, free: null}
input: [2]
layers:
  - affine: {out: m}
  - tanh
  - affine: {out: 2}
cost: square
data: {sphere: {n: 2}}
domain: {ball: R}
theorems: [macdonald2022.corollary_4_3, macdonald2022.proposition_4_6, macdonald2022.theorem_2_1]
"""
APPLIES = "macdonald2022.corollary_4_3"
FAILS = "macdonald2022.proposition_4_6"
UNDECIDED = "macdonald2022.theorem_2_1"


@pytest.fixture(scope="module")
def small(registry):
    arch = govcheck.loads(TEXT, registry=registry)
    return arch, govcheck.analyze(arch, registry=registry)


@pytest.fixture(scope="module")
def doc(small):
    return document(small[1])


@pytest.fixture
def reading(tmp_path, small, doc, registry):
    def read(text, about=None, head="govcheck_budget: 1\n"):
        path = tmp_path / "budget.yaml"
        path.write_text(head + text, encoding="utf-8")
        return read_budget(path, small[0], about or doc, registry.theorems)

    return read


@pytest.fixture
def lines(reading, doc):
    """The lines of a budget held against a report."""

    def hold(text, about=None):
        about = about or doc
        part = check(reading(text, about), about)
        whole = {**about, "budget": part}
        jsonschema.Draft202012Validator(report_schema()).validate(whole)
        assert part["holds"] == all(line["holds"] for line in part["lines"])
        assert all(line["holds"] == (not line["reason"]) for line in part["lines"])
        return part["lines"]

    return hold


def rows(doc):
    return [
        (q["quantity"], q["sense"], q["answers"]["tight"]["value"])
        for q in (*doc["bounds"]["network"], *doc["bounds"]["loss"])
    ]


def test_the_printed_number_is_what_a_limit_is_held_against(doc, lines):
    """At the printed number a line is kept; a hair on the strict side of it, it is not."""
    key = {"upper": "at_most", "lower": "at_least"}
    found = [r for r in rows(doc) if r[2] is not None]
    assert {"out", "J", "beta", "sigma_D", "eta", "mu"} <= {r[0] for r in found}
    at = "".join(f"  {q}: {{{key[s]}: {v}}}\n" for q, s, v in found)
    assert all(line["holds"] for line in lines("bounds:\n" + at))
    hair = {"upper": "- 1e-30", "lower": "+ 1e-30"}
    beyond = "".join(f"  {q}: {{{key[s]}: {v} {hair[s]}}}\n" for q, s, v in found)
    for line, (_, sense, value) in zip(lines("bounds:\n" + beyond), found, strict=True):
        side = "most" if sense == "upper" else "least"
        assert not line["holds"] and line["found"] == value
        assert f"only proved to be at {side} {value}" in line["reason"]


@settings(max_examples=40)
@given(limit=st.fractions(min_value=0, max_value=10**6), root=st.booleans())
def test_formulas_of_symbols_as_limits(small, doc, registry, tmp_path_factory, limit, root):
    """R is 2; a root makes the limit irrational, so that enclosures decide."""
    path = tmp_path_factory.getbasetemp() / "formula.yaml"
    path.write_text("govcheck_budget: 1\nbounds: {beta: {at_most: "
                    f"{'sqrt' if root else ''}({limit.numerator}/{limit.denominator})*R/2}}}}\n")
    (line,) = check(read_budget(path, small[0], doc, registry.theorems), doc)["lines"]
    beta = Fraction(next(v for q, _, v in rows(doc) if q == "beta"))
    assert line["holds"] == (beta**2 <= limit if root else beta <= limit)
    shown = Fraction(Decimal(line["limit"]))
    assert shown**2 <= limit if root else shown <= limit


BAD = """\
bounds:
  beta: {at_least: 1}
  bta: {at_most: 1}
  D: 5
  J: {at_most: 1/0}
  xx: {at_most: q}
  xt: {at_most: free}
  J@tnh: {at_most: 1}
  J@tanh: {at_least: 1}
  out: {at_most: 1, at_least: 2}
  out: {at_most: 1}
dat: {}
data: {rnk: {at_least: 1}, sigma_X: {at_most: 1}}
ratios: {J: {at_most: .inf}}
theorems:
  macdonald2022.corollary_4: applies
  macdonald2022.theorem_4_8: {verdict: works, assumptions: no, conclusions: {eta: {at_leas: 1}}}
  macdonald2022.theorem_2_1: [applies]
"""


def test_every_problem_at_its_place(reading):
    with pytest.raises(InputError) as raised:
        reading(BAD)
    found = {tuple(p.where.rsplit(":", 2)[1:]): p.code for p in raised.value.problems}
    assert found == {
        ("3", "10"): "wrong-sense",
        ("4", "3"): "unknown-quantity",
        ("5", "6"): "wrong-type",
        ("6", "18"): "division-by-zero",
        ("7", "17"): "undeclared-symbol",
        ("8", "17"): "no-value",
        ("9", "3"): "unknown-layer",
        ("10", "12"): "wrong-sense",
        ("11", "8"): "wrong-value",
        ("12", "3"): "duplicate-key",
        ("13", "1"): "unknown-key",
        ("14", "8"): "unknown-quantity",
        ("14", "38"): "wrong-sense",
        ("15", "23"): "formula",
        ("17", "3"): "unknown-theorem",
        ("18", "40"): "wrong-value",
        ("18", "60"): "wrong-type",
        ("18", "84"): "unknown-key",
        ("19", "30"): "wrong-type",
    }
    assert len(raised.value.problems) == len(found)


@pytest.mark.parametrize(
    ("head", "text", "code"),
    [
        ("", "bounds: {J: {at_most: 1}}\n", "missing-key"),
        ("govcheck_budget: 2\n", "bounds: {J: {at_most: 1}}\n", "version"),
        ("", "", "empty"),
        ("govcheck_budget: 1\n", "", "empty"),
        ("govcheck_budget: 1\n", "bounds: {}\n", "empty"),
        ("", "[1, 2]\n", "wrong-type"),
        ("govcheck_budget: 1\n", "bounds: &a {J: {at_most: 1}}\n", "alias"),
        ("govcheck_budget: 1\n", "bounds: {J: {at_most: !!python/name:os.system 1}}\n", "tag"),
        ("govcheck_budget: 1\n", "bounds: {J: {at_most: __import__('os')}}\n", "formula"),
    ],
)
def test_files_that_are_no_budgets(reading, head, text, code):
    with pytest.raises(InputError) as raised:
        reading(text, head=head)
    assert code in [p.code for p in raised.value.problems]
    assert "architecture file has" not in str(raised.value)


def test_what_has_no_number_is_not_kept(small, registry, lines):
    free = govcheck.loads(TEXT.replace("R: 2", "R: null"), registry=registry)
    unbounded = govcheck.loads(TEXT.replace("domain: {ball: R}", ""), registry=registry)
    costless = govcheck.loads(TEXT.replace("cost: square\n", "").replace(
        f"theorems: [{APPLIES}, {FAILS}, {UNDECIDED}]", ""), registry=registry)
    asked = "bounds: {beta: {at_most: 1e300}}\n"
    for arch, words in [
        (free, "no value for R"), (unbounded, "there is no bound: "), (costless, "no cost"),
    ]:
        (line,) = lines(asked, document(govcheck.analyze(arch, registry=registry)))
        assert not line["holds"] and words in line["reason"] and line["found"] is None
    bare = document(govcheck.analyze(small[0], registry=registry, data=False))
    (line,) = lines("data: {rank: {at_least: 0}}\n", bare)
    assert line["reason"] == "no data is loaded"


def test_constants_of_a_mode_without_guarantee_keep_nothing(small, lines, registry):
    paper = document(govcheck.with_mode(small[1], "paper"))
    (line,) = lines("bounds: {beta: {at_most: 1e300}}\n", paper)
    assert line["found"] is not None and line["reason"].endswith("are not guaranteed")
    text = f"theorems: {{{APPLIES}: {{conclusions: {{beta: {{at_most: 1e300}}}}}}}}\n"
    for mode, kept in [("paper", False), ("sums", False), ("coarse", True)]:
        about = document(govcheck.analyze(small[0], mode, registry=registry))
        assert lines(text, about)[1]["holds"] is kept


def test_data_and_layers(doc, lines):
    norms = doc["data"]["norms"]
    kept = lines(f"data: {{X_F: {{at_most: {norms['frobenius']['high']}}}, sigma_X: {{at_least: "
                 f"{norms['sigma']['low']}}}, rank: {{at_least: 2}}}}\n"
                 "bounds: {J@tanh: {at_most: 1}}\n")
    assert all(line["holds"] for line in kept)
    broken = lines(f"data: {{X_F: {{at_most: {norms['frobenius']['low']}}}, sigma_X: {{at_least: "
                   f"{norms['sigma']['high']}}}, rank: {{at_least: 3}}}}\n"
                   "bounds: {J@tanh: {at_most: 0.99}}\n")
    assert not any(line["holds"] for line in broken)


@pytest.mark.parametrize(
    ("theorem", "wanted", "kept"),
    [
        (APPLIES, "applies", True), (APPLIES, "not_fails", True),
        (UNDECIDED, "applies", False), (UNDECIDED, "not_fails", True),
        (FAILS, "applies", False), (FAILS, "not_fails", False),
        ("macdonald2022.theorem_4_8", "not_fails", False),
    ],
)
def test_verdicts(lines, theorem, wanted, kept):
    (line,) = lines(f"theorems: {{{theorem}: {wanted}}}\n")
    assert line["holds"] is kept
    if theorem == "macdonald2022.theorem_4_8":
        assert "does not name it" in line["reason"]


def test_assumptions_can_be_refused(doc, lines):
    about = copy.deepcopy(doc)
    for status, kept in [("assumed", False), ("measured", False), ("proved", True)]:
        for v in about["theorems"]:
            if v["theorem"] == APPLIES:
                v["hypotheses"][0]["status"] = status
        assert lines(f"theorems: {{{APPLIES}: applies}}\n", about)[0]["holds"]
        (line,) = lines(f"theorems: {{{APPLIES}: {{assumptions: false}}}}\n", about)
        assert line["holds"] is kept
        assert kept or about["theorems"][0]["hypotheses"][0]["statement"] in line["reason"]


def test_conclusions_count_only_of_theorems_that_apply(doc, lines):
    text = "theorems: {%s: {verdict: not_fails, conclusions: {%s: {%s: %s}}}}\n"
    beta = next(v for q, _, v in rows(doc) if q == "beta")
    assert lines(text % (APPLIES, "beta", "at_most", beta))[1]["holds"]
    assert not lines(text % (APPLIES, "beta", "at_most", f"{beta} - 1e-9"))[1]["holds"]
    assert "not among" in lines(text % (APPLIES, "btea", "at_most", 1))[1]["reason"]
    assert "bounded from above" in lines(text % (APPLIES, "beta", "at_least", 0))[1]["reason"]
    line = lines(text % (UNDECIDED, "beta", "at_most", "1e300"))[1]
    assert "undecided" in line["reason"] and not line["holds"]


def test_ratios(doc, lines):
    row = {"quantity": "J", "sense": "upper", "bound": "4", "measured": 3.2, "ratio": 1.25,
           "holds": True, "searches": 1}
    none = row | {"quantity": "xx", "ratio": None}
    beyond = row | {"quantity": "D", "holds": False}
    about = {**doc, "tightness": {"seed": 0, "rows": [row, none, beyond]}}
    text = "ratios: {J: {at_most: %s}, xx: {at_most: 9}, D: {at_most: 9}, tt: {at_most: 9}}\n"
    kept = lines(text % "1.25", about)
    assert [line["holds"] for line in kept] == [True, False, False, False]
    assert kept[0]["found"] == "1.25"
    assert [k["reason"].split(":")[0] for k in kept[1:]] == [
        "there is no ratio", "measured 3.2, beyond the bound 4", "it was not searched"]
    assert lines(text % "1.2", about)[0]["reason"] == "bound/measured is 1.25"


def test_text_fits_its_width(reading, doc):
    part = check(reading("bounds: {beta: {at_most: 1}}\n"
                         f"theorems: {{{APPLIES}: applies, {FAILS}: applies}}\n"), doc)
    for width in (40, 80):
        text = render(part, width=width, unicode=False)
        assert text.isascii() and max(map(len, text.splitlines())) <= width
    assert text.splitlines()[-1] == "  2 of 3 lines are not kept"
