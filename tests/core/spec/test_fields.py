"""Annotations of plugin fields, resolved one by one."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal, Union

import pytest

from govcheck.bounds.expr import ONE, Expr, num, sym
from govcheck.spec.exact import exact
from govcheck.spec.fields import Kind, example, field_specs

if TYPE_CHECKING:
    from somewhere import Nothing


@dataclass(frozen=True)
class Base:
    a: "Expr"
    hidden: int = field(default=3, init=False)


@dataclass(frozen=True)
class Mixed(Base):
    name: ClassVar[str] = "mixed"

    b: "Expr | None" = None
    c: Union[int, None] = None
    d: "Literal['x', 'y']" = "x"
    e: "tuple[Expr, ...]" = ()
    f: "Nothing" = None
    g: bool = False
    h: "dict[str, int]" = field(default_factory=dict)
    i: Expr = ONE


def test_kinds():
    kinds = {s.key: s.kind for s in field_specs(Mixed)}
    assert kinds == {
        "a": Kind("formula"),
        "b": Kind("optional", of=Kind("formula")),
        "c": Kind("optional", of=Kind("int")),
        "d": Kind("choice", ("x", "y")),
        "e": Kind("list", of=Kind("formula")),
        "f": Kind("unsupported", ("Nothing",)),
        "g": Kind("bool"),
        "h": Kind("unsupported", ("dict[str, int]",)),
        "i": Kind("formula"),
    }


def test_required_keys_and_examples():
    assert [s.key for s in field_specs(Mixed) if s.required] == ["a"]
    assert example("mixed", Mixed) == "mixed: {a: …}"
    assert field_specs(int) == ()


@pytest.mark.parametrize(
    ("e", "value"),
    [
        (sym("m") / 3, 21),
        ((sym("m") + 1) ** Fraction(1, 2), 8),
        ((sym("m") + 1) ** Fraction(2, 3), 16),
        ((sym("m") - 63) ** 5, 0),
        (1 / (sym("m") - 63), None),
        ((sym("m") - 64) ** Fraction(1, 2), None),
        (sym("m") ** Fraction(1, 2), None),
        (sym("q"), None),
        (num(2) ** sym("m"), 2**63),
        (num(2) ** (100 * sym("m")), None),
    ],
)
def test_exact_values(e, value):
    assert exact(e, {sym("m"): num(63)}) == value
