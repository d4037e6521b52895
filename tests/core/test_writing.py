"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from govcheck.errors import InputError
from govcheck.writing import json_text, renamed, whole, write_whole


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with renamed(path) as fresh:
        fresh.write_text("new")
        assert not path.exists() and fresh.parent == tmp_path
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_stops_on_the_way_leaves_the_file_as_it_was(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(error), whole(path) as fresh:
        fresh.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["no/such", ".", "folder"])
def test_what_cannot_be_written_is_a_problem_of_the_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    target = Path(name) if name == "." else tmp_path / name
    with pytest.raises(InputError) as caught:
        write_whole(target, "text", "some-code", "a way out")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where, problem.hint) == ("some-code", str(target), "a way out")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_bytes_and_text_and_json(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    write_whole(tmp_path / "b", json_text({"β": "≤"}))
    assert (tmp_path / "b").read_text(encoding="utf-8") == '{\n  "β": "≤"\n}\n'
