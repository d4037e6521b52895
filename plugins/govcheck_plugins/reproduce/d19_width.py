"""Explicit widths for Theorems 5.1 and 6.1 of Du et al. (2019) on ten digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import DIGITS, digits, dual, records, smoothness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

THEORY: Final = "govcheck theory, widths and rates: table 6.6"
Row = tuple[str, str, str, int, float, float, float, float, float]
# data, network, activation, H, lambda_0, m_norm, m_init, m*, eta*
TABLE: Final[tuple[Row, ...]] = (
    ("raw", "fc", "softplus", 1, 0.01949, 8.2e3, 5.8e8, 1.1e17, 4.3e-6),
    ("raw", "fc", "softplus", 2, 0.006132, 5.6e4, 2.4e11, 3.6e20, 2.6e-8),
    ("raw", "fc", "softplus", 3, 0.001946, 2.2e5, 1.3e13, 1.1e24, 2.4e-10),
    ("raw", "fc", "softplus", 5, 0.0001971, 1.9e6, 1.3e16, 8.1e30, 2.7e-14),
    ("raw", "fc", "tanh", 2, 0.1435, 1e6, 1.1e11, 2.4e17, 1.3e-8),
    ("raw", "fc", "gelu", 2, 0.1184, 1.8e6, 1e11, 1e18, 6.7e-9),
    ("raw", "res", "softplus", 2, 0.001412, 8.6e4, 2.2e11, 1e22, 2.9e-8),
    ("raw", "res", "softplus", 5, 0.0002747, 2e6, 1.1e13, 1.3e25, 2e-10),
    ("raw", "nf", "softplus", 2, 0.001412, 8.6e4, 2.2e11, 3e22, 2.4e-8),
    ("raw", "nf", "softplus", 5, 0.0002747, 2e6, 1.1e13, 9.7e25, 6.2e-11),
    ("raw", "res", "tanh", 3, 0.006649, 4.8e5, 2.9e11, 1.1e20, 2.7e-9),
    ("raw", "nf", "tanh", 3, 0.006649, 4.8e5, 2.9e11, 3.7e20, 1.7e-9),
    ("centred", "fc", "softplus", 1, 0.08717, 8.2e3, 2.9e7, 2.9e14, 1.9e-5),
    ("centred", "fc", "softplus", 2, 0.02703, 5.6e4, 1.2e10, 9.6e17, 1.1e-7),
    ("centred", "fc", "softplus", 3, 0.008542, 2.2e5, 6.6e11, 2.8e21, 1e-9),
    ("centred", "fc", "softplus", 5, 0.0008638, 1.9e6, 6.9e14, 2.2e28, 1.2e-13),
    ("centred", "fc", "tanh", 2, 0.4128, 1e6, 1.3e10, 3.6e15, 3.7e-8),
    ("centred", "fc", "gelu", 2, 0.475, 1.8e6, 6.5e9, 4e15, 2.7e-8),
    ("centred", "res", "softplus", 2, 0.006226, 8.6e4, 1.1e10, 2.7e19, 1.3e-7),
    ("centred", "res", "softplus", 5, 0.001203, 2e6, 5.5e11, 3.5e22, 9e-10),
    ("centred", "nf", "softplus", 2, 0.006226, 8.6e4, 1.1e10, 7.8e19, 1e-7),
    ("centred", "nf", "softplus", 5, 0.001203, 2e6, 5.5e11, 2.6e23, 2.7e-10),
    ("centred", "res", "tanh", 3, 0.01892, 4.8e5, 3.5e10, 1.7e18, 7.7e-9),
    ("centred", "nf", "tanh", 3, 0.01892, 4.8e5, 3.5e10, 5.6e18, 4.9e-9),
)
NUMBERS: Final = ("lambda_0", "m_norm", "m_init", "m*", "eta*")
WORDS: Final = {"fc": "fully connected", "res": "residual", "nf": "residual, trained alpha"}
TRAINABLE: Final = 1e7


class Width(Reproduction):
    """Explicit widths and steps of the theorems on ten digits, beside a published table."""

    name: ClassVar[str] = "d19-width"
    title: ClassVar[str] = "Explicit widths"
    reference: ClassVar[Ref] = Ref("D", "Theorems 5.1, 6.1")
    quick_seconds: ClassVar[float] = 6
    full_seconds: ClassVar[float] = 9
    errata: ClassVar[Sequence[Erratum]] = records("D-9", "D-11")

    def run(self, context: Context) -> Outcome:
        pairs: list[Pair] = []
        rows: list[tuple[str | float | int, ...]] = []
        needed: list[tuple[str, str, str, int, float]] = []
        cases = [r for r in TABLE if r[3] <= context.size(3, 5)]
        for k, (data, kind, name, H, *published) in enumerate(cases):
            found = _needs(kind, name, H, centred=data == "centred")
            what = f"{data} digits, {WORDS[kind]}, {name}, H = {H}"
            rows.append((what, *found))
            needed.append((data, kind, name, H, found[3]))
            for label, computed, value in zip(NUMBERS, found, published, strict=True):
                # the table has two digits, four for lambda_0
                slack = 1e-3 if label == "lambda_0" else 0.06
                pairs.append(Pair(f"{label}: {what}", computed, value, rtol=slack,
                                  reading="as_corrected", source=THEORY))
            context.tick(k + 1, len(cases))
        smallest = min(r[4] for r in needed)
        claims = (
            Claim(
                "width",
                "m = Omega(2^O(H) max(n^4/lambda_0^4, n/delta, n^2 log(Hn/delta)/lambda_0^2)), "
                "eta = O(lambda_0/(n^2 2^O(H)))",
                tuple(pairs),
                "the same theorem with every constant explicit: m >= m*, eta <= eta*",
                reason="Omega, O and 2^O(H) hide the constants",
                errata=("D-11",),
            ),
            Claim(
                "use",
                "the explicit theorem says nothing about networks that are trained",
                (Pair("smallest m* of the table, beside a width far above any that is trained",
                      smallest, TRAINABLE, "at least"),),
                remarks=("A closer look is needed for real networks: certificates, which use the "
                         "network's own weights.",),
            ),
            _growth(context),
        )
        curves = []
        for data in ("raw", "centred"):
            own = sorted((r[3], r[4]) for r in needed if r[:3] == (data, "fc", "softplus"))
            curves.append(Curve(data, tuple(float(H) for H, _ in own), tuple(m for _, m in own)))
        return Outcome(claims, (Table(
            "Width and step that suffice, n = 10, delta = 0.1", ("network", *NUMBERS), tuple(rows)
        ),), Plot("m* of the fully connected softplus network.", (
            Panel("", "H", "m*", tuple(curves), "linear", "log"),)),
            notes=("y = +-1 by parity; nf: alpha_h = 1 + gamma_h/sqrt(m) with gamma_h trained.",),
            data=(f"{DIGITS}, the first image of each class, unit norm, raw or with the mean of "
                  "the data set subtracted",))


def _needs(kind: str, name: str, H: int, *, centred: bool) -> tuple[float, ...]:
    import numpy as np

    x, _ = digits(10, centred=centred)
    return needs(kind, name, H, x, float(np.sqrt(10)))


def needs(kind: str, name: str, H: int, x: Array, targets: float) -> tuple[float, ...]:
    """lambda_0, m_norm, m_init, m* and eta* of a network on unit vectors, delta = 1/10."""
    from fractions import Fraction

    import numpy as np

    from govcheck.bounds.evaluate import ball, evaluate
    from govcheck.bounds.expr import ONE, num
    from govcheck.kernels.papers import fc_kernels, resnet_kernels
    from govcheck.kernels.widths import (
        DELTA,
        LAMBDA_0,
        LARGEST,
        Problem,
        fc_width,
        residual_width,
    )

    given, sigma = Problem(num(len(x)), num(Fraction(targets))), smoothness(name)
    if kind == "fc":
        kernels = fc_kernels(x, H, dual(name))
        found = fc_width(sigma, H, given)
    else:
        kernels = resnet_kernels(x, [1.0] * (H - 1), dual(name))
        found = residual_width(sigma, [ONE] * (H - 1), given, trained=kind == "nf")
    least = float(np.linalg.eigvalsh(kernels.last)[0])
    largest = max(float(np.diag(s).max()) for s in kernels.features[1:])
    env = {LAMBDA_0: ball(least), DELTA: ball("0.1"), LARGEST: ball(largest)}
    values = (found.m_norm, found.m_init, found.width, found.eta)
    return (least, *(float(evaluate(v, env).mid()) for v in values))


def _growth(context: Context) -> Claim:
    """How the width and step of residual networks grow with depth at fixed lambda_0 H^2."""
    import numpy as np

    from govcheck.bounds.evaluate import ball, evaluate
    from govcheck.bounds.expr import ONE, num
    from govcheck.kernels.widths import DELTA, LAMBDA_0, LARGEST, Problem, residual_width

    sigma, given = smoothness("softplus"), Problem(num(10), num(3))
    depths = context.size((128, 256), (256, 512))
    widths, steps = [], []
    for H in depths:
        found = residual_width(sigma, [ONE] * (H - 1), given)
        env = {LAMBDA_0: ball(0.02 / H**2), DELTA: ball("0.1"), LARGEST: ball(3.0)}
        widths.append(float(evaluate(found.m_drift, env).mid()))
        steps.append(float(evaluate(found.eta, env).mid()))
    ratio = float(np.log(depths[1] / depths[0]))
    width = float(np.log(widths[1] / widths[0])) / ratio
    step = float(np.log(steps[1] / steps[0])) / ratio
    return Claim(
        "depth-exponents",
        "Thm 6.1: m of order n^4/(lambda_0^4 H^6) and eta of order lambda_0 H^2/n^2, that is "
        "H^2 and H^0 where lambda_0 H^2 is fixed",
        (
            Pair("exponent of H in the width that its proof gives", width, 2.0, "at most",
                 atol=0.3),
            Pair("exponent of H in the step", step, 0.0, "at least", atol=0.3),
            Pair("exponent of H in the width that its proof gives", width, 4.0, atol=0.3,
                 reading="as_corrected"),
            Pair("exponent of H in the step", step, -2.0, atol=0.3, reading="as_corrected"),
        ),
        "n^4/(lambda_0^4 H^4) and lambda_0/n^2: the derivatives in W^(1) and in a do not fall "
        "with H",
        errata=("D-9",),
        remarks=("This is about what the proof gives; a better proof may do better.",),
    )
