import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from govcheck.bounds.expr import ONE, num
from govcheck.plugin import Layer, Ref, bound, hookimpl
from govcheck.plugin.registry import load_registry


@dataclass(frozen=True)
class Liar(Layer):
    """liar: X -> 2 X, said to keep norms."""

    name = "liar"

    def module(self, shape, values):
        from torch import nn

        class Double(nn.Module):
            def forward(self, x):
                return 2 * x

        return Double()

    @bound("J", "upper", Ref("a book", "page 1"))
    def jacobian(self, at):
        """Wrong."""
        return ONE

    @bound("sigma_J", "lower", Ref("a book", "page 1"), tight="exact")
    def least(self, at):
        """Right."""
        return num(2)


@pytest.fixture
def liar(monkeypatch):
    """The installed plugins, and one with a layer that lies."""
    module = SimpleNamespace(__name__="lies", govcheck_layers=hookimpl(lambda: [Liar]))
    module.govcheck_layers.__module__ = "lies"
    found = load_registry(extra=[module])
    assert "liar" in found.layers
    monkeypatch.setattr("govcheck.plugin.registry.load_registry", lambda: found)


def test_check_says_what_is_wrong_and_exits_with_1(govcheck, liar):
    code, out, _ = govcheck("plugin", "check", "liar", "--effort", "quick", "--json")
    by_check = {r["check"]: r for r in json.loads(out)}
    assert code == 1
    assert by_check["bound_J"]["status"] == "failed"
    assert "at most 1, and it is 2" in by_check["bound_J"]["message"]
    assert by_check["bound_sigma_J"]["status"] == "passed"
    code, out, _ = govcheck("plugin", "check", "lies", "--effort", "quick")
    assert code == 1
    assert "liar on 2x3" in out and "bound_sigma_J" in out and "failed" in out


def test_check_of_a_layer_that_is_right(govcheck):
    code, out, _ = govcheck("plugin", "check", "flatten", "--effort", "quick")
    assert code == 0 and ", 0 failed" in out


def test_check_of_a_name_that_does_not_exist(govcheck):
    code, out, err = govcheck("plugin", "check", "flattenn")
    assert code == 2 and not out
    assert "'flattenn'" in err and "did you mean 'flatten'" in err


def test_new_writes_a_distribution(govcheck, tmp_path):
    folder = tmp_path / "some" / "where"
    code, out, _ = govcheck("plugin", "new", "two_words", "--directory", folder)
    assert code == 0 and "pip install -e" in out
    assert 'two_words = "govcheck_two_words"' in (folder / "pyproject.toml").read_text()
    assert "class TwoWordsLayer" in (folder / "src/govcheck_two_words/layer.py").read_text()


@pytest.mark.parametrize("name", ["Bad", "1x", "a-b", "a__b", "a_", "", "../x", "x" * 41, "é"])
def test_new_refuses_bad_names(govcheck, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    code, _, err = govcheck("plugin", "new", name)
    assert code == 2 and "cannot name a layer" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "reason"), [
    ("residual", "means something else"), ("relu", "there is a layer 'relu' already")])
def test_new_refuses_taken_names(govcheck, tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    code, _, err = govcheck("plugin", "new", name)
    assert code == 2 and reason in err
    assert not list(tmp_path.iterdir())


def test_new_never_overwrites(govcheck, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = govcheck("plugin", "new", "fresh", "--directory", tmp_path)
    assert code == 2 and "not empty" in err
    code, _, err = govcheck("plugin", "new", "fresh", "--directory", tmp_path / "mine.txt")
    assert code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_new_says_when_it_cannot_write(govcheck, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = govcheck("plugin", "new", "fresh", "--directory", tmp_path / "file" / "below")
    assert code == 2 and "cannot be written" in err
