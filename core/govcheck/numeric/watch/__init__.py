"""Watch a training loop of one's own: curvature, edge of stability, alarms against bounds."""

from __future__ import annotations

from govcheck.numeric.watch.loop import Record, Watch, watch

__all__ = ["Record", "Watch", "watch"]
