"""One layer on one input set and one parameter set: what it claims and what search finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal

import numpy as np
import torch
from flint import arb
from torch import Tensor

from govcheck.bounds.answer import Value, sense_of
from govcheck.bounds.domain import AroundInit, Ball, Domain, Everything
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import Expr, num, sym
from govcheck.numeric.attack import Found, Inputs, Weights, attack
from govcheck.numeric.attack_local import local_first_order
from govcheck.numeric.build import values_in
from govcheck.numeric.derivatives import (
    SECOND,
    Function,
    Second,
    climb,
    first_order,
    jacobians,
    matrix,
    random_directions,
    smallest_on_units,
)
from govcheck.plugin.example import Example
from govcheck.plugin.layer import At, Shape

X_F, X_2, X_MAX = sym("X_F"), sym("X_2"), sym("X_max")
X_S, X_S1, SAMPLES = sym("sigma_X"), sym("sigma_X1"), sym("N")
PARAMETERS: Final = Fraction(3, 2)
"""Radius of the ball of parameters."""
NEAR: Final = Fraction(1, 5)
"""Radius of the ball around given parameters."""

Set = Literal["everything", "ball", "around given weights"]


@dataclass(frozen=True)
class Setting:
    """An input set and a parameter set.

    Args:
        parameters: which parameter set.
        radius: largest Frobenius norm of a batch.
        flat: operator norm of a batch over `radius`.
        full: least ``|X v|`` over unit v over `radius`, where there are no more samples than
            features.
        batch: one batch of this norm with its own norms instead of a set.
    """

    parameters: Set
    radius: Fraction
    flat: Fraction = Fraction(1)
    full: Fraction = Fraction(0)
    batch: bool = False

    def __str__(self) -> str:
        of = f"one batch of norm {float(self.radius):g}" if self.batch else (
            f"inputs up to {float(self.radius):g}")
        return f"{of}, parameters: {self.parameters}"


class Place:
    """A layer in a setting, in symbols and in numbers.

    Args:
        example: the layer and its input.
        setting: the sets.
        points: number of random points that are looked at before each search.
        seed: of everything random.
    """

    def __init__(self, example: Example, setting: Setting, points: int, seed: int = 0) -> None:
        self.example, self.setting, self.points, self.seed = example, setting, points, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.values = values_in({s: ball(v) for s, v in example.values.items()})
        self.f = Function(example.layer.module(example.shape, self.values).double())
        self.domain: Domain = Everything()
        self.weights = Weights()
        self.centre = 0.8 * self._normal(self.f.size)
        if setting.parameters == "ball":
            self.domain, self.weights = Ball(num(PARAMETERS)), Weights(float(PARAMETERS))
        elif setting.parameters != "everything":
            self.domain = AroundInit(num(NEAR))
            self.weights = Weights(float(NEAR), self.centre)
        self.batch: Tensor | None = None
        self._best: dict[str, Found] = {}
        self.inputs, self.norms = self._inputs()

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def _inputs(self) -> tuple[Inputs, dict[Expr, arb]]:
        shape = (self.example.samples, *self.example.shape)
        radius = float(self.setting.radius)
        ones = 0.0
        if self.setting.batch:
            x = self._normal(*shape)
            x *= radius / torch.linalg.vector_norm(x)
            z = matrix(x)
            self.batch = x
            top, low = float(torch.linalg.matrix_norm(z, 2)), float(smallest_on_units(z))
            radius = float(torch.linalg.vector_norm(z))
            ones = float(smallest_on_units(torch.cat([z, z.new_ones(1, z.shape[1])])))
            longest = float(torch.linalg.vector_norm(z, dim=0).max())
            inputs = Inputs(shape, radius)
        else:
            wide = self.example.samples > math.prod(self.example.shape)
            top = longest = radius * float(self.setting.flat)
            low = 0.0 if wide else radius * float(self.setting.full)
            inputs = Inputs(shape, radius, top, low)
        norms = {X_F: radius, X_2: top, X_MAX: longest, X_S: low, X_S1: ones}
        return inputs, {s: ball(v) for s, v in norms.items()}

    def at(self, shape: Shape, samples: Expr) -> At:
        """The place to ask the layer about, with these sizes."""
        return At("layer", shape, samples, X_F, X_2, X_S, X_S1, self.domain, X_MAX)

    def ask(self, attribute: str) -> Value:
        """The answer of one of the layer's methods, sizes as numbers."""
        shape = tuple(map(num, self.example.shape))
        answer: Value = getattr(self.example.layer, attribute)(
            self.at(shape, num(self.example.samples))
        )
        return answer

    def ask_in_symbols(self, attribute: str) -> Value:
        """The same, number of samples and dimensions as symbols."""
        answer: Value = getattr(self.example.layer, attribute)(self.at(self._symbols, SAMPLES))
        return answer

    @cached_property
    def _symbols(self) -> Shape:
        return tuple(sym(f"d_{i}") for i in range(len(self.example.shape)))

    def number(self, formula: Expr) -> arb:
        """The value of an answer."""
        env = {s: ball(v) for s, v in self.example.values.items()} | self.norms
        env |= {s: ball(n) for s, n in zip(self._symbols, self.example.shape, strict=True)}
        env[SAMPLES] = ball(self.example.samples)
        given = {
            n: self.centre[p].reshape(dict(self.f.module.named_parameters())[n].shape)
            for n, p in self.f.slices.items()
        }
        for s, fact in self.domain.facts().items():
            if fact.parameter not in given:
                raise ValueError(f"it asks for a norm of {fact.parameter}, which the layer does "
                                 "not have")
            array = np.asarray(given[fact.parameter].numpy(), dtype=np.float64)
            env[s] = self.example.layer.parameter_norm(
                fact.parameter, fact.kind, array, self.example.shape, self.values
            )
        return evaluate(formula, env)

    @cached_property
    def pool(self) -> list[tuple[Tensor, Tensor]]:
        """Points of the sets at many distances from the origin, the first of them at the rim."""
        found = []
        for i in range(self.points):
            theta, x = self.weights.draw(self.f, self.generator), self.inputs.draw(self.generator)
            if self.batch is not None:
                x = self.batch.clone()
            elif i % 3 == 1:
                x = self.inputs.project(x * self._power(-4, 0))
            elif i % 3 == 2:
                # one entry that sticks out
                flat = 1e-3 * x.reshape(-1)
                place = torch.randint(len(flat), (), generator=self.generator)
                flat[place] = self.inputs.frobenius * self._power(-2, 0)
                x = self.inputs.project(flat.reshape(x.shape))
            if i % 2 and self.f.size:
                origin = self.weights.origin(self.f)
                top = 2 if self.setting.parameters == "everything" else 0
                theta = origin + (theta - origin) * self._power(-3, top)
            found.append((theta, x))
        return found

    def _power(self, low: float, high: float) -> float:
        return float(10 ** (low + (high - low) * torch.rand((), generator=self.generator)))

    @cached_property
    def _scores(self) -> list[dict[str, float]]:
        """First-order quantities at each point of the pool."""
        found = []
        for theta, x in self.pool:
            scores = first_order(self.f, theta, x)
            found.append(scores | local_first_order(jacobians(self.f, theta, x)[0]))
        return found

    def _score(self, quantity: str, index: int) -> float:
        if quantity in self._scores[index]:
            return self._scores[index][quantity]
        theta, x = self.pool[index]
        kind: Second = next((k for k in SECOND if k == quantity), "xx")
        generator = torch.Generator().manual_seed(index)
        start = random_directions(self.f, kind, theta, x, generator)
        return climb(self.f, kind, theta, x, start, rounds=1)[0]

    def search(self, quantity: str, starts: int, steps: int) -> float:
        """The most extreme value found: at points of the pool, and on from the best of them."""
        sign = _sign(quantity)
        indices = range(0, len(self.pool), 1 if quantity not in SECOND else 2)
        scores = {i: self._score(quantity, i) for i in indices}
        scores = {i: s for i, s in scores.items() if math.isfinite(s)}
        order = sorted(scores, key=lambda i: -sign * scores[i])
        best = -math.inf
        if quantity == "xx_inf":
            # what was scored is xx
            starts = max(starts, 1)
        elif order:
            best = sign * scores[order[0]]
            self._note(quantity, Found(scores[order[0]], *self.pool[order[0]]))
        for i in order[:starts]:
            found = self._ascend(quantity, self.pool[i], steps, 0.3 if steps < 30 else 0.1)
            best = max(best, sign * found.value)
        return sign * best

    def polish(self, quantity: str, steps: int) -> float:
        """Search on from the best point that `search` found, first in large and then in small
        steps."""
        found = self._best.get(quantity)
        for rate in (0.3, 0.03):
            if found is not None:
                self._ascend(quantity, (found.theta, found.x), steps, rate)
                found = self._best[quantity]
        return -_sign(quantity) * math.inf if found is None else found.value

    def _ascend(
        self, quantity: str, start: tuple[Tensor, Tensor], steps: int, rate: float
    ) -> Found:
        found = attack(
            self.f, quantity, self.inputs, self.weights, starts=1, steps=steps, rate=rate,
            seed=self.seed, at=start, fixed_inputs=self.batch is not None,
        )
        sign = _sign(quantity)
        if not math.isfinite(found.value):
            return Found(-sign * math.inf, found.theta, found.x)
        self._note(quantity, found)
        return found

    def _note(self, quantity: str, found: Found) -> None:
        best, sign = self._best.get(quantity), _sign(quantity)
        if best is None or sign * found.value > sign * best.value:
            self._best[quantity] = found


def _sign(quantity: str) -> float:
    return -1.0 if sense_of(quantity) == "lower" else 1.0
