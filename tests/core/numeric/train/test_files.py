"""Files of a run: whole or not there, whatever is left of a write."""

from __future__ import annotations

import json

import pytest
import torch

from govcheck.numeric.train import files
from govcheck.numeric.train.files import (
    Checkpoint,
    Results,
    load_checkpoint,
    read_results,
    save_checkpoint,
)


def checkpoint(step):
    t = torch.arange(6, dtype=torch.float64).reshape(2, 3) + step
    return Checkpoint(step, {"model.a.weight": t.T, "rng.cpu": torch.get_rng_state()},
                      {"seconds": 1.5})


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path, checkpoint(3))
    found = load_checkpoint(tmp_path)
    assert found.step == 3 and found.about["seconds"] == 1.5
    assert torch.equal(found.part("model")["a.weight"], checkpoint(3).tensors["model.a.weight"])
    assert torch.equal(found.part("rng")["cpu"], torch.get_rng_state())
    assert load_checkpoint(tmp_path / "nowhere") is None


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 10, 11):
        save_checkpoint(tmp_path, checkpoint(step))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"checkpoint-{k:09d}.{e}" for k in (10, 11) for e in ("json", "safetensors")]


@pytest.mark.parametrize("part", ["json", "safetensors"])
@pytest.mark.parametrize("harm", ["gone", "empty", "torn", "changed"])
def test_a_spoilt_checkpoint_is_passed_over(tmp_path, part, harm):
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2))
    path = tmp_path / f"checkpoint-000000002.{part}"
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        flipped = content.replace(b'"sha256": "', b'"sha256": "0')
        other = content[:-1] + bytes([content[-1] ^ 1]) if part == "safetensors" else flipped
        path.write_bytes({"empty": b"", "torn": content[: len(content) // 2],
                          "changed": other}[harm])
    assert load_checkpoint(tmp_path).step == 1


@pytest.mark.parametrize("call", range(4))
def test_a_stop_between_any_two_operations_leaves_a_checkpoint(tmp_path, monkeypatch, call):
    """Tensors written, renamed, sidecar written, renamed: stop before each."""

    class StopHereError(Exception):
        pass

    save_checkpoint(tmp_path, checkpoint(1))
    count = 0

    def before(function):
        def run(self, *arguments):
            nonlocal count
            if count == call:
                if function is write:
                    write(self, arguments[0][:10])
                raise StopHereError
            count += 1
            return function(self, *arguments)

        return run

    write, replace = files.Path.write_bytes, files.Path.replace
    monkeypatch.setattr(files.Path, "write_bytes", before(write))
    monkeypatch.setattr(files.Path, "replace", before(replace))
    with pytest.raises(StopHereError):
        save_checkpoint(tmp_path, checkpoint(2))
    monkeypatch.undo()
    assert load_checkpoint(tmp_path).step == 1
    save_checkpoint(tmp_path, checkpoint(2))
    assert load_checkpoint(tmp_path).step == 2


def test_the_stream_is_cut_at_a_torn_line_and_at_a_step(tmp_path):
    path = tmp_path / "results.jsonl"
    lines = [json.dumps({"step": k, "x": 0.1}) + "\n" for k in range(5)]
    path.write_text("".join(lines) + '{"step": 5, "x"')
    assert [r["step"] for r in read_results(path)] == [0, 1, 2, 3, 4]
    Results(path, before=9).close()
    assert path.read_text() == "".join(lines)
    stream = Results(path, before=3)
    stream.write({"step": 3})
    assert [r["step"] for r in read_results(path)] == [0, 1, 2, 3]
    stream.close()
    for garbage in ("[1]\n", "nonsense\n", "\n", '{"step": 3}'):
        path.write_text(lines[0] + garbage + lines[1])
        Results(path, before=9).close()
        assert path.read_text() == lines[0]


def test_numbers_that_are_not_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
