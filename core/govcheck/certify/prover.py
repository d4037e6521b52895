"""Finds a certificate: trains until the theorem applies, chooses radius, slack and step.

Everything is float64 and nothing is trusted: what comes out is a file for the checker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

import numpy as np
from scipy import linalg, special

from govcheck.certify import checker
from govcheck.certify.floats import Array, FloatNetwork, Parameters, Pass
from govcheck.certify.program import Task
from govcheck.certify.second import input_drift, second_order

Aim = Literal["steps", "rate"]

SLACKS: Final = (0.5, 0.25, 0.1, 0.03)
"""Values of delta to try: 1/2 for the best rate first, small for the earliest proof."""

TINY: Final = 2.0**-800
"""Stands for 0 where a file must have a positive number."""

INFLATION: Final = 1.12
"""How much larger the checker's L may come out: it bounds norms by repeated squaring."""


@dataclass(frozen=True)
class Measured:
    """A network at one parameter vector, in float64.

    Args:
        loss: ``|F - y|``, or the summed cross-entropy.
        eigenvalue, top: extreme eigenvalues of ``J J^T``.
        lipschitz: the bound of the second derivative at the point itself.
        h: ``L |r|/sigma^2`` (with ``sqrt(n)`` times the gap of psi for cross-entropy).
    """

    loss: float
    eigenvalue: float
    top: float
    lipschitz: float
    h: float


@dataclass(frozen=True)
class Plan:
    """What to claim; the checker's numbers replace these.

    Args:
        radius: of the ball.
        delta: slack of the step.
        step: on the task's loss, where it was given; otherwise it follows from delta.
        hidden: how far all weights but the readout's may move, where the proof rests on the
            readout's part of ``J J^T``.
    """

    radius: float
    delta: float
    step: float | None = None
    hidden: float | None = None


@dataclass(frozen=True)
class Shadow:
    """Steps for the checker to follow.

    Args:
        start: parameters before them.
        steps: how many, at least 1.
        reach: radius of the balls on which the checker bounds J along the way.
    """

    start: Parameters
    steps: int
    reach: float


