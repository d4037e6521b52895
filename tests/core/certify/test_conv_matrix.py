"""Convolutions written out as matrices, against torch."""

import numpy as np
import pytest
import torch

from govcheck.certify.conv_matrix import conv_matrix

torch.set_num_threads(1)


@pytest.mark.parametrize("sizes", [(7,), (5, 4)])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 2), (1, "same", 2, 1), (3, 2, 1, 1)],
)
def test_as_torch(sizes, stride, padding, dilation, groups):
    g = torch.Generator().manual_seed(1)
    draw = {"generator": g, "dtype": torch.float64}
    kernel = torch.randn(4, 4 // groups, *[2 for _ in sizes], **draw)
    x = torch.randn(3, 4, *sizes, **draw)
    conv = torch.nn.functional.conv1d if len(sizes) == 1 else torch.nn.functional.conv2d
    wanted = conv(x, kernel, None, stride, padding, dilation, groups).flatten(1)
    matrix = conv_matrix(kernel.numpy(), sizes, stride, padding, dilation, groups)
    assert matrix.shape == (wanted.shape[1], x[0].numel())
    np.testing.assert_allclose(x.flatten(1).numpy() @ matrix.T, wanted.numpy(), atol=1e-12)
