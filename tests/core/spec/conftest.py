"""A registry of a few small plugins, so that the reader is tested without the built-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest

from govcheck import spec
from govcheck.bounds.expr import ONE, Expr, mul
from govcheck.errors import InputError
from govcheck.plugin import Layer, ShapeError, same_dimension

if TYPE_CHECKING:
    from govcheck.plugin import Shape


class Plain(Layer):
    def module(self, shape, values):
        raise NotImplementedError


@dataclass(frozen=True)
class Affine(Plain):
    """Affine maps."""

    name: ClassVar[str] = "affine"

    out: Expr
    weight: Literal["plain", "weight_norm", "entrywise"] = "plain"
    bias: bool = True
    scale: Expr = ONE
    eps: Expr = ONE
    groups: int = 1
    note: str = ""

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ShapeError("affine takes vectors; put flatten before it")
        return (self.out,)

    def check(self) -> None:
        if self.groups < 1:
            raise ValueError("groups must be at least 1")


@dataclass(frozen=True)
class Tanh(Plain):
    """tanh."""

    name: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Flatten(Plain):
    name: ClassVar[str] = "flatten"

    def shape(self, shape: Shape) -> Shape:
        return (mul(*shape),)


@dataclass(frozen=True)
class Diagonal(Plain):
    """Needs its input to have a given width."""

    name: ClassVar[str] = "diagonal"

    width: Expr
    factor: Expr | None = None

    def shape(self, shape: Shape) -> Shape:
        if not same_dimension(shape[0], self.width):
            raise ShapeError(f"the width is {self.width!r}")
        return shape


@dataclass(frozen=True)
class Pool(Plain):
    name: ClassVar[str] = "pool"

    by: Expr = field(default_factory=lambda: ONE)

    def shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] / self.by)


@dataclass(frozen=True)
class Faulty(Plain):
    name: ClassVar[str] = "faulty"

    def shape(self, shape: Shape) -> Shape:
        raise KeyError("oops")


class Square:
    """Square cost, without fields."""

    name = "square"


@dataclass(frozen=True)
class Huber:
    name: ClassVar[str] = "huber"

    delta: Expr


@dataclass(frozen=True)
class Digits:
    name: ClassVar[str] = "digits"

    n: int = 64
    shuffle: bool = False
    sizes: tuple[int, ...] = ()

    def __post_init__(self):
        if self.n < 1:
            raise ValueError("n must be positive")


class Statement:
    title = "a theorem"


@pytest.fixture(scope="session")
def registry():
    layers = {c.name: c for c in (Affine, Tanh, Flatten, Diagonal, Pool, Faulty)}
    theorems = ("macdonald2022.theorem_4_8", "macdonald2022.theorem_2_1", "du2019.theorem_5_1")
    return SimpleNamespace(
        layers=layers,
        costs={"square": Square, "huber": Huber},
        data={"digits": Digits},
        theorems=dict.fromkeys(theorems, Statement),
    )


@pytest.fixture(scope="session")
def read(registry):
    """Architecture of a text."""
    return lambda text, **more: spec.loads(text, registry, "a.yaml", **more)


@pytest.fixture(scope="session")
def problems(read):
    """``(code, line:col)`` of all problems of a text, and the problems themselves by code."""

    def find(text, **more):
        with pytest.raises(InputError) as caught:
            read(text, **more)
        return caught.value.problems

    return find


@pytest.fixture(scope="session")
def net(problems):
    """Problems of the steps in a small valid file whose line 4 begins with ``layers:``."""

    def find(steps, head="", symbols="{m: 64, k: null, H: null}", shape="[64]"):
        text = f"govcheck: 1\ninput: {shape}\nsymbols: {symbols}\nlayers:\n{steps}\n{head}"
        return [(p.code, p.where.removeprefix("a.yaml:"), p) for p in problems(text)]

    return find
