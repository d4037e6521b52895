"""The watch as a callback of Lightning and of Hugging Face's Trainer."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch import Tensor

from govcheck.errors import InputError, Problem
from govcheck.numeric.watch.loop import Watch, watch

if TYPE_CHECKING:
    from govcheck.numeric.watch.probe import Call


def lightning_callback(
    loss: Callable[[Any, Any], Tensor], probe: tuple[Any, Any], **options: Any
) -> Any:
    """A callback for ``Trainer(callbacks=[...])``; its ``watched`` has the records.

    The probe is moved to the module's device. The module is called like in prediction:
    ``module(x)``.

    Args:
        loss, probe, options: see `govcheck.numeric.watch.watch`.

    Raises:
        InputError: if neither lightning nor pytorch_lightning is installed.
    """
    base = _lightning()

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        """Records while Lightning trains."""

        watched: Watch | None = None

        def on_train_start(self, trainer: Any, module: Any) -> None:
            x, y = probe
            placed = (x.to(module.device), y.to(module.device))
            self.watched = watch(module, loss, placed, optimizer=_only(trainer.optimizers),
                                 **options)
            self.watched.__enter__()

        def on_train_end(self, trainer: Any, module: Any) -> None:
            if self.watched is not None:
                self.watched.__exit__(None, None, None)

        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            self.on_train_end(trainer, module)

    return WatchCallback()


def trainer_callback(batch: dict[str, Any], **options: Any) -> Any:
    """A callback for Hugging Face's ``Trainer(callbacks=[...])``; ``watched`` has the records.

    Args:
        batch: the probe, as the model takes it with its labels: the loss is what the model
            returns as ``loss``, the outputs are its ``logits``.
        options: see `govcheck.numeric.watch.watch`.

    Raises:
        InputError: if transformers is not installed.
    """
    try:
        base = import_module("transformers").TrainerCallback
    except ImportError:
        raise _missing("transformers") from None

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        """Records while the Trainer trains."""

        watched: Watch | None = None

        def on_train_begin(
            self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None,
            **others: Any,
        ) -> None:
            placed = {k: v.to(model.device) for k, v in batch.items()}

            def objective(call: Call) -> Tensor:
                found: Tensor = call(**placed).loss
                return found

            def logits(call: Call) -> Tensor:
                found: Tensor = call(**placed).logits
                return found

            # accelerate wraps the optimizer
            inner = getattr(optimizer, "optimizer", optimizer)
            self.watched = watch(model, objective=objective, outputs=logits, optimizer=inner,
                                 **options)
            self.watched.__enter__()

        def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if self.watched is not None:
                self.watched.__exit__(None, None, None)

    return WatchCallback()


def _lightning() -> Any:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            return import_module(name).Callback
        except ImportError:
            continue
    raise _missing("lightning")


def _missing(name: str) -> InputError:
    return InputError(Problem("not-installed", f"{name} is not installed", "watch",
                              f"pip install {name}"))


def _only(optimizers: Any) -> Any:
    found = list(optimizers)
    if len(found) != 1:
        raise InputError(Problem("watch", f"the module has {len(found)} optimizers, one is "
                                 "watched", "watch", "call govcheck.watch in the loop instead"))
    return found[0]
