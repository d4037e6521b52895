"""Kernels from the layer graph: reference vectors, other networks, and why there is none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from govcheck.bounds.answer import Unknown
from govcheck.errors import InputError
from govcheck.kernels.dual import normalisation
from govcheck.kernels.gram import limiting_kernels
from govcheck.kernels.papers import conv_resnet_kernels, fc_kernels, resnet_kernels

TOLERANCE = 1e-12
READOUT = "  - affine: {out: 1, bias: false}\n"


def test_fully_connected(vectors, inputs, fc, upper_triangle):
    for case in vectors["V2_fc"]:
        found = limiting_kernels(fc(case["act"], case["H"]), inputs["X3"], ("last",))
        assert upper_triangle(found["last"], case["KH"]) < TOLERANCE
        assert found.map is not None
        assert upper_triangle(found["last"], case["KH"]) <= found.entry_error["last"]


def test_fully_connected_blocks(vectors, inputs, fc, upper_triangle):
    for case in vectors["V2b_fc_full_ntk"]:
        found = limiting_kernels(fc(case["act"], case["H"]), inputs["X3"], ("blocks", "ntk"))
        truth = case["blocks_W1_to_WH_then_a"]
        for node, block in zip(found.order, truth, strict=True):
            assert upper_triangle(found[f"block:{node}.weight"], block) < TOLERANCE
        assert upper_triangle(found["ntk"], np.sum(truth, axis=0)) < TOLERANCE


@pytest.mark.parametrize("trainable", [False, True])
def test_residual(trainable, vectors, inputs, resnet, upper_triangle):
    for case in vectors["V3_resnet"]:
        arch = resnet(case["act"], case["alpha_2_to_H"], trainable=trainable)
        found = limiting_kernels(arch, inputs[case["X"]], ("last", "grams"))
        assert upper_triangle(found["last"], case["KH"]) < TOLERANCE
        before = found.order[-2]
        assert upper_triangle(found[f"gram:{before}"], case["K_feat_Hm1"]) < TOLERANCE
        assert upper_triangle(found.means[before], case["b_Hm1"]) < TOLERANCE
        assert (found.map is None) == (case["X"] == "X3n")


def test_residual_blocks(vectors, inputs, resnet, upper_triangle):
    case = vectors["V3b_resnet_full_ntk"]
    found = limiting_kernels(
        resnet(case["act"], case["alpha_2_to_H"]), inputs["X3"], ("blocks", "ntk")
    )
    truth = case["blocks_W1_to_WH_then_a"]
    for node, block in zip(found.order, truth, strict=True):
        assert upper_triangle(found[f"block:{node}.weight"], block) < TOLERANCE
    assert found.random == {"scale_2.factor", "scale_3.factor"}
    for name, alpha, mean in zip(
        sorted(found.random), case["alpha_2_to_H"], case["alpha_blocks_mean"], strict=True
    ):
        # the file trains a factor that multiplies alpha
        assert upper_triangle(found[f"block:{name}"], alpha**2 * np.array(mean)) < TOLERANCE
    assert upper_triangle(found["ntk"], np.sum(truth, axis=0)) < TOLERANCE


CONV = """
  - conv: {{out: m, kernel: 3, padding: same, bias: false}}
  - {act}
  - scale: {{factor: sqrt(c/m)}}
  - repeat:
      times: {H} - 1
      block:
        - residual:
            - conv: {{out: m, kernel: 3, padding: same, bias: false}}
            - {act}
            - scale: {{factor: 1/(2*{H}*sqrt(m))}}
  - {head}
