"""Theorem 3 of Zhang et al. (2022, supplement): conditioning at standard initialisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    constant,
    functions,
    gaussian_weights,
    network,
    records,
    sphere,
)

if TYPE_CHECKING:
    import numpy as np

SCALES: Final = {"1": 0.0, "1/sqrt H": 0.5, "1/H": 1.0}
DEPTHS: Final = (2, 8, 32)
Found = dict[tuple[str, str], list[tuple[float, float]]]


class NfTheorem3(Reproduction):
    """Extreme eigenvalues of J J^T over depth, for both meanings of J and three scales."""

    name: ClassVar[str] = "z-thm3"
    title: ClassVar[str] = "Exploding gradient of standard initialisation"
    reference: ClassVar[Ref] = Ref("Z", "Theorem 3")
    quick_seconds: ClassVar[float] = 4
    full_seconds: ClassVar[float] = 6
    errata: ClassVar[Sequence[Erratum]] = records("R-13")

    def run(self, context: Context) -> Outcome:
        a = _parameters(context)
        context.tick(1, 2)
        b = _features(context)
        context.tick(2, 2)
        claims = (
            _claim("parameters", "J = du/d theta", a, ("softplus", "tanh", "gelu")),
            _claim("features", "J = dx^(H)/dx^(1)", b, ("softplus", "tanh", "relu")),
            _scaled(b),
        )
        tables = tuple(
            Table(title, ("activation", "scale", *(f"{w}, H = {H}" for H in DEPTHS
                                                   for w in ("largest", "smallest", "condition"))),
                  tuple((name, scale, *(v for high, low in values for v in (high, low, high / low)))
                        for (name, scale), values in found.items()))
            for title, found in (("J = du/d theta", a),
                                 ("J = dx^(H)/dx^(1)", b))
        )
        at = tuple(float(H) for H in DEPTHS)
        panels = tuple(
            Panel(title, "H", "eigenvalues of J J^T", tuple(
                Curve(f"{name}, {w}", at, tuple(v[i] for v in found[name, "1"]),
                      style="line" if i == 0 else "dashed", color=c)
                for c, name in enumerate(dict.fromkeys(n for n, _ in found))
                for i, w in enumerate(("largest", "smallest"))), "log", "log")
            for title, found in (("J = du/d theta, scale 1", a), ("J = dx^(H)/dx^(1), scale 1", b))
        )
        plot = Plot("Standard initialisation, residual scale 1.", panels, 2)
        return Outcome(claims, tables, plot,
                       notes=("The papers at hand do not define J, nor the scale of residual "
                              "branches at standard initialisation; 1 is sigma(Wx)/sqrt(m).",
                              "Four random unit vectors; alpha_h is not trained.",))


def _parameters(context: Context) -> Found:
    import numpy as np

    from govcheck_plugins.reproduce._descent import whole

    x, m, seeds = sphere(context.draw("samples"), 4, 6), context.size(150, 300), 3
    found: Found = {}
    for name in ("softplus", "tanh", "gelu"):
        for scale, power in SCALES.items():
            for H in DEPTHS:
                ends = []
                for s in range(seeds):
                    draw = context.draw("parameters", name, scale, H, s)
                    weights, readout = gaussian_weights(draw, m, H, x.shape[1])
                    net = network(x, name, weights, readout, [H ** (1 - power)] * (H - 1))
                    values = np.linalg.eigvalsh(whole(net))
                    ends.append((values[-1], values[0]))
                high, low = np.exp(np.log(np.array(ends)).mean(axis=0))
                found.setdefault((name, scale), []).append((float(high), float(low)))
    return found


def _features(context: Context) -> Found:
    import numpy as np

    m, seeds = context.size(120, 200), 2
    found: Found = {}
    for name in ("softplus", "tanh", "relu"):
        for scale, power in SCALES.items():
            for H in DEPTHS:
                ends = np.array([_one(context.draw("features", name, scale, H, s), name, m, H,
                                      H**-power) for s in range(seeds)])
                high, low = np.exp(np.log(ends).mean(axis=0))
                found.setdefault((name, scale), []).append((float(high), float(low)))
    return found


def _one(
    draw: np.random.Generator, name: str, m: int, H: int, scale: float
) -> tuple[float, float]:
    """Extreme eigenvalues of ``J J^T``, J the derivative of the last features in the first."""
    import numpy as np

    value, slope = functions(name)
    factor = np.sqrt(2.0 if name == "relu" else constant(name))
    first = draw.standard_normal(6)
    x = factor / np.sqrt(m) * value(draw.standard_normal((m, 6)) @ (first / np.linalg.norm(first)))
    J = np.eye(m)
    for _ in range(2, H + 1):
        W = draw.standard_normal((m, m))
        z = W @ x
        J = J + scale / np.sqrt(m) * slope(z)[:, None] * (W @ J)
        x = x + scale / np.sqrt(m) * value(z)
    s = np.linalg.svd(J, compute_uv=False) ** 2
    # below this float64 cannot tell; it only makes the condition number smaller
    return float(s[0]), float(max(s[-1], 1e-32 * s[0]))


def _claim(key: str, meaning: str, found: Found, names: Sequence[str]) -> Claim:
    pairs = []
    growth = DEPTHS[-1] / DEPTHS[0]
    for name in names:
        (high, low), (high_end, low_end) = found[name, "1"][0], found[name, "1"][-1]
        pairs += [
            Pair(f"growth of lambda_max from H = 2 to 32, {name}", high_end / high, growth,
                 "at least"),
            Pair(f"growth of lambda_min, {name}, bounded by a constant such as 2", low_end / low,
                 2.0, "at most"),
            Pair(f"growth of the condition number, {name}", (high_end / low_end) / (high / low),
                 growth, "at least"),
        ]
    remarks: tuple[str, ...] = ()
    if not all(p.holds for p in pairs):
        remarks = ("No other statement with this J is known; lambda_max grows like a power or "
                   "exponentially, lambda_min grows too.",)
    return Claim(
        key,
        f"lambda_max(J J^T) = Omega(H), lambda_min(J J^T) = O(1), condition at least linear in H, "
        f"with {meaning} and residual scale 1",
        tuple(pairs), errata=("R-13",), remarks=remarks,
    )


def _scaled(found: Found) -> Claim:
    pairs = []
    for name in ("softplus", "tanh", "relu"):
        (high, low), (high_end, low_end) = found[name, "1/H"][0], found[name, "1/H"][-1]
        pairs.append(Pair(f"condition at H = 32 over that at H = 2, {name}",
                          (high_end / low_end) / (high / low), 1.0, "at most"))
    return Claim(
        "scaled",
        "with residual scale 1/H, as the convergence theorem has it, the condition does not grow "
        "with H (J = dx^(H)/dx^(1))",
        tuple(pairs),
    )
