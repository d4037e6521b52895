"""The structure of a network as indented lines."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def tree(steps: list[Json], depth: int = 0) -> list[tuple[int, str]]:
    """Each block of the document's tree with its depth."""
    found = []
    for step in steps:
        origin = f"  from {', '.join(step['from'])}" if "from" in step else ""
        found.append((depth, _label(step) + origin))
        if step["kind"] in ("repeat", "residual"):
            found += tree(step["body"], depth + 1)
        for i, branch in enumerate(step.get("branches", ())):
            found.append((depth + 1, f"branch {i + 1}" + ("" if branch else ": identity")))
            found += tree(branch, depth + 2)
    return found


def _label(step: Json) -> str:
    kind, node = step["kind"], step["node"]
    if kind == "layer":
        given = ", ".join(f"{k} {v}" for k, v in step["settings"].items())
        name = node if node == step["layer"] else f"{node}: {step['layer']}"
        return f"{name} ({given})" if given else str(name)
    if kind == "repeat":
        return f"{node}: {step['times']} times"
    return str(node) if node == kind else f"{node}: {kind}"
