"""The papers' recursions against reference vectors, and their misprints against both."""

from __future__ import annotations

import numpy as np
import pytest

from govcheck.kernels.papers import conv_resnet_kernels, fc_kernels, resnet_kernels
from govcheck.kernels.spectrum import smallest_eigenvalue

TOLERANCE = 1e-12


def test_fully_connected(vectors, inputs, dual, upper_triangle):
    assert len(vectors["V2_fc"]) == 15
    for case in vectors["V2_fc"]:
        found = fc_kernels(inputs["X3"], case["H"], dual(case["act"]))
        assert upper_triangle(found.last, case["KH"]) < TOLERANCE
        assert abs(np.linalg.eigvalsh(found.last)[0] - case["lambda0"]) < TOLERANCE


def test_fully_connected_blocks(vectors, inputs, dual, upper_triangle):
    for case in vectors["V2b_fc_full_ntk"]:
        found = fc_kernels(inputs["X3"], case["H"], dual(case["act"]))
        blocks = [*found.weights, found.output]
        for own, truth in zip(blocks, case["blocks_W1_to_WH_then_a"], strict=True):
            assert upper_triangle(own, truth) < TOLERANCE
        assert upper_triangle(found.ntk, sum(map(np.array, blocks))) < TOLERANCE


def test_residual(vectors, inputs, dual, upper_triangle):
    assert len(vectors["V3_resnet"]) == 15
    for case in vectors["V3_resnet"]:
        found = resnet_kernels(inputs[case["X"]], case["alpha_2_to_H"], dual(case["act"]))
        assert upper_triangle(found.last, case["KH"]) < TOLERANCE
        assert upper_triangle(found.features[-2], case["K_feat_Hm1"]) < TOLERANCE
        assert upper_triangle(found.means[len(case["alpha_2_to_H"]) - 1], case["b_Hm1"]) < TOLERANCE
        assert abs(np.linalg.eigvalsh(found.last)[0] - case["lambda0"]) < TOLERANCE


def test_residual_blocks(vectors, inputs, dual, upper_triangle):
    case = vectors["V3b_resnet_full_ntk"]
    found = resnet_kernels(inputs["X3"], case["alpha_2_to_H"], dual(case["act"]))
    blocks = [*found.weights, found.output]
    for own, truth in zip(blocks, case["blocks_W1_to_WH_then_a"], strict=True):
        assert upper_triangle(own, truth) < TOLERANCE
    for own, truth in zip(found.factors, case["alpha_blocks_mean"], strict=True):
        assert upper_triangle(own, truth) < TOLERANCE


def test_convolutional(vectors, images, dual, upper_triangle):
    assert len(vectors["V4_conv"]["cases"]) == 6
    for case in vectors["V4_conv"]["cases"]:
        found = conv_resnet_kernels(
            images, case["H"], dual(case["act"]), c_res=case["cres"], patch=case["q"]
        )
        assert upper_triangle(found.last, case["KH"]) < TOLERANCE


def test_one_hidden_layer_is_fully_connected(inputs, dual, upper_triangle):
    plain, residual = (
        fc_kernels(inputs["X3"], 1, dual("tanh")), resnet_kernels(inputs["X3"], [], dual("tanh"))
    )
    assert upper_triangle(plain.last, residual.last) == 0


def test_the_printed_index_is_unsafe(inputs, dual):
    right = fc_kernels(inputs["X3"], 2, dual("softplus")).last
    printed = fc_kernels(inputs["X3"], 2, dual("softplus"), as_printed=True).last
    smallest = np.linalg.eigvalsh(printed)[0]
    assert smallest == pytest.approx(0.0300538430, abs=5e-11)
    assert smallest / np.linalg.eigvalsh(right)[0] == pytest.approx(1.29, abs=0.005)


def test_swapped_cross_terms_matter_for_unequal_norms_only(inputs, dual, upper_triangle):
    swapped = frozenset({"cross"})
    for key, differs in (("X3", False), ("X3n", True)):
        right = resnet_kernels(inputs[key], [1.0, 1.0], dual("softplus"))
        wrong = resnet_kernels(inputs[key], [1.0, 1.0], dual("softplus"), errata=swapped)
        assert (upper_triangle(right.last, wrong.last) > 1e-5) == differs
    odd = [resnet_kernels(inputs["X3n"], [1.0], dual("tanh"), errata=e)
           for e in (frozenset(), swapped)]
    assert upper_triangle(odd[0].last, odd[1].last) == 0


def test_convolution_without_its_factor_is_another_matrix(images, dual):
    right = conv_resnet_kernels(images, 2, dual("softplus"), c_res=0.5, patch=3)
    wrong = conv_resnet_kernels(
        images, 2, dual("softplus"), c_res=0.5, patch=3, errata=frozenset({"factor"})
    )
    assert wrong.last == pytest.approx(right.last / (0.5 / 2) ** 2)
    printed = conv_resnet_kernels(images, 2, dual("softplus"), c_res=0.5, patch=3, as_printed=True)
    assert np.abs(printed.last - right.last).max() > 0.1


def test_patched_skip_is_too_large(images, dual):
    right, wrong = (
        conv_resnet_kernels(images, 3, dual("softplus"), c_res=0.5, patch=3, errata=e)
        for e in (frozenset(), frozenset({"skip"}))
    )
    assert (wrong.features[2] > 1.5 * right.features[2]).any()


@pytest.mark.parametrize("kernels", [
    lambda x, d: fc_kernels(x, 1, d, as_printed=True),
    lambda x, d: resnet_kernels(x, [], d, as_printed=True),
    lambda x, d: conv_resnet_kernels(x[:, None], 1, d, c_res=1, patch=3, as_printed=True),
])
def test_printed_definitions_fail_for_one_layer(kernels, inputs, dual):
    with pytest.raises(ValueError, match="not defined"):
        kernels(inputs["X3"], dual("tanh"))


def test_no_layers(inputs, dual):
    with pytest.raises(ValueError, match="at least 1"):
        fc_kernels(inputs["X3"], 0, dual("tanh"))


def test_antiparallel_inputs_of_an_odd_activation_are_not_certified(inputs, dual):
    x = np.vstack([inputs["X3"], -inputs["X3"][:1]])
    found = smallest_eigenvalue(fc_kernels(x, 2, dual("tanh")).last, entry_error=1e-15)
    assert abs(found.value) < 1e-14
    assert not found.certified_positive
    assert "not certified positive" in str(found)
    even = smallest_eigenvalue(fc_kernels(x, 1, dual("softplus")).last, entry_error=1e-15)
    assert even.certified_positive


def test_zero_residual_factor_kills_the_last_block(inputs, dual):
    found = resnet_kernels(inputs["X3"], [1.0, 0.0], dual("softplus"))
    assert not found.last.any()
    assert not smallest_eigenvalue(found.last).certified_positive
