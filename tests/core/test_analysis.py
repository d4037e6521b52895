"""From an architecture to numbers: values, data, parameter sets, failures of plugins."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

import govcheck as gc
from govcheck.bounds.answer import QUANTITIES, Unknown
from govcheck.bounds.evaluate import Missing, lower, upper
from govcheck.errors import InputError

NET = """
govcheck: 1
symbols: {{m: 4, H: 4, delta: 1/10, eps: 1}}
input: [4]
layers:
  - affine: {{out: m, weight: entrywise, eps: eps, bias: false}}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {{out: m, weight: weight_norm, eps: eps, bias: false,
                        scale: (1 - delta)/sqrt(m)}}
            - tanh
cost: square
data: {{orthonormal: {{n: 3}}}}
{more}
"""


def net(more="theorems: []", **symbols):
    return gc.loads(NET.format(more=more), overrides=symbols)


def numbers(analysis, quantities=QUANTITIES):
    return {q: upper(analysis.value(analysis.bounds[q]), 8) for q in quantities}


def test_the_four_layer_net_of_the_theory_page():
    coarse = numbers(gc.analyze(net(), "coarse"))
    printed = {"J": "27.436", "D": "22.8288", "tt": "232.5348", "out": "47.5205"}
    for q, value in printed.items():
        digits = Decimal(value)
        last = Decimal(1).scaleb(digits.as_tuple().exponent)
        assert abs(coarse[q] - digits) <= last
    tight = numbers(gc.analyze(net()))
    assert tight["tt"] < coarse["tt"] / 5
    assert tight["D"] < coarse["D"]
    assert tight["out"] < coarse["out"]


@pytest.mark.parametrize("mode", ["tight", "coarse", "sums", "paper"])
def test_no_copy_of_a_repeat_is_no_block(mode):
    """Formulas of a repeat are for one copy at least; with none it is left out."""
    text = NET.format(more="theorems: []")
    start = text.index("  - repeat")
    rest = text[:start] + text[text.index("cost: square") :]
    alone = gc.loads(rest.replace("H: 4, delta: 1/10, ", ""))
    none = gc.analyze(net(H="1"), mode)
    assert numbers(none) == numbers(gc.analyze(alone, mode))


def test_free_symbols_are_missing_values_not_errors():
    a = gc.analyze(gc.loads(NET.format(more="").replace("H: 4", "H: ")), data=False)
    value = a.value(a.bounds["D"])
    assert isinstance(value, Missing)
    assert "H" in value.names
    assert a.bounds["J"].text() == "2*sqrt(m)*(1 + abs(1 - delta))^(H - 1)"


def test_the_first_32_digits_are_independent_and_the_first_64_are_not():
    text = NET.replace("[4]", "[64]").replace("orthonormal: {{n: 3}}", "digits: {{n: {n}}}")
    few = gc.analyze(gc.loads(text.format(more="theorems: []", n=32), overrides={"m": "64"}))
    assert few.data.facts.independent == "proved"
    assert Decimal("0.1697") < lower(few.data.facts.sigma) < Decimal("0.1698")
    many = gc.analyze(gc.loads(text.format(more="theorems: []", n=64), overrides={"m": "64"}))
    assert many.data.facts.independent == "refuted"
    assert (many.data.facts.rank, many.data.facts.rank_exact) == (51, True)


def test_one_formula_serves_three_parameter_sets():
    values = {}
    near = "domain: {around_init: 1/4}\ninit: {normal: {std: 1/8}}"
    for more in ("", "domain: {ball: 1/2}", near):
        a = gc.analyze(net("theorems: []\n" + more))
        values[more] = upper(a.value(a.bounds["beta"]))
    everything, ball, around = values.values()
    assert ball < everything
    assert around < everything


def test_a_radius_that_reaches_a_singular_weight_gives_unknown():
    text = """
govcheck: 1
input: [4]
layers: [{affine: {out: 3, weight: torch_weight_norm}}, tanh]
cost: square
data: {orthonormal: {n: 3}}
domain: {around_init: 50}
"""
    a = gc.analyze(gc.loads(text))
    assert isinstance(a.value(a.bounds["D"]), Unknown)
    assert upper(a.value(a.bounds["out"])) <= Decimal("3.00001")


def test_a_theorem_that_raises_is_a_warning():
    class Broken:
        readings = ("as_corrected",)
        by_default = True

        def decide(self, analysis, reading):
            raise RuntimeError("no such lemma")

    owner = SimpleNamespace(distribution="broken-dist")
    registry = SimpleNamespace(theorems={"broken.theorem": Broken}, owner=lambda *_: owner)
    a = gc.analyze(net(more=""), registry=registry)
    assert a.verdicts == []
    assert a.warnings == [
        "theorem broken.theorem of broken-dist failed: RuntimeError: no such lemma"
    ]


def test_data_that_does_not_fit_is_an_input_error():
    with pytest.raises(InputError, match="64 numbers, but the network"):
        gc.analyze(gc.loads(NET.replace("orthonormal: {{n: 3}}", "digits: {{}}").format(more="")))


def test_a_theorem_whose_constants_are_out_of_reach_is_undecided() -> None:
    text = """
govcheck: 1
symbols: {H: 1000000}
input: [4]
layers:
  - affine: {out: 4, weight: entrywise, eps: 1, bias: false}
  - repeat:
      times: H
      block:
        - residual:
            - affine: {out: 4, weight: weight_norm, eps: 1, bias: false, scale: 1/4}
            - tanh
cost: square
data: {sphere: {n: 3}}
theorems: [macdonald2022.theorem_2_1]
"""
    analysis = gc.analyze(gc.loads(text))
    assert analysis.warnings == []
    (verdict,) = analysis.verdicts
    assert verdict.status == "undecided"
    assert "limit" in verdict.hypotheses[0].evidence
