import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from govcheck.plugin import registry as plugin_registry
from govcheck.plugin.loader import Broken
from govcheck.report.schema import report_schema
from govcheck_cli import output

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
ASK = "theorems: [macdonald2022.corollary_4_3]\n"


def betas(out):
    doc = json.loads(out)
    jsonschema.Draft202012Validator(report_schema()).validate(doc)
    (beta,) = [q for q in doc["bounds"]["loss"] if q["quantity"] == "beta"]
    return {mode: a["value"] for mode, a in beta["answers"].items()}


def test_report_and_json_agree(govcheck, small):
    code, out, err = govcheck("analyze", small)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    code, document, err = govcheck("analyze", small, "--json")
    assert (code, err) == (0, "")
    assert f"beta-Lipschitz with beta <= {betas(document)['tight']}." in " ".join(out.split())


@pytest.mark.parametrize("mode", ["paper", "coarse", "sums", "both"])
def test_modes(govcheck, small, mode):
    code, out, _ = govcheck("analyze", small, "--json", "--mode", mode)
    assert code == 0
    assert list(betas(out)) == (["tight", "paper"] if mode == "both" else [mode])


def test_set_changes_a_value(govcheck, small):
    beta = [
        Decimal(betas(govcheck("analyze", small, "--json", "--set", f"R={r}")[1])["tight"])
        for r in (1, 2, 4)
    ]
    assert beta[0] < beta[1] < beta[2]


def test_no_data_leaves_symbols(govcheck, small):
    _, out, _ = govcheck("analyze", small, "--no-data", "--json")
    doc = json.loads(out)
    assert doc["data"] is None
    d = next(q for q in doc["bounds"]["network"] if q["quantity"] == "D")
    assert {"N", "X_2"} <= set(d["answers"]["tight"]["missing"])


def test_exit_code_says_whether_the_asked_theorems_apply(govcheck, small, arch):
    text = small.read_text()
    assert govcheck("analyze", arch(text + ASK))[0] == 0
    assert govcheck("analyze", arch(text.replace("tanh", "relu") + ASK))[0] == 1
    assert govcheck("analyze", arch(text.replace("tanh", "relu")))[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "m128"], "--set: it takes NAME=VALUE"),
        (["--set", "m="], "--set: it takes NAME=VALUE"),
        (["--set", "m=1", "--set", "m=2"], "m is set twice"),
        (["--set", "k=1"], "k"),
        (["--set", "m=1+"], "m"),
        (["--set", "m=1/2"], "m"),
        (["--mode", "loose"], "invalid choice"),
        (["--jsn"], "unrecognized arguments"),
    ],
)
def test_wrong_options(govcheck, small, options, words):
    code, out, err = govcheck("analyze", small, *options)
    assert code == 2 and out == ""
    assert words in err and "Traceback" not in err


def test_problems_of_a_file_one_per_line(govcheck, arch):
    path = arch("govcheck: 1\ninput: [2]\nlayers:\n  - afine: {out: 2}\n  - tanhh\ncost: squar\n")
    code, out, err = govcheck("analyze", path)
    assert code == 2 and out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"govcheck: {path}:") for line in lines)
    assert "did you mean 'affine'?" in err and "did you mean 'tanh'?" in err


def test_missing_file(govcheck, tmp_path):
    code, out, err = govcheck("analyze", tmp_path / "none.yaml")
    assert code == 2 and out == "" and "there is no such file" in err


def test_data_that_does_not_fit(govcheck, small, arch):
    path = arch(small.read_text().replace("sphere: {n: 2}", "digits: {n: 2}"))
    code, out, err = govcheck("analyze", path)
    assert code == 2 and out == "" and "takes 2" in err


@pytest.fixture
def broken_plugin(monkeypatch):
    real = plugin_registry.load_registry

    def load(*args, **kwargs):
        found = real(*args, **kwargs)
        found.broken.append(Broken("bad", "bad-dist", "import", "ImportError: no module x"))
        return found

    monkeypatch.setattr(plugin_registry, "load_registry", load)


