"""Weights of an imported network as files that other commands read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import save
from torch import Tensor

from govcheck.errors import InputError, Problem
from govcheck.writing import write_whole


def save_weights(weights: Mapping[str, Tensor], trained: Sequence[str], path: Path) -> None:
    """Write weights whole or not at all.

    Args:
        weights: parameters and buffers by name.
        trained: names of parameters, which is all that ``.npz`` files have.
        path: ``.safetensors``, or ``.npz``.

    Raises:
        InputError: for another suffix, or if the file cannot be written.
    """
    if path.suffix == ".safetensors":
        content = save(dict(weights))
    elif path.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{n: weights[n].numpy() for n in trained})
        content = buffer.getvalue()
    else:
        raise InputError(Problem("weights", f"{path} is neither .safetensors nor .npz",
                                 "--weights", "measure --at reads the first, certify --from "
                                 "the second"))
    write_whole(path, content, "output")
