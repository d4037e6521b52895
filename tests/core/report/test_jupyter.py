"""What notebooks show of the objects."""

import importlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import torch
from IPython.core.formatters import DisplayFormatter

import govcheck
from govcheck.bounds.answer import Bound, LocalBound, Ref, Unknown
from govcheck.report import jupyter
from govcheck.report.notebook import Bar, Drawing, Drawings

NET = """
govcheck: 1
name: "<b>small</b> & 'net'"
symbols: {R: 5}
input: [4]
layers:
  - affine: {out: 4}
  - repeat: {times: 2, block: [{residual: [{affine: {out: 4}}, tanh]}]}
  - affine: {out: 2}
cost: square
data: {sphere: {n: 3}}
init: {normal: {seed: 0}}
domain: {ball: R}
"""


@pytest.fixture(scope="module")
def small(registry):
    torch.set_num_threads(1)
    return govcheck.analyze(govcheck.loads(NET, registry=registry), registry=registry)


@pytest.fixture(scope="module")
def measured(small, registry):
    return govcheck.measure(small, ["gram", "loss", "layers", "hessian"], registry=registry, seed=3)


@pytest.fixture(scope="module")
def run(small):
    return govcheck.train(small, steps=3)


def shown(thing):
    """What a notebook gets, by MIME type; nothing may fail in secret."""
    formatter = DisplayFormatter()
    for own in formatter.formatters.values():
        own.catch_return = None
    data, _ = formatter.format(thing)
    return data


class Parser(HTMLParser):
    """Checks that elements close in order, and collects text and names."""

    def __init__(self, content):
        super().__init__()
        self.open, self.names, self.text = [], set(), []
        self.attributes = set()
        self.feed(content)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check(content):
    found = Parser(content)
    assert found.names <= {"p", "b", "br", "small", "table", "thead", "tbody", "tr", "th", "td",
                           "ul", "li", "details", "summary", "caption"}
    assert found.attributes <= {"align"}
    return " ".join(" ".join(found.text).split())


def test_an_architecture(small):
    data = shown(small.architecture)
    said = check(data["text/html"])
    for part in ("<b>small</b> & 'net'", "input [4], output [2]", "cost square", "data sphere",
                 "R = 5", "repeat: 2 times", "residual", "affine_2: affine (out 4", "tanh"):
        assert part in said
    assert data["text/plain"] == "<b>small</b> & 'net': [4] -> [2]"


def test_an_analysis_has_every_number_of_the_document(small):
    data = shown(small)
    said = check(data["text/html"])
    doc = govcheck.document(small)
    for q in (*doc["bounds"]["network"], *doc["bounds"]["loss"]):
        value = q["answers"]["tight"]["value"]
        sign = "≤" if q["sense"] == "upper" else "≥"
        assert f"{q['quantity']} {sign} {value} {q['meaning']}" in said or q["auxiliary"]
        assert f"  {q['quantity']} {sign} {value}\n" in data["text/plain"] + "\n"
    for v in small.verdicts:
        assert v.title in said and v.theorem in data["text/plain"]
    for sentence in doc["summary"]:
        assert " ".join(sentence.split()) in said
    assert "mode tight, proved" in said


def test_what_a_paper_prints_is_not_called_proved(small):
    said = check(govcheck.with_mode(small, "paper")._repr_html_())
    assert "not guaranteed" in said and "proved;" not in said


def test_symbols_without_value_are_named(registry):
    free = NET.replace("R: 5", "R: ")
    a = govcheck.analyze(govcheck.loads(free, registry=registry), registry=registry)
    assert "J ≤ a formula in R" in check(a._repr_html_())
    assert "R free" in check(a.architecture._repr_html_())


def test_every_verdict(small):
    for v in small.verdicts:
        said = check(shown(v)["text/html"])
        assert f"{v.title}: {v.status}" in said and str(v.reference) in said
        for h in v.hypotheses:
            assert " ".join(h.statement.split()) in said
        for name in v.conclusions:
            assert name in said
        assert (said.count("✓"), said.count("✗") + said.count("?") > 0) >= (
            sum(h.holds for h in v.hypotheses), any(not h.holds for h in v.hypotheses))
        assert shown(v)["text/plain"].startswith(f"{v.theorem} (")


def balanced(content):
    plain = re.sub(r"\\[{}]", "", content)
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0 and content.count("\\left") == content.count("\\right")
    for line in re.findall(r"\\text\{(.*?)\}(?= \\\\|\n|$)", content):
        assert not re.search(r"(?<!\\)[_&%#$]", line), line


