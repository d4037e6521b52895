"""Entrywise functions, and functions that do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from govcheck.plugin import Call, Claim, Importer, UnclaimedError
from govcheck_plugins.importers._shared import exact

Settings = Mapping[str, object]

PLAIN: Final = {
    "ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "SiLU": "silu", "Mish": "mish",
    "Softsign": "softsign", "Tanhshrink": "tanhshrink", "SELU": "selu",
    "Hardswish": "hardswish", "Hardsigmoid": "hardsigmoid", "LogSigmoid": "logsigmoid",
}
FUNCTIONS: Final = {
    "relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "silu": "silu", "mish": "mish",
    "softsign": "softsign", "tanhshrink": "tanhshrink", "selu": "selu", "arctan": "arctan",
    "hardswish": "hardswish", "hardsigmoid": "hardsigmoid", "logsigmoid": "logsigmoid",
    "log_sigmoid": "logsigmoid", "sin": "sin", "erf": "erf", "atan": "arctan",
}


class Plain(Importer):
    """Activations without settings."""

    name: ClassVar[str] = "activation"
    modules: ClassVar[tuple[str, ...]] = tuple(f"torch.nn.{m}" for m in PLAIN)
    functions: ClassVar[tuple[str, ...]] = tuple(FUNCTIONS)

    def claims(self, call: Call) -> Sequence[Claim]:
        short = call.name.removeprefix("torch.nn.")
        return (Claim(PLAIN.get(short) or FUNCTIONS[short]),)


def _gelu(value: Callable[[int, str, Any], Any]) -> Claim:
    return Claim("gelu_tanh" if value(1, "approximate", "none") == "tanh" else "gelu")


def _leaky(value: Callable[[int, str, Any], Any]) -> Claim:
    return Claim("leaky_relu", {"slope": exact(value(1, "negative_slope", 0.01))})


def _elu(value: Callable[[int, str, Any], Any]) -> Claim:
    return Claim("elu", {"alpha": exact(value(1, "alpha", 1.0))})


def _softplus(value: Callable[[int, str, Any], Any]) -> Claim:
    beta, threshold = value(1, "beta", 1.0), value(2, "threshold", 20.0)
    if threshold < 20:
        raise UnclaimedError(f"softplus is cut off at {threshold}, where it is not yet linear")
    note = f"softplus is exact also above {threshold / beta:g}, where torch returns its argument"
    return Claim("softplus", {} if beta == 1 else {"beta": exact(beta)}, notes=(note,))


SET: Final[Mapping[str, Callable[[Callable[[int, str, Any], Any]], Claim]]] = {
    "GELU": _gelu, "LeakyReLU": _leaky, "ELU": _elu, "Softplus": _softplus,
    "gelu": _gelu, "leaky_relu": _leaky, "elu": _elu, "softplus": _softplus,
}


class WithSettings(Importer):
    """Activations with settings."""

    name: ClassVar[str] = "activation_with_settings"
    modules: ClassVar[tuple[str, ...]] = tuple(f"torch.nn.{m}" for m in SET if m[0].isupper())
    functions: ClassVar[tuple[str, ...]] = tuple(m for m in SET if m[0].islower())

    def claims(self, call: Call) -> Sequence[Claim]:
        def value(position: int, name: str, default: Any) -> Any:
            if call.module is not None:
                return getattr(call.module, name)
            return call.arg(position, name, default)

        return (SET[call.name.removeprefix("torch.nn.")](value),)


class Softmax(Importer):
    """Softmax along the last axis."""

    name: ClassVar[str] = "softmax"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.Softmax",)
    functions: ClassVar[tuple[str, ...]] = ("softmax",)

    def claims(self, call: Call) -> Sequence[Claim]:
        dim = call.arg(1, "dim") if call.module is None else call.module.dim
        if dim not in (-1, len(call.shape)):
            raise UnclaimedError(f"it is along dimension {dim}, not the last one")
        return (Claim("softmax"),)


class Nothing(Importer):
    """What leaves its input as it is."""

    name: ClassVar[str] = "identity"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.Identity",)
    functions: ClassVar[tuple[str, ...]] = ("contiguous", "clone", "alias", "positive")

    def claims(self, call: Call) -> Sequence[Claim]:
        return ()


class Dropout(Importer):
    """Dropout and stochastic depth, which do nothing after training."""

    name: ClassVar[str] = "dropout"
    modules: ClassVar[tuple[str, ...]] = (
        "torch.nn.Dropout", "torch.nn.Dropout1d", "torch.nn.Dropout2d", "torch.nn.AlphaDropout",
        "torchvision.ops.stochastic_depth.StochasticDepth", "timm.layers.drop.DropPath",
    )
    functions: ClassVar[tuple[str, ...]] = ("dropout", "dropout2d", "alpha_dropout")

    def claims(self, call: Call) -> Sequence[Claim]:
        if call.module is not None:
            p = getattr(call.module, "p", None) or getattr(call.module, "drop_prob", 0.0)
            active = call.module.training
        else:
            p, active = call.arg(1, "p", 0.5), call.arg(2, "training", True)
        if active and p:
            raise UnclaimedError(
                f"in training it draws a new mask for each step (p = {p:g}), which no fixed "
                "function does; import with --mode eval, or set p to 0")
        return ()
