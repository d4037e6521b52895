"""Residual blocks: the Jacobians of their branches, and the form of network of Theorem 4.8."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from govcheck.analysis import SAMPLES, Analysis
from govcheck.bounds.answer import ComposedBound, Unknown, Value
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import ONE, Expr, minimum
from govcheck.graph.blocks import Block, Chain, Leaf, Repeat, Residual, children, leaves
from govcheck.graph.compose import Composer
from govcheck.plugin import Activation, Isometry
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Hypothesis, Status
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.theorems._support import place_key, written

ANY_INPUT: Final = Unknown.because("inputs of any size are allowed")
SHOWN: Final = 4


def residuals(body: Chain) -> Iterator[Residual]:
    """All residual blocks at any depth; those inside a repeat once."""
    for step in body.steps:
        if isinstance(step.block, Residual):
            yield step.block
        for inner in children(step.block):
            yield from residuals(inner)


def branch_jacobians(
    analysis: Analysis, blocks: Iterable[Residual]
) -> dict[str, ComposedBound]:
    """Bounds of ``|Jg|_2`` by node, g the branch, over the parameter set and all inputs."""
    found: dict[str, ComposedBound] = analysis.keep("branch jacobians", dict)
    asked: dict[Hashable, ComposedBound] = {}
    wanted = list(blocks)
    for block in wanted:
        if block.node in found:
            continue
        key = _branch_key(analysis, block)
        if key not in asked:
            asked[key] = _branch_jacobian(analysis, block)
        found[block.node] = asked[key]
    return {block.node: found[block.node] for block in wanted}


def _branch_key(analysis: Analysis, block: Residual) -> Hashable:
    leaf_blocks = [s.block for s in block.body.steps if isinstance(s.block, Leaf)]
    if not block.body.linear or len(leaf_blocks) < len(block.body.steps):
        return block.node
    return tuple(place_key(analysis, leaf) for leaf in leaf_blocks)


def _branch_jacobian(analysis: Analysis, block: Residual) -> ComposedBound:
    composer = Composer(SAMPLES, analysis.domain, replace(analysis.mode, order=1))
    first = next(leaves(block.body), None)
    shape = analysis.shapes[first.node] if first else analysis.architecture.input
    end = composer.run(block.body, composer.start(shape, ANY_INPUT, ANY_INPUT))
    return end.constants["J"]


def contraction_hypothesis(
    analysis: Analysis, jacobians: dict[str, ComposedBound]
) -> Hypothesis:
    """That ``|Jg|_2 <= 1 - delta`` with delta > 0 in each branch."""
    statement = "|Jg|_2 <= 1 - delta with one delta > 0, for the branch g of each residual block"
    refuted, unknown = [], []
    largest: dict[Value, str] = {}
    for node, bound in jacobians.items():
        state, why = _below_one(analysis, bound)
        if state is True:
            largest.setdefault(bound.value, why)
        else:
            # a bound of at least 1 does not show that the Jacobian reaches 1, unless tight
            unknown.append(f"{node}: {why}")
    if not jacobians:
        refuted.append("the network has no residual block")
    status: Status = "refuted" if refuted else "unknown" if unknown else "proved"
    found = refuted or unknown or [f"|Jg|_2 <= {why}" for why in largest.values()]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    evidence = "; ".join(found[:SHOWN]) + more
    premises = tuple(jacobians.values())[:SHOWN]
    return Hypothesis("contraction", statement, "symbolic", status, evidence, premises)


def _below_one(analysis: Analysis, bound: ComposedBound) -> tuple[bool, str]:
    value = bound.value
    if isinstance(value, Unknown):
        return False, f"no bound of |Jg|_2 ({value.reason})"
    number = analysis.value(value)
    if isinstance(number, Missing):
        lacking = ", ".join(number.names)
        why = f"is not known to be below 1 ({lacking} has no value)"
        return False, f"|Jg|_2 <= {written(value)} {why}"
    assert not isinstance(number, Unknown)
    if number < 1:
        return True, f"{outward(number, 'upper')} < 1"
    return False, f"the bound of |Jg|_2 is {outward(number, 'upper')}, not below 1"


@dataclass
class Form:
    """How a network fits the form of Theorem 4.8; empty lists of problems mean it does.

    Args:
        first: the entrywise-parameterised first layer, if it is one.
        blocks: the residual blocks behind it; those in a repeat once.
        wrong_first, wrong_blocks: what does not fit, one sentence each.
    """

    first: Leaf | None = None
    blocks: list[Residual] = field(default_factory=list)
    wrong_first: list[str] = field(default_factory=list)
    wrong_blocks: list[str] = field(default_factory=list)


def weight_normalised_form(body: Chain) -> Form:
    """Read a network as an entrywise first layer followed by weight-normalised residual blocks."""
    form = Form()
    if not body.linear:
        form.wrong_blocks.append("the network is not a chain of blocks")
    steps = [s.block for s in body.steps]
    while steps and isinstance(steps[0], Leaf) and isinstance(steps[0].layer, Isometry):
        steps.pop(0)
    if not steps:
        form.wrong_first.append("the network has no layer with parameters")
        return form
    first = steps[0]
    if isinstance(first, Leaf) and isinstance(first.layer, Affine):
        if first.layer.weight == "entrywise" and not first.layer.bias:
            form.first = first
        else:
            bias = "with" if first.layer.bias else "without"
            form.wrong_first.append(
                f"{first.node} is an affine layer with weight: {first.layer.weight} {bias} bias"
            )
    else:
        form.wrong_first.append(f"the first block, {first.node}, is not an affine layer")
    _collect(steps[1:], form)
    return form


def _collect(blocks: Iterable[Block], form: Form) -> None:
    for block in blocks:
        if isinstance(block, Repeat) and block.body.linear:
            _collect((s.block for s in block.body.steps), form)
        elif isinstance(block, Residual):
            form.blocks.append(block)
            problem = _wrong_branch(block.body)
            if problem:
                form.wrong_blocks.append(f"{block.node}: {problem}")
        else:
            form.wrong_blocks.append(f"{block.node} is not a residual block")


def _wrong_branch(branch: Chain) -> str:
    if not branch.linear:
        return "its branch is not a chain of layers"
    normalised = 0
    for step in branch.steps:
        block = step.block
        if not isinstance(block, Leaf):
            return f"its branch contains {block.node}, which is not a layer"
        layer = block.layer
        if isinstance(layer, Affine):
            if layer.weight != "weight_norm" or layer.bias:
                bias = "with" if layer.bias else "without"
                return f"{block.node} has weight: {layer.weight} {bias} bias"
            normalised += 1
        elif isinstance(layer, Scale) and layer.trainable:
            return f"{block.node} has a trained factor"
        elif not isinstance(layer, Activation | Isometry | Scale):
            return f"{block.node} ({layer.name}) is neither affine nor elementwise"
    return "" if normalised else "its branch has no weight-normalised affine layer"


def activation_hypothesis(analysis: Analysis, form: Form) -> Hypothesis:
    """That each phi has slope at most 1 and a Lipschitz derivative."""
    statement = "|phi'| <= 1 and phi' is Lipschitz, for each elementwise phi in a branch"
    refuted: dict[str, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    names: dict[str, None] = {}
    for block in form.blocks:
        for leaf in leaves(block.body):
            if isinstance(leaf.layer, Activation):
                names[leaf.layer.name] = None
                _slope(analysis, leaf, refuted, unknown)
    status: Status = "refuted" if refuted else "unknown" if unknown else "proved"
    bad = refuted or unknown
    evidence = "; ".join(
        f"{', '.join(nodes[:SHOWN])}{' and more' if len(nodes) > SHOWN else ''}: {why}"
        for why, nodes in bad.items()
    )
    good = ", ".join(names) or "the branches are linear, phi(x) = x"
    return Hypothesis("activation", statement, "symbolic", status, evidence or good)


def _slope(
    analysis: Analysis, leaf: Leaf, refuted: dict[str, list[str]], unknown: dict[str, list[str]]
) -> None:
    assert isinstance(leaf.layer, Activation)
    facts, name = leaf.layer.constants(), leaf.layer.name
    if isinstance(facts.curvature, Unknown):
        reason = facts.curvature.reason
        kinked = any(c.kind == "not smooth" for c in facts.curvature.causes)
        (refuted if kinked else unknown).setdefault(reason, []).append(leaf.node)
    if isinstance(facts.steepest, Unknown):
        unknown.setdefault(facts.steepest.reason, []).append(leaf.node)
        return
    number = analysis.value(facts.steepest)
    if isinstance(number, Missing):
        why = f"sup|phi'| = {written(facts.steepest)} of {name} has no value"
        unknown.setdefault(why, []).append(leaf.node)
    elif not isinstance(number, Unknown) and not number <= 1:
        found = refuted if number > 1 else unknown
        why = f"sup|phi'| of {name} is {outward(number, 'upper')}, above 1"
        found.setdefault(why, []).append(leaf.node)


def linear_branches(form: Form) -> bool:
    """Whether some branch has phi(x) = x only."""
    return any(
        all(
            leaf.layer.name == "identity"
            for leaf in leaves(block.body)
            if isinstance(leaf.layer, Activation)
        )
        for block in form.blocks
    )


def smallest_delta(jacobians: dict[str, ComposedBound]) -> Expr | None:
    """``min (1 - |Jg|)`` over the blocks; None where a Jacobian has no bound."""
    values = [b.value for b in jacobians.values()]
    gaps = [ONE - (v.args[0] if v.op == "let" else v) for v in values if isinstance(v, Expr)]
    return minimum(*gaps) if gaps and len(gaps) == len(values) else None
