"""Sums and products with numbers and trained tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from govcheck.plugin import DATA, Call, Claim, Importer, UnclaimedError
from govcheck_plugins.importers._shared import exact, shortest


def _number(value: Any) -> float | None:
    """The value of a number, or of a tensor with one entry that is not trained."""
    if isinstance(value, int | float):
        return float(value)
    if getattr(value, "requires_grad", True) or value.numel() != 1:
        return None
    return float(value)


class Add(Importer):
    """``x + p``, p trained and shaped as a sample."""

    name: ClassVar[str] = "add"
    functions: ClassVar[tuple[str, ...]] = ("add",)

    def claims(self, call: Call) -> Sequence[Claim]:
        other = call.other
        if _number(other) == 0:
            return ()
        if isinstance(other, int | float):
            raise UnclaimedError(f"no layer adds the number {other}")
        one = _of_a_sample(other, len(call.shape))
        if tuple(one.shape) != call.shape:
            raise UnclaimedError(
                f"it adds an array of shape {list(one.shape)} to samples of {list(call.shape)}")
        if call.kwargs.get("alpha", 1) != 1:
            raise UnclaimedError("alpha is not 1")
        return (Claim("positional_embedding", {}, {"position": one}),)


def _of_a_sample(tensor: Any, rank: int) -> Any:
    """A tensor without the dimension of the samples, if it is the same for all."""
    if tensor.dim() == rank + 1:
        if tensor.shape[0] != 1 and not bool((tensor == tensor[:1]).all()):
            raise UnclaimedError("it differs from sample to sample")
        return tensor[0]
    return tensor


class Times(Importer):
    """``c x`` with a number, a trained number or a trained number for each channel."""

    name: ClassVar[str] = "mul"
    functions: ClassVar[tuple[str, ...]] = ("mul",)

    def claims(self, call: Call) -> Sequence[Claim]:
        other = call.other
        number = _number(other)
        if number is not None:
            return _times(number)
        if other.numel() == 1:
            return (Claim("scale", {"trainable": True, "initial": shortest(other)},
                          {"factor": other.reshape(())}),)
        one = _of_a_sample(other, len(call.shape))
        sizes = (1,) * (len(call.shape) - one.dim()) + tuple(one.shape)
        for axis, place in (("last", len(sizes) - 1), ("first", 0)):
            wanted = tuple(n if i == place else 1 for i, n in enumerate(call.shape))
            if sizes == wanted:
                return (_channels(axis, one.reshape(call.shape[place])),)
        raise UnclaimedError(
            f"it multiplies samples of {list(call.shape)} by an array of shape {list(one.shape)}")


def _channels(axis: str, scale: Any) -> Claim:
    settings: dict[str, object] = {} if axis == "first" else {"axis": axis}
    if bool((scale == scale[0]).all()) and bool(scale[0] != 1):
        settings["initial"] = shortest(scale[0])
    return Claim("channel_scale", settings, {"scale": scale})


def _times(number: float) -> Sequence[Claim]:
    return () if number == 1 else (Claim("scale", {"factor": exact(number)}),)


class Over(Importer):
    """``x / c`` with a number."""

    name: ClassVar[str] = "truediv"
    functions: ClassVar[tuple[str, ...]] = ("truediv",)

    def claims(self, call: Call) -> Sequence[Claim]:
        number = _number(call.other)
        if number is None or call.args[0] is not DATA or call.kwargs:
            raise UnclaimedError("only division by a number is linear")
        return () if number == 1 else (Claim("scale", {"factor": f"1/{exact(number)}"}),)


class Minus(Importer):
    """``-x``."""

    name: ClassVar[str] = "neg"
    functions: ClassVar[tuple[str, ...]] = ("neg",)

    def claims(self, call: Call) -> Sequence[Claim]:
        return _times(-1.0)

