"""A certificate's program in float64: values, adjoints, gradients.

The same network as in `govcheck.certify.checker`, written a second time with numpy, for training
and for finding what to claim. Nothing here is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from govcheck.certify import checker
from govcheck.certify.checker import Node

Array = NDArray[np.float64]
Parameters = dict[str, Array]

_ROOT_PI: Final = float(np.sqrt(np.pi))


def _erf(z: Array) -> tuple[Array, Array, Array]:
    slope = 2 / _ROOT_PI * np.exp(-z * z)
    return special.erf(z), slope, -2 * z * slope


def _gelu(z: Array) -> tuple[Array, Array, Array]:
    below, density = special.ndtr(z), np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return z * below, below + z * density, density * (2 - z * z)


def _tanh(z: Array) -> tuple[Array, Array, Array]:
    t = np.tanh(z)
    return t, 1 - t * t, -2 * t * (1 - t * t)


def _sigmoid(z: Array) -> tuple[Array, Array, Array]:
    s = special.expit(z)
    return s, s * (1 - s), s * (1 - s) * (1 - 2 * s)


def _softplus(z: Array) -> tuple[Array, Array, Array]:
    s = special.expit(z)
    return np.logaddexp(0, z), s, s * (1 - s)


FUNCTIONS: Final[dict[str, Callable[[Array], tuple[Array, Array, Array]]]] = {
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "gelu": _gelu,
    "identity": lambda z: (z, np.ones_like(z), np.zeros_like(z)),
}


@dataclass
class Pass:
    """What one forward pass leaves behind, by node."""

    values: list[Array]
    slopes: dict[int, Array] = field(default_factory=dict)
    bends: dict[int, Array] = field(default_factory=dict)
    patches: dict[int, Array] = field(default_factory=dict)
    matrices: dict[int, Array] = field(default_factory=dict)


class FloatNetwork:
    """A program on fixed inputs.

    Args:
        operations: the program, as JSON.
        shapes: of the parameters.
        inputs: shape ``(N, *sample)``.
    """

    def __init__(
        self,
        operations: list[dict[str, Any]],
        shapes: Mapping[str, tuple[int, ...]],
        inputs: Array,
    ) -> None:
        arrays = {name: checker.Array(shape, []) for name, shape in shapes.items()}
        self.nodes: list[Node] = checker.program(operations, inputs.shape[1:], arrays)
        self.inputs = inputs.reshape(len(inputs), -1)
        self.samples = len(inputs)
        self.places = {
            k: np.array(n.window.places) for k, n in enumerate(self.nodes) if n.window is not None
        }

    @property
    def outputs(self) -> int:
        """Outputs of one sample."""
        return self.nodes[-1].size

    def matrix(self, node: Node, theta: Parameters) -> Array:
        """``P(w)``, one row for each output."""
        assert node.weight is not None
        w = theta[node.weight]
        w = w.reshape(len(w), -1)
        eps = float(node.eps)
        if node.normalise == "rows":
            w = w / np.sqrt(eps + (w * w).sum(1, keepdims=True))
        elif node.normalise == "entries":
            w = w / np.sqrt(eps + w * w)
        return w

    def forward(self, theta: Parameters) -> Pass:
        """Values of all nodes, shape ``(N, size)``."""
        run = Pass([self.inputs])
        for k, node in enumerate(self.nodes[1:], 1):
            given = [run.values[s] for s in node.sources]
            run.values.append(self._value(k, node, given, theta, run))
        return run

    def _value(
        self, k: int, node: Node, given: list[Array], theta: Parameters, run: Pass
    ) -> Array:
        x = given[0]
        match node.op:
            case "linear":
                u = float(node.scale) * x
                u = u[:, None, :] if k not in self.places else _read(u, self.places[k])
                run.patches[k], run.matrices[k] = u, self.matrix(node, theta)
                z = np.einsum("mc,nqc->nmq", run.matrices[k], u, optimize=True)
                if node.bias is not None:
                    z = z + theta[node.bias][:, None]
                return np.asarray(z.reshape(len(x), -1))
            case "activation":
                value, run.slopes[k], run.bends[k] = FUNCTIONS[node.function](x)
                return value
            case "scale":
                return self._factor(node, theta) * x
            case "shift":
                assert node.weight is not None
                return x + _repeated(theta[node.weight], node.size)
            case "normalise":
                parts = x.reshape(len(x), node.groups, -1)
                centred = parts - parts.mean(2, keepdims=True)
                root = np.sqrt(float(node.eps) + (centred**2).mean(2, keepdims=True))
                run.patches[k], run.matrices[k] = root, centred / root
                return run.matrices[k].reshape(x.shape)
            case "average":
                return np.asarray(_read(x, self.places[k]).mean(-1))
            case "sum":
                return np.asarray(np.sum(given, axis=0))
            case "concat":
                return np.concatenate(given, axis=1)
        return x

    def _factor(self, node: Node, theta: Parameters) -> Array:
        """The factor of each entry, fixed and trained."""
        own = np.ones(1) if node.weight is None else theta[node.weight]
        return float(node.scale) * _repeated(own, node.size)

    def adjoints(self, theta: Parameters, run: Pass, seeds: Array) -> list[Array]:
        """``seeds`` of shape ``(N, k, outputs)`` pulled back to each node, ``(N, k, size)``."""
        found: list[Array] = [np.zeros((*seeds.shape[:2], n.size)) for n in self.nodes]
        found[-1] = found[-1] + seeds
        for k in range(len(self.nodes) - 1, 0, -1):
            node, p = self.nodes[k], found[k]
            if node.op == "concat":
                start = 0
                for s in node.sources:
                    end = start + self.nodes[s].size
                    found[s] = found[s] + p[..., start:end]
                    start = end
                continue
            back = p
            source = node.sources[0]
            if node.op == "linear":
                if source == 0:
                    continue
                m = run.matrices[k]
                pixels = run.patches[k].shape[1]
                split = p.reshape(*p.shape[:2], len(m), pixels)
                back = float(node.scale) * np.einsum("nkmq,mc->nkqc", split, m, optimize=True)
                back = back[:, :, 0] if k not in self.places else _write(
                    back, self.places[k], self.nodes[source].size)
            elif node.op == "activation":
                back = p * run.slopes[k][:, None]
            elif node.op == "scale":
                back = self._factor(node, theta) * p
            elif node.op == "normalise":
                y = run.matrices[k][:, None]
                back = p.reshape(*p.shape[:2], node.groups, -1)
                back = (back - y * (back * y).mean(-1, keepdims=True)) / run.patches[k][:, None]
                back = (back - back.mean(-1, keepdims=True)).reshape(p.shape)
            elif node.op == "average":
                places = self.places[k]
                wide = np.repeat(p[..., None], places.shape[1], axis=-1) / places.shape[1]
                back = _write(wide, places, self.nodes[source].size)
            for s in node.sources:
                found[s] = found[s] + back
        return found

    def gradients(self, theta: Parameters, run: Pass, adjoints: list[Array]) -> Parameters:
        """Derivatives in each parameter, shape ``(N, k, *parameter)``."""
        found: Parameters = {}
        for k, node in enumerate(self.nodes):
            if node.weight is None:
                continue
            p = adjoints[k]
            if node.op != "linear":
                found[node.weight] = self._plain(node, theta, run, p)
                continue
            m, u = run.matrices[k], run.patches[k]
            split = p.reshape(*p.shape[:2], len(m), u.shape[1])
            g = np.einsum("nkmq,nqc->nkmc", split, u, optimize=True)
            found[node.weight] = _through(g, m, node, theta[node.weight]).reshape(
                *p.shape[:2], *theta[node.weight].shape)
            if node.bias is not None:
                found[node.bias] = split.sum(-1)
        return found

    def gradient(self, theta: Parameters, run: Pass, residual: Array) -> Parameters:
        """Gradient of ``sum_i <residual_i, F_i>`` with the residual held fixed."""
        adjoints = self.adjoints(theta, run, residual[:, None, :])
        found: Parameters = {}
        for k, node in enumerate(self.nodes):
            if node.weight is None:
                continue
            p = adjoints[k][:, 0]
            if node.op != "linear":
                found[node.weight] = self._plain(node, theta, run, adjoints[k]).sum((0, 1))
                continue
            m, u = run.matrices[k], run.patches[k]
            split = p.reshape(len(p), len(m), u.shape[1])
            g = np.tensordot(split, u, axes=([0, 2], [0, 1]))
            w = theta[node.weight]
            found[node.weight] = _through(g, m, node, w).reshape(w.shape)
            if node.bias is not None:
                found[node.bias] = split.sum((0, 2))
        return found

    def input_gram(self, run: Pass) -> Array | None:
        """Gram matrix of the inputs of a plain affine last operation, a 1 for a bias included."""
        k = len(self.nodes) - 1
        node = self.nodes[k]
        if node.op != "linear" or node.normalise != "none" or k in self.places:
            return None
        u = run.patches[k][:, 0]
        return np.asarray(u @ u.T + (1.0 if node.bias is not None else 0.0))

    def gram(self, theta: Parameters, run: Pass) -> Array:
        """``J J^T``, rows ordered as sample, output."""
        o = self.outputs
        adjoints = self.jacobian_adjoints(theta, run)
        total = np.zeros((self.samples * o, self.samples * o))
        for k, node in enumerate(self.nodes):
            if node.weight is None:
                continue
            p = adjoints[k].reshape(self.samples * o, -1)
            plain = node.op == "linear" and node.normalise == "none" and k not in self.places
            if plain:
                u = run.patches[k][:, 0]
                inner = u @ u.T + (1.0 if node.bias is not None else 0.0)
                total += (p @ p.T) * np.kron(inner, np.ones((o, o)))
                continue
            for g in self._own(k, theta, run, adjoints[k]):
                rows = g.reshape(self.samples * o, -1)
                total += rows @ rows.T
        return total

    def _own(self, k: int, theta: Parameters, run: Pass, p: Array) -> list[Array]:
        node = self.nodes[k]
        assert node.weight is not None
        if node.op != "linear":
            return [self._plain(node, theta, run, p)]
        m, u = run.matrices[k], run.patches[k]
        split = p.reshape(*p.shape[:2], len(m), u.shape[1])
        g = np.einsum("nkmq,nqc->nkmc", split, u, optimize=True)
        found = [_through(g, m, node, theta[node.weight])]
        return [*found, split.sum(-1)] if node.bias is not None else found

    def _plain(self, node: Node, theta: Parameters, run: Pass, p: Array) -> Array:
        """Derivatives in a trained factor, a vector of them, or a vector that is added."""
        assert node.weight is not None
        shape = theta[node.weight].shape
        if node.op == "scale":
            p = p * (float(node.scale) * run.values[node.sources[0]])[:, None]
        return np.asarray(p.reshape(*p.shape[:2], *shape, -1).sum(-1))

    def jacobian_adjoints(self, theta: Parameters, run: Pass) -> list[Array]:
        """Adjoints of every output."""
        units = np.broadcast_to(np.eye(self.outputs), (self.samples, *[self.outputs] * 2))
        return self.adjoints(theta, run, units)


def _repeated(own: Array, size: int) -> Array:
    """Each entry as often in a row as makes `size` entries of all."""
    return np.repeat(own.ravel(), size // own.size)


def _read(x: Array, places: NDArray[Any]) -> Array:
    # -1 reads the zero put behind
    wide = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
    return np.asarray(wide[:, places])


def _write(patches: Array, places: NDArray[Any], size: int) -> Array:
    out = np.zeros((*patches.shape[:2], size + 1))
    for c in range(places.shape[1]):
        # one tap reads an entry for one window at most
        out[..., places[:, c]] += patches[..., c]
    return out[..., :size]


def _through(g: Array, m: Array, node: Node, w: Array) -> Array:
    eps, flat = float(node.eps), w.reshape(len(w), -1) if w.ndim else w
    if node.normalise == "rows":
        n = np.sqrt(eps + (flat * flat).sum(1, keepdims=True))
        return np.asarray((g - m * (g * m).sum(-1, keepdims=True)) / n)
    if node.normalise == "entries":
        return np.asarray(g * (1 - m * m) / np.sqrt(eps + flat * flat))
    return g