@pytest.mark.usefixtures("broken_plugin")
def test_broken_plugin_is_one_warning(govcheck, small):
    code, out, err = govcheck("analyze", small, "--json")
    assert code == 0
    (line,) = err.splitlines()
    assert line.startswith("govcheck: warning: plugin bad (distribution bad-dist)")
    assert json.loads(out)["broken_plugins"][0]["plugin"] == "bad"
    assert govcheck("analyze", small, "--strict-plugins")[0] == 3
    assert govcheck("plugin", "list")[0] == 0
    assert govcheck("plugin", "list", "--strict-plugins")[0] == 3


def test_failing_bound_is_one_warning(govcheck, small, monkeypatch):
    from govcheck_plugins.layers.affine import Affine

    def fail(self, at):
        raise ValueError("a mistake")

    fail.__govcheck_bound__ = Affine.second_derivative.__govcheck_bound__
    monkeypatch.setattr(Affine, "second_derivative", fail)
    code, out, err = govcheck("analyze", small)
    assert code == 0
    assert err.count("\n") == 1 and "Affine.second_derivative raised ValueError: a mistake" in err
    assert "Affine.second_derivative raised" in " ".join(out.split())
    assert govcheck("analyze", small, "--strict-plugins")[0] == 3


def test_failing_theorem_is_one_warning(govcheck, small, arch, monkeypatch, registry):
    theorem = registry.theorems["macdonald2022.corollary_4_3"]

    def fail(self, analysis, reading):
        raise ValueError("a mistake")

    monkeypatch.setattr(theorem, "decide", fail)
    path = arch(small.read_text() + ASK)
    code, _, err = govcheck("analyze", path)
    assert code == 1
    assert "theorem macdonald2022.corollary_4_3 of govcheck failed" in err
    assert govcheck("analyze", path, "--strict-plugins")[0] == 3


def test_color_only_on_a_terminal_and_never_with_no_color(govcheck, small, monkeypatch):
    assert "\x1b[" not in govcheck("analyze", small)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert output.colored()
    assert "\x1b[" in govcheck("analyze", small)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in govcheck("analyze", small)[1]
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in govcheck("analyze", small)[1]


def test_ascii_where_the_terminal_speaks_no_unicode(govcheck, small, monkeypatch):
    monkeypatch.setattr(output, "speaks_unicode", lambda stream=None: False)
    code, out, _ = govcheck("analyze", small)
    assert code == 0 and out.isascii() and "<=" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples(govcheck, path):
    code, out, err = govcheck("analyze", path)
    assert code == (1 if path.stem == "plain_relu" else 0), err
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80
    assert out.index("What this means") > out.index("Constants of the loss")


def test_there_are_examples():
    assert {p.stem for p in EXAMPLES} >= {"weight_normalised_resnet", "plain_relu", "unet_like"}


SEARCHED = """
govcheck: 1
name: small chain
input: [2]
layers:
  - affine: {out: 2}
  - tanh
  - affine: {out: 1}
cost: half_square
data: {sphere: {n: 2}}
domain: {around_init: 1/10}
theorems: []
"""


def test_searches_are_printed_beside_bounds(govcheck, arch):
    file = arch(SEARCHED)
    code, out, err = govcheck("analyze", file, "--attack", "--seconds", "0")
    assert code == 0
    assert "measured, seed 0" in out
    assert "searched beta" in err
    code, out, _ = govcheck("analyze", file, "--attack", "--seconds", "0", "--json")
    document = json.loads(out)
    jsonschema.Draft202012Validator(report_schema()).validate(document)
    found = {row["quantity"]: row for row in document["tightness"]["rows"]}
    assert code == 0
    assert set(found) >= {"J", "D", "tt", "beta"}
    assert all(row["ratio"] >= 1 for row in found.values())


def test_a_value_beyond_a_bound_ends_with_4(govcheck, arch, monkeypatch):
    from govcheck.numeric import tightness

    right = tightness.compare
    monkeypatch.setattr(
        tightness, "compare",
        lambda q, sense, number, found, n: right(q, sense, number / 1000, found, n),
    )
    code, out, err = govcheck("analyze", arch(SEARCHED), "--attack", "--seconds", "0")
    assert code == 4
    assert "BEYOND THE BOUND" in out
    assert "J was measured as" in err


@pytest.mark.parametrize("options", [("--seed", "-1"), ("--seconds", "nan"), ("--no-data",)])
def test_searches_that_cannot_be_made(govcheck, arch, options):
    code, _, err = govcheck("analyze", arch(SEARCHED), "--attack", *options)
    assert code == 2
    assert "Traceback" not in err