class Prover:
    """A task as a float64 network.

    Args:
        task: what is to be certified.
        target: for cross-entropy, the loss to reach.
    """

    def __init__(self, task: Task, target: float | None = None) -> None:
        self.task = task
        shapes = {name: w.shape for name, w in task.parameters.items()}
        try:
            self.net = FloatNetwork(task.operations, shapes, task.inputs)
        except checker.MalformedError as error:
            raise ValueError(f"this network cannot be certified: {error}") from None
        self.square = task.cost == "square"
        self.target = math.log(2) * 0.99 if target is None else target

    def loss(self, run: Pass) -> float:
        """``|F - y|``, or the summed cross-entropy."""
        out = run.values[-1]
        if self.square:
            return float(np.linalg.norm(out - self.task.targets))
        picked = out[np.arange(len(out)), self.task.targets.astype(int)]
        return float((special.logsumexp(out, axis=1) - picked).sum())

    def residual(self, run: Pass) -> Array:
        """Gradient of the summed loss in the outputs."""
        out = run.values[-1]
        if self.square:
            return np.asarray(out - self.task.targets)
        p = special.softmax(out, axis=1)
        p[np.arange(len(out)), self.task.targets.astype(int)] -= 1
        return np.asarray(p)

    def need(self, loss: float) -> float:
        """What the integral of sigma must exceed, up to ``1 - delta``."""
        if self.square:
            return loss
        if loss <= self.target:
            return 0.0

        def psi(x: float) -> float:
            return x + math.log(-math.expm1(-x))

        return math.sqrt(len(self.task.inputs)) * (psi(loss) - psi(self.target))

    def bend(self, loss: float, jacobian: float, lipschitz: float) -> float:
        """Bound of the curvature of the summed loss on the way."""
        if self.square:
            return jacobian**2 + lipschitz * loss
        return jacobian**2 / 2 + lipschitz * self.slope(loss)

    def slope(self, loss: float) -> float:
        """Bound of cross-entropy's gradient in the outputs."""
        return 1.5 * min(loss, math.sqrt(len(self.task.inputs)) * (1 + 1e-12))

    def measure(self, theta: Parameters, run: Pass | None = None) -> Measured:
        """All numbers at one point."""
        run = self.net.forward(theta) if run is None else run
        values = linalg.eigvalsh(self.net.gram(theta, run))
        loss, low = self.loss(run), max(float(values[0]), 0.0)
        curved = second_order(self.net, theta, run, 0.0)
        h = math.inf if low == 0 else curved * self.need(loss) / low
        return Measured(loss, low, float(values[-1]), curved, h)

    def plan(self, theta: Parameters, at: Measured, aim: Aim, step: float | None) -> Plan | None:
        """Radius, slack and step with which a theorem applies, or None.

        Args:
            theta: the parameters.
            at: `measure` of them.
            aim: the best rate, or to apply at all.
            step: a step size that is given, on the task's loss.
        """
        return self._by_path(theta, at, aim, step) or self._by_readout(theta, at, aim, step)

    def _by_readout(
        self, theta: Parameters, at: Measured, aim: Aim, step: float | None
    ) -> Plan | None:
        """A plan that rests on the readout's part of ``J J^T``."""
        run = self.net.forward(theta)
        gram = self.net.input_gram(run) if self.square else None
        low = 0.0 if gram is None else float(linalg.eigvalsh(gram)[0])
        if low <= 1e-12 * at.top:
            return None
        sigma, adjoints = math.sqrt(low), self.net.jacobian_adjoints(theta, run)
        factor = self.task.numerator / self.task.denominator
        loss = max(at.loss, _least(sigma, at.lipschitz))
        for stretch in (1.02, 1.1, 1.25, 1.5, 1.8):
            hidden = stretch * loss / (2 * sigma)
            fall = 1.05 * input_drift(self.net, theta, run, hidden, adjoints)
            for slack in SLACKS if step is None and aim == "steps" else SLACKS[:1]:
                left = (1 - slack) * (sigma - fall)
                if left <= 0 or 1.0001 * loss >= 2 * (1 - slack) * (sigma - fall / 2) * hidden:
                    continue
                radius = 1.001 * loss / left
                curved = INFLATION * second_order(self.net, theta, run, radius, adjoints)
                bend = self.bend(at.loss, math.sqrt(at.top) + curved * radius, curved)
                if step is None or step * factor * bend / 2 * (1 + 1e-6) <= slack:
                    return Plan(radius, slack, step, hidden)
        return None

    def _by_path(
        self, theta: Parameters, at: Measured, aim: Aim, step: float | None
    ) -> Plan | None:
        """A plan with the path-length theorem."""
        factor = self.task.numerator / self.task.denominator
        sigma, need = math.sqrt(at.eigenvalue), self.need(at.loss)
        if sigma == 0 or at.lipschitz * need >= at.eigenvalue / 2:
            return None
        run = self.net.forward(theta)
        adjoints = self.net.jacobian_adjoints(theta, run)
        if need == 0 and not self.square:
            return None  # the target is reached already, which says nothing
        need = max(need, _least(sigma, at.lipschitz))
        for stretch in (1.02, 1.1, 1.25, 1.5, 1.8, 2.2):
            curves: dict[float, float] = {}
            for slack in SLACKS if step is None and aim == "steps" else SLACKS[:1]:
                # the last step to a target of cross-entropy must stay in the ball; its length
                # is at most step |J| slope, and a step of slack d is 4 d/|J|^2 where L = 0
                slope = 0.0 if self.square else self.slope(at.loss)
                first = 4 * slack / at.top if step is None else step * factor
                radius = stretch * need / sigma + 1.05 * first * math.sqrt(at.top) * slope
                if radius not in curves:
                    curves[radius] = INFLATION * second_order(
                        self.net, theta, run, radius, adjoints)
                curved = curves[radius]
                jacobian = math.sqrt(at.top) + curved * radius
                bend = self.bend(at.loss, jacobian, curved)
                delta = slack if step is None else step * factor * bend / 2 * (1 + 1e-6)
                path = radius - 1.0001 * (2 * delta / bend) * jacobian * slope
                area = sigma * path - curved * path**2 / 2
                if path > 0 and curved * radius < sigma and 1.0001 * need < (1 - delta) * area:
                    return Plan(radius, delta, step)
        return None

    def train(
        self,
        theta: Parameters,
        steps: int,
        aim: Aim,
        step: float | None = None,
    ) -> Iterator[tuple[int, Parameters, Measured, Plan | None]]:
        """Gradient descent, measured at steps that lie ever farther apart.

        Without a step size, which is on the task's loss, it takes the inverse of the largest
        curvature at the last measurement. The caller stops at a plan it likes; the end comes
        after `steps`, or where the loss is no number.
        """
        t, due = 0, 0
        theta = {name: w.copy() for name, w in theta.items()}
        factor = self.task.numerator / self.task.denominator
        rate = None if step is None else step * factor
        while True:
            run = self.net.forward(theta)
            if t in (due, steps):
                at = self.measure(theta, run)
                plan = self.plan(theta, at, aim, step)
                yield t, {n: w.copy() for n, w in theta.items()}, at, plan
                if t >= steps or not math.isfinite(at.loss):
                    return
                due = max(t + 1, int(t * 1.2))
                if step is None:
                    rate = 1 / (at.top * (1 if self.square else 0.5) + 0.2 * at.top)
            assert rate is not None
            g = self.net.gradient(theta, run, self.residual(run))
            theta = {name: w - rate * g[name] for name, w in theta.items()}
            t += 1

    def reach(self, theta: Parameters, step: float, top: float) -> float:
        """A radius for `Shadow` on which errors do not grow, as far as can be told.

        Args:
            theta: where the steps begin.
            step: on the task's loss.
            top: largest eigenvalue of ``J J^T`` on the way.
        """
        run = self.net.forward(theta)
        adjoints = self.net.jacobian_adjoints(theta, run)
        summed = step * self.task.numerator / self.task.denominator
        # an error grows by step |J|^2 - 1 where that is above 1
        room = max(math.sqrt(2 / summed) - math.sqrt(top), 0.02 * math.sqrt(top))
        radius = 1.0
        while second_order(self.net, theta, run, radius, adjoints) * radius > 0.7 * room:
            radius /= 1.4
        return radius

    def certificate(
        self, theta: Parameters, plan: Plan, bits: int = 128, about: dict[str, Any] | None = None,
        say: Callable[[str], None] = lambda text: None, shadow: Shadow | None = None,
    ) -> tuple[dict[str, Any], list[checker.Line]]:
        """A certificate with the checker's own numbers as claims, and what it says of them.

        Args:
            theta: where the theorem is applied.
            plan: what to claim.
            bits: of the checker's numbers.
            about: more for people.
            say: takes lines of progress.
            shadow: where gradient descent with the plan's step came from, to prove from there.
        """
        run = self.net.forward(theta)
        inputs = None if plan.hidden is None else self.net.input_gram(run)
        gram = self.net.gram(theta, run) if inputs is None else inputs
        values = linalg.eigvalsh(gram)
        # float64 knows an eigenvalue to about 1e-15 of the largest; the rest is for Cholesky
        shift = float(values[0]) * (1 - 1e-7) - 1e-13 * float(values[-1])
        try:
            factor = np.linalg.cholesky(gram - shift * np.eye(len(gram)))
        except np.linalg.LinAlgError:
            factor = np.zeros_like(gram)
        names = "residual rate" if self.square else "loss target"
        claims = dict.fromkeys((checker.COMMON + " " + names).split(), (1.0).hex())
        claims["radius"] = plan.radius.hex()
        if plan.hidden is not None:
            claims |= {"hidden": plan.hidden.hex(), "drift": (1.0).hex()}
        file = {
            "format": checker.FORMAT,
            "version": checker.VERSION,
            "about": {"name": self.task.name, "data": self.task.source, **(about or {})},
            "bits": bits,
            "data": {"inputs": _array(self.task.inputs), "targets": _array(self.task.targets)},
            "program": self.task.operations,
            "parameters": {
                name: _array(w) for name, w in (theta if shadow is None else shadow.start).items()
            },
            "cost": {"kind": self.task.cost, "numerator": self.task.numerator,
                     "denominator": self.task.denominator},
            "step": (1.0 if plan.step is None else plan.step).hex(),
            "claims": claims,
            "witness": {
                "shift": max(shift, TINY).hex(),
                "factor": [[float(v).hex() for v in row[: i + 1]]
                           for i, row in enumerate(factor)],
            },
        }
        if shadow is not None:
            file["shadow"] = {"steps": shadow.steps, "reach": shadow.reach.hex()}
        read = checker.certificate(file)
        try:
            found = checker.facts(read, say)
            self._claim(file, found, read.grid, plan)
            return file, checker.judge(checker.certificate(file), found)
        except checker.FailedError as error:
            return file, [checker.Line("enclosure", False, str(error))]

    def _claim(self, file: dict[str, Any], found: checker.Facts, g: checker.Grid, plan: Plan
               ) -> None:
        claims = file["claims"]
        loss, curved = _above(found.loss, g), max(_above(found.lipschitz, g), TINY)
        top = _above(g.root(found.top), g)
        jacobian = math.nextafter(top + curved * plan.radius, math.inf) * (1 + 1e-14)
        low = max(_below(found.eigenvalue, g), TINY)
        bend = self.bend(loss, jacobian, curved)
        factor = Fraction(self.task.numerator, self.task.denominator)
        if plan.step is None:
            delta, step = plan.delta, 2 * plan.delta / bend / float(factor) * (1 - 1e-12)
        else:
            delta, step = plan.step * float(factor) * bend / 2 * (1 + 1e-12), plan.step
        exact = Fraction(step) * factor
        fall = curved * plan.radius
        if plan.hidden is not None:
            fall = max(_above(found.drift, g), TINY)
            claims["drift"] = fall.hex()
        sigma = math.sqrt(low) - fall
        gain = 2 * float(exact) * (1 - delta) * max(sigma, 0.0) ** 2
        claims |= {
            "eigenvalue": low.hex(),
            "lipschitz": curved.hex(),
            "jacobian": jacobian.hex(),
            "delta": delta.hex(),
            "residual" if self.square else "loss": loss.hex(),
        }
        if self.square:
            claims["rate"] = (1 - gain * (1 - 1e-9)).hex()
        else:
            claims["target"] = self.target.hex()
        file["step"] = step.hex()


def _least(sigma: float, lipschitz: float) -> float:
    """What counts as no residual at all, so that radii stay positive."""
    return 1e-12 * sigma**2 / max(lipschitz, sigma)


def _array(a: Array) -> dict[str, Any]:
    values = [float(v) for v in np.ravel(a)]
    found = checker.Array(tuple(a.shape), values)
    return {"shape": list(a.shape), "sha256": found.sha256(),
            "values": [v.hex() for v in values]}


def _above(x: int, g: checker.Grid) -> float:
    value = float(Fraction(x, g.one))
    return value if Fraction(value) * g.one >= x else math.nextafter(value, math.inf)


def _below(x: int, g: checker.Grid) -> float:
    value = float(Fraction(x, g.one))
    return value if Fraction(value) * g.one <= x else math.nextafter(value, -math.inf)
