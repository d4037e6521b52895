"""Printed, derived and local bounds beside measurements, in that order."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from govcheck.analysis import analyze
from govcheck.loading import load, loads
from govcheck.numeric.measure.chain import QUANTITIES, chains
from govcheck.numeric.measure.subject import subject

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[4] / "examples"
SMALL = {
    "mlp_tanh_ball": {"R": "8"},
    "weight_normalised_resnet": {"m": "12", "H": "3", "R": "6"},
    "nf_resnet": {"m": "4", "H": "2"},
    "du_fc": {"m": "32"},
    "du_resnet": {"m": "32", "H": "3"},
    "du_conv_resnet": {"m": "8"},
    "du_nf_resnet": {"m": "32", "H": "3"},
}
LINEAR = """
govcheck: 1
input: [64]
layers:
  - affine: {out: 1, bias: false, scale: 1/100}
cost: half_square
data: {digits: {n: 10, norm: unit}}
init: {normal: {seed: 0}}
domain: {around_init: 1000}
theorems: [macdonald2022.theorem_2_2]
"""


def found_for(arch, registry, **options):
    analysis = analyze(replace(arch, theorems=arch.theorems or ()), "tight", registry)
    s, start = subject(analysis)
    return chains(analysis, s, start, registry, **options), s


@pytest.fixture(scope="module", params=SMALL)
def paper(request, registry):
    name = request.param
    arch = load(EXAMPLES / f"{name}.yaml", registry=registry, overrides=SMALL[name])
    return (name, *found_for(arch, registry))


def test_bounds_fall_towards_what_is_measured(paper):
    name, found, _ = paper
    whole = {c.quantity: c for c in found.chains if len(c.links) == 3}
    assert list(whole) == [*QUANTITIES, "rate"]
    assert found.alarms == []
    for c in whole.values():
        assert [k.of for k in c.links] == ["printed", "derived", "local"]
        assert all(k.value is not None for k in c.links), (name, c.quantity)
        assert c.ordered, (name, c.as_json())
        # the measurement is at the right end, by itself
        for k in c.links:
            end = k.value.upper() if c.sense == "upper" else k.value.lower()
            slack = max(k.measured.error, k.measured.floor)
            if c.sense == "upper":
                assert float(end) >= k.measured.value - slack
            else:
                assert float(end) <= k.measured.value + slack


def test_bounds_differ_where_the_sets_do(paper):
    _, found, _ = paper
    beta, largest = found.chains[0], found.chains[1]
    for c in (beta, largest):
        printed, derived, local = (float(k.value.upper()) for k in c.links)
        assert printed > 1.2 * derived and derived > local > c.measured.value


def test_constants_measured_are_those_of_dense_derivatives(registry):
    arch = load(EXAMPLES / "weight_normalised_resnet.yaml", registry=registry,
                overrides={"m": "10", "H": "2"})
    found, s = found_for(replace(arch, theorems=()), registry, steps=0)
    own = {c.quantity: c.measured.value for c in found.chains}
    jacobian = torch.func.jacrev(lambda t: s(t).reshape(-1))(s.theta)
    singular = torch.linalg.svdvals(jacobian.T if s.rows > s.parameters else jacobian)
    hessian = torch.func.hessian(s.loss)(s.theta)
    assert own["beta"] == pytest.approx(float(torch.linalg.matrix_norm(hessian, 2)), rel=1e-5)
    assert own["D"] == pytest.approx(float(singular.max()), rel=1e-10)
    assert own["sigma_D"] == pytest.approx(float(singular.min()), abs=1e-6)


def test_printed_claims_are_told_from_contradicted_ones(registry):
    # the printed constant lacks a square: above the right one where sigma is below 1
    found, _ = found_for(loads(LINEAR, registry=registry), registry)
    own = {c.quantity: c for c in found.chains}
    claim = own["mu in macdonald2022.theorem_2_2"]
    assert claim.links[0].state == "contradicted" and not claim.ordered
    assert float(claim.links[0].value.lower()) > claim.measured.value > 0
    assert any("mu in macdonald2022.theorem_2_2, printed: at least" in n for n in found.notes)
    # a mistake in print is no alarm, and what is derived holds
    assert found.alarms == []
    assert all(own[q].ordered for q in (*QUANTITIES, "rate"))


def test_bounds_of_a_linear_network_are_attained(registry):
    found, _ = found_for(loads(LINEAR, registry=registry), registry)
    own = {c.quantity: c for c in found.chains}
    for q in ("beta", "D", "sigma_D"):
        assert float(own[q].links[1].value.mid()) == pytest.approx(own[q].measured.value, rel=1e-6)


def test_claims_above_what_is_proven_are_marked(registry):
    arch = load(EXAMPLES / "du_resnet.yaml", registry=registry, overrides=SMALL["du_resnet"])
    wanted = loads(LINEAR, registry=registry).theorems
    found, _ = found_for(replace(arch, theorems=wanted), registry, steps=4)
    claim = next(c for c in found.chains if c.quantity == "mu in macdonald2022.theorem_2_2")
    assert claim.links[0].state == "unproven"
    assert found.alarms == []


def test_a_wrong_bound_alarms(registry, monkeypatch):
    # derived bounds that are too small by far must not pass
    arch = load(EXAMPLES / "du_fc.yaml", registry=registry, overrides={"m": "16"})
    analysis = analyze(replace(arch, theorems=()), "tight", registry)
    s, start = subject(analysis)
    for q in ("beta", "D"):
        monkeypatch.setitem(
            analysis.bounds, q,
            replace(analysis.bounds[q], value=analysis.bounds[q].value / 1_000_000))
    found = chains(analysis, s, start, registry, steps=2)
    assert len(found.alarms) == 2
    assert all(a.startswith(("beta, derived", "D, derived")) for a in found.alarms)
