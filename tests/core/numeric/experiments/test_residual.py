import numpy as np
import pytest
import torch
from torch.nn import functional

from govcheck.numeric.experiments.photographs import patches
from govcheck.numeric.experiments.residual_models import (
    Block,
    PooledShortcut,
    build,
    convolutions,
)
from govcheck.numeric.experiments.residual_spectra import block_spectra
from govcheck.numeric.experiments.residual_training import (
    DESIGNS,
    Recipe,
    Size,
    augmented,
    initial_speed,
    losses,
    normalised,
)
from govcheck.numeric.experiments.spectral_norm import (
    READINGS,
    ResidualClassifier,
    SpectralConv,
    both_norms,
)

torch.set_num_threads(1)
SMALL = Size(4, (1, 1, 1, 1))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return patches(128, 0)


def matrix(weight, stride, padding, side):
    eye = torch.eye(weight.shape[1] * side**2, dtype=torch.float64)
    pictures = eye.reshape(-1, weight.shape[1], side, side)
    return functional.conv2d(pictures, weight.double(), None, stride, padding).flatten(1).T


@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 1, 8), (3, 2, 8), (1, 2, 8), (1, 1, 5)])
def test_both_norms_are_those_of_matrices(kernel, stride, side):
    weight = torch.randn(3, 2, kernel, kernel, generator=torch.Generator().manual_seed(1))
    found = both_norms(weight, stride, kernel // 2, side, 2000)
    assert found[0] == pytest.approx(
        float(torch.linalg.svdvals(weight.double().flatten(1))[0]), rel=1e-12)
    dense = matrix(weight, stride, kernel // 2, side)
    assert found[1] == pytest.approx(float(torch.linalg.svdvals(dense)[0]), rel=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_a_normalised_convolution_has_the_norm_of_its_gain(reading):
    torch.manual_seed(0)
    conv = SpectralConv(2, 3, 3, 1, 1, reading=reading, side=8, gain=0.7)
    x = torch.randn(2, 2, 8, 8)
    for _ in range(200):
        y = conv(x)
    norms = dict(zip(READINGS, both_norms(conv.weight, 1, 1, 8, 2000), strict=True))
    assert conv.norm().item() == pytest.approx(norms[reading], rel=1e-3)
    expected = functional.conv2d(x, conv.weight * 0.7 / conv.norm(), padding=1)
    assert torch.allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_the_norm_is_differentiated(reading):
    torch.manual_seed(0)
    conv = SpectralConv(2, 3, 3, 1, 1, reading=reading, side=6, gain=1.0).double()
    for _ in range(500):
        conv.norm()
    (g,) = torch.autograd.grad(conv.norm(), conv.weight)
    h = 1e-5
    moved = conv.weight.detach().clone()
    moved[1, 0, 2, 1] += h
    index = READINGS.index(reading)
    up = both_norms(moved, 1, 1, 6, 3000)[index]
    here = both_norms(conv.weight, 1, 1, 6, 3000)[index]
    assert float(g[1, 0, 2, 1]) == pytest.approx((up - here) / h, rel=1e-2, abs=1e-3)


def test_the_classifier_starts_as_a_projection_and_learns():
    torch.manual_seed(0)
    layer = ResidualClassifier(6, 3)
    x = torch.randn(5, 6)
    assert torch.equal(layer(x), x[:, :3])
    layer(x).square().sum().backward()
    assert layer.gain.grad.abs() > 0
    # its gain multiplies W's gradient
    assert layer.linear.weight.grad.abs().max() == 0
    with pytest.raises(ValueError, match="7 classes"):
        ResidualClassifier(6, 7)


def test_the_modified_network_has_the_three_changes():
    net = build("kernel", 5, 4, (1, 2, 1, 1), 0, CPU)
    assert isinstance(net.linear, ResidualClassifier)
    assert isinstance(net.conv, SpectralConv)
    for block in net.blocks:
        assert isinstance(block, Block) and isinstance(block.conv2, SpectralConv)
        # a batch norm follows the first convolution
        assert isinstance(block.conv1, torch.nn.Conv2d)
    shortcuts = [b.shortcut for b in net.blocks if b.shortcut is not None]
    assert len(shortcuts) == 3 and all(isinstance(s, PooledShortcut) for s in shortcuts)
    assert all(s.conv.gain.item() == 0 for s in shortcuts)
    assert [side for _, _, side in convolutions(net)] == [32, 32, 16, 16, 8, 4]
    assert not convolutions(build("original", 5, 4, (1, 1, 1, 1), 0, CPU))
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_augmentation_shifts_and_mirrors():
    x = torch.arange(1.0, 3 * 32 * 32 + 1).reshape(1, 3, 32, 32).repeat(40, 1, 1, 1)
    out = augmented(x, torch.Generator().manual_seed(0))
    padded = functional.pad(x[0], (4, 4, 4, 4))
    seen = set()
    for picture in out:
        options = [(i, j, f) for f in (0, 1) for i in range(9) for j in range(9)
                   if torch.equal(picture if not f else picture.flip(-1),
                                  padded[:, i:i + 32, j:j + 32])]
        assert len(options) == 1
        seen.add(options[0])
    assert len(seen) > 20 and {f for *_, f in seen} == {0, 1}


@pytest.mark.parametrize("design", DESIGNS)
def test_training_goes_down_and_repeats_itself(data, design):
    x, y = normalised(data, CPU)
    recipe = Recipe(batch=32, step=0.02, augment=False)
    curve = losses(x, y, data.classes, design, 1, steps=14, size=SMALL, recipe=recipe)
    assert curve.shape == (14,) and np.isfinite(curve).all()
    assert curve[-4:].mean() < curve[:2].mean()
    again = losses(x, y, data.classes, design, 1, steps=5, size=SMALL, recipe=recipe)
    assert np.array_equal(again, curve[:5])


def test_all_epochs_are_run_and_the_step_decays(data):
    x, y = normalised(data, CPU)
    recipe = Recipe(batch=100, epochs=2)
    assert losses(x, y, data.classes, "original", 0, size=SMALL, recipe=recipe).shape == (4,)
    speed = initial_speed(np.array([[3.0, 1.0, 9.0]]), 2)
    assert speed.tolist() == [-2.0]


def test_spectra_of_blocks_agree_with_dense_ones(data):
    x, _ = normalised(data, CPU)
    size = Size(2, (1, 1, 1, 1))
    spectra = block_spectra(x[:2], 2, "kernel", 0, size=size, steps=60, probes=8)
    found = {s.layer: s for s in spectra}
    assert list(found) == ["block 1", "block 2", "block 3", "block 4", "classifier"]
    assert np.allclose(found["classifier"].percentiles, 1)
    net = build("kernel", 2, 2, size.depths, 0, CPU).double()
    a = net.features(x[:2].double())[3].detach()
    j = torch.autograd.functional.jacobian(net.blocks[3], a).reshape(-1, a.numel())
    truth = torch.linalg.svdvals(j).sort()[0].numpy()
    s = found["block 4"]
    assert (s.rows, s.columns) == tuple(j.shape)
    # the estimate of the norm changes a little at each forward pass
    assert s.mean == pytest.approx(truth.mean(), rel=0.1)
    below = np.searchsorted(truth, s.percentiles[[60, 75, 90]]) / len(truth)
    assert np.abs(below - [0.6, 0.75, 0.9]).max() < s.error + 0.03
