import textwrap

import pytest

from govcheck_cli import output
from govcheck_cli.main import main


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GOVCHECK_DEBUG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(output, "speaks_unicode", lambda stream=None: True)


@pytest.fixture
def govcheck(capsys):
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*argv):
        code = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def arch(tmp_path):
    """Write an architecture file."""

    def write(text, name="arch.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


SMALL = """
govcheck: 1
name: small
symbols: {m: 3, R: 2}
input: [2]
layers:
  - affine: {out: m}
  - tanh
  - affine: {out: 2}
cost: square
data: {sphere: {n: 2}}
domain: {ball: R}
"""


@pytest.fixture
def small(arch):
    return arch(SMALL)
