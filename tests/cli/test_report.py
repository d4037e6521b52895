import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from govcheck.report.schema import report_schema
from govcheck_cli.main import NOT_HELD, OK, USAGE, VIOLATED, main

ROOT = Path(__file__).parents[2]


def document(path):
    doc = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(report_schema()).validate(doc)
    return doc


def beta(doc):
    return next(q for q in doc["bounds"]["loss"] if q["quantity"] == "beta")["answers"]


@pytest.fixture
def written(govcheck, small, tmp_path):
    """One run with all formats."""
    names = [tmp_path / f"out.{end}" for end in ("html", "md", "tex", "json")]
    argv = [part for name in names for part in ("-o", name)]
    code, out, err = govcheck("report", small, "--mode", "both", *argv)
    assert code == OK and out == ""
    assert err.splitlines() == [f"wrote {name}" for name in names]
    return tmp_path


def test_all_formats_say_the_same(written):
    doc = document(written / "out.json")
    value = beta(doc)["tight"]["value"]
    for end in ("html", "md", "tex"):
        assert value in (written / f"out.{end}").read_text(encoding="utf-8"), end
    assert list(beta(doc)) == ["tight", "paper"]
    assert not list(written.glob(".*"))


def test_drawings_and_literature_lie_beside(written):
    doc = document(written / "out.json")
    keys = [p["key"] for p in doc["plots"]]
    assert keys == ["modes"]
    assert (written / "out-modes.svg").read_text().startswith("<?xml")
    assert (written / "out-modes.pdf").read_bytes().startswith(b"%PDF")
    assert "](<out-modes.svg>)" in (written / "out.md").read_text(encoding="utf-8")
    tex = (written / "out.tex").read_text(encoding="utf-8")
    assert r"\includegraphics[width=\linewidth]{out-modes.pdf}" in tex
    cited = set(re.findall(r"\\cite\[.*?\]\{([\w-]+)\}", tex))
    assert cited <= set(re.findall(r"@\w+\{([\w-]+),", (written / "out.bib").read_text()))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is missing")
def test_the_document_compiles_with_its_drawings(written):
    run = ["pdflatex", "-interaction=nonstopmode", "out.tex"]
    done = subprocess.run(run, cwd=written, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_a_report_in_json_is_shown_again(govcheck, written):
    (written / "again").mkdir()
    for end in ("html", "md", "json"):
        again = written / "again" / f"out.{end}"
        code, _, err = govcheck("report", written / "out.json", "-o", again)
        assert code == OK, err
        assert again.read_bytes() == (written / f"out.{end}").read_bytes(), end


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--measure",), "--measure"), (("--attack",), "--attack"), (("--set", "m=4"), "--set"),
        (("--no-data",), "--no-data"), (("--mode", "paper"), "--mode"),
    ],
)
def test_nothing_is_computed_from_a_report_in_json(govcheck, tmp_path, options, said):
    code, _, err = govcheck("report", tmp_path / "r.json", "--json", *options)
    assert code == USAGE and said in err and "nothing is computed" in err


