"""Affine maps and convolutions, with their weight parametrisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from govcheck.plugin import Call, Claim, Importer, UnclaimedError
from govcheck_plugins.importers._shared import only, same, with_bias
from govcheck_plugins.importers._standardised import standardised

if TYPE_CHECKING:
    from torch import Tensor

POWER = ("torch estimates the norm of the weight by power iteration; the layer has the norm "
         "itself, which the iteration tends to")


def weight(module: Any) -> tuple[dict[str, object], dict[str, Tensor], tuple[str, ...]]:
    """Settings, weights and notes for the weight of a module, parametrised or not.

    Raises:
        UnclaimedError: for a parametrisation that the language does not have.
    """
    parametrised = getattr(module, "parametrizations", {})
    for name in parametrised:
        if name != "weight":
            raise UnclaimedError(f"its {name} is parametrised, which only weights can be")
    if "weight" not in parametrised:
        return {}, {"weight": module.weight}, ()
    steps = parametrised["weight"]
    kinds = [type(s).__name__ for s in steps]
    if kinds == ["_WeightNorm"]:
        if steps[0].dim not in (0, -module.weight.dim()):
            raise UnclaimedError(f"weight_norm along dimension {steps[0].dim}, not 0")
        weights = {"gain": steps.original0.flatten(), "weight": steps.original1}
        return {"weight": "torch_weight_norm"}, weights, ()
    if kinds == ["_SpectralNorm"]:
        if steps[0].dim != 0:
            raise UnclaimedError(f"spectral_norm along dimension {steps[0].dim}, not 0")
        return {"weight": "spectral"}, {"weight": steps.original}, (POWER,)
    raise UnclaimedError(f"no weight parametrisation computes {', '.join(kinds)}")


def affine(
    call: Call, out: int, settings: Mapping[str, object], weights: Mapping[str, Tensor],
    bias: Tensor | None, notes: tuple[str, ...] = (),
) -> Claim:
    """An affine map of vectors, or of the last dimension of sequences."""
    layer = "affine" if len(call.shape) == 1 else "token_affine"
    known = {"out": out, **settings} | ({} if bias is not None else {"bias": False})
    return Claim(layer, known, with_bias(weights, bias), notes=notes)


class Linear(Importer):
    """``nn.Linear`` and ``F.linear``."""

    name: ClassVar[str] = "linear"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.Linear",)
    functions: ClassVar[tuple[str, ...]] = ("linear",)

    def claims(self, call: Call) -> Sequence[Claim]:
        if not call.shape:
            raise UnclaimedError("its input has no features beside the samples")
        if call.module is not None:
            settings, weights, notes = weight(call.module)
            bias = call.module.bias
            return (affine(call, call.module.out_features, settings, weights, bias, notes),)
        if call.dependent > 1:
            raise UnclaimedError("its weight depends on the input")
        w = call.arg(1, "weight")
        return (affine(call, w.shape[0], {}, {"weight": w}, call.arg(2, "bias")),)


class Matmul(Importer):
    """``x @ w`` with a trained matrix."""

    name: ClassVar[str] = "matmul"
    functions: ClassVar[tuple[str, ...]] = ("matmul", "mm")

    def claims(self, call: Call) -> Sequence[Claim]:
        w = call.other
        if call.args[1] is not w or getattr(w, "ndim", 0) != 2:
            raise UnclaimedError("it is not the product of the input with a matrix on its right")
        return (affine(call, w.shape[1], {}, {"weight": w.T}, None),)


class Conv(Importer):
    """Convolutions in one and two dimensions."""

    name: ClassVar[str] = "conv"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.Conv1d", "torch.nn.Conv2d")
    functions: ClassVar[tuple[str, ...]] = ("conv1d", "conv2d")

    def claims(self, call: Call) -> Sequence[Claim]:
        if call.module is not None:
            m = call.module
            only(m, "padding_mode", "zeros", "only zeros outside are in the language")
            settings, weights, notes = weight(m)
            kernel, groups, bias = m.kernel_size, m.groups, m.bias
            stride, padding, dilation = m.stride, m.padding, m.dilation
        else:
            if call.dependent > 1:
                raise UnclaimedError("its weight depends on the input")
            w = call.arg(1, "weight")
            kernel, bias, notes = tuple(w.shape[2:]), call.arg(2, "bias"), ()
            settings, weights = standardised(w) or ({}, {"weight": w})
            stride, padding = call.arg(3, "stride", 1), call.arg(4, "padding", 0)
            dilation, groups = call.arg(5, "dilation", 1), call.arg(6, "groups", 1)
        found: dict[str, object] = {"out": call.out[0], "kernel": same(kernel, "the kernel")}
        numbers = {"stride": (same(stride, "the stride"), 1),
                   "dilation": (same(dilation, "the dilation"), 1), "groups": (groups, 1)}
        found |= {k: v for k, (v, default) in numbers.items() if v != default}
        pad = _padding(padding, same(kernel, "the kernel"), numbers["stride"][0],
                       numbers["dilation"][0])
        found |= {} if pad == 0 else {"padding": pad}
        found |= {} if bias is not None else {"bias": False}
        return (Claim("conv", {**found, **settings}, with_bias(weights, bias), notes=notes),)


def _padding(padding: Any, kernel: int, stride: int, dilation: int) -> int | str:
    if padding == "valid":
        return 0
    if padding == "same":
        if dilation * (kernel - 1) % 2:
            raise UnclaimedError("padding 'same' of an even kernel is not symmetric")
        return "same"
    width = same(padding, "the padding")
    keeps = stride == 1 and 2 * width == dilation * (kernel - 1)
    return "same" if keeps and width else width
