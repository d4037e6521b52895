"""Weights of a network from files: ``.npz``, ``.safetensors``, the folder of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from govcheck.errors import InputError, Problem
from govcheck.graph.weights import placed_name

if TYPE_CHECKING:
    from govcheck.certify.floats import Array, Parameters
    from govcheck.certify.program import Task

MAX_BYTES: Final = 2**31
KINDS: Final = "a .npz or .safetensors file, or the folder of a run of `govcheck train`"


def checkpoint(path: str, task: Task) -> Parameters:
    """Parameters of a task from a file.

    Args:
        path: a ``.npz`` file with one array for each ``node.parameter``; a ``.safetensors`` file
            with the names of the network's ``state_dict``, which may be under ``model.``, as in the
            checkpoints of ``govcheck train``; or the folder of such a run, whose newest
            checkpoint counts.
        task: whose names and shapes the arrays must have.

    Raises:
        InputError: if the file is none, or an array is missing, has another shape or is not
            finite.
    """
    at = Path(path)
    if at.is_dir():
        newest = sorted(at.glob("checkpoint-*.safetensors"))
        if not newest:
            raise InputError(Problem("checkpoint", "there is no checkpoint in this folder", path,
                                     f"give {KINDS}"))
        at = newest[-1]
    try:
        if at.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        found = _safetensors(at) if at.suffix == ".safetensors" else _npz(at)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise InputError(Problem("checkpoint", f"it cannot be read: {error}", str(at),
                                 f"give {KINDS}")) from None
    _fit(found, task, str(at))
    return found


def _npz(path: Path) -> Parameters:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files}


def _safetensors(path: Path) -> Parameters:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, KeyError) as error:
        raise ValueError(str(error)) from None
    own = {k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")}
    return {_name(k): np.asarray(t, dtype=np.float64) for k, t in (own or tensors).items()}


def _name(path: str) -> str:
    """``repeat.3.affine.weight`` as ``affine[3].weight``."""
    return ".".join(placed_name(path)) if "." in path else path


def _fit(found: dict[str, Array], task: Task, path: str) -> None:
    problems = []
    for name, w in task.parameters.items():
        if name not in found:
            problems.append(Problem("checkpoint", f"there is no array {name}", path))
        elif (*found[name].shape, 1) == w.shape and task.batch:
            found[name] = found[name].reshape(w.shape)  # see `govcheck.certify.batch`
        elif found[name].shape != w.shape:
            problems.append(Problem(
                "checkpoint", f"{name} has shape {found[name].shape}, not {w.shape}", path))
        elif not np.isfinite(found[name]).all():
            problems.append(Problem("checkpoint", f"{name} holds numbers that are not finite",
                                    path))
    problems += [Problem("checkpoint", f"the network has no parameter {name}", path)
                 for name in found if name not in task.parameters]
    if problems:
        raise InputError(problems)