@pytest.mark.parametrize("text", ["{", "{}", '{"govcheck_report": 1}'])
def test_another_json_file_is_refused(govcheck, tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    code, out, err = govcheck("report", path, "-o", tmp_path / "r.md")
    assert code == USAGE and out == "" and str(path) in err and "Traceback" not in err
    assert not (tmp_path / "r.md").exists()


def test_a_wrong_ending_lists_the_right_ones(govcheck, small, tmp_path):
    code, _, err = govcheck("report", small, "-o", tmp_path / "r.docx", "-o", tmp_path / "r.md")
    assert code == USAGE and not (tmp_path / "r.md").exists()
    assert all(word in err for word in (".html", ".md", ".tex", ".json", "r.docx"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "-o report.html"),
        (("-o", "no/such/folder/r.md"), "no folder"),
        (("-o", "r.md", "-o", "r.md"), "named twice"),
        (("-o", "r.md", "-o", "../{here}/r.md"), "named twice"),
        (("--json", "--fragment"), "no file in LaTeX"),
        (("-o", "r.tex", "--prefix", "a1"), "made of letters"),
        (("-o", "r.md", "--measure", "--no-data"), "needs the data"),
        (("-o", "r.md", "--measure", "--max-seconds", "0"), "positive number"),
    ],
)
def test_options_that_make_no_sense(govcheck, small, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    argv = [word.format(here=tmp_path.name) for word in argv]
    code, out, err = govcheck("report", small, *argv)
    assert code == USAGE and out == "" and said in err
    assert set(tmp_path.iterdir()) == before


def test_the_architecture_file_is_never_replaced(govcheck, small, tmp_path):
    path = tmp_path / "net.md"
    path.write_bytes(small.read_bytes())
    code, _, err = govcheck("report", path, "-o", path)
    assert code == USAGE and "would replace" in err
    assert path.read_bytes() == small.read_bytes()


def test_a_file_that_cannot_be_written_is_an_error(govcheck, small, tmp_path):
    folder = tmp_path / "r.md"
    folder.mkdir()
    code, _, err = govcheck("report", small, "-o", folder)
    assert code == USAGE and "is a folder" in err


def test_a_failed_write_leaves_the_old_report(govcheck, small, tmp_path, monkeypatch):
    path = tmp_path / "r.md"
    path.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *a: (_ for _ in ()).throw(OSError(5, "no")))
    code, _, err = govcheck("report", small, "-o", path)
    assert code == USAGE and "cannot be written" in err
    assert path.read_text() == "old" and not list(tmp_path.glob(".*"))


def test_json_goes_to_stdout(govcheck, small):
    code, out, err = govcheck("report", small, "--json", "--set", "m=4", "--no-data")
    doc = json.loads(out)
    assert code == OK and err == "" and doc["data"] is None and doc["measurement"] is None
    assert next(s for s in doc["symbols"] if s["name"] == "m")["value"] == "4"


def test_a_guarantee_that_does_not_hold_is_exit_code_1(govcheck, arch, tmp_path):
    path = arch("""
        govcheck: 1
        input: [2]
        layers: [{affine: {out: 2}}, relu]
        cost: square
        theorems: [macdonald2022.corollary_4_3]
    """)
    code, _, _ = govcheck("report", path, "-o", tmp_path / "r.md")
    assert code == NOT_HELD and (tmp_path / "r.md").exists()


def test_a_measurement_is_that_of_measure(govcheck, small, tmp_path):
    code, _, err = govcheck("report", small, "--measure", "-o", tmp_path / "r.json",
                            "-o", tmp_path / "r.tex")
    assert code == OK, err
    doc = document(tmp_path / "r.json")
    alone = json.loads(govcheck("measure", small, "--json")[1])
    assert doc["measurement"].keys() == alone.keys()
    fixed = ("name", "data", "arithmetic", "seed", "point", "parameters", "set", "alarms")
    assert all(doc["measurement"][k] == alone[k] for k in fixed)
    bounds = [(r["quantity"], r["bound"], r["status"]) for r in alone["rows"]]
    assert [(r["quantity"], r["bound"], r["status"]) for r in doc["measurement"]["rows"]] == bounds
    assert "Proven and measured" in (tmp_path / "r.tex").read_text(encoding="utf-8")


def test_searches_are_shown(govcheck, small, tmp_path):
    code, _, _ = govcheck("report", small, "--attack", "--seconds", "0", "-o", tmp_path / "r.json",
                          "-o", tmp_path / "r.md")
    assert code == OK
    rows = document(tmp_path / "r.json")["tightness"]["rows"]
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    shown = [re.sub(r"e([+-])0+", r"e\1", f"{r['measured']:.6g}") for r in rows]
    assert rows and all(r["bound"] in text for r in rows) and all(s in text for s in shown)


