"""The least width at which gradient descent is certified, by several routes, in float64.

The network of all routes has one or more hidden layers of width m with tanh, hidden weights
``N(0, first^2)`` in the first and ``N(0, 1/m)`` in later layers, readout ``+-1/sqrt(m)`` with
random signs, no biases, one output, and all layers trained; with ``scaled`` readout weights are
``+-1`` behind a factor ``sqrt(c/m)`` instead, ``c E tanh(Z)^2 = 1``, as in Du et al. Nothing here
is rigorous but `by_anchor`: a width is where a certificate is to be expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from govcheck.certify.floats import Array
from govcheck.certify.newton import gauss_newton
from govcheck.certify.program import Task
from govcheck.certify.prover import Measured, Prover
from govcheck.certify.search import Outcome, certify
from govcheck.certify.second import second_order

PUBLISHED = 1 / 16
"""What Oymak and Soltanolkotabi's conditions ask of h with the best constants."""

BEND = 0.769801
"""At least ``sup|tanh''|``."""

WIDE = 512
"""Above this width some neuron has slopes near 1 on all samples, and `by_march` assumes so."""

C_TANH = 2.5361754
"""``1/E tanh(Z)^2``, Z standard normal."""


def random_task(
    x: Array, y: Array, m: int, *, depth: int = 1, first: float = 1.0, scaled: bool = False,
    seed: int = 0,
) -> Task:
    """The network with random weights, on half the squared residual.

    Args:
        x: samples, shape ``(n, d)``.
        y: targets, shape ``(n,)``.
        m: width.
        depth: hidden layers.
        first: standard deviation of the first layer's weights.
        scaled: whether the readout carries the factor ``sqrt(c/m)``.
        seed: of the weights.
    """
    draw = np.random.default_rng([seed, m, depth])
    operations: list[dict[str, Any]] = []
    parameters: dict[str, Array] = {}

    def linear(out: int, size: int, deviation: float, scale: float = 1.0) -> None:
        name = f"w{len(parameters)}"
        parameters[name] = deviation * draw.standard_normal((out, size))
        operations.append({
            "op": "linear", "from": [len(operations)], "scale": float(scale).hex(),
            "normalise": "none", "eps": None, "window": None, "weight": name, "bias": None,
        })

    size, deviation = x.shape[1], first
    for _ in range(depth):
        linear(m, size, deviation)
        operations.append({"op": "activation", "from": [len(operations)], "function": "tanh"})
        size, deviation = m, 1 / math.sqrt(m)
    linear(1, m, *((1.0, math.sqrt(C_TANH / m)) if scaled else (1 / math.sqrt(m), 1.0)))
    last = parameters[f"w{depth}"]
    parameters[f"w{depth}"] = np.sign(last) * (1.0 if scaled else 1 / math.sqrt(m))
    return Task(operations, parameters, x, y.reshape(-1, 1), "square", 1, 1)


