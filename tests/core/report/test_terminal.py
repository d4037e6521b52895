import copy
import re

import pytest

import govcheck
from govcheck.report.document import document
from govcheck.report.layout import abbreviated, to_ascii, wrap
from govcheck.report.terminal import render

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module", params=["both", "relu", "free"])
def doc(request, registry, resnet_text, both):
    if request.param == "both":
        return both
    text = resnet_text.replace("tanh", "relu")
    if request.param == "free":
        text = resnet_text.replace("H: 4", "H: ").replace("data: {digits: {n: 6}}\n", "")
    arch = govcheck.loads(text.replace("m: 8", "m: 10"), registry=registry)
    return document(govcheck.analyze(arch, registry=registry))


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_too_long(doc, width, unicode):
    text = render(doc, width=width, unicode=unicode)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() or unicode
    assert not ESCAPE.search(text)


def test_numbers_are_those_of_the_document(both):
    text = render(both)
    for table in both["bounds"].values():
        for q in table:
            if q["auxiliary"]:
                continue
            values = [a["value"] for a in q["answers"].values()]
            row = rf"^ {q['quantity']} +[≤≥] +{' +'.join(map(re.escape, values))}  "
            assert re.search(row, text, re.MULTILINE), q["quantity"]


def test_numbers_of_the_layers(both):
    text = render(both)
    for layer in both["layers"]:
        row = re.search(rf"^ {layer['node']} .*$", text, re.MULTILINE)
        assert row and layer["bounds"]["tight"]["J"]["value"] in row[0]


def test_colour_is_all_that_colour_adds(both):
    plain, colored = render(both), render(both, color=True)
    assert ESCAPE.search(colored)
    stripped = [line.rstrip() for line in ESCAPE.sub("", colored).splitlines()]
    assert stripped == plain.splitlines()


def test_every_hypothesis_has_a_line_with_its_status(both):
    text = " ".join(render(both).split())
    for v in both["theorems"]:
        if v["reading"] == "as_corrected":
            for h in v["hypotheses"]:
                assert f"{h['status']} {' '.join(h['statement'].split())}" in text


def test_it_ends_with_the_summary_and_that_in_short(doc):
    text = render(doc)
    end = " ".join(text[text.index("What this means") :].split())
    for sentence in doc["summary"]:
        assert " ".join(sentence.split()) in end
    assert end.endswith("In short • " + " • ".join(" ".join(s.split()) for s in doc["in_short"]))


def test_unknown_is_said_with_the_reason(registry, resnet_text):
    text = resnet_text.replace("tanh", "relu").replace("m: 8", "m: 10")
    arch = govcheck.loads(text, registry=registry)
    shown = render(document(govcheck.analyze(arch, registry=registry)))
    assert re.search(r"^ tt +≤ +unknown", shown, re.MULTILINE)
    assert "relu has a kink at 0" in shown


def test_rows_that_agree_are_shown_once(both):
    many = copy.deepcopy(both)
    layer = many["layers"][-1]
    many["layers"] += [{**layer, "node": f"copy_{i}"} for i in range(50)]
    assert re.search(r"^ tanh and 50 more", render(many), re.MULTILINE)


def test_many_different_layers_are_cut_with_a_note(both):
    many = copy.deepcopy(both)
    for i in range(50):
        layer = copy.deepcopy(many["layers"][0])
        layer["node"] = f"other_{i}"
        layer["bounds"]["tight"]["J"]["value"] = str(1000 + i)
        many["layers"].append(layer)
    text = render(many)
    assert "more kinds of layers" in text
    assert text.count("other_") <= 30


def test_long_formulas_are_cut_with_a_hint(both):
    many = copy.deepcopy(both)
    d = next(q for q in many["bounds"]["network"] if q["quantity"] == "D")
    d["answers"]["tight"]["text"] = " + ".join(f"x{i}" for i in range(1000))
    text = render(many)
    assert "x999" not in text
    assert "govcheck explain" in text


def test_warnings_and_broken_plugins_are_shown(both):
    many = copy.deepcopy(both)
    many["broken_plugins"] = [
        {"plugin": "bad", "distribution": "bad-dist", "stage": "import", "error": "ImportError: x"}
    ]
    assert "plugin bad of bad-dist set aside at stage import: ImportError: x" in render(many)


def test_wrap_keeps_the_text():
    text = "(a + b*c)^2*(d + e)/(f*g) + sqrt(h[H - 2](1 + abs(1 - delta), 1)) + " * 5 + "z"
    for width in (12, 33, 79):
        lines = wrap(text, width)
        assert max(map(len, lines)) <= width
        assert "".join("".join(lines).split()) == "".join(text.split())
    assert wrap("short", 10) == ["short"]
    assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_abbreviated():
    assert abbreviated("a + b", 10, 2) == (["a + b"], False)
    lines, cut = abbreviated(" + ".join(["term"] * 100), 20, 3)
    assert cut and len(lines) == 3 and lines[-1].endswith(" ...")
    assert max(map(len, lines)) <= 20


def test_signs_in_ascii():
    assert to_ascii("σ(X) ≥ ½, é…") == "sigma(X) >= 1/2, e..."
    assert to_ascii("日").isascii()
