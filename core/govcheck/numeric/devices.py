"""Whether torch can compute on a device."""

from __future__ import annotations

import torch

from govcheck.errors import InputError, Problem


def check_device(device: str) -> None:
    """Put a number there and read it back.

    Raises:
        InputError: if torch cannot, with its reason.
    """
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(Problem("device", f"torch cannot use {device!r}: {text}", "--device",
                                 "cpu always works")) from None
