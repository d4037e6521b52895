import os
import subprocess
import sys

import pytest

import govcheck as library
from govcheck_cli import main as module
from govcheck_cli import output

HEAVY = ("sympy", "torch", "rich", "networkx", "numpy")


def python(code, *argv, **env):
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env, timeout=120,
    )


RUN = """
import sys
from govcheck_cli.main import main
code = main(sys.argv[2:])
found = [m for m in sys.argv[1].split(",") if m in sys.modules]
sys.exit(f"imported {found}" if found else code)
"""


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["analyze", "--help"], ["plugn"]])
def test_help_imports_nothing_heavy(argv):
    done = python(RUN, ",".join(HEAVY), *argv)
    assert done.returncode == (2 if argv == ["plugn"] else 0), done.stderr


def test_analyze_imports_neither_torch_nor_sympy(arch):
    # data, given weights and every theorem: all that an analysis can touch
    path = arch("""
        govcheck: 1
        input: [64]
        layers:
          - affine: {out: 4, weight: entrywise, bias: false}
          - residual: [{affine: {out: 4, weight: weight_norm, bias: false}}, tanh]
        cost: square
        data: {digits: {n: 2}}
        domain: {around_init: 1}
        """)
    done = python(RUN, "torch,sympy", "analyze", str(path), "--mode", "both")
    assert done.returncode == 0, done.stderr
    assert "What this means" in done.stdout


def test_encoding_and_color_of_the_process(small):
    done = python(RUN, "torch", "analyze", str(small), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0 and done.stdout.isascii() and "<=" in done.stdout
    done = python(RUN, "torch", "analyze", str(small), PYTHONIOENCODING="utf-8")
    assert "≤" in done.stdout and "\x1b" not in done.stdout


def test_broken_pipe_is_silent(small):
    code = "from govcheck_cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 0 and errors == b""


def test_version(govcheck):
    assert govcheck("--version") == (0, f"govcheck {library.__version__}\n", "")


def failing(error):
    def run(options):
        raise error

    return run


@pytest.fixture
def broken(monkeypatch):
    def install(error):
        monkeypatch.setattr("govcheck_cli.commands.schema.run", failing(error))

    return install


def test_internal_error(govcheck, broken, monkeypatch):
    broken(RuntimeError("a mistake\nin two lines"))
    code, out, err = govcheck("schema")
    assert (code, out) == (70, "")
    assert "internal error: RuntimeError: a mistake in two lines" in err
    assert "report" in err and "Traceback" not in err
    monkeypatch.setenv("GOVCHECK_DEBUG", "1")
    code, _, err = govcheck("schema")
    assert code == 70 and "Traceback" in err


def test_interrupt(govcheck, broken):
    broken(KeyboardInterrupt())
    assert govcheck("schema")[0] == 130


def test_exit_codes_are_those_documented():
    codes = (module.OK, module.NOT_HELD, module.USAGE, module.PLUGIN, module.VIOLATED)
    assert codes == (0, 1, 2, 3, 4) and module.INTERNAL == 70


def test_width_stays_within_reason(monkeypatch):
    for columns, width in (("20", 60), ("100", 100), ("400", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert output.width() == width
