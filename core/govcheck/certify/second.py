"""The bounds of the checker's section 7 in float64: how far J and features move on a ball.

Written a second time with numpy, for finding what to claim. Nothing here is trusted.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from govcheck.certify import checker
from govcheck.certify.checker import Node
from govcheck.certify.floats import Array, FloatNetwork, Parameters, Pass

KAPPA: Final = 0.858651
BENT: Final = float(checker.BENT)

Three = NDArray[np.float64]
"""The three norms of a spread: two, four, most."""


def _lengths(rows: Array) -> Three:
    n = np.linalg.norm(rows, axis=-1)
    return np.array([np.sqrt((n**2).sum()), (n**4).sum() ** 0.25, n.max(initial=0.0)])


def _sizes(u: Array, ones: bool) -> Three:
    """Spread of ``h -> (h U_i)_i``, see `checker.sizes_of`."""
    samples, pixels, _ = u.shape
    if ones:
        u = np.concatenate([u, np.ones((samples, pixels, 1))], axis=2)
    rows = u.reshape(samples * pixels, -1)
    per = np.linalg.norm(u.reshape(samples, -1), axis=1)
    four = float((per**4).sum() ** 0.25)
    if len(rows) <= 4096:
        inner = (rows @ rows.T) ** 2
        table = inner.reshape(samples, pixels, samples, pixels).sum((1, 3))
        four = min(four, float(np.linalg.norm(table, 2)) ** 0.25)
    two = float(np.linalg.norm(rows, 2))
    return np.array([two, min(two, four), min(two, four, per.max())])


def second_order(net: FloatNetwork, theta: Parameters, run: Pass, radius: float,
                 adjoints: list[Array] | None = None) -> float:
    """Bound of the Lipschitz constant of J within `radius`, as in section 7 of the checker."""
    q = _Second(net, theta, run, radius, adjoints).form()
    return float(np.linalg.norm(q, 2))


def input_drift(net: FloatNetwork, theta: Parameters, run: Pass, radius: float,
                adjoints: list[Array]) -> float:
    """Bound of the change of the last operation's input, as in section 7 of the checker."""
    last = net.nodes[-1]
    moved = _Second(net, theta, run, radius, adjoints).move[last.sources[0]]
    return abs(float(last.scale)) * float(moved[0])


