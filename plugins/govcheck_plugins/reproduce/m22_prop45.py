"""Proposition 4.5 of MacDonald et al. (2022): regularity of the network from its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import analysis, macdonald, records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NET: Final = """
govcheck: 1
name: two layers
input: [2]
layers:
  - affine: {out: 2, bias: false, weight: entrywise}
  - residual:
      - affine: {out: 2, bias: false, weight: weight_norm, scale: 1/4}
      - tanh
data: {orthonormal: {n: 2}}
domain: {ball: 1}
"""


class Proposition45(Reproduction):
    """The sum and the root of the sum of squares as lower bounds of sigma(DF), by search."""

    name: ClassVar[str] = "m22-prop45"
    title: ClassVar[str] = "Regularity of the network from its layers"
    reference: ClassVar[Ref] = macdonald("Prop 4.5")
    quick_seconds: ClassVar[float] = 7
    full_seconds: ClassVar[float] = 10
    errata: ClassVar[Sequence[Erratum]] = records("E2", "E3")

    def run(self, context: Context) -> Outcome:
        import numpy as np

        count = context.size(1000, 20000)
        draw = context.draw("pairs")
        ratios = np.array([_both(*_layers(draw)) for _ in range(count)])
        context.tick(1, 3)
        worst = _search(context)
        context.tick(2, 3)
        measured, bound = _network(context)
        context.tick(3, 3)
        violated = float((ratios[:, 0] < 1 - 1e-9).mean())
        squares = float((ratios[:, 1] < 1 - 1e-9).mean())
        claims = (
            Claim(
                "sum",
                "sigma(DF) >= sum over layers l of (product over j > l of sigma(Jf_j)) sigma(Df_l)",
                (
                    Pair("DF = [1 1] of two layers: sigma(DF) over the sum",
                         _both(*np.ones((3, 1, 1)))[0], 1.0, "at least", source="erratum E2"),
                    Pair(f"share of {count} random two-layer systems that violate it", violated,
                         0.0, "at most"),
                    Pair("smallest ratio of both sides found by search", worst[0], 1.0,
                         "at least", rtol=1e-9),
                    Pair("share that violates the squared form", squares, 0.0, "at most",
                         reading="as_corrected"),
                    Pair("smallest ratio of the squared form found by search", worst[1], 1.0,
                         "at least", rtol=1e-9, reading="as_corrected"),
                    Pair("smallest sigma(DF) of a two-layer network found by search, beside the "
                         "bound composed from its layers", measured, bound, "at least",
                         rtol=1e-9, reading="as_corrected"),
                ),
                "sigma(DF)^2 >= sum over layers of the squares of these products",
                errata=("E2",),
                remarks=(f"The squared form is attained up to {worst[1] - 1:.1e}.",),
            ),
            _products(context),
        )
        table = Table(
            "Ratio of both sides on random systems", ("quantile", "sum", "squares"),
            tuple((q, float(np.quantile(ratios[:, 0], q)), float(np.quantile(ratios[:, 1], q)))
                  for q in (0.0, 0.1, 0.5, 0.9)),
        )
        return Outcome(claims, (table,), notes=(
            "Random systems have two layers with Gaussian 3 x 6 parameter derivatives and a "
            "Gaussian 3 x 3 Jacobian, DF = [J_2 D_1, D_2].",
            "Searches perturb such a system at random and keep what lowers the ratio.",
        ))


def _layers(draw: np.random.Generator) -> tuple[Array, Array, Array]:
    return draw.standard_normal((3, 3)), draw.standard_normal((3, 6)), draw.standard_normal((3, 6))


def _both(J: Array, first: Array, second: Array) -> tuple[float, float]:
    """sigma(DF) over the printed sum, and its square over the sum of squares."""
    import numpy as np

    def sigma(a: Array) -> float:
        return float(np.linalg.svd(a, compute_uv=False)[-1])

    whole = sigma(np.concatenate([J @ first, second], axis=1))
    parts = sigma(J) * sigma(first), sigma(second)
    return whole / (parts[0] + parts[1]), whole**2 / (parts[0] ** 2 + parts[1] ** 2)


def _search(context: Context) -> tuple[float, float]:
    found = []
    for which in (0, 1):
        best = float("inf")
        for start in range(3):
            draw = context.draw("search", which, start)
            at = _layers(draw)
            value, size = _both(*at)[which], 0.5
            for _ in range(context.size(1500, 12000)):
                moved = tuple(a + size * draw.standard_normal(a.shape) for a in at)
                now = _both(moved[0], moved[1], moved[2])[which]
                if now < value:
                    at, value, size = (moved[0], moved[1], moved[2]), now, 1.5 * size
                else:
                    size *= 0.97
                    if size < 1e-9:
                        size = 0.3
            best = min(best, value)
        found.append(best)
    return found[0], found[1]


def _network(context: Context) -> tuple[float, float]:
    """The smallest sigma(DF) found on a network, and the bound of the calculus."""
    from flint import arb

    from govcheck.numeric.network import extreme

    a = analysis(NET)
    value = a.value(a.bounds["sigma_D"])
    if not isinstance(value, arb):
        raise ValueError(f"sigma_D has no value: {value}")
    return extreme(a, "sigma_D", seed=context.seed_of("network") % 2**31), float(value.lower())


def _products(context: Context) -> Claim:
    """``sigma(AB) >= sigma(A) sigma(B)`` with both meanings of sigma."""
    import numpy as np

    A, B = np.array([[1.0, 0.0]]), np.array([[0.0], [1.0]])
    draw, worst = context.draw("products"), np.inf
    for _ in range(context.size(500, 5000)):
        n, k, p = draw.integers(1, 6, 3)
        left, right = draw.standard_normal((n, k)), draw.standard_normal((k, p))
        worst = min(worst, _surjectivity(left @ right)
                    - _surjectivity(left) * _surjectivity(right))
    return Claim(
        "products",
        "sigma(AB) >= sigma(A) sigma(B) for any matrices, sigma the smallest singular value",
        (
            Pair("A = [1 0], B = [0 1]^T: sigma(AB), beside sigma(A) sigma(B)",
                 float(np.linalg.norm(A @ B)), 1.0, "at least", source="erratum E3"),
            Pair("smallest sigma(AB) - sigma(A) sigma(B) on random shapes", float(worst), 0.0,
                 "at least", atol=1e-12, reading="as_corrected"),
        ),
        "it holds with sigma(A) = min |A^T v| over unit v, which is 0 for more rows than columns",
        errata=("E3",),
    )


def _surjectivity(a: Array) -> float:
    import numpy as np

    if a.shape[0] > a.shape[1]:
        return 0.0
    return float(np.linalg.svd(a, compute_uv=False)[-1])
