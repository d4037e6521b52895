"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from govcheck.plugin import Call, Claim, Importer, UnclaimedError
from govcheck.plugin.importing import reshaped
from govcheck_plugins.importers._shared import same


def _windows(call: Call, names: tuple[str, ...]) -> dict[str, Any]:
    if call.module is not None:
        return {n: getattr(call.module, n, None) for n in names}
    return {n: call.arg(i + 1, n) for i, n in enumerate(names)}


def _sizes(given: dict[str, Any]) -> tuple[int, int, int]:
    kernel = same(given["kernel_size"], "the kernel")
    stride = given["stride"]
    step = kernel if stride is None or stride == [] else same(stride, "the stride")
    return kernel, step, same(given["padding"] or 0, "the padding")


def _settings(kernel: int, step: int, padding: int = 0) -> dict[str, object]:
    found: dict[str, object] = {"kernel": kernel}
    found |= {} if step == kernel else {"stride": step}
    return found | ({} if padding == 0 else {"padding": padding})


def _rounded_down(call: Call, kernel: int, step: int, padding: int) -> None:
    wanted = tuple((n + 2 * padding - kernel) // step + 1 for n in call.shape[1:])
    if call.out[1:] != wanted:
        raise UnclaimedError("ceil_mode adds windows that reach over the edge")


class MaxPool(Importer):
    """Max pooling."""

    name: ClassVar[str] = "max_pool"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.MaxPool1d", "torch.nn.MaxPool2d")
    functions: ClassVar[tuple[str, ...]] = ("max_pool1d", "max_pool2d")

    def claims(self, call: Call) -> Sequence[Claim]:
        given = _windows(call, ("kernel_size", "stride", "padding", "dilation"))
        if same(given["dilation"] or 1, "the dilation") != 1:
            raise UnclaimedError("its windows have holes (dilation)")
        sizes = _sizes(given)
        _rounded_down(call, *sizes)
        return (Claim("max_pool", _settings(*sizes)),)


class AvgPool(Importer):
    """Average pooling."""

    name: ClassVar[str] = "avg_pool"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.AvgPool1d", "torch.nn.AvgPool2d")
    functions: ClassVar[tuple[str, ...]] = ("avg_pool1d", "avg_pool2d")

    def claims(self, call: Call) -> Sequence[Claim]:
        names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
        given = _windows(call, names)
        if call.module is None and given["count_include_pad"] is None:
            given["count_include_pad"] = True
        kernel, step, padding = _sizes(given)
        _rounded_down(call, kernel, step, padding)
        pool = Claim("avg_pool", _settings(kernel, step))
        if not padding:
            return (pool,)
        if not given["count_include_pad"]:
            raise UnclaimedError("windows at the edge are divided by fewer entries")
        return (Claim("zero_pad", {"padding": padding}), pool)


class AdaptiveAvgPool(Importer):
    """Average pooling to a given size."""

    name: ClassVar[str] = "adaptive_avg_pool"
    modules: ClassVar[tuple[str, ...]] = (
        "torch.nn.AdaptiveAvgPool1d", "torch.nn.AdaptiveAvgPool2d")
    functions: ClassVar[tuple[str, ...]] = ("adaptive_avg_pool1d", "adaptive_avg_pool2d")

    def claims(self, call: Call) -> Sequence[Claim]:
        before, after = call.shape[1:], call.out[1:]
        if all(n == 1 for n in after):
            return (Claim("global_avg_pool"), *reshaped(call.shape[:1], call.out))
        if before == after:
            return ()
        kernels = {n // k for n, k in zip(before, after, strict=True)}
        if any(n % k for n, k in zip(before, after, strict=True)) or len(kernels) > 1:
            raise UnclaimedError(f"{list(before)} to {list(after)} has windows of several sizes")
        return (Claim("avg_pool", {"kernel": kernels.pop()}),)


class Mean(Importer):
    """Means over all positions of images, or over the tokens of sequences."""

    name: ClassVar[str] = "mean"
    functions: ClassVar[tuple[str, ...]] = ("mean",)

    def claims(self, call: Call) -> Sequence[Claim]:
        dims = call.arg(1, "dim")
        given = dims if isinstance(dims, tuple | list) else (dims,)
        rank = len(call.shape) + 1
        over = tuple(sorted((d + rank if d < 0 else d) for d in given if d is not None))
        if over == tuple(range(2, rank)) and over:
            return (Claim("global_avg_pool"), *reshaped(call.shape[:1], call.out))
        if over == (1,) and rank == 3:
            turned = call.shape[1:]
            return (Claim("transpose"), Claim("global_avg_pool"), *reshaped(turned, call.out))
        if over == (1, 2) and rank == 4:
            height, width, channels = call.shape
            to = {"to": [height * width, channels]}
            return (Claim("reshape", to), Claim("transpose"), Claim("global_avg_pool"),
                    *reshaped((channels,), call.out))
        raise UnclaimedError(f"a mean over the dimensions {list(over)} is no pooling")
