"""Theorem 4.4 of MacDonald et al. (2022): constants of weight-normalised layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import analysis, macdonald, records, upper

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

KAPPA: Final = 48 * 5**0.5 / 125
NET: Final = """
govcheck: 1
name: weight-normalised residual net
input: [4]
layers:
  - affine: {out: 4, bias: false, weight: entrywise, eps: 1}
  - repeat:
      times: 3
      block:
        - residual:
            - affine: {out: 4, bias: false, weight: weight_norm, eps: 1, scale: 9/10/sqrt(4)}
            - tanh
cost: square
data: {orthonormal: {n: 3, classes: 4}}
"""


class Theorem44(Reproduction):
    """Printed and corrected bounds of weight-normalised layers against the largest values found."""

    name: ClassVar[str] = "m22-thm44"
    title: ClassVar[str] = "Smoothness of weight-normalised networks"
    reference: ClassVar[Ref] = macdonald("Thm 4.4")
    quick_seconds: ClassVar[float] = 10
    full_seconds: ClassVar[float] = 35
    errata: ClassVar[Sequence[Erratum]] = records("E4", "E5", "E6", "E8", "E10")

    def run(self, context: Context) -> Outcome:
        claims = [_layer_jacobian(context), _output(context), _shape(context), _first(context)]
        context.tick(1, 3)
        second, table, plot = _second(context)
        context.tick(2, 3)
        claims += [second, _network(context)]
        context.tick(3, 3)
        return Outcome(tuple(claims), (table,), plot, (
            "Values are found by random steps that are kept when they help; second derivatives "
            "by alternating maximisation over directions.",
        ))


def _layer_jacobian(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._weight_norm import climb, rows

    d1, eps, draw = 4, 1.0, context.draw("jacobian")
    found = climb(lambda w: float(np.linalg.norm(rows(w, eps), 2)),
                  draw.standard_normal((d1, 3)), draw, context.size(4000, 20000))
    return Claim(
        "jacobian",
        "|(J aff_wn, D aff_wn)|_F <= sqrt((N + d1^2 |X|_F^2 (d0 + 1))/eps), after eq (40)",
        (
            Pair("largest |J aff_wn|_2 found, N = 1, eps = 1, d1 = 4, X near 0", found, 1.0,
                 "at most"),
            Pair("the same", found, d1**0.5, "at most", rtol=1e-12, reading="as_corrected"),
            Pair("the same, nearly attained", found, d1**0.5, "at least", rtol=0.02,
                 reading="as_corrected"),
        ),
        "the part of J aff_wn is at most d1 N in squared Frobenius norm and d1 in squared "
        "operator norm, whatever eps is",
        errata=("E4",),
    )


def _output(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._weight_norm import climb, rows

    d1, draw = 4, context.draw("output")
    x = np.array([[1.0], [0.0], [0.0]])
    found = climb(lambda w: float(np.linalg.norm(rows(w, 1.0) @ x)),
                  draw.standard_normal((d1, 3)), draw, context.size(4000, 20000))
    return Claim(
        "output",
        "aff_wn is bounded by the largest |X|_F",
        (
            Pair("largest |aff_wn(w, X)|_F found, |X|_F = 1, d1 = 4", found, 1.0, "at most"),
            Pair("the same", found, d1**0.5, "at most", rtol=1e-12, reading="as_corrected"),
        ),
        "aff_wn is bounded by sqrt(d1) times the largest |X|_F",
        errata=("E10",),
    )


def _shape(context: Context) -> Claim:
    from govcheck_plugins.reproduce._weight_norm import rows

    d1, d0, n = 4, 3, 2
    draw = context.draw("shape")
    image = rows(draw.standard_normal((d1, d0)), 1.0) @ draw.standard_normal((d0, n))
    what = f"rows of P(w) X, d1 = {d1}, d0 = {d0}, N = {n}"
    return Claim(
        "shape",
        "section 4.3: the first layer maps into matrices of size d0 x N",
        (
            Pair(what, image.shape[0], d0),
            Pair(what, image.shape[0], d1, reading="as_corrected"),
        ),
        "it maps into matrices of size d1 x N",
        errata=("E8",),
    )


def _first(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._weight_norm import climb, first

    d1, d0, eps, draw = 3, 4, 0.5, context.draw("first")

    def size(w: Array) -> float:
        return float(sum((first(row, eps) ** 2).sum() for row in w))

    found = max(climb(size, 0.01 * draw.standard_normal((d1, d0)), draw,
                      context.size(1000, 8000)), size(np.zeros((d1, d0))))
    return Claim(
        "first-derivative",
        "|D wn(w)|_F^2 <= d1 (d0 + 1)/eps, eq (41)",
        (
            Pair("largest |D wn|_F^2 found, d1 = 3, d0 = 4, eps = 1/2", found,
                 d1 * (d0 + 1) / eps, "at most"),
            Pair("the same", found, d1 * d0 / eps, "at most", rtol=1e-12,
                 reading="as_corrected"),
            Pair("the same, attained at w = 0", found, d1 * d0 / eps, "at least", rtol=1e-9,
                 reading="as_corrected"),
        ),
        "at most d1 d0/eps, attained at w = 0; 1/eps in squared operator norm",
        errata=("E6",),
        remarks=("The printed bound is true, and not attained.",),
    )


def _second(context: Context) -> tuple[Claim, Table, Plot]:
    import numpy as np

    from govcheck_plugins.reproduce._weight_norm import bilinear, second

    draw = context.draw("second")
    radii = np.linspace(0.05, 3, context.size(60, 300))
    rows: list[tuple[float, ...]] = []
    for d0, eps in ((1, 1.0), (1, 7.0), (1, 12.0), (8, 1.0), (8, 12.0)):
        w = np.eye(d0)[0]
        tensors = [second(r * eps**0.5 * w, eps) for r in radii]
        frobenius = max(float(np.linalg.norm(t)) for t in tensors)
        # the largest bilinear norm is at |w| = sqrt(eps)/2
        operator = max(bilinear(second(r * eps**0.5 * w, eps), draw) for r in (0.4, 0.5, 0.6))
        rows.append((d0, eps, frobenius, (5 * d0 / eps**3) ** 0.5, operator, KAPPA / eps))
    at = {(int(r[0]), r[1]): r for r in rows}
    seven = at[1, 7.0]
    pairs = [
        Pair("largest norm of the derivative of a row of D wn, d0 = 1, eps = 7", seven[2],
             seven[3], "at most", source="erratum E5"),
    ]
    for size, level, frobenius, printed, operator, right in rows:
        pairs.append(Pair(f"Frobenius norm, d0 = {size:g}, eps = {level:g}", frobenius, printed,
                          "at most"))
        pairs.append(Pair(f"bilinear norm, d0 = {size:g}, eps = {level:g}", operator, right,
                          "at most", rtol=1e-12, reading="as_corrected"))
        pairs.append(Pair(f"the same, attained, d0 = {size:g}, eps = {level:g}", operator, right,
                          "at least", rtol=1e-6, reading="as_corrected"))
    claim = Claim(
        "second-derivative",
        "the derivative of a row of D wn has Frobenius norm at most sqrt(5 d0/eps^3), eq (42)",
        tuple(pairs),
        "it scales as 1/eps; as a bilinear map its norm is at most (48 sqrt 5/125)/eps, attained "
        "at |w| = sqrt(eps)/2",
        errata=("E5",),
    )
    table = Table(
        "Second derivative of a normalised row",
        ("d0", "eps", "largest Frobenius norm", "printed bound", "largest bilinear norm",
         "corrected bound"), tuple(rows),
    )
    grid = np.geomspace(0.5, 50, 60)
    # |w| = sqrt(eps)/2 is the worst for d0 = 1, whatever eps is
    found = [float(np.abs(second(np.array([0.5 * e**0.5]), e)).max()) for e in grid]
    x = tuple(float(e) for e in grid)
    plot = Plot("Largest second derivative of a normalised row, d0 = 1.", (Panel(
        "", "eps", "norm", (
            Curve("attained", x, tuple(found)),
            Curve("printed bound", x, tuple((5 / e**3) ** 0.5 for e in x)),
            Curve("corrected bound", x, tuple(KAPPA / e for e in x), style="dashed"),
        ), "log", "log"),))
    return claim, table, plot


def _network(context: Context) -> Claim:
    from govcheck.numeric.loss import Loss
    from govcheck.numeric.network import extreme

    a = analysis(NET)
    seed = context.seed_of("network") % 2**31
    starts, steps = context.size(2, 6), context.size(12, 40)
    pairs = [
        Pair(f"largest {what} found on a network of 4 layers",
             extreme(a, name, starts=starts, steps=steps, seed=seed), upper(a, name), "at most")
        for name, what in (("out", "|F|"), ("J", "|JF|_2"), ("D", "|DF|_2"), ("tt", "|D^2 F|"))
    ]
    pairs.append(Pair("largest norm of the Hessian of the loss found", Loss(a).extreme(
        "beta", starts=context.size(1, 4), steps=context.size(6, 20), seed=seed),
        upper(a, "beta"), "at most"))
    return Claim(
        "smooth",
        "the loss of a weight-normalised residual network has a Lipschitz gradient on sublevel "
        "sets",
        tuple(pairs),
        remarks=("The bounds are those that govcheck composes from corrected layer constants.",),
    )
