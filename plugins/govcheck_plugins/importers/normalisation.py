"""Normalisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from govcheck.plugin import Call, Claim, Importer, UnclaimedError
from govcheck_plugins.importers._shared import exact, outward

if TYPE_CHECKING:
    from torch import Tensor

USUAL = 1e-5


def _claim(
    layer: str, settings: dict[str, object], eps: float, scale: Tensor | None,
    bias: Tensor | None, *, centred: bool = True, **buffers: Tensor,
) -> Claim:
    if centred and (scale is None) != (bias is None):
        raise UnclaimedError("it has only one of a scale and a bias")
    if eps != USUAL:
        settings["eps"] = exact(eps)
    if scale is None:
        return Claim(layer, {**settings, "affine": False}, buffers=buffers)
    weights = {"scale": scale} | ({} if bias is None else {"bias": bias})
    return Claim(layer, settings, weights, buffers)


class BatchNorm(Importer):
    """Batch normalisation; with fixed statistics in evaluation."""

    name: ClassVar[str] = "batch_norm"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.BatchNorm1d", "torch.nn.BatchNorm2d")
    functions: ClassVar[tuple[str, ...]] = ("batch_norm",)

    def claims(self, call: Call) -> Sequence[Claim]:
        m = call.module
        if m is not None:
            mean, variance, scale, bias = m.running_mean, m.running_var, m.weight, m.bias
            training, eps = m.training or mean is None, m.eps
        else:
            mean, variance = call.arg(1, "running_mean"), call.arg(2, "running_var")
            scale, bias = call.arg(3, "weight"), call.arg(4, "bias")
            training, eps = call.arg(5, "training", False), call.arg(7, "eps", USUAL)
        if not training:
            return (_fixed(mean, variance, eps, scale, bias, len(call.shape)),)
        return (_claim("batch_norm", {}, eps, scale, bias),)


def _fixed(
    mean: Tensor, variance: Tensor, eps: float, scale: Tensor | None, bias: Tensor | None,
    dims: int,
) -> Claim:
    low, high = float(variance.min()), float(variance.max())
    largest = float(mean.abs().max())
    settings: dict[str, object] = {
        "mode": "eval", "running_var": outward(low, 0.0),
        "running_var_max": outward(high, math.inf)}
    if largest:
        settings["running_mean"] = outward(largest, math.inf)
    broadcast = (-1, *[1] * (dims - 1))
    root = (variance.detach().double() + eps).sqrt().reshape(broadcast)
    shift = mean.detach().double().reshape(broadcast)
    return _claim("batch_norm", settings, eps, scale, bias, root=root, mean=shift)


class LayerNorm(Importer):
    """Layer normalisation over the last dimensions."""

    name: ClassVar[str] = "layer_norm"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.LayerNorm",)
    functions: ClassVar[tuple[str, ...]] = ("layer_norm",)

    def claims(self, call: Call) -> Sequence[Claim]:
        m = call.module
        if m is not None:
            over, scale, bias, eps = m.normalized_shape, m.weight, m.bias, m.eps
        else:
            over, scale = call.arg(1, "normalized_shape"), call.arg(2, "weight")
            bias, eps = call.arg(3, "bias"), call.arg(4, "eps", USUAL)
        settings: dict[str, object] = {} if len(over) == 1 else {"axes": len(over)}
        return (_claim("layer_norm", settings, eps, scale, bias),)


class RmsNorm(Importer):
    """Root mean square normalisation over the last dimension."""

    name: ClassVar[str] = "rms_norm"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.RMSNorm",)
    functions: ClassVar[tuple[str, ...]] = ("rms_norm",)

    def claims(self, call: Call) -> Sequence[Claim]:
        m: Any = call.module
        if m is not None:
            over, scale, eps = m.normalized_shape, m.weight, m.eps
        else:
            over, scale = call.arg(1, "normalized_shape"), call.arg(2, "weight")
            eps = call.arg(3, "eps")
        if len(over) != 1:
            raise UnclaimedError("it is over several dimensions, not the last one")
        if eps is None:
            raise UnclaimedError("eps depends on the number format; give it a value")
        return (_claim("rms_norm", {}, eps, scale, None, centred=False),)


class GroupNorm(Importer):
    """Group normalisation."""

    name: ClassVar[str] = "group_norm"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.GroupNorm",)
    functions: ClassVar[tuple[str, ...]] = ("group_norm",)

    def claims(self, call: Call) -> Sequence[Claim]:
        m = call.module
        if m is not None:
            groups, scale, bias, eps = m.num_groups, m.weight, m.bias, m.eps
        else:
            groups, scale = call.arg(1, "num_groups"), call.arg(2, "weight")
            bias, eps = call.arg(3, "bias"), call.arg(4, "eps", USUAL)
        return (_claim("group_norm", {"groups": groups}, eps, scale, bias),)


class InstanceNorm(Importer):
    """Instance normalisation without running statistics."""

    name: ClassVar[str] = "instance_norm"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.InstanceNorm1d", "torch.nn.InstanceNorm2d")

    def claims(self, call: Call) -> Sequence[Claim]:
        m = call.module
        if m.track_running_stats and not m.training:
            raise UnclaimedError("it uses running statistics")
        return (_claim("instance_norm", {}, m.eps, m.weight, m.bias),)
