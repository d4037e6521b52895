"""In which order samples come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Order:
    """Mini-batches: each epoch is a new random order of all samples, cut into batches.

    The order of an epoch follows from the seed and the epoch's number alone, so that a run
    can begin anywhere. The last batch of an epoch may be smaller.

    Args:
        samples: N.
        batch: samples in a batch; None for all of them in their own order.
        seed: of the orders.
    """

    def __init__(self, samples: int, batch: int | None, seed: int) -> None:
        self.samples, self.seed = samples, seed
        self.batch = None if batch is None else min(batch, samples)
        self._epoch = -1
        self._order: NDArray[np.int64] = np.arange(0)

    def first_of_epoch(self, step: int) -> bool:
        """Whether a step begins an epoch."""
        return self.batch is None or step % self._batches(self.batch) == 0

    def of_step(self, step: int) -> NDArray[np.int64] | None:
        """Indices of the samples of a step; None for all."""
        if self.batch is None:
            return None
        epoch, place = divmod(step, self._batches(self.batch))
        if epoch != self._epoch:
            draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, epoch])))
            self._order, self._epoch = draw.permutation(self.samples), epoch
        return self._order[place * self.batch : (place + 1) * self.batch]

    def _batches(self, batch: int) -> int:
        return -(-self.samples // batch)
