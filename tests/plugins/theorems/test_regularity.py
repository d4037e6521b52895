"""Propositions 4.5 to 4.7."""

from fractions import Fraction

import numpy as np
import pytest

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, sqrt, sym
from govcheck.graph.architecture import DomainSpec
from govcheck.graph.blocks import Leaf, Residual, chain
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.tanh import Tanh

BALL = DomainSpec("ball", ONE)


def test_4_5_on_a_ball(build):
    a = build.analysis(build.resnet(), domain=BALL)
    v = build.verdict("proposition_4_5", a)
    assert v.status == "applies"
    assert build.status(v) == {"system": "proved", "positive": "proved"}
    # first layer alone: delta_i = 1 - (1-delta)/sqrt(m) * sqrt(m)/sqrt(m+1), three times
    branch = 0.9 / np.sqrt(5)
    closed = (1 - branch) ** 3 / 2**1.5
    assert float(a.value(v.conclusions["sigma_D"]).mid()) == pytest.approx(closed)


def test_4_5_everywhere_is_open_and_says_why(build):
    v = build.verdict("proposition_4_5", build.analysis(build.resnet()))
    assert v.status == "undecided"
    assert "no layer has a positive lower bound" in build.hypothesis(v, "positive").evidence


def test_4_5_names_the_regular_layer(build):
    body = chain(Leaf("fc", Affine(build.m)), Leaf("act", Tanh()))
    v = build.verdict("proposition_4_5", build.analysis(body))
    assert "sigma(Df) > 0 at fc" in build.hypothesis(v, "positive").evidence


def test_4_5_printed_sum_of_two_terms(build):
    """Behind X + g(X) with small g the second layer sees independent inputs as well."""
    scale = Fraction(1, 10) / sqrt(build.m)
    body = chain(*(Residual(f"r{i}", chain(build.branch(i, scale=scale)[0])) for i in range(2)))
    eye = build.given(np.eye(4), np.zeros((4, 4)))
    a = build.analysis(body, domain=BALL, data=eye)
    corrected = build.verdict("proposition_4_5", a)
    printed = build.verdict("proposition_4_5", a, "as_printed")
    assert corrected.status == "applies" and printed.status == "fails"
    assert "E2" in printed.summary and {e.id for e in printed.errata} == {"E2", "E3"}
    right, wrong = (v.conclusions["sigma_D"] for v in (corrected, printed))
    assert a.value(right) > 0
    assert "not a bound" not in right.rule
    assert a.value(wrong) > a.value(right)
    assert wrong.rule == "as printed; not a bound (E2, E3)"


def test_4_6_delta_of_the_branches(build):
    a = build.analysis(build.resnet())
    v = build.verdict("proposition_4_6", a)
    assert v.status == "applies"
    assert a.value(v.conclusions["delta"]).overlaps(ball(Fraction(1, 10)))
    assert "every residual block" in v.summary


def test_4_6_takes_the_worst_block(build):
    weak = Residual("weak", chain(*build.branch("w", scale=Fraction(1, 4) / sqrt(build.m))))
    strong = Residual("strong", chain(*build.branch("s")))
    a = build.analysis(chain(build.first(), weak, strong))
    v = build.verdict("proposition_4_6", a)
    assert a.value(v.conclusions["delta"]).overlaps(ball(Fraction(1, 10)))
    text = build.hypothesis(v, "contraction").evidence
    assert "0.9" in text and "0.25" in text


def test_4_6_names_a_block_that_is_no_contraction(build):
    body = chain(build.first(), Residual("loud", chain(*build.branch("", scale=ONE))))
    v = build.verdict("proposition_4_6", build.analysis(body))
    assert v.status == "undecided"
    assert "loud: the bound of |Jg|_2 is 2" in v.summary


def test_4_6_without_residual_blocks(build):
    v = build.verdict("proposition_4_6", build.analysis(chain(build.first())))
    assert v.status == "fails" and "no residual block" in v.summary


def test_4_6_looks_inside(build):
    inner = Residual("inner", chain(*build.branch("")))
    body = chain(build.first(), Residual("outer", chain(inner)))
    v = build.verdict("proposition_4_6", build.analysis(body))
    assert "outer" in build.hypothesis(v, "contraction").evidence
    assert v.status == "undecided"


@pytest.mark.parametrize("weight", ["entrywise", "weight_norm"])
def test_4_7_closed_form(build, weight):
    a = build.analysis(chain(build.first(weight=weight)))
    v = build.verdict("proposition_4_7", a)
    assert v.status == "applies"
    bound = v.conclusions["sigma_D"]
    r = sym("R", "largest norm of the parameters of the first layer")
    assert "R" in bound.note
    found = evaluate(bound.expr, a.env | {r: ball(2)})
    assert float(found.mid()) == pytest.approx(1 / 5**1.5)


def test_4_7_plain_needs_no_radius(build):
    body = chain(Leaf("flat", Flatten()), Leaf("fc", Affine(build.m, "plain", False)))
    a = build.analysis(body)
    v = build.verdict("proposition_4_7", a)
    assert v.conclusions["sigma_D"].note == "for all parameters"
    assert float(a.value(v.conclusions["sigma_D"]).mid()) == pytest.approx(1)


def test_4_7_refuses_a_single_factor_and_other_layers(build):
    v = build.verdict("proposition_4_7", build.analysis(chain(build.first(weight="orthogonal"))))
    assert build.status(v)["DP"] == "refuted"
    v = build.verdict("proposition_4_7", build.analysis(chain(build.first(weight="spectral"))))
    assert "jumps where the weight is 0" in v.summary and not v.conclusions
    v = build.verdict("proposition_4_7", build.analysis(chain(Leaf("act", Tanh()))))
    assert build.status(v)["layer"] == "refuted" and not v.conclusions


def test_4_7_as_printed_carries_its_erratum(build):
    v = build.verdict("proposition_4_7", build.analysis(chain(build.first())), "as_printed")
    assert v.status == "fails" and [e.id for e in v.errata] == ["E3"]


def test_4_7_needs_independent_data(build):
    x = np.array([[1.0, 0, 0, 0], [2.0, 0, 0, 0]])
    a = build.analysis(chain(build.first()), data=build.given(x, np.zeros((2, 4))))
    v = build.verdict("proposition_4_7", a)
    assert build.status(v)["data"] == "refuted"
    none = build.verdict("proposition_4_7", build.analysis(chain(build.first()), data=None))
    assert build.status(none)["data"] == "unknown"
