"""Networks whose Lipschitz constant published estimators report too small, without a word.

They take each activation to be 1-Lipschitz, leave out fixed statistics and skip
connections, or take the norm of a reshaped kernel for that of its convolution.
"""

import math

import numpy as np
import pytest
import torch

import govcheck as gc
from govcheck.graph.weights import initial_weights, placed_layers
from govcheck.numeric.build import build_chain, values_in

torch.set_num_threads(1)


def analysed(shape, layers, domain="everything"):
    return gc.analyze(gc.loads(f"""
govcheck: 1
name: estimated
input: {shape}
layers:
{layers}
cost: half_square
data: {{sphere: {{n: 3, classes: 2}}}}
init: {{he: {{seed: 1}}}}
domain: {domain}
theorems: []
"""))


def bound(a):
    return float(a.value(a.bounds["J"]).upper())


def stretch(a, x):
    """Operator norm of the derivative at one input, by autograd, weights as drawn."""
    module = build_chain(a.architecture.body, tuple(x.shape[1:]), values_in(a.env))
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    weights = initial_weights(placed, a.env, a.architecture.init)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for (node, name), value in weights.items():
            (key,) = (k for k in parameters if k.split(".")[-2:] == [node, name])
            parameters[key].copy_(torch.from_numpy(value))
    jacobian = torch.autograd.functional.jacobian(module, x)
    return float(torch.linalg.matrix_norm(jacobian.reshape(-1, x.numel()), 2))


def test_gelu_is_steeper_than_one():
    a = analysed([2], "  - scale: {factor: 5}\n  - gelu")
    x = torch.tensor([[math.sqrt(2) / 5, 0.0]], dtype=torch.float64)
    true = stretch(a, x) / 5
    # phi'(sqrt 2) = Phi(sqrt 2) + sqrt 2 phi(sqrt 2)
    assert true == pytest.approx(0.5 * (1 + math.erf(1)) + math.exp(-1) / math.sqrt(math.pi))
    assert 1.1289 <= true <= bound(a) / 5 <= 1.1290


def test_fixed_statistics_of_batch_norm_stretch():
    layers = "  - batch_norm: {mode: eval, running_var: 1/10000, affine: false, eps: 1/100000}"
    a = analysed([4], layers + "\n  - relu")
    # gradients of relu are 1 on positive inputs
    true = stretch(a, torch.full((1, 4), 0.5, dtype=torch.float64))
    assert true >= 52
    # eps + var = 1.1e-4
    assert true == pytest.approx(bound(a), rel=1e-9)
    assert bound(a) == pytest.approx(95.3463, rel=1e-5)


def test_a_scaled_skip_counts():
    branch = "        - - affine: {out: 3, bias: false}\n          - tanh"
    layers = (
        "  - parallel:\n      join: sum\n      branches:\n"
        f"        - - scale: {{factor: 10}}\n{branch}"
    )
    a = analysed([3], layers, "{around_init: 1/1000}")
    # where tanh is flat the branch adds nothing, elsewhere it may
    far = stretch(a, 1e3 * torch.ones((1, 3), dtype=torch.float64))
    near = stretch(a, torch.zeros((1, 3), dtype=torch.float64))
    assert far >= 10 - 1e-9
    assert 10 <= max(far, near) <= bound(a)
    weights = initial_weights(
        placed_layers(a.architecture.body, a.shapes, a.env), a.env, a.architecture.init
    )
    (w,) = weights.values()
    assert bound(a) <= 10 + np.linalg.norm(w, 2) + 0.0011


def test_a_convolution_stretches_more_than_its_reshaped_kernel():
    a = analysed(
        [4, 8, 8], "  - conv: {out: 4, kernel: 3, padding: same, bias: false}",
        "{around_init: 0}",
    )
    x = torch.zeros((1, 4, 8, 8), dtype=torch.float64)
    true = stretch(a, x)
    (placed,) = placed_layers(a.architecture.body, a.shapes, a.env)
    (kernel,) = initial_weights([placed], a.env, a.architecture.init).values()
    reshaped = np.linalg.norm(kernel.reshape(4, -1), 2)
    assert true > 1.2 * reshaped
    assert true <= bound(a) <= 1.1 * true
