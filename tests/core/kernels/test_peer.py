"""The same kernels from neural-tangents, where its definitions and ours coincide.

Its dense layers are ``W x std/sqrt(fan in)`` with standard normal W, and the tangent kernel is
that of W; its residual blocks add Gaussian vectors; its convolutions pad with zeros; its
flattened readout divides by the number of pixels.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("neural_tangents", reason="needs the extra 'peer'", exc_type=ImportError)

import jax
from neural_tangents import stax

from govcheck.kernels.gram import limiting_kernels

jax.config.update("jax_enable_x64", True)

D, N = 6, 12
ACTIVATIONS = {
    "erf": stax.Erf,
    "relu": stax.Relu,
    "leaky_relu: {slope: 1/10}": lambda: stax.LeakyRelu(0.1),
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "gaussian": lambda: stax.Gaussian(1, -1),
}
EXACT = 1e-13
ROOT = 1e-8
"""It does not know when two pixels are the same one; the arc cosine of a kink's kernel has a
root there, of which rounding leaves half of the digits."""


def samples(equal, shape=(D,), n=N):
    x = np.random.default_rng(7).standard_normal((n, *shape))
    if equal:
        x /= np.sqrt((x**2).sum(axis=tuple(range(1, x.ndim)), keepdims=True) / np.prod(shape))
    return x


def compare(arch, layers, x, tolerance, channels_last=None):
    """Largest difference of the tangent and of the feature kernel, relative to the largest."""
    ours = limiting_kernels(arch, x, ("ntk", "output"))
    theirs = stax.serial(*layers)[2](x if channels_last is None else channels_last, None)
    for name, own in (("ntk", theirs.ntk), ("output", theirs.nngp)):
        own = np.asarray(own)
        assert own.dtype == np.float64
        wrong = float(np.abs(ours[name] - own).max() / np.abs(own).max())
        print(f"{name}: {wrong:.1e}")
        assert wrong < tolerance, name


def dense(out, fan, std):
    return f"  - affine: {{out: {out}, bias: false, scale: {std}/sqrt({fan})}}\n"


def fully_connected(act, depth, std="3/2"):
    text = dense("m", D, 1)
    for _ in range(depth - 1):
        text += f"  - {act}\n" + dense("m", "m", std)
    return text + f"  - {act}\n" + dense(1, "m", std)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_fully_connected(act, equal, network):
    text = fully_connected(f"{{{act}}}" if ":" in act else act, 3, "9/10")
    layers = [stax.Dense(1)]
    for _ in range(2):
        layers += [ACTIVATIONS[act](), stax.Dense(1, W_std=0.9)]
    layers += [ACTIVATIONS[act](), stax.Dense(1, W_std=0.9)]
    arch = network(text, shape=f"[{D}]")
    compare(arch, layers, samples(equal), EXACT)


@pytest.mark.parametrize("act", ["erf", "relu"])
def test_deep(act, network):
    layers = [stax.Dense(1)]
    for _ in range(30):
        layers += [ACTIVATIONS[act](), stax.Dense(1, W_std=1.5 if act == "erf" else 2**0.5)]
    std = "3/2" if act == "erf" else "sqrt(2)"
    compare(network(fully_connected(act, 30, std), shape=f"[{D}]"), layers, samples(True), 1e-12)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("act", ["erf", "relu", "gelu"])
def test_residual_with_a_fixed_scale(act, equal, network):
    text, layers = dense("m", D, 1), [stax.Dense(1)]
    for _ in range(4):
        text += (f"  - residual:\n      - {act}\n"
                 "      - affine: {out: m, bias: false, scale: 1/(2*sqrt(m))}\n")
        layers.append(stax.serial(
            stax.FanOut(2),
            stax.parallel(
                stax.Identity(), stax.serial(ACTIVATIONS[act](), stax.Dense(1, W_std=0.5))
            ),
            stax.FanInSum(),
        ))
    text += f"  - {act}\n" + dense(1, "m", 1)
    arch = network(text, shape=f"[{D}]")
    compare(arch, [*layers, ACTIVATIONS[act](), stax.Dense(1)], samples(equal), EXACT)


@pytest.mark.parametrize(("act", "function", "rule"), [
    ("softplus", jax.nn.softplus, 1e-7),
    ("tanh", jax.numpy.tanh, 1e-3),
    ("silu", jax.nn.silu, 1e-5),
])
def test_generic_activations_to_the_accuracy_of_its_rule(act, function, rule, network):
    layers = [stax.Dense(1, W_std=0.7)]
    for _ in range(2):
        layers += [stax.ElementwiseNumerical(function, deg=25), stax.Dense(1)]
    text = dense("m", D, "7/10") + f"  - {act}\n" + dense("m", "m", 1)
    text += f"  - {act}\n" + dense(1, "m", 1)
    compare(network(text, shape=f"[{D}]"), layers, samples(False), rule)


@pytest.mark.parametrize("head", ["flatten", "global_avg_pool"])
@pytest.mark.parametrize("act", ["erf", "relu"])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutional(act, head, stride, network):
    h, w, c = 4, 6, 2
    text, layers = "", []
    for i in range(2):
        fan, s = (c, 1) if i == 0 else ("m", stride)
        kind = f"padding: {1 if s == 2 else 'same'}, stride: {s}"
        text += (f"  - conv: {{out: m, kernel: 3, {kind}, bias: false, "
                 f"scale: 5/(4*3*sqrt({fan}))}}\n  - {act}\n")
        # SAME with stride 2 pads even sizes on one side only
        padding = "SAME" if s == 1 else "VALID"
        conv = stax.Conv(1, (3, 3), (s, s), padding, W_std=1.25)
        layers += [conv, ACTIVATIONS[act]()]
    if stride == 2:
        text = text.replace("padding: 1, stride: 2", "padding: 0, stride: 2")
    pixels = h * w if stride == 1 else 1 * 2
    fan = "m" if head == "global_avg_pool" else f"{pixels}*m"
    text += f"  - {head}\n" + dense(1, fan, 1)
    layers += [stax.GlobalAvgPool() if head == "global_avg_pool" else stax.Flatten()]
    x = samples(False, (c, h, w), 5)
    arch = network(text, shape=f"[{c}, {h}, {w}]")
    tolerance = ROOT if act == "relu" else EXACT
    compare(arch, [*layers, stax.Dense(1)], x, tolerance, x.transpose(0, 2, 3, 1))
