"""Train a network by gradient descent, with the bounds that are proved for it beside the loss."""

from __future__ import annotations

from govcheck.numeric.train.loop import train
from govcheck.numeric.train.settings import Settings, read_settings
from govcheck.numeric.train.state import Callback, Outcome, Progress, Saving, State

__all__ = [
    "Callback",
    "Outcome",
    "Progress",
    "Saving",
    "Settings",
    "State",
    "read_settings",
    "train",
]
