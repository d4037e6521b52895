"""What depth does to the Gram matrices of Du et al. (2019): fully connected against residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    DIGITS,
    digits,
    dual,
    records,
    slope_of,
    smoothness,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.kernels.explicit import Smoothness

    Array = NDArray[np.float64]

NAMES = ("softplus", "tanh")


class Depth(Reproduction):
    """lambda_0, growth of perturbations and sizes of gradients over depth, both networks."""

    name: ClassVar[str] = "d19-depth"
    title: ClassVar[str] = "What depth costs"
    reference: ClassVar[Ref] = Ref("D", "eq (4), eq (5), Theorem 6.1")
    quick_seconds: ClassVar[float] = 5
    full_seconds: ClassVar[float] = 8
    errata: ClassVar[Sequence[Erratum]] = records("D-9", "D-10")

    def run(self, context: Context) -> Outcome:
        import numpy as np

        from govcheck.kernels.papers import fc_kernels, resnet_kernels

        x, _ = digits(6, centred=True)
        depths = context.size((2, 4, 8, 16, 32), (2, 4, 8, 16, 32, 64))
        rows: list[tuple[str | float | int, ...]] = []
        least: dict[tuple[str, str], list[float]] = {}
        sizes: dict[tuple[str, str], list[float]] = {}
        grown: dict[tuple[str, str], list[float]] = {}
        done = 0
        for name in NAMES:
            for H in depths:
                fc = fc_kernels(x, H, dual(name))
                res = resnet_kernels(x, [1.0] * (H - 1), dual(name))
                for kind, k in (("fc", fc), ("res", res)):
                    value = float(np.linalg.eigvalsh(k.last)[0])
                    least.setdefault((kind, name), []).append(value)
                    growth = _growth(context, kind, name, k.features[1], _means(k.means), H)
                    grown.setdefault((kind, name), []).append(growth)
                norms = {
                    "W1": res.weights[0], "WH": res.weights[-1], "a": res.output,
                }
                for block, gram in norms.items():
                    size = float(np.sqrt(np.diag(gram).mean()))
                    sizes.setdefault((block, name), []).append(size)
                whole = float(np.linalg.eigvalsh(res.ntk)[0])
                rows.append((
                    name, H, least["fc", name][-1], least["res", name][-1],
                    least["res", name][-1] * H**2, whole, grown["fc", name][-1],
                    grown["res", name][-1], sizes["W1", name][-1], H * sizes["WH", name][-1],
                    sizes["a", name][-1],
                ))
                done += 1
                context.tick(done, len(NAMES) * len(depths))
        claims = (
            _equation_4(depths, grown), _equation_5(depths, grown), _blocks(depths, sizes),
            _iterations(depths, least),
        )
        header = (
            "activation", "H", "lambda_0 fc", "lambda_0 res", "lambda_0 H^2 res",
            "lambda_min NTK res", "growth fc", "growth res", "|du/dW1| res", "H |du/dWH| res",
            "|du/da| res",
        )
        at = tuple(float(H) for H in depths)
        panels = (
            Panel("lambda_0", "H", "lambda_0", tuple(
                Curve(f"{kind} {name}", at, tuple(max(v, 1e-18) for v in values))
                for (kind, name), values in least.items()), "log", "log"),
            Panel("perturbation of layer 1 seen at layer H", "H", "growth", tuple(
                Curve(f"{kind} {name}", at, tuple(values))
                for (kind, name), values in grown.items()), "log", "log"),
        )
        return Outcome(claims, (Table("Depth", header, tuple(rows)),), Plot(
            "lambda_0 and the growth of a perturbation of the first layer's Gram matrix, in the "
            "limit of infinite width.", panels),
            notes=("Growth: the limiting recursion from layer 1 on, with a random small "
                   "perturbation of the first Gram matrix and without.",),
            data=(f"{DIGITS}: 6 images of different classes, mean subtracted, unit norm",))


def _means(means: tuple[Array, ...]) -> Array | None:
    return means[0] if means else None


def _growth(
    context: Context, kind: str, name: str, first: Array, means: Array | None, H: int
) -> float:
    """How much a perturbation of ``S^(1)`` has grown at ``S^(H)``, the largest of a few."""
    import numpy as np

    from govcheck.kernels.dual import normalisation

    gauss = dual(name)
    c = normalisation(gauss)

    def go(s: Array) -> Array:
        b = means
        for _ in range(2, H + 1):
            q = np.diag(s)
            product = gauss.product(q[:, None], s, q[None, :])
            if kind == "fc":
                s = c * product
            else:
                assert b is not None
                p = gauss.mean(q)
                cross = np.outer(b, p)
                s = s + (cross + cross.T) / H + product / H**2
                b = b + p / H
        return s

    plain, size, found = go(first), 1e-6, []
    for k in range(3):
        e = context.draw("growth", kind, name, H, k).standard_normal(first.shape)
        e = size * (e + e.T) / np.linalg.norm(e + e.T, 2)
        found.append(float(np.linalg.norm(go(first + e) - plain, 2)) / size)
    return max(found)


def _equation_4(depths: Sequence[int], grown: dict[tuple[str, str], list[float]]) -> Claim:
    import numpy as np

    pairs = []
    for name in NAMES:
        values = grown["fc", name]
        sigma = smoothness(name)
        rate = _per_layer(sigma)
        measured = max(np.log2(v) / (H - 1) for v, H in zip(values, depths, strict=True))
        pairs.append(Pair(f"doublings per layer, {name}, at most as the proof's constant C_F says",
                          float(measured), rate, "at most"))
    return Claim(
        "eq-4",
        "fully connected: a perturbation of the first layer grows by at most 2^O(H)",
        tuple(pairs),
        remarks=("The bound is true and far from what happens: the limiting recursion contracts "
                 "or grows mildly, so that the exponential is one of the proof.",),
    )


def _per_layer(sigma: Smoothness) -> float:
    """``log2 C_F`` of the explicit theorem."""
    import numpy as np

    from govcheck.bounds.evaluate import evaluate

    zero, L, beta, c = (
        float(evaluate(e, {}).mid())
        for e in (sigma.zero, sigma.slope, sigma.curvature, sigma.c_sigma)
    )
    return float(np.log2(c * (L**2 + beta * (zero + L * np.sqrt(3 / np.pi)))))


def _equation_5(depths: Sequence[int], grown: dict[tuple[str, str], list[float]]) -> Claim:
    pairs = [
        Pair(f"growth at H = {depths[-1]} over that at H = {depths[1]}, {name}",
             grown["res", name][-1] / grown["res", name][1], 1.0, "at most", rtol=0.5)
        for name in NAMES
    ]
    return Claim(
        "eq-5",
        "residual: a perturbation of the first layer grows by (1 + O(1/H))^H = O(1)",
        tuple(pairs),
    )


def _blocks(depths: Sequence[int], sizes: dict[tuple[str, str], list[float]]) -> Claim:
    import numpy as np

    at = np.array(depths[1:], dtype=float)
    pairs = []
    for name in NAMES:
        for block in ("W1", "a", "WH"):
            slope = slope_of(at, np.array(sizes[block, name][1:]))
            what = f"exponent of H in |du/d{block}|, {name}"
            pairs.append(Pair(what, slope, -1.0, "at most", atol=0.25))
            right = -1.0 if block == "WH" else 0.0
            pairs.append(Pair(what, slope, right, atol=0.25, reading="as_corrected"))
    return Claim(
        "block-sizes",
        "Thm 6.1's width n^4/(lambda_0^4 H^6) needs derivatives in every block that fall like 1/H",
        tuple(pairs),
        "those in W^(1) and a do not fall with H, which gives n^4/(lambda_0^4 H^4)",
        errata=("D-9",),
    )


def _iterations(depths: Sequence[int], least: dict[tuple[str, str], list[float]]) -> Claim:
    import numpy as np

    at = np.array(depths[1:], dtype=float)
    pairs = []
    for name in NAMES:
        values = np.array(least["res", name][1:])
        pairs.append(Pair(f"exponent of H in lambda_0, residual, {name}",
                          slope_of(at, values), -2.0, atol=0.25, reading="as_corrected"))
        # eta lambda_0 with eta = lambda_0 H^2/n^2 as the theorem sets it
        steps = 1 / (values * values * at**2)
        what = f"exponent of H in 1/(eta lambda_0), residual, {name}"
        pairs.append(Pair(what, slope_of(at, steps), 0.0, "at most", atol=0.25))
        pairs.append(Pair(what, slope_of(at, steps), 2.0, atol=0.5, reading="as_corrected"))
    return Claim(
        "iterations",
        "residual networks need of the order of n^2 log(1/epsilon) iterations, whatever H is",
        tuple(pairs),
        "n^2 H^2/(lambda_0 H^2)^2 log(1/epsilon), for lambda_0 falls like H^(-2)",
        errata=("D-10",),
    )
