"""A subject whose samples are split over processes that torchrun has started."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from govcheck.errors import InputError, Problem
from govcheck.numeric.distributed import Processes, own, same, sharing, whole
from govcheck.numeric.measure.record import stopwatch
from govcheck.numeric.measure.subject import APART, APART_TORCH, Subject

TRIED = 4
"""So many samples for each process are tried where a module might couple them."""


class Sharded(Subject):
    """The same network, batch and loss; each process runs it on its own samples.

    Seen from outside nothing differs: outputs, parameters and all derivatives are those of
    the whole batch, in every process. A product with the Jacobian takes one sum over the
    processes, of all parameters or of all outputs; one with the Hessian takes both; each
    batch normalisation in train mode adds two of its channels in every pass. What is found
    from `module` directly, such as Gram matrices layer by layer, is not split.

    Args:
        s: the subject; it must be left alone from here on.
        processes: who shares the samples.

    Raises:
        InputError: if there are more processes than samples, or samples influence each other
            other than through train-mode batch normalisation as `Normalise` does it.
    """

    def __init__(self, s: Subject, processes: Processes) -> None:
        self.__dict__.update(s.__dict__)
        self.__dict__.pop("outputs", None)
        self.processes = processes
        processes.place(self.samples)
        self._refuse_other_coupling()

    def __call__(self, theta: Tensor, x: Tensor | None = None) -> Tensor:
        """Outputs of all samples at other parameters or on another batch of the same size."""
        return self._run(theta, self.x if x is None else x)

    def _run(self, theta: Tensor, x: Tensor) -> Tensor:
        p, n = self.processes, x.shape[0]
        with sharing(p, n):
            part: Tensor = functional_call(
                self.module, self.split(same(theta, p.group)), (own(x, p),)
            )
        return whole(part, p, n)

    @cached_property
    def outputs(self) -> Tensor:
        """What the module gives, shaped as it gives it."""
        with torch.no_grad(), stopwatch(self.device) as clock:
            out = self(self.theta)
        self._forward = clock.seconds
        return out

    def _refuse_other_coupling(self) -> None:
        for path, m in self.module.named_modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training:
                raise _refused(f"{path}: torch's batch norm in train mode knows only the samples "
                               "of its own process")
        strange = [
            path or type(m).__name__ for path, m in self.module.named_modules()
            if not isinstance(m, APART) and type(m) not in APART_TORCH
        ]
        if not strange:
            return
        few = self.x[: min(self.samples, TRIED * self.processes.size)]
        with torch.no_grad():
            apart, together = self._run(self.theta, few), self.module(few)
        scale = float(together.abs().max())
        if float((apart - together).abs().max()) > self.unit * 1e4 * max(scale, 1e-300):
            raise _refused("outputs change when samples are split, and one of "
                           f"{', '.join(strange[:4])} may be why")


def _refused(why: str) -> InputError:
    return InputError(
        Problem("coupled", f"samples cannot be shared by processes: {why}",
                hint="use the layer batch_norm, or start one process")
    )
