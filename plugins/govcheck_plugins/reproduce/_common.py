"""What several reproductions share: analyses of small files, digits, activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from govcheck.bounds.answer import Ref
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.theorems._errata import ERRATA
from govcheck_plugins.theorems._errata_du import DU
from govcheck_plugins.theorems._errata_zhang import ZHANG

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.analysis import Analysis
    from govcheck.kernels.dual import Dual
    from govcheck.kernels.explicit import Smoothness
    from govcheck.kernels.finite import FiniteNetwork
    from govcheck.plugin.activation import Activation
    from govcheck.plugin.registry import Registry

    Array = NDArray[np.float64]
    Function = Callable[[Array], Array]

DIGITS: Final = "scikit-learn digits (UCI optical recognition of handwritten digits, test set)"


def records(*ids: str) -> tuple[Erratum, ...]:
    """The records of mistakes that theorems name too; others are told by the claims alone."""
    known = {**ERRATA, **DU, **ZHANG}
    return tuple(known[i] for i in ids if i in known)


def macdonald(place: str) -> Ref:
    """A place in MacDonald et al. (2022)."""
    return Ref("M", place)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The installed plugins."""
    from govcheck.plugin.registry import load_registry

    return load_registry()


def analysis(text: str) -> Analysis:
    """The analysis of an architecture file."""
    from govcheck.analysis import analyze
    from govcheck.spec.document import loads

    return analyze(loads(text, registry()), "tight", registry())


def upper(a: Analysis, name: str) -> float:
    """The value of an upper bound of the whole network, rounded up."""
    from flint import arb

    value = a.value(a.bounds[name])
    if not isinstance(value, arb):
        raise ValueError(f"{name} has no value: {value}")
    return float(value.upper()) * (1 + 1e-12)


def activation(name: str) -> Activation:
    """A built-in activation."""
    found: Any = registry().layers[name]()
    layer: Activation = found
    return layer


def dual(name: str) -> Dual:
    """Gaussian expectations of a built-in activation."""
    from govcheck.bounds.answer import Unknown
    from govcheck.bounds.evaluate import evaluate
    from govcheck.bounds.expr import as_expr

    found = activation(name).dual(lambda e: float(evaluate(as_expr(e), {}).mid()))
    if isinstance(found, Unknown):
        raise ValueError(found.reason)
    return found


def smoothness(name: str) -> Smoothness:
    """The constants of a built-in activation."""
    from govcheck.bounds.answer import Unknown
    from govcheck.kernels.explicit import Smoothness
    from govcheck.kernels.normalisation import c_sigma

    layer = activation(name)
    constant = c_sigma(layer)
    if isinstance(constant, Unknown):
        raise ValueError(constant.reason)
    found = Smoothness.of(layer, constant)
    if isinstance(found, Unknown):
        raise ValueError(found.reason)
    return found


def functions(name: str) -> tuple[Function, Function]:
    """An activation and its derivative on arrays."""
    import numpy as np
    from scipy import special

    def softplus(z: Array) -> Array:
        value: Array = np.logaddexp(0.0, z)
        return value

    def gelu_slope(z: Array) -> Array:
        density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
        slope: Array = special.ndtr(z) + z * density
        return slope

    known: dict[str, tuple[Function, Function]] = {
        "softplus": (softplus, special.expit),
        "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        "gelu": (lambda z: z * special.ndtr(z), gelu_slope),
        "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
        "sigmoid": (special.expit, lambda z: special.expit(z) * special.expit(-z)),
    }
    return known[name]


def constant(name: str) -> float:
    """``c_sigma = 1/E sigma(Z)^2``."""
    from govcheck.kernels.dual import normalisation

    return normalisation(dual(name))


def digits(count: int, *, centred: bool) -> tuple[Array, Array]:
    """Images of digits, the first of each class first, of norm 1; and parity as +-1.

    Args:
        count: at most 10 for one of each class; more are the next ones of the data set.
        centred: whether the mean of the data set is subtracted first.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    if centred:
        images = images - images.mean(axis=0)
    first = [int(np.flatnonzero(labels == k)[0]) for k in range(10)]
    order = [*first, *(i for i in range(len(labels)) if i not in set(first))][:count]
    x = images[order]
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.where(labels[order] % 2, 1.0, -1.0)


def sphere(draw: np.random.Generator, n: int, d: int) -> Array:
    """Independent uniform unit vectors."""
    import numpy as np

    x = draw.standard_normal((n, d))
    rows: Array = x / np.linalg.norm(x, axis=1, keepdims=True)
    return rows


def gaussian_weights(
    draw: np.random.Generator, m: int, H: int, d: int
) -> tuple[list[Array], Array]:
    """Weights and readout with independent standard normal entries."""
    weights = [draw.standard_normal((m, d if h == 0 else m)) for h in range(H)]
    return weights, draw.standard_normal(m)


def network(
    x: Array, name: str, weights: list[Array], readout: Array, alphas: list[float] | None = None
) -> FiniteNetwork:
    """A network of the width theory at given weights."""
    from govcheck.kernels.finite import finite_network

    value, slope = functions(name)
    return finite_network(
        x, weights, readout, value, slope, c_sigma=constant(name), alphas=alphas
    )


def slope_of(x: Array, y: Array) -> float:
    """Slope of log y against log x, by least squares."""
    import numpy as np

    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
