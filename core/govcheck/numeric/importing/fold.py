"""Equal blocks in a row as one repeat."""

from __future__ import annotations

from collections.abc import Sequence

from govcheck.numeric.importing.structure import Block, Branches, Fold, Item
from govcheck.numeric.importing.text import signature

LONGEST = 64
"""Blocks with more steps are not looked for."""

Sizes = tuple[int, ...]


def folded(blocks: Sequence[Block], given: Sizes) -> list[Block]:
    """Chains in which two or more equal blocks, that keep the shape and have weights, repeat.

    Args:
        blocks: a chain.
        given: shape of a sample that it takes.
    """
    shapes = [given]
    for b in blocks:
        shapes.append(_out(b, shapes[-1]))
    inner = [_inside(b, s) for b, s in zip(blocks, shapes, strict=False)]
    texts = [signature([b]) for b in inner]
    named = [_is_named(b) for b in inner]
    result: list[Block] = []
    i = 0
    while i < len(inner):
        best = (0, 0)
        for p in range(1, min(LONGEST, (len(inner) - i) // 2) + 1):
            if any(named[i : i + p]) or shapes[i] != shapes[i + p]:
                continue
            count = 1
            while texts[i + count * p : i + (count + 1) * p] == texts[i : i + p]:
                count += 1
            if count > 1 and count * p > best[0] * best[1] and _has_weights(inner[i : i + p]):
                best = (count, p)
        count, p = best
        if count:
            result.append(Fold([inner[i + k * p : i + (k + 1) * p] for k in range(count)]))
            i += count * p
        else:
            result.append(inner[i])
            i += 1
    return result


def _out(block: Block, given: Sizes) -> Sizes:
    match block:
        case Item():
            return block.operation.shape
        case Fold():
            return given
        case Branches(kind="residual"):
            return given
    ends = []
    for part in block.parts:
        shape = given
        for b in part:
            shape = _out(b, shape)
        ends.append(shape)
    if block.kind == "concat":
        return (sum(e[0] for e in ends), *ends[0][1:])
    return ends[0]


def _inside(block: Block, given: Sizes) -> Block:
    if isinstance(block, Branches):
        return Branches(block.kind, [folded(p, given) for p in block.parts], block.ident)
    return block


def _is_named(block: Block) -> bool:
    if isinstance(block, Item):
        return bool(block.ident or block.sources)
    parts = block.parts if isinstance(block, Branches) else block.copies
    return bool(block.ident) or any(_is_named(b) for p in parts for b in p)


def _has_weights(blocks: Sequence[Block]) -> bool:
    for b in blocks:
        if isinstance(b, Item):
            if b.operation.claim is not None and b.operation.claim.weights:
                return True
        elif any(_has_weights(p) for p in (b.parts if isinstance(b, Branches) else b.copies)):
            return True
    return False