class _Second:
    def __init__(self, net: FloatNetwork, theta: Parameters, run: Pass, radius: float,
                 adjoints: list[Array] | None) -> None:
        self.net, self.theta, self.run, self.radius = net, theta, run, radius
        self.p = net.jacobian_adjoints(theta, run) if adjoints is None else adjoints
        count = len(net.nodes)
        self.own: dict[int, Three] = {}
        self.gain = np.ones(count)
        self.inner = np.zeros(count)
        self.bend = np.zeros(count)
        self.move: list[Three] = [np.zeros(3)]
        self.reach: list[dict[int, float]] = [{}]
        for k in range(1, count):
            self._forward(k, net.nodes[k])

    def _forward(self, k: int, node: Node) -> None:
        before = [self.move[s] for s in node.sources]
        reach = [self.reach[s] for s in node.sources]
        x = before[0]
        if node.op == "sum":
            moved = np.asarray(sum(before))
            keys = {b for r in reach for b in r}
            own = {b: sum(r.get(b, 0.0) for r in reach) for b in keys}
        elif node.op == "concat":
            moved = np.sqrt(sum(m * m for m in before))
            keys = {b for r in reach for b in r}
            own = {b: float(np.hypot.reduce([r.get(b, 0.0) for r in reach])) for b in keys}
        else:
            gain, center = self._step(k, node, x)
            moved = gain * x + self.radius * center
            own = {b: v * gain for b, v in reach[0].items()}
            if node.weight is not None:
                own[k] = 1.0
        self.move.append(moved)
        self.reach.append(own)

    def _step(self, k: int, node: Node, x: Three) -> tuple[float, Three]:
        """The gain of an operation on its input, the spread of its own parameters."""
        run, none = self.run, np.zeros(3)
        size = abs(float(node.scale))
        if node.op == "linear":
            if node.window is not None:
                size *= node.window.uses**0.5
            slope = 1.0
            if node.normalise != "none":
                slope = 1 / self._floor(k, node)
            push = max(slope, 1.0) if node.bias is not None else slope
            center = push * _sizes(run.patches[k], node.bias is not None)
            fixed = not self.reach[node.sources[0]]
            weight = 0.0 if fixed else float(np.linalg.norm(run.matrices[k], 2))
            self.gain[k] = size * (weight + slope * self.radius)
            self.inner[k] = size * slope
            self.own[k] = center + size * push * x
            return self.gain[k], center
        if node.op == "activation":
            f = checker.FUNCTIONS[node.function]
            most = float(np.abs(run.bends[k]).max()) + float(f.third) * x[2]
            self.bend[k] = min(float(f.curvature), most)
            steepest = float(np.abs(run.slopes[k]).max()) + self.bend[k] * x[2]
            self.gain[k] = min(float(f.slope), steepest)
            return self.gain[k], none
        if node.op == "scale":
            self.gain[k] = size
            if node.weight is None:
                return size, none
            w, value = self.theta[node.weight], size * run.values[node.sources[0]]
            parts = np.linalg.norm(value.reshape(len(value), w.size, -1), axis=2)
            center = _lengths(parts.max(1, keepdims=True))
            self.gain[k] = size * (float(np.abs(w).max()) + self.radius)
            self.inner[k] = size
            self.own[k] = center + size * x
            return self.gain[k], center
        if node.op == "shift":
            assert node.weight is not None
            count = self.net.samples
            repeat = node.size // self.theta[node.weight].size
            self.own[k] = repeat**0.5 * np.array([count**0.5, count**0.25, 1.0])
            return 1.0, self.own[k]
        if node.op == "normalise":
            count = node.size // node.groups
            far = count**0.5 * float(run.patches[k].min()) - x[2]
            low = max(float(count * node.eps) ** 0.5, far)
            self.gain[k] = count**0.5 / low
            self.bend[k] = BENT * self.gain[k] / low
        if node.op == "average":
            assert node.window is not None
            self.gain[k] = (node.window.uses / len(node.window.places[0])) ** 0.5
        return self.gain[k], none

    def form(self) -> Array:
        """The matrix Q of the theory page."""
        blocks = [k for k, n in enumerate(self.net.nodes) if n.weight is not None]
        place = {k: i for i, k in enumerate(blocks)}
        q = np.zeros((len(blocks), len(blocks)))
        away = np.zeros(len(self.net.nodes))
        for k in range(len(self.net.nodes) - 1, 0, -1):
            node, source = self.net.nodes[k], self.net.nodes[k].sources[0]
            if node.op in ("activation", "normalise"):
                column = float(np.linalg.norm(self.p[k], axis=1).max(initial=0.0))
                if node.op == "normalise":
                    parts = self.p[k].reshape(*self.p[k].shape[:2], node.groups, -1)
                    column = float(np.linalg.norm(parts, 2, axis=(1, 3)).max(initial=0.0))
                v = np.zeros(len(blocks))
                for b, r in self.reach[source].items():
                    v[place[b]] = r * self.own[b][1]
                q += (column + away[k]) * self.bend[k] * np.outer(v, v)
                away[source] += self.gain[k] * away[k]
                away[source] += column * self.bend[k] * self.move[source][2]
                continue
            operator = 0.0
            if node.weight is not None:
                operator = float(np.linalg.norm(self.p[k], 2, axis=(1, 2)).max(initial=0.0))
                at = operator + away[k]
                for b, r in self.reach[source].items():
                    term = at * self.inner[k] * r * self.own[b][0]
                    q[place[k], place[b]] += term
                    q[place[b], place[k]] += term
                if node.normalise != "none":
                    q[place[k], place[k]] += at * self._curved(k, node)
            if len(node.sources) == 1:
                away[source] += self.gain[k] * away[k]
                away[source] += self.inner[k] * self.radius * operator
            else:
                for s in node.sources:
                    away[s] += away[k]
        return q

    def _curved(self, k: int, node: Node) -> float:
        size = abs(float(node.scale)) * self.move[node.sources[0]][0]
        if node.window is not None:
            size *= node.window.uses**0.5
        two = float(_sizes(self.run.patches[k], False)[0])
        bend = min(KAPPA / float(Fraction(node.eps)), BENT / self._floor(k, node) ** 2)
        return bend * (two + float(size))

    def _floor(self, k: int, node: Node) -> float:
        """Lower bound of ``sqrt(eps + |w|^2)`` on the ball, over rows or entries w."""
        assert node.weight is not None
        w, eps = self.theta[node.weight], float(node.eps)
        w = w.reshape(len(w), -1)
        square = (w * w).sum(1) if node.normalise == "rows" else w * w
        return max(math.sqrt(eps), math.sqrt(eps + float(square.min())) - self.radius)
