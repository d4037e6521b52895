import copy
import re
import shutil
import subprocess

import pytest

from govcheck.report import latex
from govcheck.report.bibliography import WORKS, bibtex, cited
from govcheck.report.latex.escape import code, escape, prose
from govcheck.report.latex.macros import letters, macros
from govcheck.report.latex.write import cite, number

NASTY = (
    "100% of $x_{#}$ \\evil ^~& \"quotes\" ``ticks`` -- ≤ λ é 中 🙂 <b> |a| \\input{/etc/passwd}"
)

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is missing")


def compiled(folder, name="report"):
    """Run LaTeX twice with BibTeX between; the log."""
    run = ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", f"{name}.tex"]
    steps = [run, ["bibtex", name], run, run] if shutil.which("bibtex") else [run, run]
    for step in steps:
        done = subprocess.run(step, cwd=folder, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / f"{name}.log").read_text(errors="replace")


def too_wide(log):
    return [float(w) for w in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", log) if float(w) > 20]


@needs_tex
@pytest.mark.parametrize("which", ["small_full", "both_full"])
def test_a_document_compiles_within_its_margins(which, request, tmp_path):
    doc = request.getfixturevalue(which)
    (tmp_path / "report.tex").write_text(latex.render(doc), encoding="utf-8")
    (tmp_path / "report.bib").write_text(bibtex(doc), encoding="utf-8")
    log = compiled(tmp_path)
    assert too_wide(log) == []
    assert "Citation" not in log and "Reference" not in log


PAPER = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage{booktabs}
\begin{document}
\input{part}
The constant is \govBeta, that is $\beta \le \govBetaValue$.
\bibliographystyle{plain}\bibliography{part}
\end{document}
"""


@needs_tex
@pytest.mark.parametrize("which", ["small_full", "both_full"])
def test_a_fragment_goes_into_a_paper(which, request, tmp_path):
    doc = request.getfixturevalue(which)
    (tmp_path / "report.tex").write_text(PAPER)
    fragment = latex.render(doc, form="fragment", bibliography="part")
    assert r"\documentclass" not in fragment and r"\begin{document}" not in fragment
    (tmp_path / "part.tex").write_text(fragment, encoding="utf-8")
    (tmp_path / "part.bib").write_text(bibtex(doc), encoding="utf-8")
    log = compiled(tmp_path)
    assert too_wide(log) == [] and "Citation" not in log


def test_definitions_of_macros_set_nothing(small_full):
    lines = latex.render(small_full, form="macros").splitlines()
    assert all(line.startswith("%") or line.endswith("}%") for line in lines)


@needs_tex
def test_all_macros_work_in_text_and_in_formulas(both_full, tmp_path):
    names = [m.name for m in macros(both_full, "net")]
    use = "\n\n".join(rf"a \{n} b $\{n}$" for n in names)
    text = "\n".join([
        r"\documentclass{article}\usepackage{amsmath}\begin{document}\sloppy",
        latex.render(both_full, form="macros", prefix="net"), use, r"\end{document}",
    ])
    (tmp_path / "report.tex").write_text(text, encoding="utf-8")
    run = ["pdflatex", "-interaction=nonstopmode", "report.tex"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def nasty(doc):
    spoiled = copy.deepcopy(doc)
    spoiled["architecture"]["name"] = NASTY
    spoiled["architecture"]["file"] = NASTY
    spoiled["warnings"] = [NASTY]
    spoiled["theorems"][0]["hypotheses"][0].update(statement=NASTY, evidence=NASTY)
    spoiled["symbols"][0]["meaning"] = NASTY
    spoiled["architecture"]["tree"][0]["settings"] = {NASTY: NASTY}
    spoiled["theorems"][0]["reference"]["place"] = "Thm 1], [2_3"
    return spoiled


@needs_tex
def test_nasty_names_compile(small_full, tmp_path):
    doc = nasty(small_full)
    text = latex.render(doc)
    commands = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert r"\evil" not in commands and r"\input{" not in commands
    (tmp_path / "report.tex").write_text(text, encoding="utf-8")
    (tmp_path / "report.bib").write_text(bibtex(doc), encoding="utf-8")
    compiled(tmp_path)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("50% & #1_a", r"50\% \& \#1\_a"),
        ("$\\{}", r"\$\textbackslash{}\{\}"),
        ("a -- b", "a -{}- b"),
        ("≤λé", r"\ensuremath{\le}\ensuremath{\lambda}\'{e}"),
        ("中", r"\texttt{U+4E2D}"),
        ("naïve", r"na\"{\i}ve"),
    ],
)
def test_text_is_escaped(given, shown):
    assert escape(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sigma >= lambda_0.",
         r"sigma \ensuremath{\ge} \texttt{lambda\_\allowbreak{}0}."),
        ("(see sqrt(m)*x)",
         r"(see \texttt{sqrt(\allowbreak{}m)\allowbreak{}{\char42}\allowbreak{}x})"),
        ("|X|_F", r"\texttt{{\char124}X{\char124}\_\allowbreak{}F}"),
    ],
)
def test_prose_sets_names_in_typewriter_letters(given, shown):
    assert prose(given) == shown


def test_code_may_break_after_signs():
    assert code("a_b.c") == r"\texttt{a\_\allowbreak{}b.\allowbreak{}c}"


@pytest.mark.parametrize(
    ("given", "shown"),
    [("2.5e+8", r"2.5\cdot 10^{8}"), ("1e-9", r"1\cdot 10^{-9}"), ("0.25", "0.25"),
     ("Infinity", r"\infty")],
)
def test_numbers(given, shown):
    assert number(given) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("beta", "Beta"), ("Gamma_1", "GammaOne"), ("tt@repeat.2", "TtAtRepeatTwo"),
     ("rate(R)", "RateR"), ("theorem_4_8 mu(R)", "TheoremFourEightMuR"), ("sigma_D", "SigmaD")],
)
def test_names_of_macros(name, shown):
    assert letters(name) == shown


def test_macros_are_unique_documented_and_equal_to_the_document(both_full):
    found = macros(both_full)
    names = [m.name for m in found]
    assert len(names) == len(set(names)) and all(n.isalpha() and n.isascii() for n in names)
    text = latex.render(both_full)
    comments = [line for line in text.splitlines() if line.startswith("% \\gov")]
    assert [line.split()[1] for line in comments] == [f"\\{n}" for n in names]
    by_name = {m.name: m.tex for m in found}
    loss = {q["quantity"]: q["answers"] for q in both_full["bounds"]["loss"]}
    assert by_name["govBeta"] == loss["beta"]["tight"]["latex"]
    assert by_name["govBetaValue"] == number(loss["beta"]["tight"]["value"])
    assert by_name["govPaperBetaValue"] == number(loss["beta"]["paper"]["value"])
    assert "govDefOutAtRepeat" in by_name


def test_equal_letters_get_numbers(small_full):
    doc = copy.deepcopy(small_full)
    twin = copy.deepcopy(doc["bounds"]["loss"][3])
    twin["quantity"] = "be_ta"
    doc["bounds"]["loss"] = [twin, {**copy.deepcopy(twin), "quantity": "beTa"}]
    names = [m.name for m in macros(doc)]
    assert {"govBeTa", "govBeTaTwo", "govBeTaValue", "govBeTaTwoValue"} <= set(names)


def test_places_are_cited_and_unknown_sources_named():
    place = {"source": "M", "place": "Thm 2.2", "errata": ["E1"], "text": "[M] Thm 2.2"}
    assert cite(place) == r"\cite[{Thm 2.2}]{macdonald2022} (erratum E1)"
    other = {"source": "elementary", "place": "a_b", "errata": [], "text": "[elementary] sum"}
    assert cite(other) == "[elementary] sum"


def test_the_bibliography_has_what_is_cited(both_full):
    keys = set(re.findall(r"\\cite\[.*?\]\{([\w-]+)\}", latex.render(both_full)))
    written = set(re.findall(r"@\w+\{([\w-]+),", bibtex(both_full)))
    assert keys and keys <= written == {WORKS[s].key for s in cited(both_full)}
