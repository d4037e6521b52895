"""Every built-in activation at several parameter values, and attacks on any layer."""

from __future__ import annotations

import pkgutil
from fractions import Fraction
from importlib import import_module
from typing import Any

import pytest

import govcheck_plugins.layers as package
from govcheck.bounds.answer import CARRIED, LOWER, Unknown
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.domain import AroundInit, Ball
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import as_expr, num
from govcheck.graph.ask import layer_constants
from govcheck.plugin import Activation, At, Layer

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


@pytest.fixture
def layer():
    """Build a layer by name; whole and rational numbers and tuples of them become formulas."""

    def convert(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(convert, x))
        return num(Fraction(x)) if isinstance(x, Fraction) else x

    def build(name: str, **fields: Any) -> Layer:
        module = import_module(f"{package.__name__}.{name}")
        (cls,) = (c for c in vars(module).values() if getattr(c, "name", None) == name)
        return cls(**{k: convert(v) for k, v in fields.items()})

    return build


@pytest.fixture
def attacked(values):
    """Bounds of a layer on a set of batches and weights, with what an attack finds there."""
    import torch

    from govcheck.bounds.evaluate import ball
    from govcheck.numeric.attack import Inputs, Weights, attack
    from govcheck.numeric.derivatives import Function

    torch.set_num_threads(1)

    def run(
        layer: Layer,
        shape: tuple[int, ...],
        samples: int = 2,
        *,
        norm: str = "3",
        spectral: str | None = None,
        injective: str = "0",
        radius: str = "1",
        around: bool = False,
        starts: int = 2,
        steps: int = 40,
        quantities: tuple[str, ...] = CARRIED,
    ) -> dict[str, tuple[float | Unknown, float]]:
        r, sizes = num(Fraction(radius)), tuple(map(num, shape))
        domain = AroundInit(r) if around else Ball(r)
        top = num(Fraction(spectral or norm))
        low = num(Fraction(injective))
        at = At("it", sizes, num(samples), num(Fraction(norm)), top, low, domain=domain)
        constants = layer_constants(layer, at, TIGHT)
        f = Function(layer.module(shape, values))
        inputs = Inputs((samples, *shape), float(at.frobenius.number), values(top), values(low))
        weights = Weights(values(r), centre=f.theta if around else None)
        given = {n: p.detach() for n, p in f.module.named_parameters()}
        facts = {
            "max": lambda p: p.abs().max(),
            "abs_min": lambda p: p.abs().min(),
            "frobenius": torch.linalg.vector_norm,
        }
        env = {
            s: ball(float(facts[fact.kind](given[fact.parameter])))
            for s, fact in domain.facts().items()
        }
        results = {}
        for q in quantities:
            value = constants.value(q)
            if not isinstance(value, Unknown):
                end = evaluate(value, env)
                value = float(end.lower() if q in LOWER else end.upper())
            found = attack(f, q, inputs, weights, starts=starts, steps=steps).value
            results[q] = (value, found)
        return results

    return run


@pytest.fixture
def holds(attacked):
    """Attack the bounds of a layer, which have to be known but for those named in `unknown`."""

    def check(*args: Any, unknown: tuple[str, ...] = (), **options: Any):
        results = attacked(*args, **options)
        for q, (value, found) in results.items():
            assert isinstance(value, Unknown) == (q in unknown), (q, value)
            if q in unknown:
                continue
            slack = 1e-9 * max(1.0, value)
            if q in LOWER:
                assert found >= value - slack, (q, value, found)
            else:
                assert found <= value + slack, (q, value, found)
        return results

    return check
