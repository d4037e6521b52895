from fractions import Fraction

import pytest

import govcheck
from govcheck.bounds.answer import ComposedBound, LocalBound, Ref
from govcheck.bounds.evaluate import ball
from govcheck.bounds.expr import num
from govcheck.report.derivation import Gap, abridged, derivation
from govcheck.report.lookup import find
from govcheck.report.numbers import Numbers

REF = Ref("test", "here")


def link(i, *premises):
    return ComposedBound("J", f"n{i}", num(i), "upper", "rule", REF, premises)


def test_each_premise_once_and_before_its_use():
    leaf = LocalBound("J", "leaf", num(2), "upper", "declared", REF)
    left, right = link(1, leaf), link(2, leaf)
    steps = derivation(link(3, left, right, left))
    assert [s.node for s in steps] == ["leaf", "n1", "n2", "n3"]
    assert [s.premises for s in steps] == [(), (1,), (1,), (2, 3)]
    assert [s.local for s in steps] == [True, False, False, False]


def test_shared_premises_do_not_multiply():
    # as a tree this has 2**60 leaves
    here = link(0)
    for i in range(1, 61):
        here = link(i, here, here)
    assert len(derivation(here)) == 61


def test_long_chains_do_not_recurse():
    here = link(0)
    for i in range(1, 20_000):
        here = link(i, here)
    steps = derivation(here)
    assert len(steps) == 20_000
    shown = abridged(steps, 10)
    assert [s.number for s in shown[:5]] == [1, 2, 3, 4, 5]
    assert shown[5] == Gap(6, 19_995)
    assert shown[-1].number == 20_000
    assert abridged(steps[:10], 10) == steps[:10]


def test_steps_of_an_analysis(analysis):
    steps = derivation(analysis.bounds["beta"], Numbers(analysis.env))
    assert steps[-1].quantity == "beta" and steps[-1].rule == "beta = Gamma_2 D^2 + Gamma_1 tt"
    for s in steps:
        assert s.number > max(s.premises, default=0)
        assert str(s.ref).startswith("[")
    by_number = {s.number: s for s in steps}
    d = next(by_number[p] for p in steps[-1].premises if by_number[p].quantity == "D")
    assert not ball(Fraction(d.value.text)) < analysis.value(analysis.bounds["D"])


def test_find_names_the_layer_first_and_the_map_after_it(analysis):
    own, composed = find(analysis, "J@affine_2")
    assert isinstance(own.bound, LocalBound) and "by itself" in own.about
    assert isinstance(composed.bound, ComposedBound)
    (network,) = find(analysis, "beta")
    assert network.about == "the loss"
    through = find(analysis, "J@repeat")[-1]
    assert through.bound is analysis.bounds["J"]
    assert through.about == "the map from the network's input up to and including repeat"
    residual = [f.about for f in find(analysis, "sigma_J@residual")]
    assert residual[0] == "the block residual by itself"


@pytest.mark.parametrize(
    ("target", "code", "hint"),
    [
        ("betta", "unknown-quantity", "'beta'"),
        ("J@tan", "unknown-node", "'tanh'"),
        ("beta@tanh", "unknown-quantity", "write beta"),
        ("", "unknown-quantity", ""),
    ],
)
def test_wrong_names(analysis, target, code, hint):
    with pytest.raises(govcheck.InputError) as caught:
        find(analysis, target)
    (problem,) = caught.value.problems
    assert problem.code == code and hint in problem.hint


def test_loss_of_a_file_without_cost(registry):
    arch = govcheck.loads("govcheck: 1\ninput: [2]\nlayers: [tanh]\n", registry=registry)
    with pytest.raises(govcheck.InputError, match="names no cost"):
        find(govcheck.analyze(arch, registry=registry), "beta")
