"""A network of the width theory at its own initial weights: norms, Gram matrix, residual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from flint import arb

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import ZERO, Enclosure, Expr, as_expr, node
from govcheck.kernels.family import Family
from govcheck_plugins.theorems._width_case import WidthCase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.kernels.finite import FiniteNetwork
    from govcheck.kernels.trajectory import Given

    Array = NDArray[np.float64]

ROUNDING: Final = Fraction(1, 10**9)
"""Relative allowance for what float64 loses in a forward pass and in a norm."""

MOST_WEIGHTS: Final = 4_000_000
MOST_WORK: Final = 3e10
"""Cubes of the width that may be spent on operator norms."""

_STARTS: WeakKeyDictionary[WidthCase, Start | Unknown] = WeakKeyDictionary()


def measured(name: str, value: float, latex: str = "") -> Expr:
    """A number at least 0 as it came out of float64, with an allowance for rounding."""
    size = Fraction(float(value))
    if size == 0:
        return ZERO
    low, high = size * (1 - ROUNDING), size * (1 + ROUNDING)
    return node("enc", (), Enclosure(name, low, high, latex or name))


@dataclass(eq=False)
class Start:
    """Everything measured at the initial weights that the file's seed draws.

    Args:
        given: the network with its samples.
        m: its width.
    """

    given: Given
    m: int

    @cached_property
    def network(self) -> FiniteNetwork:
        """Forward and backward pass."""
        return self.given.start

    @cached_property
    def weight(self) -> float:
        """``max_(h >= 2) |W^(h)|_2/sqrt(m)``; 0 for one hidden layer."""
        import numpy as np

        norms = [np.linalg.norm(w, 2) for w in self.given.weights[1:]]
        return float(max(norms, default=0.0)) / math.sqrt(self.m)

    @cached_property
    def readout(self) -> float:
        """``|a|_2/sqrt(m)``."""
        import numpy as np

        return float(np.linalg.norm(self.given.readout)) / math.sqrt(self.m)

    @cached_property
    def fourth(self) -> float:
        """``|a|_4/m^(1/4)``."""
        return math.pow(float((self.given.readout**4).mean()), 0.25)

    @cached_property
    def features(self) -> tuple[float, float]:
        """Smallest ``|x_i^(h)|`` over h = 1..H, and largest over h = 0..H."""
        import numpy as np

        norms = np.array([np.linalg.norm(x, axis=0) for x in self.network.features])
        return float(norms[1:].min()), float(norms.max())

    @cached_property
    def residual(self) -> float:
        """``|y - u(0)|``."""
        import numpy as np

        return float(np.linalg.norm(self.given.targets - self.network.outputs))

    @cached_property
    def least(self) -> float:
        """``lambda_min(G^(H)(0))``."""
        import numpy as np

        return float(np.linalg.eigvalsh(self.network.last)[0])


def start(case: WidthCase) -> Start | Unknown:
    """The network at the weights that its file draws, found once.

    Returns:
        Unknown without data or a value of the width, for images, for an activation that has no
        float64 version here, and where norms of the weights would take too long.
    """
    if case not in _STARTS:
        _STARTS[case] = _start(case)
    return _STARTS[case]


def _start(case: WidthCase) -> Start | Unknown:
    family, a = case.family, case.analysis
    if isinstance(family, Unknown):
        return family
    if family.kind == "conv_resnet":
        return Unknown.because("initial weights of images are not measured here")
    if a.data is None:
        return Unknown.because("no data is loaded")
    value = case.width
    whole = None if value is None else value.unique_fmpz()
    if whole is None:
        return Unknown.because("the width has no whole value")
    m, H = int(whole), family.hidden
    inputs = a.value(family.inputs)
    if not isinstance(inputs, arb):
        return Unknown.because("the size of the input has no value")
    entries = m * (int(float(inputs.mid())) + m * (H - 1))
    if entries > MOST_WEIGHTS or (H - 1) * float(m) ** 3 > MOST_WORK:
        return Unknown.because(f"measuring {entries} initial weights takes too long on the way")
    functions = _functions(case, family)
    if functions is None:
        return Unknown.because(f"{family.activation.name} has no float64 version here")
    return Start(_given(case, family, functions), m)


def _functions(case: WidthCase, family: Family) -> str | None:
    """The name under which float64 knows the activation."""
    found = family.activation.certificate_operations(
        (), lambda e: _float(case, as_expr(e))
    )
    if isinstance(found, Unknown) or len(found) != 1:
        return None
    return str(found[0].fields["function"])


def _given(case: WidthCase, family: Family, name: str) -> Given:
    import numpy as np

    from govcheck.certify.floats import FUNCTIONS
    from govcheck.graph.weights import initial_weights, placed_layers
    from govcheck.kernels.trajectory import Given
    from govcheck.plugin.data import targets

    a = case.analysis
    assert a.data is not None
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    drawn = initial_weights(placed, a.env, a.architecture.init)
    own = [drawn[p.node, "weight"] for p in placed if p.leaf in family.nodes]
    y, _ = targets(a.data.dataset, 1, classification=False)
    x = np.asarray(a.data.dataset.x).reshape(len(y), -1)
    alphas = tuple(_float(case, e) for e in family.alphas) if family.residual else None
    return Given(
        x,
        np.asarray(y, dtype=float).reshape(-1),
        tuple(own[:-1]),
        own[-1].reshape(-1),
        lambda z: FUNCTIONS[name](z)[0],
        lambda z: FUNCTIONS[name](z)[1],
        _float(case, family.c_sigma),
        alphas,
        _float(case, family.speed**2) if family.trained else 0.0,
    )


def _float(case: WidthCase, e: Expr) -> float:
    value = case.analysis.value(e)
    if isinstance(value, Unknown | Missing):
        raise ValueError(f"{e!r} has no value")
    return float(value.mid())
