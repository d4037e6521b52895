import json
from xml.etree import ElementTree

import jsonschema
import pytest

from govcheck.report.schema import report_schema

KEPT = "govcheck_budget: 1\nbounds: {beta: {at_most: 1e9}, J: {at_most: R^2}}\n"
BROKEN = KEPT + "data: {rank: {at_least: 3}}\n"


@pytest.fixture
def budget(arch):
    return lambda text: arch(text, "budget.yaml")


@pytest.mark.parametrize(("text", "code"), [(KEPT, 0), (BROKEN, 1), ("", 2)])
def test_budget_decides_the_exit_code(govcheck, small, budget, text, code):
    found, out, err = govcheck("analyze", small, "--budget", budget(text))
    assert found == code
    assert (out == "") == (code == 2) == bool(err)
    assert max(map(len, out.splitlines()), default=0) <= 80
    if code == 0:
        assert out.endswith("  all 2 lines are kept\n")
    if code == 1:
        assert out.endswith("  1 of 3 lines are not kept\n")
    if code == 2:
        assert "budget.yaml:1:1: the file is empty (a budget has the key" in err


def test_the_document_says_the_same(govcheck, small, budget):
    code, out, _ = govcheck("analyze", small, "--budget", budget(BROKEN), "--json")
    doc = json.loads(out)
    jsonschema.Draft202012Validator(report_schema()).validate(doc)
    assert code == 1 and not doc["budget"]["holds"]
    assert [line["holds"] for line in doc["budget"]["lines"]] == [True, True, False]
    assert "budget" not in json.loads(govcheck("analyze", small, "--json")[1])


def test_values_of_the_command_line_move_limits(govcheck, small, budget):
    text = "govcheck_budget: 1\nbounds: {J: {at_most: R^2}}\n"
    _, out, _ = govcheck("analyze", small, "--budget", budget(text), "--json", "--set", "R=1/3")
    (line,) = json.loads(out)["budget"]["lines"]
    assert line["limit"].startswith("0.1111") and line["found"].startswith("0.1111")


def test_files(govcheck, small, budget, tmp_path):
    names = [tmp_path / "j.xml", tmp_path / "s.json"]
    seen = []
    for _ in range(2):
        code, _, _ = govcheck("analyze", small, "--budget", budget(BROKEN), "--junit", names[0],
                              "--sarif", names[1])
        assert code == 1
        seen.append([n.read_bytes() for n in names])
    assert seen[0] == seen[1]
    failures = list(ElementTree.fromstring(seen[0][0]).iter("failure"))
    (result,) = json.loads(seen[0][1])["runs"][0]["results"]
    assert [f.get("type") for f in failures] == ["budget"]
    assert result["ruleId"] == "budget/data.rank"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 8}
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "arch.yaml", "budget.yaml", "j.xml", "s.json"]


@pytest.mark.parametrize("broken", ["architecture", "budget", "option"])
def test_wrong_input_is_in_the_files_too(govcheck, small, arch, budget, tmp_path, broken):
    text = small.read_text()
    file = arch(text.replace("tanh", "tanhh") if broken == "architecture" else text)
    limits = budget(KEPT.replace("beta", "bta") if broken == "budget" else KEPT)
    more = ["--set", "k=1"] if broken == "option" else []
    code, out, err = govcheck("analyze", file, "--budget", limits, "--junit", tmp_path / "j.xml",
                              "--sarif", tmp_path / "s.json", *more)
    assert code == 2 and out == "" and "Traceback" not in err
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    results = json.loads((tmp_path / "s.json").read_text())["runs"][0]["results"]
    lines = [line.removeprefix("govcheck: ") for line in err.splitlines()]
    assert [e.get("message") for e in root.iter("error")] == lines
    regions = [r["locations"][0]["physicalLocation"]["region"] for r in results]
    wanted = {"architecture": (8, 5), "budget": (2, 10), "option": (1, 1)}[broken]
    assert [(r["startLine"], r["startColumn"]) for r in regions] == [wanted]


def test_ratios(govcheck, arch, budget):
    tiny = arch("""
        govcheck: 1
        input: [2]
        layers: [affine: {out: 2, bias: false}]
        cost: square
        data: {sphere: {n: 2}}
        domain: {ball: 1}
    """)
    text = budget("govcheck_budget: 1\nratios: {J: {at_most: 1.5}}\n")
    code, out, err = govcheck("analyze", tiny, "--budget", text)
    assert code == 2 and out == "" and "budget.yaml:2:10: a ratio needs measured values" in err
    code, out, _ = govcheck("analyze", tiny, "--budget", text, "--attack", "--seconds", "0",
                            "--json")
    (line,) = json.loads(out)["budget"]["lines"]
    assert code == 0 and 1 <= float(line["found"]) <= 1.5


def test_nothing_that_is_read_is_written_over(govcheck, small, budget, tmp_path):
    limits = budget(KEPT)
    before = small.read_bytes(), limits.read_bytes()
    link = tmp_path / "link.xml"
    link.symlink_to(small)
    for given in (["--junit", small], ["--sarif", link], ["--sarif", limits],
                  ["--junit", tmp_path / "x", "--sarif", tmp_path / "x"]):
        code, out, err = govcheck("analyze", small, "--budget", limits, *given)
        assert code == 2 and out == "" and "give it a name of its own" in err
    assert govcheck("badge", small, "-o", small)[0] == 2
    assert (small.read_bytes(), limits.read_bytes()) == before
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_written(govcheck, small, tmp_path):
    code, out, err = govcheck("analyze", small, "--junit", tmp_path / "no" / "j.xml", "--sarif",
                              tmp_path / "s.json")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "j.xml: it cannot be written: No such file or directory" in err
    # the other file says why the run ended
    (result,) = json.loads((tmp_path / "s.json").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "input/not-written"
