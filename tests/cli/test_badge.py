import json
from xml.etree import ElementTree

import pytest

APPLIES = "macdonald2022.corollary_4_3"


def title(svg):
    return ElementTree.fromstring(svg).get("aria-label")


def test_number_of_the_report(govcheck, small, tmp_path):
    path = tmp_path / "badge.svg"
    assert govcheck("badge", small, "--quantity", "beta", "-o", path)[:2] == (0, "")
    doc = json.loads(govcheck("analyze", small, "--json")[1])
    (beta,) = [q for q in doc["bounds"]["loss"] if q["quantity"] == "beta"]
    assert title(path.read_text(encoding="utf-8")) == f"beta: ≤ {beta['answers']['tight']['value']}"
    code, out, _ = govcheck("badge", small, "--quantity", "beta")
    assert code == 0 and out == path.read_text(encoding="utf-8")


def test_what_does_not_hold_is_written_all_the_same(govcheck, small, arch):
    relu = arch(small.read_text().replace("tanh", "relu") + f"theorems: [{APPLIES}]\n")
    limits = arch("govcheck_budget: 1\nbounds: {J: {at_most: 0}}\n", "budget.yaml")
    for given, words in [
        ([], "govcheck: 0 of 1 theorems apply"),
        (["--theorem", APPLIES], f"{APPLIES}: does not apply"),
        (["--quantity", "beta"], "beta: unknown"),
        (["--budget", limits], "govcheck budget: 1 of 1 not kept"),
    ]:
        code, out, err = govcheck("badge", relu, *given)
        assert (code, err, title(out)) == (1, "", words)


def test_what_holds(govcheck, small, arch):
    file = arch(small.read_text() + f"theorems: [{APPLIES}]\n")
    limits = arch("govcheck_budget: 1\nbounds: {J: {at_most: 100}}\n", "budget.yaml")
    for given, words in [
        ([], "govcheck: 1 theorem applies"),
        (["--theorem", APPLIES], f"{APPLIES}: applies"),
        (["--budget", limits], "govcheck budget: kept (1 of 1)"),
    ]:
        code, out, err = govcheck("badge", file, *given)
        assert (code, err, title(out)) == (0, "", words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--quantity", "bta"], "did you mean 'beta'?"),
        (["--theorem", "macdonald2022.corollary"], "did you mean"),
        (["--quantity", "beta", "--theorem", APPLIES], "not allowed with"),
        (["-o", "no/such/folder.svg"], "it cannot be written"),
    ],
)
def test_wrong_options(govcheck, small, given, words):
    code, out, err = govcheck("badge", small, *given)
    assert code == 2 and out == "" and words in err and "Traceback" not in err


def test_ratios_need_searches(govcheck, small, arch):
    limits = arch("govcheck_budget: 1\nratios: {J: {at_most: 2}}\n", "budget.yaml")
    code, _, err = govcheck("badge", small, "--budget", limits)
    assert code == 2 and "budget.yaml:2:10" in err
