"""Initial values that a layer gives its parameters."""

from __future__ import annotations

import numpy as np
import pytest

from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import ball
from govcheck.bounds.expr import num, sym
from govcheck.errors import InputError
from govcheck.graph.architecture import InitSpec
from govcheck.graph.weights import Placed, initial_weights
from govcheck.plugin.layer import Layer, Parameter

M = sym("m")


class Two(Layer):
    name = "two"

    def parameters(self, shape):
        return Parameter("w", (*shape, *shape), 1 / M), Parameter("bias", shape)

    def module(self, shape, values):
        raise NotImplementedError


@pytest.mark.parametrize("method", ["normal", "torch", "zero", "he", "lecun"])
def test_initial_value_wins_over_every_method(method):
    weights = initial_weights([Placed("a", Two(), (num(2),))], {M: ball(4)}, InitSpec(method))
    assert (weights["a", "w"] == np.full((2, 2), 0.25)).all()
    assert weights["a", "bias"].shape == (2,)


def test_initial_value_without_a_number():
    with pytest.raises(InputError, match="cannot be drawn"):
        initial_weights([Placed("a", Two(), (num(2),))], {}, InitSpec())


def test_floor_facts_are_lower_bounds():
    domain = AroundInit(num(1))
    domain.floor("a", "w", "row_min")
    (fact,) = domain.facts().values()
    assert (fact.kind, fact.sense) == ("row_min", "lower")