def test_every_bound_is_latex(small):
    every = [*small.bounds.values(), *(b for c in small.local.values() for b in c.bounds.values())]
    for b in every:
        data = shown(b)
        assert set(data) == {"text/plain", "text/latex"}
        balanced(data["text/latex"])
        assert data["text/latex"].startswith("$$\\begin{aligned}")
        assert jupyter.tex(b.rule.split()[0]) in data["text/latex"]
        assert str(b.ref) in data["text/plain"] or not b.known


def test_a_bound_says_value_rule_and_reference(small):
    b = small.local["tanh"].bounds["xx"]
    data = shown(b)["text/latex"]
    assert r"T_{xx,\mathrm{tanh}} &\le \frac{4}{3 \, \sqrt{3}}" in data
    assert r"&\le 0.769801" in data and "by: declared by tanh" in data
    beta = shown(small.bounds["beta"])["text/latex"]
    assert r"\text{where }" in beta and "[M] Cor 4.3" in beta


def test_an_unknown_bound_says_why():
    ref = Ref("S", "place_1")
    b = LocalBound("J", "a_b", Unknown.because("50% of {x} & $y"), "upper", "none", ref)
    data = shown(b)
    assert r"50\% of \{x\} \& \$y" in data["text/latex"]
    balanced(data["text/latex"])
    assert data["text/plain"] == "J@a_b is unknown: 50% of {x} & $y"
    assert isinstance(b, Bound) and "LocalBound(" in repr(b)


def test_measurements_are_called_measured(small, measured):
    data = shown(measured)
    said = check(data["text/html"])
    assert "bounds hold on" in said and "measured in float64, seed 3" in said
    for row in measured.rows:
        assert jupyter.measured_text(row.measured) in said
        assert row.bound is None or row.text in said
        assert f"measured {row.measured.value:.6g}" in data["text/plain"]
    one = measured.measured[0]
    assert "(measured)" in shown(one)["text/plain"] and "measured" in check(one._repr_html_())


def test_an_alarm_stands_out(measured):
    from dataclasses import replace

    rows = [replace(measured.rows[0], status="alarm"), *measured.rows[1:]]
    changed = replace(measured, rows=rows)
    assert "ALARM: " in check(changed._repr_html_())
    assert "ALARM: " in shown(changed)["text/plain"]


def test_a_run(run):
    data = shown(run)
    said = check(data["text/html"])
    assert "Training (measured)" in said and "3 steps" in said
    assert data["text/plain"].endswith("in 3 steps (steps)")
    assert shown(run.outcome) == data


def test_an_explanation_derives_the_value(small):
    e = govcheck.explain(small, "J")
    data = shown(e)
    assert set(data) == {"text/plain", "text/markdown"}
    value = govcheck.document(small)["bounds"]["network"]
    assert e.value == next(q["answers"]["tight"]["value"] for q in value if q["quantity"] == "J")
    assert f"J of the network ≤ {e.value}" in data["text/plain"]
    steps = re.findall(r"^(\d+)\. \$", data["text/markdown"], re.M)
    assert steps == [str(k) for k in range(1, len(steps) + 1)] and len(steps) > 5
    assert data["text/markdown"].count("$") % 2 == 0
    layer = govcheck.explain(small, "J@tanh")
    assert layer.value == "1" and layer.about == "the layer tanh by itself"
    assert len(str(govcheck.explain(small, "beta", full=True))) >= len(
        str(govcheck.explain(small, "beta")))
    with pytest.raises(govcheck.InputError, match="no quantity"):
        govcheck.explain(small, "gamma")


def test_drawings(run, measured):
    drawings = govcheck.plots(measured, run)
    assert [d.plot["key"] for d in drawings] == ["measured", "loss"]
    one = shown(drawings[0])
    assert one["image/svg+xml"].startswith("<svg ") and "text/html" not in one
    assert one["text/plain"] == f"{drawings[0].plot['title']}: {drawings[0].alt}"
    both = shown(drawings)
    assert both["text/html"].count("<svg ") == 2
    ids = re.findall(r'\bid="([^"]+)"', both["text/html"])
    assert len(ids) == len(set(ids))
    # two different drawings of one kind on one page
    other = Drawing({**drawings[0].plot, "title": "another"})
    twice = Drawings([drawings[0], other])._repr_html_()
    ids = re.findall(r'\bid="([^"]+)"', twice)
    assert len(ids) == len(set(ids))
    assert shown(Drawings())["text/plain"] == "nothing to draw"


