"""Theorems of Du et al. and Theorem A on whole architectures."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb

import govcheck
from govcheck.analysis import Analysis
from govcheck.bounds.evaluate import Missing, evaluate
from govcheck.bounds.expr import num
from govcheck.kernels.descent import ParameterBlock, theorem_a, theorem_a_jointly
from govcheck.plugin.registry import load_registry
from govcheck.theorems.protocol import Verdict

REGISTRY = load_registry()
FIRST = """
  - affine: {out: m, bias: false}
  - ACT
  - scale: {factor: sqrt(c_sigma(ACT)/m)}
"""
BRANCH = """  - residual:
      - affine: {out: m, bias: false}
      - ACT
      - scale: {factor: BRANCHED}
"""
LAST = "  - affine: {out: 1, bias: false}\n"
FC, RESNET = FIRST + FIRST + LAST, FIRST + BRANCH + LAST
IMAGE = (
    RESNET.replace("affine: {out: m,", "conv: {out: m, kernel: 3, padding: same,")
    .replace(LAST, "  - flatten\n" + LAST)
)


def analysis(
    layers: str,
    data: str = "digits: {n: 10, norm: unit}",
    *,
    act: str = "softplus",
    factor: str = "1/(2*sqrt(m))",
    size: str = "64",
    m: str = "512",
    extra: str = "",
) -> Analysis:
    text = (
        f"govcheck: 1\nsymbols: {{m: {m}}}\ninput: [{size}]\nlayers:"
        + layers.replace("ACT", act).replace("BRANCHED", factor)
        + f"cost: summed_square\ndata: {{{data}}}\ndomain: {{ball: 1}}\ntheorems: []\n{extra}"
    )
    return govcheck.analyze(govcheck.loads(text, registry=REGISTRY), registry=REGISTRY)


def verdict(a: Analysis, name: str, reading: str = "as_corrected") -> Verdict:
    return REGISTRY.theorems[name]().decide(a, reading)


def status(v: Verdict, key: str) -> str:
    return next(h.status for h in v.hypotheses if h.key == key)


def number(a: Analysis, v: Verdict, name: str) -> float:
    value = a.value(v.conclusions[name])
    assert isinstance(value, arb)
    return float(value.mid())


@pytest.mark.parametrize(
    ("layers", "theorem", "expected"),
    [
        (FC, "du2019.theorem_5_1", ("3.6e+20", "2.6e-08", "8.7e+10")),
        (RESNET, "du2019.theorem_6_1", ("1e+22", "2.9e-08", "3.4e+11")),
    ],
)
def test_the_published_figures(layers: str, theorem: str, expected: tuple[str, ...]) -> None:
    a = analysis(layers)
    v = verdict(a, theorem)
    found = tuple(f"{number(a, v, k):.2g}" for k in ("m*", "eta*", "steps"))
    assert found == expected


@pytest.mark.parametrize("theorem", ["5_1", "6_1", "7_1"])
def test_a_narrow_network_is_never_verified(theorem: str) -> None:
    layers, size = {"5_1": (FC, "64"), "6_1": (RESNET, "64"), "7_1": (IMAGE, "1, 8, 8")}[theorem]
    a = analysis(layers, size=size)
    v = verdict(a, f"du2019.theorem_{theorem}")
    assert v.status != "applies"
    h = next(h for h in v.hypotheses if h.key == "width")
    assert h.status == ("unknown" if theorem == "7_1" else "refuted")
    words = f"{h.evidence} {v.summary}"
    assert "verified" not in words
    if theorem != "7_1":
        assert "times less than" in words
        assert number(a, v, "m*/m") > 1e15
        assert number(a, v, "m*/m") == pytest.approx(number(a, v, "m*") / 512)


def test_one_network_is_not_another() -> None:
    for layers, size, own in ((FC, "64", "5_1"), (RESNET, "64", "6_1"), (IMAGE, "1, 8, 8", "7_1")):
        a = analysis(layers, size=size)
        for theorem in ("5_1", "6_1", "7_1"):
            v = verdict(a, f"du2019.theorem_{theorem}")
            assert (status(v, "network") == "proved") == (theorem == own)
            assert bool(v.conclusions) == (theorem == own)


def test_trained_factors_are_not_those_of_theorem_6_1() -> None:
    a = analysis(RESNET, factor="1/(2*sqrt(m)), trainable: true")
    v = verdict(a, "du2019.theorem_6_1")
    assert status(v, "network") == "refuted" and "Zhang" in v.summary


def test_a_last_factor_of_zero_has_no_kernel() -> None:
    a = analysis(RESNET, factor="0")
    v = verdict(a, "du2019.theorem_6_1")
    assert status(v, "lambda_0") == "unknown" and status(v, "width") == "unknown"
    assert "alpha_H(0) is 0" in next(h.evidence for h in v.hypotheses if h.key == "width")


def test_antiparallel_samples_with_an_odd_activation() -> None:
    a = analysis(FC, "sphere: {n: 2}", act="tanh", size="1")
    v = verdict(a, "du2019.theorem_5_1")
    assert status(v, "directions") == "refuted"
    assert "antiparallel pairs: (0, 1)" in v.summary
    assert status(v, "lambda_0") == "unknown"
    assert not isinstance(a.value(v.conclusions["m*"]), arb)


def test_relu_fails_both_conditions() -> None:
    v = verdict(analysis(FC, act="relu"), "du2019.theorem_5_1")
    assert status(v, "smooth") == "refuted" and status(v, "analytic") == "refuted"


def test_the_identity_is_a_polynomial() -> None:
    v = verdict(analysis(FC, act="identity"), "du2019.theorem_5_1")
    assert status(v, "analytic") == "refuted" and status(v, "smooth") == "proved"


@pytest.mark.parametrize("act", ["softplus", "tanh", "gelu", "erf", "sigmoid", "silu"])
def test_analytic_activations(act: str) -> None:
    v = verdict(analysis(FC, act=act), "du2019.theorem_5_1")
    assert status(v, "smooth") == status(v, "analytic") == "proved"


def test_samples_of_other_lengths() -> None:
    v = verdict(analysis(FC, "digits: {n: 3}"), "du2019.theorem_5_1")
    assert status(v, "unit") == "refuted"


def test_the_printed_matrix_has_another_eigenvalue() -> None:
    a = analysis(FC)
    v = verdict(a, "du2019.theorem_5_1", "as_printed")
    assert v.status == "fails" and status(v, "statement") == "refuted"
    right = number(a, verdict(a, "du2019.theorem_5_1"), "lambda_0")
    wrong = number(a, v, "lambda_0 (printed)")
    assert wrong > 1.2 * right
    assert number(a, v, "m (printed, constants 1)") == pytest.approx(1e4 / wrong**4, rel=1e-6)


def test_hidden_constants_can_be_assumed() -> None:
    lost = verdict(analysis(FC, m="1e30"), "du2019.theorem_5_1", "as_printed")
    assert status(lost, "width") == "unknown"
    named = "theorems: [{du2019.theorem_5_1: {C_m: 2, C_H: 1, C_eta: 1/2}}]\n"
    given = _with_theorems(named)
    v = verdict(given, "du2019.theorem_5_1", "as_printed")
    assert status(v, "width") == "assumed" and status(v, "step") == "assumed"
    assert status(v, "statement") == "refuted"


def _with_theorems(line: str, layers: str = FC, m: str = "1e30", data: str = "") -> Analysis:
    text = (
        f"govcheck: 1\nsymbols: {{m: {m}}}\ninput: [64]\nlayers:{layers.replace('ACT', 'softplus')}"
        f"cost: summed_square\ndata: {data or '{digits: {n: 10, norm: unit}}'}\n"
        f"domain: {{ball: 1}}\n{line}"
    )
    arch = govcheck.loads(text, registry=REGISTRY)
    return govcheck.analyze(arch, registry=REGISTRY)


def test_lambda_0_can_be_given() -> None:
    a = _with_theorems("theorems: [{du2019.theorem_5_1: {lambda_0: 1/100, delta: 1/1000}}]\n")
    v = verdict(a, "du2019.theorem_5_1")
    assert status(v, "lambda_0") == "assumed"
    assert number(a, v, "failure") == pytest.approx(1e-3)
    assert status(v, "width") == "proved"


def test_many_samples_are_not_computed_on_the_way() -> None:
    a = _with_theorems("theorems: []\n", data="{sphere: {n: 2001}}")
    v = verdict(a, "du2019.theorem_5_1")
    h = next(h for h in v.hypotheses if h.key == "lambda_0")
    assert h.status == "unknown" and "govcheck gram" in h.evidence


def test_without_data_the_formulas_remain() -> None:
    arch = govcheck.loads(
        "govcheck: 1\nsymbols: {m: }\ninput: [4]\nlayers:" + FC.replace("ACT", "tanh"),
        registry=REGISTRY,
    )
    a = govcheck.analyze(arch, registry=REGISTRY)
    v = verdict(a, "du2019.theorem_5_1")
    assert status(v, "samples") == "unknown"
    missing = a.value(v.conclusions["m*"])
    assert isinstance(missing, Missing) and "lambda_0" in missing.names


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("{method: sgd}", "refuted"),
        ("{method: gd, momentum: 1/2}", "refuted"),
        ("{method: gd, step_size: 1}", "refuted"),
        ("{method: gd, step_size: 1e-12}", "proved"),
        ("{method: gd, step_size: auto}", "unknown"),
        ("{method: gd}", "assumed"),
    ],
)
def test_training(train: str, expected: str) -> None:
    a = analysis(FC, extra=f"train: {train}\n")
    assert status(verdict(a, "du2019.theorem_5_1"), "step") == expected


def test_the_step_is_for_the_cost_of_the_file() -> None:
    a = analysis(FC)
    text = "govcheck: 1\nsymbols: {m: 512}\ninput: [64]\nlayers:" + FC.replace("ACT", "softplus")
    other = govcheck.analyze(
        govcheck.loads(
            text + "cost: half_square\ndata: {digits: {n: 10, norm: unit}}\ndomain: {ball: 1}\n"
            "theorems: []\n", registry=REGISTRY),
        registry=REGISTRY,
    )
    one, two = (verdict(x, "du2019.theorem_5_1") for x in (a, other))
    # |y - u|^2/2 is the theorem's loss, |y - u|^2/(2 N) a tenth of it
    assert number(other, two, "eta*") == pytest.approx(10 * number(a, one, "eta*"))


def _descend(seed: int, curved: float) -> None:
    """Two blocks, u = A p + B q + curved (sin p + sin q), every constant known."""
    rng = np.random.default_rng(seed)
    n, s = 3, (1.0, 0.25)
    maps = [np.linalg.qr(rng.standard_normal((n, n)))[0] * (1 + rng.random()) for _ in s]
    theta = [0.1 * rng.standard_normal(n) for _ in s]

    def value() -> np.ndarray:
        return sum(M @ t + curved * np.sin(t) for M, t in zip(maps, theta, strict=True))

    def slopes() -> list[np.ndarray]:
        return [M + curved * np.diag(np.cos(t)) for M, t in zip(maps, theta, strict=True)]

    y = rng.standard_normal(n)
    sizes = [float(np.linalg.norm(M, axis=1).max()) + curved for M in maps]
    # rows of the derivative change by at most `curved` times the change of the block
    blocks = [
        ParameterBlock(f"b{i}", num(str(B)), num(str(curved * w * B + 1e-15)), num(str(w)))
        for i, (B, w) in enumerate(zip(sizes, s, strict=True))
    ]
    floor = sum(w * (np.linalg.svd(M)[1][-1] - curved) ** 2 for M, w in zip(maps, s, strict=True))
    lambda_0 = 2 * floor
    found = theorem_a(blocks, n, num(str(lambda_0)), num(str(np.linalg.norm(y - value()))))
    eta = float(evaluate(found.eta, {}).mid())
    first, start = np.linalg.norm(y - value()) ** 2, [t.copy() for t in theta]
    for k in range(1, 200):
        r, J = y - value(), slopes()
        for i, w in enumerate(s):
            theta[i] = theta[i] + eta * w * J[i].T @ r
        bound = (1 - eta * lambda_0 / 2) ** k * first
        assert np.linalg.norm(y - value()) ** 2 <= bound * (1 + 1e-9) + 1e-25
        for i, t in enumerate(theta):
            radius = float(evaluate(found.radii[f"b{i}"], {}).mid())
            assert np.linalg.norm(t - start[i]) <= radius


@pytest.mark.parametrize("curved", [0.0, 0.01, 0.3])
def test_theorem_a_holds_on_models_with_known_constants(curved: float) -> None:
    for seed in range(10):
        _descend(seed, curved)


def test_a_quarter_of_lambda_0_is_not_enough_for_the_rate() -> None:
    """With lambda_min(G) = lambda_0/4 only, gradient descent is slower than 1 - eta lambda_0/2."""
    lambda_0 = 1.0
    found = theorem_a([ParameterBlock("t", num("1/2"), num(1))], 1, num(1), num(1))
    eta = float(evaluate(found.eta, {}).mid())
    factor = (1 - eta * lambda_0 / 4) ** 2
    assert factor > 1 - eta * lambda_0 / 2
    honest = theorem_a([ParameterBlock("t", num("1/2"), num(1))], 1, num("1/2"), num(1))
    assert factor <= float(evaluate(honest.factor(found.eta), {}).mid())


def test_jointly_the_step_is_not_too_long_for_the_rate() -> None:
    """B = sigma: eta <= 1/B^2 alone would allow eta lambda_0 = 2, where the rate fails."""
    found = theorem_a_jointly(1, 0, 2, 1)
    eta = float(evaluate(found.eta, {}).mid())
    assert eta * 2 <= 16 / 9 + 1e-12
    assert (1 - eta) ** 2 <= 1 - eta


def test_theorem_a_reads_the_set_around_the_weights() -> None:
    text = (
        "govcheck: 1\ninput: [4]\nlayers: [{affine: {out: 2}}, tanh, {affine: {out: 1}}]\n"
        "cost: summed_square\ndata: {sphere: {n: 2}}\ndomain: {around_init: 1/100}\n"
    )
    a = govcheck.analyze(govcheck.loads(text, registry=REGISTRY), registry=REGISTRY)
    v = verdict(a, "govcheck.theorem_a")
    assert status(v, "region") == "proved" and status(v, "radius") == "refuted"
    assert number(a, v, "radius") > 0.01
