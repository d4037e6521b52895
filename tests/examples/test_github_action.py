import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/github-action"
NETWORK = """
govcheck: 1
input: [2]
layers: [affine: {out: 2}, tanh]
cost: square
data: {sphere: {n: 2}}
domain: {ball: 1}
theorems: [macdonald2022.corollary_4_3]
"""
BUDGET = "govcheck_budget: 1\nbounds: {J: {at_most: 1}}\n"
HOSTILE = """a"; touch pwned; echo '$(touch pwned)`touch pwned` & ; b.yaml"""


class Text(yaml.SafeLoader):
    """YAML whose scalars all stay text, as the runner's inputs do; `on` is a word."""


Text.yaml_implicit_resolvers = {}


def load(name):
    # a loader of the safe kind, on files of this repository
    return yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=Text)


@pytest.fixture(scope="module")
def action():
    return load("action.yml")


def step(action, name):
    (found,) = [s for s in action["runs"]["steps"] if s["name"] == name]
    return found


def test_structure(action):
    assert action["runs"]["using"] == "composite"
    for given in action["inputs"].values():
        assert set(given) <= {"description", "required", "default"} and given["description"]
    ids = {s["id"] for s in action["runs"]["steps"] if "id" in s}
    for s in action["runs"]["steps"]:
        assert ("run" in s) != ("uses" in s)
        # an expression in a script would be text of the script; in env it is a value
        assert "${{" not in s.get("run", "")
        assert s.get("shell") == ("bash" if "run" in s else None)
        assert "uses" not in s or re.fullmatch(r"[\w.-]+(/[\w.-]+)+@v\d+", s["uses"])
    used = set(re.findall(r"inputs\.([\w-]+)", (FOLDER / "action.yml").read_text()))
    assert used == set(action["inputs"])
    written = set(re.findall(r"echo \"([\w-]+)=", step(action, "Analyse")["run"]))
    assert written == set(action["outputs"])
    for name, given in action["outputs"].items():
        assert given["value"] == f"${{{{ steps.analyze.outputs.{name} }}}}"
    assert ids == {"analyze"}


def test_workflow_uses_what_the_action_has(action):
    workflow = load("workflow.yml")
    (job,) = workflow["jobs"].values()
    (ours,) = [s for s in job["steps"] if s["uses"].startswith("OWNER/")]
    assert ours["uses"] == "OWNER/govcheck/examples/github-action@REF"
    assert set(ours["with"]) <= set(action["inputs"])
    assert workflow["permissions"] == {"contents": "read", "security-events": "write"}
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == list(action["inputs"])


@pytest.fixture
def runner(tmp_path, action):
    """Run a step as the runner does: a script file, variables, outputs in a file."""
    home = tmp_path / "workspace"
    home.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    govcheck = programs / "govcheck"
    govcheck.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m govcheck_cli.main "
                        '"$@"\n')
    govcheck.chmod(govcheck.stat().st_mode | stat.S_IXUSR)

    def run(name, **inputs):
        s = step(action, name)
        given = {n: i.get("default", "") for n, i in action["inputs"].items()} | inputs
        found = tmp_path / "outputs"
        found.write_text("")
        script = tmp_path / "script.sh"
        script.write_text(s["run"])
        variables = {
            k: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: given[m[1]], v)
            for k, v in s.get("env", {}).items()
        }
        done = subprocess.run(
            [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=home, capture_output=True, text=True, check=False, timeout=300,
            env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}",
                              "GITHUB_OUTPUT": str(found), "GITHUB_ACTION_PATH": str(FOLDER)}
            | variables,
        )
        lines = [line.partition("=") for line in found.read_text().splitlines()]
        return done, {k: v for k, _, v in lines}

    return home, programs, run


@pytest.mark.parametrize(
    ("network", "budget", "code"),
    [
        (NETWORK, BUDGET, "0"),
        (NETWORK, BUDGET.replace("1}}", "1/2}}"), "1"),
        (NETWORK.replace("tanh", "relu"), None, "1"),
        (NETWORK.replace("tanh", "thna"), BUDGET, "2"),
    ],
)
def test_analysis(runner, network, budget, code):
    home, _, run = runner
    (home / "net.yaml").write_text(network)
    given = {"architecture": "net.yaml"}
    if budget is not None:
        (home / "budgets.yaml").write_text(budget)
        given["budget"] = "budgets.yaml"
    done, outputs = run("Analyse", **given)
    assert done.returncode == 0, done.stderr
    assert outputs == {"exit-code": code, "junit": "govcheck-junit.xml",
                       "sarif": "govcheck.sarif"}
    results = json.loads((home / outputs["sarif"]).read_text())["runs"][0]["results"]
    assert (code == "0") == all(r["level"] == "note" for r in results)


def test_hostile_names_stay_names(runner):
    home, _, run = runner
    for name, text in [(HOSTILE, NETWORK), ("-b; touch pwned", BUDGET)]:
        (home / name).write_text(text)
    before = set(home.iterdir())
    files = {"junit": "$(touch pwned).xml", "sarif": "; touch pwned #.json"}
    done, outputs = run("Analyse", architecture=HOSTILE, budget="-b; touch pwned", **files)
    assert done.returncode == 0 and outputs == {"exit-code": "0", **files}, done.stderr
    assert {p.name for p in set(home.iterdir()) - before} == set(files.values())
    for bad in ("--version", "x --json", "\n", "a\nexit-code=0"):
        done, outputs = run("Analyse", architecture=bad)
        assert outputs.get("exit-code", "2") == "2" and done.returncode in (0, 2)
    assert not (home / "pwned").exists()


def test_result_is_the_exit_code(action):
    result = step(action, "Result")
    assert result["env"] == {"CODE": "${{ steps.analyze.outputs.exit-code }}"}
    for code in (0, 1, 2, 4):
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", result["run"]], check=False,
                              env={"PATH": os.environ["PATH"], "CODE": str(code)})
        assert done.returncode == code


def test_installs_the_repository_it_is_part_of(runner):
    _, programs, run = runner
    python = programs / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    done, _ = run("Install govcheck from this action's repository")
    root = str(ROOT)
    assert done.stdout.splitlines() == ["-m", "pip", "install", "--quiet", "--constraint",
                                        f"{root}/constraints.txt", root]
    assert (ROOT / "constraints.txt").is_file() and (ROOT / "pyproject.toml").is_file()
