import numpy as np
import pytest
import torch

from govcheck.numeric.experiments.pictures import digits
from govcheck.numeric.experiments.small_models import KINDS, models, pooled_identity
from govcheck.numeric.experiments.small_spectra import (
    WHOLE,
    feature_jacobians,
    layer_values,
    whole_jacobian,
)
from govcheck.numeric.experiments.small_training import trial
from govcheck.numeric.experiments.statistics import kolmogorov

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def nets():
    return {k: m.double() for k, m in models(3, torch.device("cpu")).items()}


@pytest.fixture(scope="module")
def batch():
    d = digits()
    return torch.as_tensor(d.x[:3] / 255.0).unsqueeze(1)


def jacobian(f, x):
    y = f(x)
    j = torch.autograd.functional.jacobian(f, x, vectorize=True)
    return j.reshape(y.numel(), x.numel())


def singular_values(matrix):
    return torch.linalg.svdvals(matrix).sort()[0].detach().numpy()


def test_the_models_share_all_parameters(nets, batch):
    states = [m.state_dict() for m in nets.values()]
    for other in states[1:]:
        assert other.keys() == states[0].keys()
        assert all(torch.equal(other[k], states[0][k]) for k in other)
    outputs = [m(batch) for m in nets.values()]
    assert all(not torch.equal(a, b) for i, a in enumerate(outputs) for b in outputs[:i])


def test_each_skip_is_where_the_paper_has_it(nets, batch):
    a = nets["Chain"].stem(batch)
    plain, skip = nets["Chain"].first(a), nets["Res"].first(a)
    assert torch.allclose(skip - plain, a)
    b = torch.relu(nets["Res"].second.bn1(skip))
    difference = nets["ResLinProj"].second(skip) - nets["ResLin"].second(skip)
    assert torch.allclose(difference, pooled_identity(b, 3, 20).flatten(1))
    features = nets["Res"].normalised(nets["Res"].second(skip))
    assert torch.allclose(nets["ResLin"].classify(features) - nets["Res"].classify(features),
                          features[:, :10])


def test_the_pool_has_orthonormal_rows():
    eye = torch.eye(2 * 36, dtype=torch.float64).reshape(-1, 2, 6, 6)
    A = pooled_identity(eye, 3, 2).flatten(1).T
    assert torch.allclose(A @ A.T, torch.eye(8, dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_exact_layers_agree_with_automatic_derivatives(nets, batch, kind):
    net = nets[kind]
    a = net.stem(batch).detach()
    assert torch.allclose(whole_jacobian(net, a), jacobian(net.rest, a), atol=1e-9)
    features = net.second(net.first(a)).detach()
    blocks = feature_jacobians(net.bn, features)
    truth = singular_values(jacobian(net.normalised, features))
    found = np.sort(singular_values(blocks).ravel())
    assert np.allclose(found, truth, atol=1e-9)
    found = layer_values(net, batch)
    assert np.allclose(found[3].values, singular_values(jacobian(net.classify, features[:1])))
    assert found[4].layer == WHOLE
    truth = singular_values(whole_jacobian(net, a))
    assert np.allclose(found[4].values, truth, rtol=1e-9, atol=1e-7 * truth.max())


def test_spectra_are_taken_in_double_precision():
    images = torch.as_tensor(digits().x[:3] / 255.0).unsqueeze(1).float()
    net = models(3, torch.device("cpu"))["Chain"]
    single = layer_values(net, images)
    double = layer_values(net.double(), images.double())
    for a, b in zip(single, double, strict=True):
        assert a.values.dtype == np.float64 and np.array_equal(a.values, b.values)


@pytest.mark.parametrize("kind", ["Chain", "ResLinProj"])
def test_constant_statistics_are_within_the_stated_error(nets, batch, kind):
    net = nets[kind]
    b = net.first(net.stem(batch)).detach()
    found = layer_values(net, batch, whole=False)[1]
    truth = singular_values(jacobian(net.second, b))
    assert len(found.values) == len(truth) == 960
    distance = max(kolmogorov(found.values, truth))
    # not zero: the coupling is there
    assert 0 < distance <= found.error


def test_training_goes_down_and_repeats_itself():
    d = digits()
    x, y = d.x[:32] / 255.0, d.y[:32]
    first = trial(x, y, 7, epochs=12, spectra_at=(0,), samples=(0,))
    again = trial(x, y, 7, epochs=12)
    for kind in KINDS:
        assert np.array_equal(first.losses[kind], again.losses[kind])
        assert first.losses[kind][-1] < first.losses[kind][0] / 2
    rank = first.spectra["Chain"][0][0].values
    skip = first.spectra["Res"][0][0].values
    # half of a chain layer's singular values are zero, none of a residual one's
    assert (rank < 1e-4).mean() > 0.4 and (skip < 1e-4).mean() < 0.01
