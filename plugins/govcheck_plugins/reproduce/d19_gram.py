"""The limiting Gram matrices of Du et al. (2019), as printed and corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    constant,
    dual,
    functions,
    gaussian_weights,
    network,
    records,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

THEORY: Final = "govcheck theory, widths and rates: vectors V2, V3, V4"
FC: Final = {
    ("softplus", 2): 0.023281729203105, ("softplus", 3): 0.0075565853618459,
    ("tanh", 2): 0.37592764379049, ("tanh", 3): 0.41843903871705,
    ("sigmoid", 2): 0.0050856987850764, ("gelu", 2): 0.35841432481416,
    ("gelu", 3): 0.37356053062301, ("erf", 2): 0.43468674676494, ("erf", 3): 0.48928318140979,
}
RES: Final = {
    ("softplus", (1.0,)): 0.0053620494448826, ("softplus", (1.0, 1.0)): 0.0027194266403371,
    ("softplus", (0.7, 1.3, -0.8)): 0.0010363955145908, ("tanh", (1.0,)): 0.037056549683709,
    ("tanh", (0.7, 1.3, -0.8)): 0.0062688524787969, ("gelu", (1.0, 1.0)): 0.018439033550708,
}
CONV: Final = {
    ("softplus", 2): (0.13608732417793, 0.082165797232793, 0.12309595331139),
    ("softplus", 3): (0.082287748002095, 0.055647438776283, 0.075317151908965),
    ("tanh", 3): (0.06229035267884, -0.0087747119023281, 0.05796272185242),
}
PRINTED: Final = 0.0300538430
ERRORS: Final = 4.5
"""Standard errors that the largest of a few entries may be away by chance."""


def three() -> Array:
    """Three unit vectors in space."""
    import numpy as np

    return np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [2 / 3, -1 / 3, 2 / 3]])


def images() -> Array:
    """Two images with 2 channels and 3 pixels, Frobenius norm 1."""
    import numpy as np

    first = np.array([[1, 2, 0], [0, 1, -1]]) / np.sqrt(7)
    return np.array([first, np.array([[2, -1, 1], [1, 0, 1]]) / np.sqrt(8)])


class Gram(Reproduction):
    """Limiting Gram matrices and their lambda_0 against finite networks, printed and corrected."""

    name: ClassVar[str] = "d19-gram"
    title: ClassVar[str] = "Limiting Gram matrices"
    reference: ClassVar[Ref] = Ref("D", "Definitions 5.1, 6.1, 7.1")
    quick_seconds: ClassVar[float] = 3
    full_seconds: ClassVar[float] = 30
    errata: ClassVar[Sequence[Erratum]] = records("D-1", "D-2", "D-3", "D-4", "D-13", "D-14")

    def run(self, context: Context) -> Outcome:
        claims = (
            _index(context), _cross(context), _conv(context), _antiparallel(), _patches(context)
        )
        return Outcome(claims, (_table(),), notes=(
            "Standard errors: the mean of a finite network's matrix over seeds, its distance from "
            "a limit in units of that mean's standard error, the largest over the entries.",
            "Samples: the unit vectors (1, 0, 0), (3/5, 4/5, 0), (2/3, -1/3, 2/3).",
        ))


def _away(
    sample: Callable[[np.random.Generator], Array], limits: Sequence[Array], context: Context,
    *names: object,
) -> list[float]:
    """Largest distance of a mean from each limit, in standard errors."""
    import numpy as np

    seeds = context.size(40, 120)
    found = np.array([sample(context.draw(*names, k)) for k in range(seeds)])
    context.tick(1, 1)
    error = found.std(axis=0, ddof=1) / np.sqrt(seeds)
    return [float((np.abs(found.mean(axis=0) - limit) / error).max()) for limit in limits]


def _index(context: Context) -> Claim:
    import numpy as np

    from govcheck.kernels.papers import fc_kernels, resnet_kernels

    x, m = three(), context.size(400, 1000)
    pairs = []
    cases: tuple[tuple[str, str, int, list[float] | None], ...] = (
        ("fully connected, softplus, H = 2", "softplus", 2, None),
        ("residual, softplus, H = 3", "softplus", 3, [1.0, 1.0]),
        ("residual, tanh, alpha = (0.7, 1.3, -0.8)", "tanh", 4, [0.7, 1.3, -0.8]),
    )
    for what, name, H, alphas in cases:
        def limit(printed: bool, name: str = name, H: int = H,
                  alphas: list[float] | None = alphas) -> Array:
            if alphas is None:
                return fc_kernels(x, H, dual(name), as_printed=printed).last
            wrong = frozenset({"index"} if printed else ())
            return resnet_kernels(x, alphas, dual(name), errata=wrong).last  # type: ignore[arg-type]

        def sample(draw: np.random.Generator, name: str = name, H: int = H,
                   alphas: list[float] | None = alphas) -> Array:
            weights, readout = gaussian_weights(draw, m, H, x.shape[1])
            return network(x, name, weights, readout, alphas).last

        printed, corrected = _away(sample, [limit(True), limit(False)], context, "index", what)
        said = f"{what}, m = {m}: standard errors between the mean of G^(H)(0) and the limit"
        pairs.append(Pair(said, printed, ERRORS, "at most"))
        pairs.append(Pair(said, corrected, ERRORS, "at most", reading="as_corrected"))
    right = fc_kernels(x, 2, dual("softplus")).last
    wrong = fc_kernels(x, 2, dual("softplus"), as_printed=True).last
    least, too_large = (float(np.linalg.eigvalsh(k)[0]) for k in (right, wrong))
    pairs += [
        Pair("lambda_0 of softplus, H = 2", least, too_large, rtol=1e-3),
        Pair("the printed lambda_0 over the right one", too_large / least, PRINTED / 0.0232817292,
             rtol=1e-6, reading="as_corrected", source=THEORY),
    ]
    pairs += _vectors(x)
    return Claim(
        "index",
        "K^(H) takes E sigma'(u) sigma'(v) under A^(H-1)",
        tuple(pairs),
        "it takes it under A^(H), made of the features of layer H - 1",
        errata=("D-1",),
        remarks=(f"The printed lambda_0 is {too_large / least - 1:+.0%} off for softplus, H = 2: "
                 "in the unsafe direction.",),
    )


def _vectors(x: Array) -> list[Pair]:
    """lambda_0 beside values computed by two other methods."""
    import numpy as np

    from govcheck.kernels.papers import fc_kernels, resnet_kernels

    pairs = []
    for (name, H), value in FC.items():
        least = float(np.linalg.eigvalsh(fc_kernels(x, H, dual(name)).last)[0])
        pairs.append(Pair(f"lambda_0, fully connected, {name}, H = {H}", least, value,
                          atol=1e-12, reading="as_corrected", source=THEORY))
    for (name, alphas), value in RES.items():
        least = float(np.linalg.eigvalsh(resnet_kernels(x, alphas, dual(name)).last)[0])
        shown = ", ".join(f"{a:g}" for a in alphas)
        pairs.append(Pair(f"lambda_0, residual, {name}, alpha = ({shown})", least, value,
                          atol=1e-12, reading="as_corrected", source=THEORY))
    return pairs


def _cross(context: Context) -> Claim:
    import numpy as np

    m, name = context.size(400, 2000), "softplus"
    x = three()[:2] * np.array([[0.2], [3.0]])
    value, _ = functions(name)
    c = constant(name)
    S = x @ x.T
    left, one = np.diag(S)[:, None], np.diag(S)[None, :]
    features = c * dual(name).product(left, S, one)
    b = np.sqrt(c) * dual(name).mean(np.diag(S))
    p = dual(name).mean(np.diag(features))

    def sample(draw: np.random.Generator) -> Array:
        first = np.sqrt(c / m) * value(draw.standard_normal((m, 3)) @ x.T)
        products: Array = first.T @ value(draw.standard_normal((m, m)) @ first) / np.sqrt(m)
        return products

    printed, corrected = _away(
        sample, [np.outer(b * p, np.ones(2)), np.outer(b, p)], context, "cross"
    )
    said = f"norms 0.2 and 3, m = {m}: standard errors between <x_i, sigma(W x_j)>/sqrt(m) and it"
    return Claim(
        "cross-terms",
        "cross terms b_i E sigma(u) + b_j E sigma(v) in the recursion of residual layers",
        (Pair(said, printed, ERRORS, "at most"),
         Pair(said, corrected, ERRORS, "at most", reading="as_corrected")),
        "b_i E sigma(v) + b_j E sigma(u)",
        errata=("D-2",),
        remarks=("For unit norms and for odd sigma both are the same.",),
    )


def _conv(context: Context) -> Claim:
    from govcheck.kernels.papers import conv_resnet_kernels

    x, H, m, name = images(), 3, context.size(200, 600), "softplus"

    def limit(wrong: Sequence[str]) -> Array:
        return conv_resnet_kernels(x, H, dual(name), c_res=0.5, patch=3,
                                   errata=frozenset(wrong)).last  # type: ignore[arg-type]

    pairs = []
    kinds = (("skip",), ("factor",), ())
    away = _away(lambda draw: _finite_conv(draw, x, H, m, name), [limit(k) for k in kinds],
                 context, "conv")
    words = ("skip over patches", "no factor", "corrected")
    for kind, what, value in zip(kinds, words, away, strict=True):
        pairs.append(Pair(
            f"{what}, m = {m}: standard errors between the mean of G^(3)(0) and the limit", value,
            ERRORS, "at most", reading="as_printed" if kind else "as_corrected",
        ))
    for (act, depth), values in CONV.items():
        own = conv_resnet_kernels(x, depth, dual(act), c_res=0.5, patch=3).last
        for entry, (i, j), v in zip(("11", "12", "22"), ((0, 0), (0, 1), (1, 1)), values,
                                    strict=True):
            pairs.append(Pair(f"K_{entry}, {act}, H = {depth}", float(own[i, j]), v, atol=1e-12,
                              reading="as_corrected", source=THEORY))
    return Claim(
        "convolution",
        "Def 7.1: the skip adds sums over patches, and M^(H) has no factor c_res^2/H^2",
        tuple(pairs),
        "the skip adds the Gram matrix of the pixels; M^(H) has the factor c_res^2/H^2",
        errata=("D-3", "D-4"),
    )


def _finite_conv(draw: np.random.Generator, x: Array, H: int, m: int, name: str) -> Array:
    """``G^(H)`` of a convolutional residual network with random weights, patches of 3."""
    import numpy as np

    value, slope = functions(name)

    def patches(f: Array) -> Array:
        padded = np.pad(f, ((0, 0), (0, 0), (1, 1)))
        return np.concatenate([padded[:, :, k : k + f.shape[2]] for k in range(3)], axis=1)

    phi = patches(x)
    f = np.sqrt(constant(name) / m) * value(
        np.einsum("sc,icl->isl", draw.standard_normal((m, phi.shape[1])), phi)
    )
    factor = 0.5 / (H * np.sqrt(m))
    for h in range(2, H + 1):
        phi = patches(f)
        z = np.einsum("sc,icl->isl", draw.standard_normal((m, phi.shape[1])), phi)
        if h < H:
            f = f + factor * value(z)
    back = factor * draw.standard_normal((m, x.shape[2])) * slope(z)
    gradients = np.einsum("isl,icl->isc", back, phi).reshape(len(x), -1)
    gram: Array = gradients @ gradients.T
    return gram


def _antiparallel() -> Claim:
    import numpy as np

    from govcheck.kernels.papers import fc_kernels

    x = three()
    opposite = np.concatenate([x, -x[:1]])
    least = [float(np.linalg.eigvalsh(fc_kernels(a, 2, dual("tanh")).last)[0])
             for a in (opposite, x)]
    floor = 1e-10
    return Claim(
        "antiparallel",
        "lambda_0 > 0 if no two samples are parallel",
        (
            Pair("lambda_0, tanh, H = 2, three unit vectors and the opposite of one", least[0],
                 floor, "at least"),
            Pair("lambda_0 without the opposite one", least[1], floor, "at least",
                 reading="as_corrected"),
        ),
        "neither parallel nor antiparallel, and none is 0",
        errata=("D-13",),
        remarks=("What is below 1e-10 of the trace cannot be told from 0 in float64.",),
    )


def _patches(context: Context) -> Claim:
    import numpy as np

    from govcheck.kernels.papers import conv_resnet_kernels

    x, name, m = images(), "tanh", context.size(500, 5000)
    first = conv_resnet_kernels(x, 1, dual(name), c_res=0.5, patch=3).output
    value, _ = functions(name)
    draw = context.draw("patches")
    padded = np.pad(x[0], ((0, 0), (1, 1)))
    phi = np.concatenate([padded[:, k : k + 3] for k in range(3)], axis=0)
    found = constant(name) * float((value(draw.standard_normal((m, len(phi))) @ phi) ** 2).sum())
    return Claim(
        "patch-norms",
        "|x_i|_F = 1 makes |x_i^(1)|_F^2 tend to 1",
        (
            Pair(f"|x_1^(1)|_F^2 of a network of width {m}, tanh", found / m, 1.0, rtol=0.2),
            Pair("the same beside the trace of the limit", found / m, float(first[0, 0]),
                 rtol=0.2, reading="as_corrected"),
        ),
        "c_sigma normalises patches of norm 1 only",
        errata=("D-14",),
    )


def _table() -> Table:
    import numpy as np

    from govcheck.kernels.papers import fc_kernels, resnet_kernels

    x, rows = three(), []
    for name in ("softplus", "tanh", "gelu"):
        for H in (2, 3):
            for kind in ("fully connected", "residual"):
                both = []
                for printed in (False, True):
                    if kind == "residual":
                        k = resnet_kernels(x, [1.0] * (H - 1), dual(name), as_printed=printed)
                    else:
                        k = fc_kernels(x, H, dual(name), as_printed=printed)
                    both.append(float(np.linalg.eigvalsh(k.last)[0]))
                rows.append((kind, name, H, both[0], both[1], f"{both[1] / both[0] - 1:+.1%}"))
    header = ("network", "activation", "H", "lambda_0", "as printed", "difference")
    return Table("lambda_0 of three unit vectors", header, tuple(rows))
