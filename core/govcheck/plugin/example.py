"""Layers with small inputs to try them on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from govcheck.bounds.expr import ONE, ZERO, Expr, as_expr, num
from govcheck.plugin.guard import Raised, attempt
from govcheck.plugin.layer import Layer

if TYPE_CHECKING:
    from govcheck.spec.fields import Kind

SHAPES: Final = ((3,), (2, 3), (2, 2, 2), (4,), (4, 2), (4, 2, 2), (1, 3, 3), (1,))


@dataclass(frozen=True)
class Example:
    """A layer with an input that is small enough to be searched.

    Args:
        layer: the instance.
        shape: of one input sample.
        samples: N.
        values: a number for each symbol in the layer's fields.
    """

    layer: Layer
    shape: tuple[int, ...]
    samples: int = 2
    values: Mapping[Expr, Fraction | int] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        shown = []
        for f in dataclasses.fields(self.layer):  # type: ignore[arg-type]
            value = getattr(self.layer, f.name)
            if f.init and value is not f.default and value != f.default:
                shown.append(f"{f.name}={value!r}" if isinstance(value, Expr | tuple) else
                             f"{f.name}={value}")
        inside = f"({', '.join(shown)})" if shown else ""
        size = "x".join(map(str, (self.samples, *self.shape)))
        return f"{self.layer.name}{inside} on {size}"


def default_examples(cls: type[Layer]) -> list[Example]:
    """Instances with the default and with varied fields, each on the first shape that fits.

    The first one comes on two kinds of shapes, with 2 samples and with 3.
    """
    from govcheck.spec.fields import field_specs

    specs = field_specs(cls)
    base = {s.key: _filled(s.kind) for s in specs if s.required}
    fitting = list(_fitting(cls, base))
    if not fitting:
        return []
    first_one = fitting[0]
    others = (e.shape for e in fitting if len(e.shape) != len(first_one.shape))
    found = [first_one, *(Example(first_one.layer, shape, 3) for shape in islice(others, 1))]
    for spec in specs:
        first = base[spec.key] if spec.required else spec.default
        for alternatives in _others(spec.kind, first):
            tries = (t for o in alternatives for t in _fitting(cls, base | {spec.key: o}))
            found += islice(tries, 1)
    return found


def examples_of(layer: Layer) -> list[Example]:
    """One instance on small shapes of different kinds that it takes."""
    by_rank: dict[int, Example] = {}
    for shape in SHAPES:
        if _takes(layer, shape):
            by_rank.setdefault(len(shape), Example(layer, shape))
    return list(by_rank.values())


def _filled(kind: Kind) -> Any:
    match kind.tag:
        case "formula":
            return num(2)
        case "int":
            return 2
        case "bool":
            return False
        case "str":
            return "a"
        case "choice":
            return kind.options[0]
        case "list":
            return (_filled(kind.of),) * 2 if kind.of else ()
        case "either" if kind.of:
            return _filled(kind.of)
    return None


def _others(kind: Kind, first: Any) -> list[list[Any]]:
    """Other values of a field; of each list the first that the layer takes."""
    match kind.tag:
        case "formula":
            # a size has to stay whole, a factor need not
            zero = first is None or first is ZERO
            return [[ONE, num(2)] if zero else [first * Fraction(3, 2), first + 1]]
        case "int":
            return [[first + 1]]
        case "bool":
            return [[not first]]
        case "choice":
            return [[o] for o in kind.options if o != first]
        case "optional" if kind.of:
            return [[_filled(kind.of)] if first is None else [None]]
        case "either" if kind.of:
            words = [[o] for o in kind.options if o != first]
            return words + (_others(kind.of, first) if first not in kind.options else [])
    return []


def _fitting(cls: type[Layer], fields: dict[str, Any]) -> Iterator[Example]:
    """The instance on each of the shapes it takes."""
    made = attempt(lambda: cls(**fields))
    if isinstance(made, Raised) or isinstance(attempt(made.value.check), Raised):
        return
    for shape in SHAPES:
        if _takes(made.value, shape):
            yield Example(made.value, shape)


def _takes(layer: Layer, shape: tuple[int, ...]) -> bool:
    try:
        out = [as_expr(d) for d in layer.shape(tuple(map(num, shape)))]
    except ValueError:
        return False
    return all(s.is_number and s.number.denominator == 1 and s.number >= 1 for s in out)
