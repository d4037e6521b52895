"""Walk and rebuild the expression DAG without recursion."""

from __future__ import annotations

from govcheck.bounds.expr import (
    Expr,
    add,
    function,
    maximum,
    minimum,
    mul,
    node,
    num,
    power,
)


def symbols_of(*roots: Expr) -> list[Expr]:
    """All symbol nodes below `roots`, in first-met order."""
    return [e for e in postorder(*roots) if e.op == "sym"]


def children(e: Expr) -> tuple[Expr, ...]:
    """Arguments of a node, the body of a recurrence included."""
    if e.op == "recur":
        body: tuple[Expr, ...] = e.payload[0].update
        return e.args + body
    return e.args


def postorder(*roots: Expr) -> list[Expr]:
    """Every node below `roots` once, arguments before the nodes that use them."""
    seen: set[Expr] = set()
    order: list[Expr] = []
    stack: list[tuple[Expr, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        e, done = stack.pop()
        if done:
            order.append(e)
            continue
        if e in seen:
            continue
        seen.add(e)
        stack.append((e, True))
        stack.extend((a, False) for a in reversed(children(e)) if a not in seen)
    return order


def substitute(root: Expr, replace: dict[Expr, Expr]) -> Expr:
    """Replace nodes by other expressions, rebuilding what depends on them."""
    memo: dict[Expr, Expr] = dict(replace)
    for e in postorder(root):
        if e not in memo:
            memo[e] = rebuild(e, tuple(memo[a] for a in children(e)))
    return memo[root]


def rebuild(e: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other arguments."""
    if args == children(e):
        return e
    match e.op:
        case "add":
            terms = zip(e.payload[1:], args, strict=True)
            return add(num(e.payload[0]), *(mul(num(c), a) for c, a in terms))
        case "mul":
            factors = zip(args, e.payload[1:], strict=True)
            return mul(num(e.payload[0]), *(power(a, num(x)) for a, x in factors))
        case "max" | "min":
            return (maximum if e.op == "max" else minimum)(*args)
        case "pow":
            return power(args[0], args[1])
        case "fn":
            return function(e.payload, args[0])
        case "recur":
            recurrence, index = e.payload
            count = len(e.args)
            return node("recur", args[:count], (recurrence.with_update(args[count:]), index))
    return node(e.op, args, e.payload)
