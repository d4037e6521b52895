"""Recognising the networks of the width theory, and saying what differs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, num, power, sym
from govcheck.graph.architecture import Architecture
from govcheck.kernels.family import Family, recognise
from govcheck.kernels.gram import LimitingKernels, limiting_kernels
from govcheck.kernels.papers import resnet_kernels
from govcheck.plugin.registry import load_registry
from govcheck.spec.document import load, loads

FIRST = """
  - affine: {out: m, bias: false}
  - softplus
  - scale: {factor: sqrt(c_sigma(softplus)/m)}
"""
BRANCH = """
        - residual:
            - affine: {out: m, bias: false}
            - softplus
            - scale: {factor: 1/(H*sqrt(m))}
"""
LAST = "  - affine: {out: 1, bias: false}\n"
FC = FIRST + FIRST + LAST
RESNET = FIRST + "  - repeat:\n      times: H - 1\n      block:" + BRANCH + LAST
IMAGE = (
    RESNET.replace("affine: {out: m,", "conv: {out: m, kernel: 3, padding: same,")
    .replace(LAST, "  - flatten\n" + LAST)
)


def network(layers: str, shape: str = "[3]", extra: str = "") -> Architecture:
    head = f"govcheck: 1\nsymbols: {{m: 4096, H: 3, eps: 1/10}}\ninput: {shape}\nlayers:\n"
    return loads(head + layers + extra, load_registry())


def recognised(layers: str, shape: str = "[3]", extra: str = "") -> Family:
    found = recognise(network(layers, shape, extra))
    assert isinstance(found, Family), found.reason
    return found


def refused(layers: str, shape: str = "[3]", extra: str = "") -> str:
    found = recognise(network(layers, shape, extra))
    assert isinstance(found, Unknown)
    return found.reason


def test_fully_connected() -> None:
    found = recognised(FC)
    assert (found.kind, found.hidden, found.alphas) == ("fc", 2, ())
    assert found.width is sym("m") and found.inputs is num(3)
    assert not found.residual and not found.trained


def test_the_prefactor_may_stand_before_the_next_weights() -> None:
    moved = FIRST.replace("  - scale: {factor: sqrt(c_sigma(softplus)/m)}\n", "")
    later = (
        moved
        + moved.replace("bias: false", "bias: false, scale: sqrt(c_sigma(softplus)/m)")
        + LAST.replace("bias: false", "bias: false, scale: sqrt(c_sigma(softplus)/m)")
    )
    assert recognised(later).hidden == 2


def test_a_number_for_c_sigma_must_be_in_its_enclosure() -> None:
    assert recognised(FC.replace("c_sigma(softplus)", "1.08548650298834")).kind == "fc"
    assert "c_sigma(softplus)" in refused(FC.replace("c_sigma(softplus)", "1.0854865"))


def test_residual() -> None:
    found = recognised(RESNET)
    assert (found.kind, found.hidden) == ("resnet", 3)
    assert found.alphas == (ONE, ONE) and found.depth is sym("H")


def test_residual_layers_written_out_may_differ() -> None:
    branch = "  - residual: [{affine: {out: m, bias: false}}, softplus, {scale: {factor: F}}]\n"
    body = FIRST + "".join(branch.replace("F", f"{a}/(3*sqrt(m))") for a in ("1/2", "-2")) + LAST
    found = recognised(body)
    assert found.alphas == (num("1/2"), num(-2))


@pytest.mark.parametrize(
    ("scale", "alpha", "speed"),
    [
        ("1/(H*sqrt(m)), trainable: true", "1", "1"),
        ("1/(H*sqrt(m)), trainable: true, initial: 1/2", "1/2", "1"),
        ("1/(H*m), trainable: true, initial: sqrt(m)", "1", "m"),
        ("1/(H*sqrt(m)), trainable: true, initial: 0", "0", "1"),
    ],
)
def test_trained_factors(scale: str, alpha: str, speed: str) -> None:
    found = recognised(RESNET.replace("1/(H*sqrt(m))", scale))
    assert found.kind == "nf_resnet" and found.trained
    assert found.alphas == (num(alpha),) * 2
    assert found.speed is (ONE if speed == "1" else power(sym("m"), num("-1/2")))


def test_rezero_is_a_factor_that_begins_at_0() -> None:
    found = recognised(RESNET.replace("scale: {factor: 1/(H*sqrt(m))}", "rezero"))
    assert found.alphas == (num(0),) * 2


def test_images() -> None:
    found = recognised(IMAGE, "[2, 4, 5]")
    assert (found.kind, found.hidden) == ("conv_resnet", 3)
    assert found.patch is num(3) and found.pixels is num(20) and found.inputs is num(2)


CHANGES: dict[str, tuple[Callable[[str], str], str]] = {
    "bias": (lambda s: s.replace("m, bias: false", "m, bias: true", 1), "affine: it has a bias"),
    "weights": (lambda s: s.replace("bias: false", "bias: false, weight: weight_norm", 1),
                "affine: its weight is parameterised by weight_norm"),
    "c_sigma": (lambda s: s.replace("sqrt(c_sigma(softplus)/m)", "1/sqrt(m)"),
                "affine: the factor after its activation is 1/sqrt(m), not sqrt(c_sigma(softp"),
    "no width": (lambda s: s.replace("1/(H*sqrt(m))", "1/H"), "affine_2: the residual factor is"),
    "activation": (lambda s: s[::-1].replace("sulptfos", "hnat", 1)[::-1],
                   "tanh: it is another activation than softplus"),
    "outputs": (lambda s: s.replace(LAST, "  - affine: {out: 2, bias: false}\n"),
                "the network has 2 outputs"),
    "no readout": (lambda s: s.replace(LAST, ""), "does not end with an affine layer"),
    "normalisation": (lambda s: s.replace(LAST, "  - rms_norm\n" + LAST), "it is a rms_norm layer"),
    "scaled data": (lambda s: "  - scale: {factor: 2}\n" + s, "multiplied by 2"),
    "scaled output": (lambda s: s + "  - scale: {factor: 2}\n", "output is multiplied by 2"),
    "scaled skip": (lambda s: s.replace(LAST, "  - scale: {factor: 2}\n" + LAST),
                    "factor 2 stands before the readout"),
    "scale inside": (lambda s: s.replace("            - softplus",
                                         " " * 12 + "- scale: {factor: 2}\n            - softplus"),
                     "factor 2 stands before the activation"),
    "two layers": (lambda s: FIRST + s.replace("softplus\n", "softplus\n", 1),
                   "affine_2: a second layer stands before the residual ones"),
    "no first layer": (lambda s: s.replace(FIRST, "\n").replace("out: m", "out: 3"),
                       "no layer with weights and an activation stands before"),
    "trained once": (lambda s: s.replace(LAST, BRANCH[1:].replace("        - r", "  - r").replace(
        "1/(H*sqrt(m))", "1/(H*sqrt(m)), trainable: true") + LAST), "some residual factors"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named(change: str) -> None:
    edit, message = CHANGES[change]
    edited = edit(RESNET)
    assert edited != RESNET
    assert message in refused(edited)


def test_one_width() -> None:
    wide = FIRST.replace("m,", "2*m,").replace("/m", "/(2*m)")
    assert "it has m units, affine has 2*m" in refused(wide + FIRST + LAST)


@pytest.mark.parametrize("init", ["lecun", "torch", "{normal: {std: 1/2}}"])
def test_initial_weights_must_be_standard_normal(init: str) -> None:
    assert "N(0, 1)" in refused(FC, extra=f"init: {init}\n")


def test_single_layers_must_be_standard_normal_too() -> None:
    for init in ("lecun", "zero", "{normal: {std: 2}}"):
        extra = f"init: {{normal: {{at: {{affine_2: {init}}}}}}}\n"
        assert refused(FC, extra=extra).startswith("affine_2: initial weights")


def test_images_need_symmetric_patches() -> None:
    assert "stride" in refused(
        IMAGE.replace("padding: same", "padding: 1"), "[2, 4, 5]")
    assert "odd" in refused(IMAGE.replace("kernel: 3", "kernel: 2"), "[2, 4, 4]")


def test_a_depth_without_value() -> None:
    arch = loads("govcheck: 1\nsymbols: {m: 8, H: }\ninput: [3]\nlayers:\n" + RESNET,
                 load_registry())
    found = recognise(arch)
    assert isinstance(found, Unknown) and "--set" in found.reason


@pytest.mark.parametrize(
    ("name", "kind"),
    [("du_fc", "fc"), ("du_resnet", "resnet"), ("du_conv_resnet", "conv_resnet"),
     ("du_nf_resnet", "nf_resnet")],
)
def test_examples(name: str, kind: str, request: pytest.FixtureRequest) -> None:
    file = request.config.rootpath / "examples" / f"{name}.yaml"
    found = recognise(load(file, load_registry()))
    assert isinstance(found, Family) and found.kind == kind


@pytest.mark.parametrize("start", ["1", "1/2", "0"])
@pytest.mark.parametrize("speed", ["common", "ntk"])
def test_kernels_know_where_a_trained_factor_begins(start: str, speed: str) -> None:
    scale = f"1/(H*sqrt(m)), trainable: true, initial: {start}"
    if speed == "ntk":
        scale = f"1/(H*m), trainable: true, initial: {start}*sqrt(m)"
    arch = network(RESNET.replace("1/(H*sqrt(m))", scale))
    family = recognise(arch)
    assert isinstance(family, Family)
    x = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [2 / 3, -1 / 3, 2 / 3]])
    found = limiting_kernels(arch, x, ("last",))
    assert isinstance(found, LimitingKernels)
    dual = family.activation.dual(lambda e: 1.0)
    alphas = [float(evaluate(a, {}).mid()) for a in family.alphas]
    assert not isinstance(dual, Unknown)
    np.testing.assert_allclose(found["last"], resnet_kernels(x, alphas, dual).last, atol=1e-14)
