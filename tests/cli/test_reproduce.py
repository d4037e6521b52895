"""``govcheck reproduce``: listing, running, going on, failing."""

import json

import pytest

from govcheck.bounds.answer import Ref
from govcheck.plugin import registry as registry_module
from govcheck.reproduce.protocol import Claim, Outcome, Pair, Reproduction
from govcheck_cli.commands import reproduce
from govcheck_cli.main import main

RUNS = []


def pair(computed, reading="as_printed"):
    return Pair("x", computed, 1.0, reading=reading)


def key(name, *pairs, error=None):
    class Key(Reproduction):
        """One number."""

        title = f"title of {name}"
        reference = Ref("Q", "Thm 1")
        quick_seconds = full_seconds = 1

        def run(self, context):
            RUNS.append(name)
            if error is not None:
                raise error
            context.tick(1, 1)
            return Outcome((Claim("c", "s", pairs, corrected="t"),))

    Key.name = name
    return Key


@pytest.fixture
def keys(monkeypatch):
    """Replace the registered keys; they run in this process unless workers are asked for."""
    real = registry_module.load_registry
    monkeypatch.setattr(reproduce, "_cores", lambda: 1)
    RUNS.clear()

    def use(*classes):
        found = real()
        object.__setattr__(found, "reproductions", {c.name: c for c in classes})
        monkeypatch.setattr(registry_module, "load_registry", lambda: found)

    return use


GOOD = key("good", pair(1.0))
MENDED = key("mended", pair(2.0), pair(1.0, "as_corrected"))
CONTRADICTED = key("contradicted", pair(2.0))
UNSOUND = key("unsound", pair(2.0), pair(2.0, "as_corrected"))
FAILING = key("failing", error=RuntimeError("out of luck"))
STOPPED = key("stopped", error=KeyboardInterrupt())


def test_the_list_says_what_each_computes(keys, capsys):
    keys(GOOD)
    assert main(["reproduce"]) == 0
    assert "One number." in capsys.readouterr().out
    assert main(["reproduce", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["key"] == "good" and found["verdict"] is None
    assert RUNS == []


def test_contradicted_is_a_result(keys, tmp_path, capsys):
    keys(GOOD, MENDED, CONTRADICTED)
    assert main(["reproduce", "--quick", "all", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "agrees after correction" in out and "contradicted" in out
    assert {p.name for p in tmp_path.iterdir()} == {
        "errata.md", *(f"{k}.{e}" for k in ("good", "mended", "contradicted")
                       for e in ("json", "md"))}
    errata = (tmp_path / "errata.md").read_text()
    assert "(mended: " in errata and "(good: " not in errata
    assert main(["reproduce", "--summary", "-o", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == [
        "| `good`", "| `mended`", "| `contradicted`"]


def test_the_table_goes_into_a_file_and_what_matters_into_an_archive(keys, tmp_path, capsys):
    keys(GOOD, MENDED)
    reports, kept = tmp_path / "reports", tmp_path / "kept"
    assert main(["reproduce", "--quick", "all", "-o", str(reports)]) == 0
    assert main(["reproduce", "--summary", "-o", str(reports)]) == 0
    table = capsys.readouterr().out.partition("| key")[1:]
    page = tmp_path / "page.md"
    marks = "<!-- govcheck reproduce --summary -->", "<!-- end of the summary -->"
    page.write_text(f"before\n{marks[0]}\nold\n{marks[1]}\nafter\n")
    argv = ["reproduce", "--summary", "-o", str(reports), "--into", str(page)]
    for _ in range(2):
        assert main([*argv, "--archive", str(kept)]) == 0
        assert capsys.readouterr().out == ""
        assert page.read_text() == "before\n{}\n{}{}\nafter\n".format(
            marks[0], "".join(table), marks[1])
    assert {p.name for p in kept.iterdir()} == {"good.json", "mended.json", "errata.md"}
    assert (kept / "errata.md").read_text() == (reports / "errata.md").read_text()
    assert main(["reproduce", "--summary", "-o", str(kept)]) == 0
    assert capsys.readouterr().out == "".join(table)
    page.write_text(f"{marks[1]} {marks[0]}")
    assert main(argv) == 2
    assert "page.md" in capsys.readouterr().err and page.read_text() == f"{marks[1]} {marks[0]}"


def test_all_goes_on_where_it_stopped(keys, tmp_path, capsys):
    arguments = ["reproduce", "--quick", "all", "-o", str(tmp_path)]
    keys(GOOD, STOPPED, MENDED)
    assert main(arguments) == 130
    assert "1 finished keys are kept" in capsys.readouterr().err
    assert RUNS == ["good", "stopped"]
    RUNS.clear()
    keys(GOOD, key("stopped", pair(1.0)), MENDED)
    assert main(arguments) == 0
    assert RUNS == ["stopped", "mended"]
    assert main(arguments) == 0 and RUNS == ["stopped", "mended"]
    assert main([*arguments, "--seed", "1"]) == 0 and len(RUNS) == 5
    assert main([*arguments, "--seed", "1", "--restart"]) == 0 and len(RUNS) == 8


def test_what_cannot_be_computed_is_told_and_the_rest_is_done(keys, tmp_path, capsys):
    keys(FAILING, GOOD)
    assert main(["reproduce", "--quick", "all", "-o", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "failing: failed: RuntimeError('out of luck')" in captured.err
    assert RUNS == ["failing", "good"]
    assert not (tmp_path / "failing.json").exists()


def test_workers_share_the_keys(keys, tmp_path, capsys):
    from govcheck_plugins.reproduce.m22_fig1 import Figure1
    from govcheck_plugins.reproduce.m22_thm22 import Theorem22

    keys(Theorem22, Figure1)
    assert main(["reproduce", "--quick", "all", "--workers", "2", "-o", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.index("m22-thm22: ") < captured.out.index("m22-fig1: ")
    assert captured.err.count("agrees after correction") == 2
    assert {p.name for p in tmp_path.iterdir()} == {
        "errata.md", *(f"m22-{k}.{e}" for k in ("thm22", "fig1") for e in ("json", "md", "svg"))}


def test_a_correction_that_fails_is_an_alarm(keys, tmp_path, capsys):
    keys(UNSOUND)
    assert main(["reproduce", "unsound", "-o", str(tmp_path)]) == 1
    assert "speaks against a statement that is called corrected" in capsys.readouterr().err


def test_one_key_prints_its_numbers(keys, tmp_path, capsys):
    keys(MENDED)
    assert main(["reproduce", "mended", "-o", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "agrees after correction"
    assert [p["holds"] for p in found["claims"][0]["pairs"]] == [False, True]


def test_bad_usage(keys, tmp_path, capsys):
    keys(GOOD)
    assert main(["reproduce", "--into", "README.md"]) == 2
    assert "it goes with --summary" in capsys.readouterr().err
    assert main(["reproduce", "goood"]) == 2
    assert "good" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(["reproduce", "good", "-o", str(blocked)]) == 2
    assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "broken.json").write_text("{")
    assert main(["reproduce", "--summary", "-o", str(tmp_path)]) == 2
    assert "broken.json" in capsys.readouterr().err
