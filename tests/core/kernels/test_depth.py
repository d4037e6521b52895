"""Fully connected against residual networks in depth."""

from __future__ import annotations

import numpy as np

from govcheck.bounds.answer import Unknown
from govcheck.kernels.depth import compare_depths
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.softplus import Softplus


def digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    images = load_digits().data[:10]
    return images / np.linalg.norm(images, axis=1, keepdims=True)


def test_depth_costs_fully_connected_networks_much_more() -> None:
    rows = compare_depths(Softplus(), digits(), 10**0.5, (1, 2, 3, 5))
    assert not isinstance(rows, Unknown)
    found = {r.H: r for r in rows}
    assert found[1].fc == found[1].resnet
    # the published table
    assert f"{float(found[5].fc.width):.2g}" == "8.1e+30"
    assert f"{float(found[5].resnet.width):.2g}" == "1.3e+25"
    assert f"{float(found[2].resnet.eta):.2g}" == "2.9e-08"
    grows = [float(found[5].fc.width) / float(found[2].fc.width),
             float(found[5].resnet.width) / float(found[2].resnet.width)]
    assert grows[0] > 1e5 * grows[1]


def test_a_kernel_that_is_singular_needs_infinite_width() -> None:
    rows = compare_depths(Softplus(), np.array([[1.0, 0.0], [1.0, 0.0]]), 1.0, (2,))
    assert not isinstance(rows, Unknown)
    (row,) = rows
    assert not row.fc.width.is_finite() and row.fc.eta == 0


def test_kinks_are_unknown() -> None:
    assert isinstance(compare_depths(Relu(), np.eye(2), 1.0, (2,)), Unknown)
