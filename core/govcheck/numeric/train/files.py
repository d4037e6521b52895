"""The files of a run: checkpoints, the stream of results, and what the run is.

Every file but the stream appears whole or not at all: it is written under a temporary name
and renamed. A checkpoint counts from the moment its sidecar has its name; the sidecar says
the hash of the tensors. The stream is appended to line by line; what a kill leaves of the
last line is cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from govcheck.errors import InputError, Problem
from govcheck.report.plot_parts import thinned
from govcheck.writing import renamed

RESULTS: Final = "results.jsonl"
RUN: Final = "run.json"
SUMMARY: Final = "summary.json"
LOCK: Final = "lock"
PREFIX: Final = "checkpoint-"
KEPT: Final = 2
FORMAT: Final = 1


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A JSON file; numbers that are not finite are not JSON and raise `ValueError`."""
    content = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with renamed(path) as fresh:
        fresh.write_bytes(content.encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None if the file is missing or is no such thing."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A point to resume from.

    Args:
        step: k; the parameters are ``theta_k``.
        tensors: parameters and buffers under ``model.``, the optimiser's under
            ``optimiser.``, states of random generators under ``rng.``.
        about: everything else, in JSON.
    """

    step: int
    tensors: dict[str, Tensor]
    about: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``name.``, by the rest."""
        head = f"{name}."
        return {k[len(head):]: t for k, t in self.tensors.items() if k.startswith(head)}


def save_checkpoint(folder: Path, point: Checkpoint) -> None:
    """Write tensors, then their sidecar, and remove all but the newest checkpoints."""
    stem = f"{PREFIX}{point.step:09d}"
    content = save_tensors({k: t.detach().contiguous().cpu() for k, t in point.tensors.items()})
    with renamed(folder / f"{stem}.safetensors") as fresh:
        fresh.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    write_json(folder / f"{stem}.json",
               {"format": FORMAT, "step": point.step, "sha256": digest, **point.about})
    for old in sorted(folder.glob(f"{PREFIX}*.json"))[:-KEPT]:
        if old.name < f"{stem}.json":
            old.unlink(missing_ok=True)
            old.with_suffix(".safetensors").unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None if there is none."""
    for sidecar in sorted(folder.glob(f"{PREFIX}*.json"), reverse=True):
        about = read_json(sidecar)
        if about is None or about.get("format") != FORMAT:
            continue
        try:
            content = sidecar.with_suffix(".safetensors").read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() != about.get("sha256"):
            continue
        return Checkpoint(int(about["step"]), load_tensors(content), about)
    return None


class Results:
    """The stream of records, one JSON object on each line.

    Args:
        path: the file.
        before: keep records of steps below this one, cut off the rest.
    """

    def __init__(self, path: Path, before: int) -> None:
        self.path = path
        end = 0
        if path.exists():
            for record, stop in _lines(path):
                if record.get("step", before) >= before:
                    break
                end = stop
            os.truncate(path, end)
        self._file: BinaryIO = path.open("ab", buffering=0)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; it survives the end of this process from here on."""
        self._file.write((json.dumps(record, allow_nan=False) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_results(path: Path) -> list[dict[str, Any]]:
    """The whole records of a stream, also of one that is being written or was cut off."""
    return [record for record, _ in _lines(path)]


def run_document(folder: Path, most: int = 400) -> dict[str, Any]:
    """A run as a report's ``training``: how it ended, and its records.

    Args:
        folder: where `train` put its files; the run may still go on.
        most: so many records, evenly spaced, with the first and the last; those with
            measurements all stay.

    Raises:
        InputError: if there is no run.
    """
    try:
        records = read_results(folder / RESULTS)
    except OSError:
        raise InputError(Problem("no-run", "there is no run with results in this folder",
                                 str(folder), "it takes the folder that train -o names")) from None
    kept = set(thinned(len(records), most))
    kept |= {k for k, r in enumerate(records) if r.get("measured")}
    return (read_json(folder / SUMMARY) or {}) | {"records": [records[k] for k in sorted(kept)]}


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole records in order with the position after each, up to the first torn line."""
    end = 0
    with path.open("rb") as stream:
        for line in stream:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                return
            if not isinstance(record, dict):
                return
            yield record, end


def in_use(folder: Path) -> InputError:
    """The answer where another process works in the folder."""
    return InputError(Problem("in-use", "another process works in this folder", str(folder),
                              "wait for it, or choose another folder with -o"))