"""


def test_convolutional(vectors, images, network, dual, upper_triangle, registry):
    for case in vectors["V4_conv"]["cases"]:
        layers = CONV.format(act=case["act"], H=case["H"], head="flatten") + READOUT
        arch = network(layers, dual(case["act"]), shape="[2, 3]")
        found = limiting_kernels(arch, images, ("last", "output"))
        assert upper_triangle(found["last"], case["KH"]) < TOLERANCE
        own = conv_resnet_kernels(
            images, case["H"], dual(case["act"]), c_res=case["cres"], patch=3
        )
        assert upper_triangle(found["output"], own.output) < TOLERANCE


def test_pooling_needs_all_pairs_of_pixels(images, network, dual, upper_triangle):
    layers = CONV.format(act="softplus", H=2, head="global_avg_pool") + READOUT
    found = limiting_kernels(
        network(layers, dual("softplus"), shape="[2, 3]"), images, ("output", "last", "ntk")
    )
    own = conv_resnet_kernels(images, 2, dual("softplus"), c_res=0.5, patch=3)
    assert upper_triangle(found["output"], own.features[-1].mean(axis=(2, 3))) < TOLERANCE
    assert np.linalg.eigvalsh(found["ntk"] - found["last"] - found["output"])[0] > 0


def test_two_dimensional_images(network, dual, upper_triangle):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 2, 4, 3))
    layers = CONV.format(act="erf", H=3, head="flatten") + READOUT
    arch = network(layers, dual("erf"), shape="[2, 4, 3]")
    found = limiting_kernels(arch, x, ("last",), tile=2)
    own = conv_resnet_kernels(
        x.reshape(5, 2, 12), 3, dual("erf"), c_res=0.5, patch=(3, 3), grid=(4, 3)
    )
    assert upper_triangle(found["last"], own.last) < TOLERANCE


def test_scales_may_stand_before_the_activation(inputs, network, dual, upper_triangle):
    """NTK parametrisation in the style of Jacot et al. is the same kernel up to constants."""
    c = Fraction(normalisation(dual("tanh")))
    text = (
        f"  - affine: {{out: m, bias: false}}\n  - tanh\n"
        f"  - affine: {{out: m, bias: false, scale: sqrt({c}/m)}}\n  - tanh\n"
        f"  - affine: {{out: 1, bias: false, scale: sqrt({c}/m)}}\n"
    )
    found = limiting_kernels(network(text), inputs["X3n"], ("last", "ntk", "output"))
    own = fc_kernels(inputs["X3n"], 2, dual("tanh"))
    assert upper_triangle(found["last"], own.last) < TOLERANCE
    assert upper_triangle(found["ntk"], own.ntk) < TOLERANCE
    assert upper_triangle(found["output"], own.output) < TOLERANCE


def test_standard_parametrisation_has_features_but_no_tangent_kernel(inputs, network, dual):
    text = "  - affine: {out: m, bias: false}\n  - erf\n" * 2 + READOUT
    found = limiting_kernels(
        network(text, init="init: lecun"), inputs["X3"], ("output", "last", "ntk")
    )
    q = inputs["X3"] @ inputs["X3"].T / 3
    for _ in range(2):
        diagonal = np.diag(q)
        q = dual("erf").product(diagonal[:, None], q, diagonal[None, :])
    assert found["output"] == pytest.approx(q, abs=TOLERANCE)
    assert "diverges like m" in found.lost["last"].reason
    with pytest.raises(KeyError, match="diverges like m"):
        found["ntk"]


def test_numbers_for_widths_give_the_kernel_the_settings_cancel_to(inputs, network, dual):
    text = (
        "  - affine: {out: 256, bias: false}\n  - tanh\n  - scale: {factor: 1/16}\n"
        "  - affine: {out: 1, bias: false}\n"
    )
    found = limiting_kernels(network(text), inputs["X3"], ("last",))
    own = fc_kernels(inputs["X3"], 1, dual("tanh"), c_sigma=1.0)
    assert found["last"] == pytest.approx(own.last, abs=TOLERANCE)


def test_preactivation_residual_network(inputs, network, dual):
    """``x + W phi(x)/sqrt(m)``: sums of Gaussian units stay Gaussian."""
    text = (
        "  - affine: {out: m, bias: false}\n"
        "  - residual:\n      - tanh\n      - affine: {out: m, bias: false, scale: 1/sqrt(m)}\n"
        "  - tanh\n  - affine: {out: 1, bias: false, scale: 1/sqrt(m)}\n"
    )
    x = inputs["X3n"]
    found = limiting_kernels(network(text), x, ("output", "blocks"))
    tanh, gram = dual("tanh"), x @ x.T

    def pairs(s):
        return np.diag(s)[:, None], s, np.diag(s)[None, :]

    inner = tanh.product(*pairs(gram))
    total = gram + inner
    assert found["output"] == pytest.approx(tanh.product(*pairs(total)), abs=TOLERANCE)
    slope = tanh.slopes(*pairs(total))
    assert found["block:affine_2.weight"] == pytest.approx(inner * slope, abs=TOLERANCE)
    first = gram * (1 + tanh.slopes(*pairs(gram))) * slope
    assert found["block:affine.weight"] == pytest.approx(first, abs=TOLERANCE)


def test_a_skip_without_weights_adds_coherently(inputs, network, dual, upper_triangle):
    """``x + 2x`` is ``3x``, not a sum of independent vectors."""
    start = "  - affine: {out: m, bias: false}\n  - softplus\n"
    end = "  - affine: {out: 1, bias: false}\n"
    twice = start + "  - residual:\n      - scale: {factor: 2/sqrt(m)}\n" + end
    # x itself diverges beside 2x/sqrt(m)
    assert isinstance(limiting_kernels(network(twice), inputs["X3"]), Unknown)
    twice = start + "  - scale: {factor: 1/sqrt(m)}\n  - residual: [{scale: {factor: 2}}]\n" + end
    once = start + "  - scale: {factor: 3/sqrt(m)}\n" + end
    a, b = (limiting_kernels(network(t), inputs["X3"], ("ntk", "output")) for t in (twice, once))
    for name in ("ntk", "output"):
        assert upper_triangle(a[name], b[name]) < TOLERANCE


def test_parallel_branches_are_independent(inputs, network, dual):
    branch = (
        "        - affine: {out: m, bias: false}\n        - softplus\n"
        "        - scale: {factor: 1/sqrt(m)}\n"
    )
    text = f"  - parallel:\n      join: sum\n      branches:\n      -\n{branch}      -\n{branch}"
    found = limiting_kernels(network(text + READOUT), inputs["X3"], ("output", "ntk"))
    s = inputs["X3"] @ inputs["X3"].T
    own = dual("softplus")
    f = own.product(np.ones((3, 1)), s, np.ones((1, 3)))
    p = own.mean(np.ones(1))[0]
    assert found["output"] == pytest.approx(2 * f + 2 * p * p, abs=TOLERANCE)
    blocks = 2 * s * own.slopes(np.ones((3, 1)), s, np.ones((1, 3)))
    assert found["ntk"] == pytest.approx(found["output"] + blocks, abs=TOLERANCE)


def test_biases_have_blocks_and_no_variance(inputs, network, dual):
    text = (
        "  - affine: {out: m}\n  - tanh\n  - scale: {factor: 1/sqrt(m)}\n  - affine: {out: 1}\n"
    )
    found = limiting_kernels(network(text), inputs["X3"], ("blocks", "output"))
    own = fc_kernels(inputs["X3"], 1, dual("tanh"), c_sigma=1.0)
    assert found["output"] == pytest.approx(own.output, abs=TOLERANCE)
    assert found["block:affine_2.bias"] == pytest.approx(np.ones((3, 3)))
    slope = dual("tanh").slopes(np.ones((3, 1)), inputs["X3"] @ inputs["X3"].T, np.ones((1, 3)))
    assert found["block:affine.bias"] == pytest.approx(slope, abs=TOLERANCE)


ACTED = "  - affine: {out: m, bias: false}\n  - tanh\n"


@pytest.mark.parametrize(("layers", "place", "reason"), [
    (ACTED + "  - affine: {out: m, bias: false}\n  - tanh\n" + READOUT,
     "affine_2", "diverges like m"),
    (ACTED + "  - scale: {factor: 1/m}\n" + READOUT, "affine_2", "vanishes like m"),
    (ACTED + "  - tanh\n" + READOUT, "tanh_2", "not Gaussian"),
    ("  - tanh\n" + READOUT, "tanh", "not Gaussian"),
    (ACTED, "output", "end with an affine"),
    (ACTED + "  - layer_norm\n" + READOUT, "layer_norm", "declares no kernel step"),
    ("  - affine: {out: m, bias: false, weight: weight_norm}\n  - tanh\n" + READOUT,
     "affine", "weight weight_norm"),
    (ACTED + "  - scale: {factor: 1/sqrt(m + 2)}\n  - scale: {factor: sqrt(m + 1) - sqrt(m)}\n"
     + READOUT, "affine_2", "cancel"),
    (ACTED + "  - scale: {factor: s/sqrt(m)}\n" + READOUT, "affine_2", "symbol s has no value"),
])
def test_no_kernel_and_why(layers, place, reason, inputs, network):
    found = limiting_kernels(network(layers, symbols=", s: null"), inputs["X3"])
    assert isinstance(found, Unknown)
    assert found.causes[0].node == place
    assert reason in found.reason


def test_asymptotic_widths_are_fine(inputs, network, dual):
    text = "  - affine: {out: m + 3, bias: false}\n  - tanh\n  - scale: {factor: 1/sqrt(m - 1)}\n"
    found = limiting_kernels(network(text + READOUT), inputs["X3"], ("last",))
    own = fc_kernels(inputs["X3"], 1, dual("tanh"), c_sigma=1.0)
    assert found["last"] == pytest.approx(own.last, abs=TOLERANCE)


def test_weights_that_are_not_normal(inputs, network):
    found = limiting_kernels(network(ACTED + READOUT, init="init: torch"), inputs["X3"])
    assert isinstance(found, Unknown) and "not normal" in found.reason


def test_a_trained_factor_before_an_activation_is_lost(inputs, network):
    text = (
        "  - affine: {out: m, bias: false}\n  - scale: {trainable: true}\n  - tanh\n"
        "  - scale: {factor: 1/sqrt(m)}\n" + READOUT
    )
    found = limiting_kernels(network(text), inputs["X3"], ("last", "ntk", "blocks"))
    assert "last" in found.matrices
    assert "not independent" in found.lost["ntk"].reason
    assert "block:scale.factor" in found.lost


def test_one_random_layer_has_no_hidden_block(inputs, network):
    found = limiting_kernels(network(READOUT), inputs["X3"], ("last", "output", "nonsense"))
    assert "no hidden layer" in found.lost["last"].reason
    assert "nonsense" in found.lost["nonsense"].reason
    assert found["output"] == pytest.approx(inputs["X3"] @ inputs["X3"].T)


@pytest.mark.parametrize(("x", "reason"), [
    (np.ones(3), "shape"), (np.full((2, 3), np.nan), "not finite"), (np.zeros((0, 3)), "shape"),
])
def test_bad_samples(x, reason, fc):
    with pytest.raises(InputError, match=reason):
        limiting_kernels(fc("tanh", 1), x)


def test_samples_of_the_wrong_size(fc):
    with pytest.raises(InputError, match="4 features"):
        limiting_kernels(fc("tanh", 1), np.eye(4))


def test_tiles_do_not_matter(fc, resnet, upper_triangle):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((23, 3))
    for arch in (resnet("softplus", [1.0, 0.5]), fc("relu", 2)):
        small, large = (
            limiting_kernels(arch, x, ("last", "ntk"), tile=t) for t in (5, 100)
        )
        for name in ("last", "ntk"):
            assert upper_triangle(small[name], large[name]) < 1e-14 * np.abs(large[name]).max()
            assert np.array_equal(small[name], small[name].T)


def test_deep_residual_network_agrees_with_the_definition(inputs, resnet, dual, upper_triangle):
    alphas = [1.0] * 29
    found = limiting_kernels(resnet("gelu", alphas), inputs["X3"], ("last", "ntk"))
    own = resnet_kernels(inputs["X3"], alphas, dual("gelu"))
    assert upper_triangle(found["last"], own.last) < TOLERANCE
    assert upper_triangle(found["ntk"], own.ntk) < TOLERANCE