def least_width(closes: Callable[[int], bool], low: int = 2, most: int = 2**15) -> int | None:
    """The least width with ``closes``, by doubling from `low` and bisection to 2 %.

    None if it does not at `most` either.
    """
    high = low
    while not closes(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    if high == low:
        return high
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if closes(middle) else (middle, high)
    return high


def by_path(task: Task, delta: float = 0.01) -> bool:
    """Whether the path-length theorem applies at the initial weights, with a small step."""
    prover = Prover(task)
    at = prover.measure(task.parameters)
    sigma = math.sqrt(at.eigenvalue)
    if sigma == 0 or 2 * at.h >= 1:
        return False
    run = prover.net.forward(task.parameters)
    for stretch in (1.02, 1.1, 1.25, 1.5, 1.75, 2.0):
        radius = stretch * at.loss / sigma
        curved = second_order(prover.net, task.parameters, run, radius)
        area = sigma * radius - curved * radius**2 / 2
        if curved * radius < sigma and at.loss < (1 - delta) * area:
            return True
    return False


def start(task: Task) -> Measured:
    """All numbers at the initial weights."""
    return Prover(task).measure(task.parameters)


def by_product(task: Task) -> bool:
    """As `by_path`, but with ``L`` from products of norms, for one hidden layer.

    ``L`` is the largest eigenvalue of ``[[sup|phi''| |a| |X|^2, |X|], [|X|, 0]]`` on the ball.
    """
    prover = Prover(task)
    at = prover.measure(task.parameters)
    size = float(np.linalg.norm(task.inputs, 2))
    sigma = math.sqrt(max(at.eigenvalue, 1e-300))
    for stretch in (1.02, 1.25, 1.5, 2.0):
        radius = stretch * at.loss / sigma
        readout = float(np.linalg.norm(task.parameters["w1"])) + radius
        bend = BEND * readout * size**2
        lipschitz = bend / 2 + math.sqrt(bend**2 / 4 + size**2)
        if lipschitz * radius < sigma and sigma * radius - lipschitz * radius**2 / 2 > at.loss:
            return True
    return False


def by_march(task: Task, delta: float = 0.001) -> bool:
    """Whether the block march reaches a residual of 0, for one hidden layer.

    Only the readout's part ``K_a = A^T A`` of the Gram matrix is relied on, and only the motion
    ``s`` of the hidden weights lowers it: ``sigma_a(s) >= sigma_a - c s`` while ``s <= S``, with
    ``c = max_j |diag(max_s phi'(z_j)) X|``. While the residual falls by ``du`` the hidden weights
    move at most ``du/(1-delta) * {1/(2 sigma_a) if beta >= sigma_a, else beta/(sigma_a^2 +
    beta^2)}``, and the readout at most ``du/(1-delta)/sigma_a``, where ``beta`` bounds the hidden
    part of J: ``beta(0) + |X| (s_a + sup|phi''| |a|_inf s max|x|)``. Right sides grow with both
    motions, so implicit upper Euler steps stay above the solution.
    """
    w, a = task.parameters["w0"], task.parameters["w1"]
    net = Prover(task).net
    run = net.forward(task.parameters)
    features, slopes = run.values[2], run.slopes[2]
    rest = float(np.linalg.norm(run.values[-1] - task.targets))
    sigma = float(np.linalg.svd(features, compute_uv=False)[-1]) if len(w) >= len(features) else 0.0
    size = float(np.linalg.norm(task.inputs, 2))
    longest = np.linalg.norm(task.inputs, axis=1)
    back = a * slopes
    gram = task.inputs @ task.inputs.T
    march = _March(
        rest / (1 - delta), sigma, size,
        hidden=math.sqrt(float(np.linalg.norm((back @ back.T) * gram, 2))),
        bend=size * BEND * float(np.abs(a).max()) * float(longest.max()),
    )
    if sigma == 0:
        return False
    if march.closes(size, math.inf):
        return True
    if len(w) > WIDE:
        return False
    for far in rest / sigma * np.geomspace(0.2, 1.0, 8):
        steep = np.minimum(1.0, slopes + BEND * far * longest[:, None]).T
        change = steep[:, :, None] * gram * steep[:, None, :]
        if march.closes(math.sqrt(float(np.linalg.eigvalsh(change)[:, -1].max())), float(far)):
            return True
    return False


@dataclass(frozen=True)
class _March:
    """The march of `by_march`: residual over 1 - delta, sigma_a, |X|, beta(0), its growth in s."""

    rest: float
    sigma: float
    size: float
    hidden: float
    bend: float

    def closes(self, fall: float, far: float, pieces: int = 4000) -> bool:
        """Whether the residual gets to 0 while ``s <= far``, if ``sigma_a`` falls by `fall` s."""
        step = self.rest / pieces
        s = t = 0.0
        for _ in range(pieces):
            ahead_s, ahead_t = s, t
            for _ in range(60):
                left = self.sigma - fall * ahead_s
                if left <= 0 or ahead_s > far:
                    return False
                beta = self.hidden + self.size * ahead_t + self.bend * ahead_s
                pull = 1 / (2 * left) if beta >= left else beta / (left**2 + beta**2)
                new_s, new_t = s + step * pull, t + step / left
                if new_s <= ahead_s and new_t <= ahead_t:
                    break
                ahead_s, ahead_t = new_s * (1 + 1e-12), new_t * (1 + 1e-12)
            else:
                return False
            s, t = ahead_s, ahead_t
        return True


def by_anchor(task: Task, steps: int = 300, say: Callable[[str], None] = lambda text: None
              ) -> Outcome:
    """Damped Gauss-Newton steps until a theorem applies, in a certificate that is checked."""
    return certify(task, steps=steps, say=say, train=gauss_newton)
