"""The elementwise torch module."""

from __future__ import annotations

import copy

import torch

from govcheck.numeric.modules import Elementwise


def test_applies_the_map_to_any_shape() -> None:
    f = Elementwise(lambda x: 2 * x + 1, "double")
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(f(x), 2 * x + 1)
    assert f.state_dict() == {}


def test_shows_its_label_and_can_be_copied() -> None:
    net = torch.nn.Sequential(Elementwise(torch.tanh, "tanh"))
    assert "Elementwise(tanh)" in repr(net)
    twin = copy.deepcopy(net)
    assert torch.equal(twin(torch.ones(2)), torch.ones(2).tanh())
