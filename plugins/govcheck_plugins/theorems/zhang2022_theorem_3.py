"""Theorem 3 of Zhang et al. (2022): the condition of standard initialisation with depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import log2
from typing import TYPE_CHECKING, ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Ref, Unknown
from govcheck.bounds.expr import ExprLike, as_expr
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, Status, TheoremExample
from govcheck_plugins.theorems._du_examples import RESNET
from govcheck_plugins.theorems._lemma import Conclusions, Lemma, Local, Outcome
from govcheck_plugins.theorems._lemma_examples import FC, text
from govcheck_plugins.theorems._lemma_start import measured
from govcheck_plugins.theorems.zhang2022_initialisation import zhang

if TYPE_CHECKING:
    from govcheck.kernels.scaling import Extremes

DEPTHS: Final = (2, 4, 8, 16, 32)
SAMPLES: Final = 8
BOUNDED: Final = 0.25
"""A power of H up to here is taken for none: from 16 to 32 layers it is a factor 1.19."""

LINEAR: Final = 0.9
LARGE: Final = 300.0
"""Size of the largest eigenvalue from which no deeper kernel is computed."""

MEANING: Final = {
    1: "(A) the outputs' derivative in all weights and a, in the limit of large width",
    2: "(B) the derivative of x^(H) in x^(1), m = 200, mean of 2 networks",
}


class ZhangTheorem3(Lemma):
    """``lambda_max(J J^T) = Omega(H)`` and ``lambda_min(J J^T) = O(1)`` as the depth grows.

    J is not defined in print. Options: ``J: 1`` (outputs in parameters) or ``J: 2`` (features
    in features of the first layer, the default as corrected), and ``scale: p`` for branches
    with the factor ``H^-p/sqrt(m)``: 0 (the default, standard), 1/2 or 1. Both claims are held
    against computed values at 2 to 32 layers, fewer where kernels become large, which is
    evidence and no proof.
    """

    name: ClassVar[str] = "zhang2022.theorem_3"
    title: ClassVar[str] = "Exploding derivatives of standard initialisation"
    reference: ClassVar[Ref] = zhang("Thm 3", "R-13")
    kinds: ClassVar[tuple[Kind, ...]] = ("resnet", "nf_resnet")
    ids = ("R-13",)

    def corrected(self, local: Local) -> Outcome:
        return self.decided(local, 2)

    def printed(self, local: Local) -> Outcome:
        return self.decided(local, None)

    def decided(self, local: Local, default: int | None) -> Outcome:
        """Both claims under the chosen definition."""
        chosen, power = _chosen(local, "J", default), _chosen(local, "scale", 0)
        words = "J is the derivative that is meant, and branches have the scale H^-p/sqrt(m)"
        named = int(chosen) if chosen in (1, 2) else None
        if named is None or power is None:
            status: Status = "unknown" if chosen is None else "refuted"
            why = "J is not defined; choose J: 1 or J: 2" + "".join(
                f"; {k} is {v}" for k, v in MEANING.items())
            lost = Hypothesis("definition", words, "assumption", status, why)
            open_ = [
                Hypothesis(k, w, "measured", "unknown", "J is not defined")
                for k, w in (("largest", GROWS), ("smallest", STAYS))
            ]
            return Outcome((lost, *open_))
        why = f"J: {MEANING[named]}; p = {power}"
        definition = Hypothesis("definition", words, "assumption", "assumed", why)
        found = _computed(local, named, power)
        if isinstance(found, Unknown):
            return Outcome((definition, *(
                Hypothesis(k, w, "measured", "unknown", found.reason)
                for k, w in (("largest", GROWS), ("smallest", STAYS))
            )))
        conclusions = Conclusions("computed, no bound for other depths", self.reference)
        last = found[-1]
        conclusions.put("lambda_max", measured("lambda_max", last.largest), "lower",
                        f"computed at H = {last.H}")
        conclusions.put("lambda_min", measured("lambda_min", max(last.smallest, 0.0)), "upper",
                        f"computed at H = {last.H}")
        return Outcome((definition, _grows(found), _stays(found)), conclusions)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def make(options: str = "J: 2", body: str = RESNET) -> str:
            return text(cls.name, body, width="40", data="orthonormal: {n: 2}", options=options)

        both = ("largest", "smallest")
        return (
            TheoremExample(make(), measured=_by_autograd),
            TheoremExample(make(body=FC), "network"),
            TheoremExample(make("J: 3"), "definition", also=both),
            TheoremExample(make("J: 2, scale: 1/2"), "largest"),
            TheoremExample(make("J: 1"), "smallest"),
        )


GROWS: Final = "lambda_max(J J^T) grows at least linearly with H"
STAYS: Final = "lambda_min(J J^T) does not grow with H"


def _chosen(local: Local, key: str, default: int | None) -> Fraction | None:
    own = local.option(key)
    if own is None:
        return None if default is None else Fraction(default)
    return own.number if own.is_number else None


def _computed(local: Local, J: int, power: Fraction) -> tuple[Extremes, ...] | Unknown:
    from govcheck.kernels.scaling import input_extremes, parameter_extremes

    if J == 1:
        data = local.analysis.data
        dual = local.family.activation.dual(lambda e: _number(local, e))
        if data is None:
            return Unknown.because("no data is loaded")
        if isinstance(dual, Unknown):
            return dual
        x = data.dataset.x[:SAMPLES].reshape(min(SAMPLES, len(data.dataset.x)), -1)
        found: list[Extremes] = []
        for H in DEPTHS:
            # Gaussian expectations take time like the variance, which grows with the features
            if len(found) < 2 or found[-1].largest < LARGE:
                found.append(parameter_extremes(x, H, power, dual))
        return tuple(found)
    at = local.start
    if isinstance(at, Unknown):
        return at
    value, slope, c = at.given.value, at.given.slope, at.given.c_sigma
    return tuple(input_extremes(H, power, value, slope, c) for H in DEPTHS)


def _number(local: Local, e: ExprLike) -> float:
    value = local.value(as_expr(e))
    if not isinstance(value, arb):
        raise ValueError(f"{e!r} has no value")
    return float(value.mid())


def _listed(values: list[tuple[int, float]]) -> str:
    return ", ".join(f"{v:.4g} at H = {H}" for H, v in values)


def _grows(found: Sequence[Extremes]) -> Hypothesis:
    power = log2(found[-1].largest / found[-2].largest)
    status: Status = "measured" if power >= LINEAR else "refuted"
    why = f"{_listed([(e.H, e.largest) for e in found])}: like H^{power:.2f} at last"
    return Hypothesis("largest", GROWS, "measured", status, why)


def _stays(found: Sequence[Extremes]) -> Hypothesis:
    power = log2(max(found[-1].smallest, 1e-300) / max(found[-2].smallest, 1e-300))
    status: Status = "measured" if power <= BOUNDED else "refuted"
    why = f"{_listed([(e.H, e.smallest) for e in found])}: like H^{power:.2f} at last"
    return Hypothesis("smallest", STAYS, "measured", status, why)


def _by_autograd(analysis: Analysis) -> Mapping[str, float]:
    """The ends of the spectrum for tanh at the largest depth, with derivatives by torch."""
    import numpy as np
    import torch

    from govcheck.kernels.scaling import branch_scale
    from govcheck_plugins.theorems._lemma_measured import started

    H, m, c = DEPTHS[-1], 200, started(analysis).given.c_sigma
    ends = []
    for seed in range(2):
        draw = np.random.default_rng(seed)
        first = np.sqrt(c / m) * np.tanh(draw.standard_normal(m))
        weights = [torch.as_tensor(draw.standard_normal((m, m))) for _ in range(H - 1)]
        s = branch_scale(H, Fraction(0)) / m**0.5

        def forward(
            x: torch.Tensor, weights: list[torch.Tensor] = weights, s: float = s
        ) -> torch.Tensor:
            for w in weights:
                x = x + s * torch.tanh(w @ x)
            return x

        J = torch.func.jacrev(forward)(torch.as_tensor(first))
        values = torch.linalg.svdvals(J)
        ends.append((float(values[0]) ** 2, float(values[-1]) ** 2))
    largest, smallest = (float(np.mean(v)) for v in zip(*ends, strict=True))
    return {"lambda_max": largest, "lambda_min": smallest}


