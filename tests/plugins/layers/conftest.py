"""Every built-in activation at several parameter values, for the tests of this folder."""

from __future__ import annotations

import pkgutil
from fractions import Fraction
from importlib import import_module
from typing import Any

import pytest

import govcheck_plugins.layers as package
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import as_expr, num
from govcheck.plugin import Activation

PARAMETERS: dict[str, list[dict[str, str]]] = {
    "softplus": [{"beta": "1/2"}, {}, {"beta": "7"}],
    "squareplus": [{"b": "3/10"}, {"b": "1"}, {}, {"b": "9"}],
    "elu": [{}, {"alpha": "1/2"}, {"alpha": "2"}, {"alpha": "-1/2"}],
    "leaky_relu": [{"slope": "-1/2"}, {"slope": "1/10"}, {"slope": "1"}, {"slope": "2"}],
    "sin": [{"frequency": "1/2"}, {}, {"frequency": "3"}],
}


def _classes() -> dict[str, type[Activation]]:
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        for value in vars(import_module(f"{package.__name__}.{info.name}")).values():
            concrete = isinstance(value, type) and value is not Activation
            if concrete and issubclass(value, Activation):
                found[value.name] = value
    return found


CLASSES = _classes()


def _make(name: str, **parameters: Any) -> Activation:
    return CLASSES[name](**parameters)


INSTANCES = {
    " ".join([name, *(f"{k}={v}" for k, v in p.items())]): _make(
        name, **{k: num(Fraction(v)) for k, v in p.items()}
    )
    for name in sorted(CLASSES)
    for p in PARAMETERS.get(name, [{}])
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "activation" in metafunc.fixturenames:
        metafunc.parametrize("activation", list(INSTANCES.values()), ids=list(INSTANCES))


@pytest.fixture
def make():
    """Build an activation by name; parameters are formulas."""
    return _make


@pytest.fixture
def activations() -> list[Activation]:
    return list(INSTANCES.values())


@pytest.fixture
def values():
    """Formulas without symbols as floats."""
    return lambda e: float(evaluate(as_expr(e), {}).mid())


@pytest.fixture
def upper():
    """A float at least the value of a formula."""
    return lambda e: float(evaluate(e, {}).upper()) * (1 + 2**-50)


@pytest.fixture
def lower():
    """A float at most the value of a formula that is not negative."""
    return lambda e: float(evaluate(as_expr(e), {}).lower()) * (1 - 2**-50)
