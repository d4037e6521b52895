"""Corollary 4.3: the properties of each layer, decided one by one."""

from dataclasses import dataclass
from typing import ClassVar

from govcheck.bounds.expr import ONE, num, sym
from govcheck.graph.architecture import DomainSpec
from govcheck.graph.blocks import Leaf, chain
from govcheck.plugin import Layer, bound
from govcheck.plugin.activation import TABLE
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.layers.tanh import Tanh

LAYERWISE = ["f_bounded", "f_lipschitz", "Df_bounded", "Jf_bounded", "Df_lipschitz", "Jf_lipschitz"]
NAME = "corollary_4_3"


def test_weight_normalised_net_is_smooth(build):
    a = build.analysis(build.resnet())
    v = build.verdict(NAME, a)
    status = build.status(v)
    assert [status[k] for k in LAYERWISE] == ["proved"] * 6
    assert status["cost_bounded"] == status["cost_lipschitz"] == "proved"
    assert build.hypothesis(v, "data").mode == "data"
    assert status["data"] == "verified on data"
    assert v.status == "applies"
    assert v.conclusions["beta"] is a.bounds["beta"]
    assert "Lipschitz gradient" in v.summary and "beta <= " in v.summary


def test_relu_says_no_smoothness_and_names_the_layers(build):
    v = build.verdict(NAME, build.analysis(build.resnet(activation=Relu())))
    status = build.status(v)
    assert [k for k in LAYERWISE if status[k] == "refuted"] == ["Jf_lipschitz"]
    text = build.hypothesis(v, "Jf_lipschitz").evidence
    assert text.startswith("act0, act1, act2: no smoothness: relu has a kink")
    assert v.status == "fails" and "relu has a kink" in v.summary
    assert "beta" not in v.conclusions


def test_plain_affine_is_unbounded_where_all_parameters_are_allowed(build):
    body = chain(Leaf("fc", Affine(build.m)), Leaf("act", Tanh()), Leaf("fc2", Affine(build.m)))
    v = build.verdict(NAME, build.analysis(body))
    status = build.status(v)
    assert {k for k in LAYERWISE if status[k] == "refuted"} == {
        "f_bounded", "f_lipschitz", "Jf_bounded"
    }
    assert "fc, fc2: parameter weight is unbounded" in build.hypothesis(v, "Jf_bounded").evidence
    assert "act" not in build.hypothesis(v, "Jf_bounded").evidence
    bounded = build.verdict(NAME, build.analysis(body, domain=DomainSpec("ball", ONE)))
    assert bounded.status == "applies"


def test_trained_scale_is_unbounded(build):
    v = build.verdict(NAME, build.analysis(chain(Leaf("gain", Scale(ONE, True)))))
    assert build.status(v)["Jf_bounded"] == "refuted"
    assert "gain" in build.hypothesis(v, "Jf_bounded").evidence


@dataclass(frozen=True)
class Silent(Layer):
    """A layer that declares little, and a loose bound that needs a bounded parameter."""

    name: ClassVar[str] = "silent"

    def parameters(self, shape):
        return Affine(shape[0]).parameters(shape)

    def module(self, shape, values):
        raise NotImplementedError

    @bound("J", "upper", TABLE)
    def jacobian(self, at):
        return at.norm("weight")


def test_what_a_layer_does_not_say_is_unknown_and_not_refuted(build):
    v = build.verdict(NAME, build.analysis(chain(Leaf("mine", Silent()))))
    status = build.status(v)
    assert [status[k] for k in LAYERWISE] == ["unknown"] * 6
    assert "mine: silent declares no bound of out" in build.hypothesis(v, "f_bounded").evidence
    assert v.status == "undecided"


def test_each_layer_is_judged_by_itself(build):
    """What stands before a layer does not count: B is any bounded set."""
    body = chain(Leaf("mine", Silent()), Leaf("act", Tanh()))
    v = build.verdict(NAME, build.analysis(body))
    assert "act" not in build.hypothesis(v, "f_bounded").evidence


def test_printed_constants_are_marked_as_no_bounds(build):
    a = build.analysis(build.resnet())
    v = build.verdict(NAME, a, "as_printed")
    assert v.status == "fails"
    assert build.status(v)["statement"] == "refuted"
    assert {e.id for e in v.errata} == {"E4", "E5", "E6", "E10"}
    beta = v.conclusions["beta"]
    assert "not a bound (E4, E5, E10)" in beta.rule and "incorrect" in beta.note
    assert not a.value(beta).overlaps(a.value(a.bounds["beta"]))
    # the cost's own constant is not concerned
    assert "not a bound" not in v.conclusions["Gamma_2"].rule
    assert any("statement itself is right" in r for r in v.remarks)


def test_without_weight_norm_the_printed_constants_stand(build):
    v = build.verdict(NAME, build.analysis(chain(build.first(), Leaf("a", Tanh()))), "as_printed")
    assert v.status == "applies"
    assert "not a bound" not in v.conclusions["beta"].rule


def test_the_corrected_reading_never_uses_printed_rules(build):
    tight = build.analysis(build.resnet())
    loose = build.analysis(build.resnet(), mode="paper")
    found = build.verdict(NAME, loose).conclusions["beta"]
    assert tight.value(found).overlaps(tight.value(tight.bounds["beta"]))


def test_without_cost_or_data(build):
    a = build.analysis(build.resnet(), cost=None, data=None)
    v = build.verdict(NAME, a)
    status = build.status(v)
    assert status["cost_bounded"] == "unknown" and status["data"] == "assumed"
    assert v.status == "undecided" and "no cost" in v.summary
    assert set(v.conclusions) == {"D", "tt"}


def test_long_lists_of_layers_are_cut(build):
    v = build.verdict(NAME, build.analysis(build.resnet(9, Relu())))
    assert "act5 and 3 more" in build.hypothesis(v, "Jf_lipschitz").evidence


def test_symbols_without_values(build):
    build.values = {build.m: None, build.delta: None, build.eps: None}
    v = build.verdict(NAME, build.analysis(build.resnet(), data=None))
    assert v.status == "applies"
    assert "no value for" in v.summary
    assert sym("m") is build.m and num(4) is not build.m
