"""Shapes compared as formulas first, by value second."""

from __future__ import annotations

from govcheck.bounds.expr import Expr, add
from govcheck.plugin.layer import Shape, same_dimension
from govcheck.spec.scope import Scope


def shape_text(shape: Shape) -> str:
    """A shape for messages."""
    shown = ", ".join(repr(d) for d in shape)
    return f"[{shown if len(shown) <= 80 else shown[:79] + '…'}]"


def dimensions_differ(a: Expr, b: Expr, scope: Scope) -> str:
    """Why two dimensions cannot be taken as equal; empty if they are equal."""
    if same_dimension(a, b):
        return ""
    difference = a - b
    values = scope.exact(a), scope.exact(b)
    if values[0] is not None and values[1] is not None:
        if values[0] == values[1]:
            return ""
        return _differ(a, b, values[0] if not a.is_number else None,
                       values[1] if not b.is_number else None)
    if difference.is_number:
        return _differ(a, b, None, None)
    free = scope.free(difference)
    if free:
        names = ", ".join(free)
        return f"{a!r} = {b!r} cannot be decided while {names} has no value" if len(free) == 1 \
            else f"{a!r} = {b!r} cannot be decided while {names} have no values"
    return f"{a!r} and {b!r} cannot be shown to be equal"


def _differ(a: Expr, b: Expr, left: object, right: object) -> str:
    first = f"{a!r} = {left}" if left is not None else f"{a!r}"
    second = f"{b!r} = {right}" if right is not None else f"{b!r}"
    return f"{first} is not {second}"


def shapes_differ(a: Shape, b: Shape, scope: Scope, *, skip_first: bool = False) -> str:
    """Why two shapes cannot be taken as equal; empty if they are equal."""
    if len(a) != len(b):
        return f"{len(a)} dimensions against {len(b)}"
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if i == 0 and skip_first:
            continue
        why = dimensions_differ(x, y, scope)
        if why:
            return why
    return ""


def concatenated(shapes: list[Shape]) -> Shape:
    """The shape of a concatenation along the first dimension."""
    return (add(*(s[0] for s in shapes)), *shapes[0][1:])