def test_the_layers_are_drawn(small):
    data = shown(govcheck.diagram(small))
    root = ElementTree.fromstring(data["image/svg+xml"])
    said = " ".join(" ".join(root.itertext()).split())
    for node in ("affine", "affine_2", "tanh", "affine_3", "J ≤ 5"):
        assert node in said
    assert next(iter(root)).attrib["fill"] == "white" and "small" in data["text/plain"]


def test_drawings_are_saved(run, tmp_path):
    (drawing,) = govcheck.plots(run)
    drawing.save(tmp_path / "loss.pdf")
    assert (tmp_path / "loss.pdf").read_bytes().startswith(b"%PDF")
    assert drawing.figure().axes[0].get_xlabel() == "step"


def test_progress_is_silent_outside_notebooks(capsys):
    with Bar() as bar:
        for k in range(5):
            bar("work", k, 5)
    assert capsys.readouterr() == ("", "")


def test_progress_in_a_notebook(monkeypatch):
    from govcheck.report import notebook

    bundles = []

    class Handle:
        def update(self, bundle, raw):
            bundles.append(bundle)

    def display(bundle, raw, display_id):
        assert raw and display_id
        bundles.append(bundle)
        return Handle()

    module = importlib.import_module("IPython.display")
    monkeypatch.setattr(module, "display", display)
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(notebook, "SECONDS", 0.0)
    with Bar() as bar:
        bar("<i>loss</i>", 1, 4)
        bar("loss", 2, 4)
    first, second, last = (b["text/html"] for b in bundles)
    assert '<progress value="1" max="4">' in first and "&lt;i&gt;" in first and "1 of 4" in first
    assert "2 of 4" in second and last == ""


RUN = """
import sys
import govcheck
lazy = [n for n, m in govcheck._PUBLIC.items() if not m.startswith("govcheck.numeric")]
assert len(lazy) > 12
for name in lazy:
    assert getattr(govcheck, name).__doc__, name
heavy = [m for m in ("torch", "matplotlib", "IPython", "rich", "sympy") if m in sys.modules]
assert not heavy, heavy
"""


def test_public_names_cost_nothing_and_are_described():
    found = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_records_are_plain(run):
    assert json.loads(json.dumps(run.as_json(), allow_nan=False))["records"] == run.records


SMALL = """
govcheck: 1
name: one % of _two_
input: [4]
layers: [affine: {out: 4}, tanh, affine: {out: 2}]
cost: half_square
data: {sphere: {n: 3}}
domain: {ball: 1}
theorems: [macdonald2022.corollary_4_3]
"""


def test_latex_of_analyses_verdicts_and_measurements_has_their_numbers():
    import re

    import govcheck as gc

    analysis = gc.analyze(gc.loads(SMALL))
    shown = analysis._repr_latex_()
    values = gc.document(analysis)["bounds"]
    for q in (*values["network"], *values["loss"]):
        number = q["answers"]["tight"]["value"]
        if number is not None:
            digits, _, power = number.partition("e")
            assert digits + (rf"\cdot 10^{{{int(power)}}}" if power else "") in shown
    (verdict,) = analysis.verdicts[:1]
    assert verdict._repr_latex_().count(r"\text{") == 2 * len(verdict.hypotheses)
    result = gc.measure(analysis, ["jacobian"])
    assert f"{result.rows[0].measured.value:.4g}" in result._repr_latex_()
    for tex in (shown, verdict._repr_latex_(), result._repr_latex_()):
        assert tex.startswith("$$") and tex.endswith("$$")
        assert tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")
        assert not re.search(r"(?<!\\)[%#]", tex)


def test_drawings_of_architectures_analyses_and_measurements():
    from xml.etree import ElementTree

    import govcheck as gc

    arch = gc.loads(SMALL)
    analysis = gc.analyze(arch)
    for thing in (arch, analysis, gc.measure(analysis, ["jacobian"])):
        assert ElementTree.fromstring(thing._repr_svg_()).tag.endswith("svg")
    free = gc.loads(SMALL.replace("[4]", "[d]").replace("name:", "symbols: {d: }\nname:"))
    assert free._repr_svg_() is None or "svg" in free._repr_svg_()
