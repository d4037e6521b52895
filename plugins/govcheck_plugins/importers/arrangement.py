"""Entries in another order or shape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from govcheck.plugin import DATA, Call, Claim, Importer, UnclaimedError
from govcheck.plugin.importing import reshaped
from govcheck_plugins.importers._shared import same


class Reshape(Importer):
    """Everything that keeps the order of the entries of a sample."""

    name: ClassVar[str] = "reshape"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.Flatten", "torch.nn.Unflatten")
    functions: ClassVar[tuple[str, ...]] = (
        "flatten", "reshape", "view", "squeeze", "unsqueeze", "unflatten", "ravel")

    def claims(self, call: Call) -> Sequence[Claim]:
        return reshaped(call.shape, call.out)


class Permute(Importer):
    """Rotations of the dimensions of a sample, such as transpositions of two."""

    name: ClassVar[str] = "permute"
    functions: ClassVar[tuple[str, ...]] = ("permute", "transpose")

    def claims(self, call: Call) -> Sequence[Claim]:
        order = _order(call)
        if order[0] != 0:
            raise UnclaimedError("it moves the dimension of the samples")
        order = [d - 1 for d in order[1:]]
        first = order[0]
        if order != [*range(first, len(order)), *range(first)]:
            raise UnclaimedError(f"the order {order} of dimensions is no rotation")
        if first == 0:
            return ()
        sizes = (prod(call.shape[:first]), prod(call.shape[first:]))
        back = sizes[::-1]
        return (*reshaped(call.shape, sizes), Claim("transpose"), *reshaped(back, call.out))


def _order(call: Call) -> list[int]:
    rank = len(call.shape) + 1
    if call.name == "transpose":
        a, b = (call.arg(1, "dim0") % rank, call.arg(2, "dim1") % rank)
        order = list(range(rank))
        order[a], order[b] = order[b], order[a]
        return order
    dims = call.arg(1, "dims")
    return [d % rank for d in (dims if isinstance(dims, tuple | list) else call.args[1:])]


class PixelPad(Importer):
    """Zeros around images."""

    name: ClassVar[str] = "zero_pad"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.ZeroPad2d", "torch.nn.ZeroPad1d")
    functions: ClassVar[tuple[str, ...]] = ("pad",)

    def claims(self, call: Call) -> Sequence[Claim]:
        if call.module is not None:
            widths = list(call.module.padding)
        else:
            widths = list(call.arg(1, "pad"))
            if call.arg(2, "mode", "constant") != "constant" or call.arg(3, "value"):
                raise UnclaimedError("it pads with something else than zeros")
        dims = len(call.shape) - 1
        channels = widths[2 * dims:]
        if len(channels) > 2 or (channels and channels[0]):
            raise UnclaimedError("it adds channels in front")
        widths = [*widths[: 2 * dims], *[0] * (2 * dims - len(widths))]
        settings: dict[str, object] = {}
        if any(widths):
            settings["padding"] = same(widths, "the padding")
        if channels and channels[1]:
            settings["out"] = call.out[0]
        return (Claim("zero_pad", settings),) if settings else ()


class Pick(Importer):
    """``x[:, i]``, one token of a sequence."""

    name: ClassVar[str] = "getitem"
    functions: ClassVar[tuple[str, ...]] = ("getitem", "select")

    def claims(self, call: Call) -> Sequence[Claim]:
        if call.name == "select":
            index = (slice(None),) * call.arg(1, "dim") + (call.arg(2, "index"),)
        else:
            index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
        kept = [i for i in index if i != slice(None) and i is not Ellipsis]
        if not kept:
            return ()
        if len(call.shape) == 2 and len(index) >= 2 and index[0] == slice(None) and (
            len(kept) == 1 and kept[0] is index[1] and isinstance(kept[0], int)
        ):
            return (Claim("take_token", {"index": kept[0] % call.shape[0]}),)
        raise UnclaimedError("it takes some entries, and only one token of a sequence can be taken")


class Prepend(Importer):
    """``torch.cat([tokens, x], dim=1)`` with trained tokens."""

    name: ClassVar[str] = "cat"
    functions: ClassVar[tuple[str, ...]] = ("cat",)

    def claims(self, call: Call) -> Sequence[Claim]:
        parts = list(call.arg(0, "tensors"))
        if call.arg(1, "dim", 0) != 1 or len(parts) != 2 or parts[1] is not DATA or (
            len(call.shape) != 2
        ):
            raise UnclaimedError("only trained tokens in front of a sequence can be joined to it")
        tokens = parts[0][0]
        settings: dict[str, object] = {} if len(tokens) == 1 else {"tokens": len(tokens)}
        return (Claim("class_token", settings, {"token": tokens}),)
