"""Shapes that formulas leave open and the values of symbols decide."""

from __future__ import annotations

import pytest

import govcheck as gc
from govcheck.bounds.expr import num

TEXT = """
govcheck: 1
name: pooled
symbols: {q: 7, w: 4, g: 2, eps: 1/10}
input: [w, q]
layers:
  - layer_norm: {eps: eps, affine: false}
  - avg_pool: {kernel: 2}
  - group_norm: {groups: g, affine: false}
  - reshape: {to: [3*w]}
  - tanh
domain: {ball: 1}
"""


def test_the_rest_of_the_network_takes_the_values() -> None:
    arch = gc.loads(TEXT)
    assert arch.output == (num(12),)
    layers = {s.block.node: s.block for s in arch.body.steps}
    assert layers["avg_pool"].input == (num(4), num(7))
    assert layers["layer_norm"].input is layers["tanh"].input is None
    assert layers["group_norm"].layer.groups is num(2)
    result = gc.analyze(arch)
    assert result.bounds["J"].known
    # the layer's own formulas stay formulas
    assert "eps" in result.bounds["J"].text()


def test_the_torch_network_has_these_shapes() -> None:
    import torch

    from govcheck.numeric.build import build

    net = build(gc.loads(TEXT))
    assert net(torch.zeros(2, 4, 7, dtype=torch.float64)).shape == (2, 12)


def test_without_values_it_is_refused() -> None:
    with pytest.raises(gc.InputError, match="cannot be decided"):
        gc.loads(TEXT.replace("{q: 7, ", "{q: null, "))
