"""Certificates that are honest in every number but one idea, and false."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from govcheck.certify import checker

File = dict[str, Any]


def _array(shape: tuple[int, ...], *values: float) -> dict[str, Any]:
    floats = [float(v) for v in values]
    return {"shape": list(shape), "values": [v.hex() for v in floats],
            "sha256": checker.Array(shape, floats).sha256()}


def _scale(source: int, factor: float, parameter: str | None = None) -> dict[str, Any]:
    return {"op": "scale", "from": [source], "factor": float(factor).hex(),
            "parameter": parameter}


def _file(program: list[dict[str, Any]], start: dict[str, float], step: float,
          claims: dict[str, float], *, entropy: bool = False, target: float = 0.0,
          inputs: tuple[float, ...] = (1.0,)) -> File:
    """Samples of one number; the parameters are single numbers."""
    rows = len(inputs) * (2 if entropy else 1)
    n = len(inputs)
    return {
        "format": checker.FORMAT, "version": checker.VERSION, "bits": 128,
        "data": {"inputs": _array((n, 1), *inputs),
                 "targets": _array((n,) if entropy else (n, 1), *[target] * n)},
        "program": program,
        "parameters": {k: _array((), v) for k, v in start.items()},
        "cost": {"kind": "cross_entropy" if entropy else "square", "numerator": 1,
                 "denominator": 1},
        "step": step.hex(),
        "claims": {k: float(v).hex() for k, v in claims.items()},
        "witness": {"shift": float(max(1, round(claims["eigenvalue"]))).hex(),
                    "factor": [[(0.0).hex()] * (i + 1) for i in range(rows)]},
    }


def _failed(file: File) -> set[str]:
    return {x.name for x in checker.check(file).lines if not x.holds}


STEEP, HEIGHT, WALL = 100.0, 100.0, 1.0


def _overshoot(step: float, delta: float, target: float) -> File:
    """Logits ``(w - 100 softplus(100 (w - 1))/100, v)``, label 0, from w = v = 0: straight on a
    small ball, and past w = 1 the first logit falls steeply."""
    program = [
        _scale(0, 1, "w"), _scale(1, STEEP), _scale(0, -STEEP * WALL),
        {"op": "sum", "from": [2, 3]},
        {"op": "activation", "from": [4], "function": "softplus"}, _scale(5, -HEIGHT / STEEP),
        {"op": "sum", "from": [1, 6]}, _scale(0, 1, "v"), {"op": "concat", "from": [7, 8]},
    ]
    claims = {"radius": 1e-6, "eigenvalue": 1 - 1e-9, "jacobian": 1.01, "lipschitz": 0.2,
              "delta": delta, "loss": math.log(2) + 1e-11, "target": target}
    return _file(program, {"w": 0.0, "v": 0.0}, step, claims, entropy=True)


def _run(step: float) -> tuple[float, float]:
    """Loss and distance after the first step of that network."""
    w, v = 0.5 * step, -0.5 * step
    z = w - HEIGHT / STEEP * math.log1p(math.exp(STEEP * (w - WALL)))
    return math.log1p(math.exp(v - z)), math.hypot(w, v)


def test_a_step_over_the_edge_of_the_ball_proves_no_target() -> None:
    """Every inequality of the path holds up to the edge of the ball; the step goes beyond."""
    file = _overshoot(2.4, 0.9, 0.69314717)
    loss, away = _run(2.4)
    assert loss > 10 > 0.69314717
    assert away > 1e-6
    assert _failed(file) == {"path"}
    assert _failed(_overshoot(1e-7, 1e-6, 0.69314717)) == set()
    assert _run(1e-7)[1] < 1e-6


def _line(step: float, delta: float, rate: float) -> File:
    """``F = w`` from 1 to 0: converges exactly for steps below 2."""
    claims = {"radius": 1e6, "eigenvalue": 1 - 1e-9, "jacobian": 1 + 1e-9, "lipschitz": 2.0**-800,
              "delta": delta, "residual": 1 + 1e-9, "rate": rate}
    return _file([_scale(0, 1, "w")], {"w": 1.0}, step, claims)


def test_the_largest_step_of_a_straight_line() -> None:
    assert _failed(_line(1.999, 0.9996, 0.9985)) == set()
    assert _failed(_line(2.0, 1 - 2.0**-40, 0.99999)) == {"delta"}
    assert "delta" in _failed(_line(2.0, 1.0, 0.99999))
    assert "delta" in _failed(_line(3.0, 1.5, 0.99999))
    # |F - y| is multiplied by 0.999 in each step, so the loss by 0.998 and not by 0.9
    assert _failed(_line(1.999, 0.9996, 0.9)) == {"rate"}


def test_a_ball_past_the_singular_point_is_refused() -> None:
    """``F = a b`` from a = b = 1 towards -1: descent ends in the saddle."""
    product = [_scale(0, 1, "a"), _scale(1, 1, "b")]
    for radius in (0.5, 1.0, 1.3, 2.0, 10.0, 1e9):
        claims = {"radius": radius, "eigenvalue": 1.99, "jacobian": 1.5 + 1.1 * radius,
                  "lipschitz": 1.01, "delta": 0.5, "residual": 2 + 1e-9, "rate": 1 - 1e-9}
        file = _file(product, {"a": 1.0, "b": 1.0}, 0.01 / (1 + radius) ** 2, claims, target=-1.0)
        assert _failed(file)
        assert _failed(file) <= {"path", "regular"}


def test_a_radius_written_smaller_than_the_path_is_refused() -> None:
    claims = {"radius": 0.9, "eigenvalue": 1 - 1e-9, "jacobian": 1 + 1e-9,
              "lipschitz": 2.0**-800, "delta": 0.01, "residual": 1 + 1e-9, "rate": 0.999}
    assert _failed(_file([_scale(0, 1, "w")], {"w": 1.0}, 0.01, claims)) == {"path"}


def test_more_samples_than_parameters_have_no_eigenvalue() -> None:
    claims = {"radius": 1e3, "eigenvalue": 1e-6, "jacobian": 2.0, "lipschitz": 0.1,
              "delta": 0.5, "residual": 2 + 1e-9, "rate": 1 - 1e-9}
    file = _file([_scale(0, 1, "w")], {"w": 1.0}, 0.01, claims, inputs=(1.0, 1.0))
    assert "eigenvalue" in _failed(file)


@pytest.mark.parametrize("program", [
    [_scale(0, 1, "w"), _scale(1, 1, "w")],
    [_scale(0, 1)],
    [_scale(0, 1, "other")],
    [_scale(1, 1, "w")],
    [{**_scale(0, 1, "w"), "from": [False]}],
    [{**_scale(0, 1, "w"), "from": []}],
    [{**_scale(0, 1, "w"), "parameter": ["w"]}],
    [_scale(0, 1, "w"), {"op": "sum", "from": [0, 1], "extra": 1}],
    [_scale(0, 1, "w"), {"op": ["sum"], "from": [1]}],
    [],
])
def test_parameters_twice_never_or_unknown(program: list[dict[str, Any]]) -> None:
    file = {**_line(0.5, 0.5, 0.9), "program": program}
    with pytest.raises(checker.MalformedError):
        checker.check(file)


def test_balls_around_each_layer_are_not_mistaken_for_the_joint_one() -> None:
    """Every point of the joint ball is covered: |J| of ``a b`` is largest where both move."""
    product = [_scale(0, 1, "a"), _scale(1, 1, "b")]
    file = _file(product, {"a": 1.0, "b": 1.0}, 1e-3, {
        "radius": 1.0, "eigenvalue": 1.99, "jacobian": math.sqrt(2) + 0.99, "lipschitz": 1.01,
        "delta": 0.5, "residual": 0.1, "rate": 1 - 1e-9}, target=1.0)
    # sup |J| = |(a, b)| over the ball of radius 1 around (1, 1) is sqrt(2) + 1
    assert "jacobian" in _failed(file)
    angle = np.array([1.0, 1.0]) * (1 + 1 / math.sqrt(2))
    assert np.linalg.norm(angle) > math.sqrt(2) + 0.99
