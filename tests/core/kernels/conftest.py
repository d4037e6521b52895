"""Reference vectors, activations' expectations, and networks written as architecture files."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import as_expr
from govcheck.kernels.dual import normalisation
from govcheck.spec.document import loads

DATA = Path(__file__).parents[2] / "data"
X3 = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [2 / 3, -1 / 3, 2 / 3]])

HIDDEN = """
  - affine: {{out: m, bias: false}}
  - {act}
  - scale: {{factor: sqrt(c/m)}}
"""


@pytest.fixture(scope="session")
def vectors():
    return json.loads((DATA / "gram_vectors.json").read_text())


@pytest.fixture(scope="session")
def dual_vectors():
    return json.loads((DATA / "gram_dual_vectors.json").read_text())


@pytest.fixture(scope="session")
def inputs():
    """Three unit vectors, and the same with unequal norms."""
    return {"X3": X3, "X3n": X3 * np.array([[1.0], [0.5], [1.6]])}


@pytest.fixture(scope="session")
def images():
    """Two images with 2 channels and 3 pixels, Frobenius norm 1."""
    first = np.array([[1, 2, 0], [0, 1, -1]]) / np.sqrt(7)
    second = np.array([[2, -1, 1], [1, 0, 1]]) / np.sqrt(8)
    return np.array([first, second])


def _value(e):
    return float(evaluate(as_expr(e), {}).mid())


@pytest.fixture(scope="session")
def dual(registry):
    """Expectations of a built-in activation by name; parameters are numbers."""

    def make(name, **parameters):
        layer = registry.layers[name](
            **{k: as_expr(Fraction(str(v))) for k, v in parameters.items()}
        )
        return layer.dual(_value)

    return make


@pytest.fixture(scope="session")
def network(registry):
    """An architecture from its layers; {c} is the normalising constant of the activation."""

    def make(layers, dual=None, shape="[3]", init="", symbols=""):
        c = Fraction(normalisation(dual)) if dual is not None else 1
        return loads(
            f"govcheck: 1\nsymbols: {{m: 64, c: {c}{symbols}}}\ninput: {shape}\n{init}\n"
            f"layers:\n{layers}",
            registry,
        )

    return make


@pytest.fixture(scope="session")
def fc(network, dual):
    """The fully connected network of Du et al."""

    def make(act, H, d=3):
        layer = HIDDEN.format(act=act)
        return network(
            layer * H + "  - affine: {out: 1, bias: false}\n", dual(act), shape=f"[{d}]"
        )

    return make


@pytest.fixture(scope="session")
def resnet(network, dual):
    """The residual network with trained factors; alphas are those of layers 2 to H."""

    def make(act, alphas, d=3, trainable=True):
        H = len(alphas) + 1
        text = HIDDEN.format(act=act)
        for a in alphas:
            text += (
                "  - residual:\n      - affine: {out: m, bias: false}\n"
                f"      - {act}\n      - scale: {{factor: {Fraction(str(a))}/({H}*sqrt(m)), "
                f"trainable: {str(trainable).lower()}}}\n"
            )
        return network(text + "  - affine: {out: 1, bias: false}\n", dual(act), shape=f"[{d}]")

    return make


@pytest.fixture(scope="session")
def upper_triangle():
    """The largest difference of two matrices."""
    return lambda a, b: float(np.abs(np.asarray(a) - np.asarray(b)).max())