def test_a_value_beyond_a_bound_is_exit_code_4(govcheck, written, tmp_path):
    doc = document(written / "out.json")
    doc["tightness"] = {"seed": 0, "rows": [
        {"quantity": "beta", "sense": "upper", "bound": "1", "measured": 2.0, "ratio": 0.5,
         "holds": False, "searches": 1}]}
    path = tmp_path / "beyond.json"
    path.write_text(json.dumps(doc))
    code, _, _ = govcheck("report", path, "-o", tmp_path / "beyond.md")
    assert code == VIOLATED and "beyond the bound" in (tmp_path / "beyond.md").read_text()


def test_fragment_and_macros(govcheck, small, tmp_path):
    whole, part, only = (tmp_path / f"{n}.tex" for n in ("whole", "part", "only"))
    govcheck("report", small, "-o", whole)
    govcheck("report", small, "-o", part, "--fragment")
    govcheck("report", small, "-o", only, "--macros", "--prefix", "net")
    assert r"\documentclass" in whole.read_text() and r"\documentclass" not in part.read_text()
    macros = re.findall(r"\\renewcommand\{\\(\w+)\}", part.read_text())
    assert {"govBeta", "govBetaValue", "govEta"} <= set(macros)
    renamed = re.findall(r"\\renewcommand\{\\(\w+)\}", only.read_text())
    assert renamed == [name.replace("gov", "net", 1) for name in macros]
    assert r"\section" not in only.read_text()
    assert not (tmp_path / "only.bib").exists()


def test_help_is_cheap():
    script = ("import sys; from govcheck_cli.main import main; main(['report', '--help']); "
              "print([m for m in ('torch', 'sympy', 'rich', 'networkx', 'matplotlib', 'jinja2', "
              "'jsonschema') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"


EXAMPLES = ("resnet18", "resnet18_modified", "preact_resnet18", "vgg11", "nf_resnet", "mlp_mixer",
            "vit_tiny")
LARGEST = 2 * 10**6


def _sizes_and_margins(name, tmp_path):
    out = [tmp_path / f"r.{end}" for end in ("html", "md", "tex", "json")]
    argv = [str(part) for path in out for part in ("-o", path)]
    assert main(["report", str(ROOT / "examples" / f"{name}.yaml"), *argv]) in (OK, NOT_HELD)
    document(tmp_path / "r.json")
    assert all(100 < path.stat().st_size < LARGEST for path in out)
    if shutil.which("pdflatex"):
        run = ["pdflatex", "-interaction=nonstopmode", "r.tex"]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        log = (tmp_path / "r.log").read_text(errors="replace")
        wide = re.findall(r"Overfull \\hbox \(([0-9.]+)pt", log)
        assert [w for w in wide if float(w) > 20] == []


def test_report_of_a_bundled_network(tmp_path):
    _sizes_and_margins("mlp_tanh_ball", tmp_path)


@pytest.mark.slow  # five to twenty seconds each
@pytest.mark.parametrize("name", EXAMPLES)
def test_reports_of_the_large_examples(name, tmp_path):
    _sizes_and_margins(name, tmp_path)


def test_macros_of_the_docs_exist(govcheck, tmp_path):
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\\(gov[A-Za-z]+)", page)) - {"govBeTa", "govBeTaTwo"}
    file = ROOT / "examples" / "weight_normalised_resnet.yaml"
    code, _, err = govcheck("report", file, "--mode", "both", "-o", tmp_path / "m.tex", "--macros")
    assert code == OK, err
    written = set(re.findall(r"\\renewcommand\{\\(\w+)\}", (tmp_path / "m.tex").read_text()))
    assert len(named) > 8 and named - written == set()


def test_python_of_the_docs(monkeypatch, capsys):
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "docs/report.md", "exec"), {})
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "# weight-normalised residual net" and int(out[-1]) > 50
