"""Layers made up for the tests of the kit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from govcheck.bounds.expr import ONE, ZERO, num, sqrt
from govcheck.plugin import At, Layer, Parameter, Ref, Value, bound
from govcheck.plugin.example import Example

torch.set_num_threads(1)

REF = Ref("a book", "page 1")


class Product(torch.nn.Module):
    """``weight * sin(x)`` entrywise."""

    def __init__(self, shape):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))

    def forward(self, x):
        return self.weight * x.sin()


@dataclass(frozen=True)
class Wave(Layer):
    """wave: X -> weight * sin X, entrywise, with the right constants."""

    name: ClassVar[str] = "wave"

    def parameters(self, shape):
        return (Parameter("weight", shape),)

    def module(self, shape, values):
        return Product(shape)

    @bound("out", "upper", REF, tight="all of X small")
    def output(self, at: At) -> Value:
        """``|sin x| <= |x|``."""
        norm = at.norm("weight", "max")
        return norm if not hasattr(norm, "op") else norm * at.frobenius

    @bound("J", "upper", REF, tight="attained: X = 0")
    def jacobian(self, at: At) -> Value:
        """Diagonal with entries ``w cos x``."""
        return at.norm("weight", "max")

    @bound("J_inf", "upper", REF, tight="attained")
    def jacobian_inf(self, at: At) -> Value:
        """The same for a diagonal matrix."""
        return at.norm("weight", "max")

    @bound("xx", "upper", REF, tight="sin x = 1")
    def second(self, at: At) -> Value:
        """Entries ``-w sin x``."""
        return at.norm("weight", "max")

    @bound("xx_inf", "upper", REF)
    def second_inf(self, at: At) -> Value:
        """The same."""
        return at.norm("weight", "max")

    @bound("D", "upper", REF)
    def parameter_derivative(self, at: At) -> Value:
        """Each weight meets N entries, at most 1 and at most ``|X|_F`` together."""
        return sqrt(at.samples)

    @bound("xt", "upper", REF)
    def mixed(self, at: At) -> Value:
        """Entries ``cos x``."""
        return ONE

    @bound("tt", "upper", REF, tight="exact: linear in w")
    def parameter_second(self, at: At) -> Value:
        """Linear."""
        return ZERO

    @bound("sigma_J", "lower", REF)
    def least(self, at: At) -> Value:
        """Nothing is known."""
        return ZERO


@dataclass(frozen=True)
class Skip(Layer):
    """skip: X -> X/2, whose sigma_skip is 3/2."""

    name: ClassVar[str] = "skip"

    def module(self, shape, values):
        from govcheck.numeric.modules import Elementwise

        return Elementwise(lambda x: x / 2, "half")

    @bound("J", "upper", REF, tight="exact")
    def jacobian(self, at: At) -> Value:
        """Half of the identity."""
        return ONE / 2

    @bound("sigma_J", "lower", REF, tight="exact")
    def least(self, at: At) -> Value:
        """The same."""
        return ONE / 2

    @bound("sigma_skip", "lower", REF, tight="exact")
    def least_with_skip(self, at: At) -> Value:
        """``I + I/2``."""
        return num(3) / 2

    @bound("out_inj", "lower", REF, tight="exact")
    def injective(self, at: At) -> Value:
        """Half of that of X."""
        return at.injective / 2


@pytest.fixture
def wave():
    return Wave


@pytest.fixture
def skip():
    return Skip


@pytest.fixture
def changed():
    """A subclass of a layer with some attributes replaced; bounds keep their marks."""

    def make(cls: type[Layer], **attributes):
        for key, value in attributes.items():
            old = getattr(cls, key, None)
            spec = getattr(old, "__govcheck_bound__", None)
            if spec is not None and not hasattr(value, "__govcheck_bound__"):
                value.__govcheck_bound__ = spec
                value.__doc__ = old.__doc__
        body = {"__doc__": cls.__doc__, "__module__": cls.__module__, **attributes}
        return dataclass(frozen=True)(type(cls.__name__, (cls,), body))

    return make


@pytest.fixture
def example():
    return Example


@pytest.fixture
def failed():
    """Names of the checks that fail, with their messages."""

    def find(records):
        return {r.check: r.message for r in records if r.bad}

    return find


@pytest.fixture
def root_half():
    return math.sqrt(0.5)
