"""Blocks as the text of an architecture file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from govcheck.numeric.importing.structure import Block, Item

SIZES = ("out", "to")
"""Keys of sizes, which may become symbols."""


def step_text(
    layer: str, settings: Mapping[str, object], symbols: Mapping[int, str] | None = None
) -> str:
    """One step, such as ``conv: {out: 64, kernel: 3}``.

    Args:
        layer: its name.
        settings: its keys.
        symbols: names of sizes.
    """
    if not settings:
        return layer
    names = symbols or {}
    inside = ", ".join(
        f"{k}: {_value(v, names if k in SIZES else {})}" for k, v in settings.items())
    return f"{layer}: {{{inside}}}"


def _value(value: object, symbols: Mapping[int, str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(v, symbols) for v in value)}]"
    if isinstance(value, int):
        return symbols.get(value, str(value))
    return str(value)


def document(
    name: str, given: Sequence[int], blocks: Sequence[Block], symbols: Mapping[str, int],
    origin: str,
) -> str:
    """The whole file.

    Args:
        name: of the architecture.
        given: shape of an input sample.
        blocks: the network.
        symbols: values of sizes that have a name.
        origin: what it was imported from, for the comment above.
    """
    names = {v: k for k, v in symbols.items()}
    lines = [f"# {origin}", "govcheck: 1", f"name: {_quoted(name)}"]
    if symbols:
        lines.append(f"symbols: {{{', '.join(f'{k}: {v}' for k, v in symbols.items())}}}")
    lines.append(f"input: [{', '.join(names.get(n, str(n)) for n in given)}]")
    lines.append("layers:")
    lines += _Writer(names, comments=True).chain(blocks, "  ")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return '"' + "".join(c for c in name if c.isprintable() and c not in '"\\') + '"'


def signature(blocks: Sequence[Block]) -> str:
    """A text that two chains share if they are equal but for their weights."""
    return "\n".join(_Writer({}, comments=False).chain(blocks, ""))


class _Writer:
    def __init__(self, names: Mapping[int, str], *, comments: bool) -> None:
        self.names, self.comments = names, comments

    def chain(self, blocks: Sequence[Block], margin: str) -> list[str]:
        return [line for b in blocks for line in self._block(b, margin)]

    def _block(self, block: Block, margin: str) -> Iterator[str]:
        from govcheck.numeric.importing.structure import Fold, Item

        if isinstance(block, Item):
            yield f"{margin}- {self._item(block)}"
            return
        ident = block.ident
        if isinstance(block, Fold):
            yield f"{margin}- repeat:"
            yield from self._ident(ident, margin)
            yield f"{margin}    times: {len(block.copies)}"
            yield f"{margin}    block:"
            yield from self.chain(block.copies[0], margin + "      ")
        elif block.kind == "residual":
            yield f"{margin}- residual:"
            deeper = margin + "    "
            if ident:
                yield from self._ident(ident, margin)
                yield f"{margin}    block:"
                deeper += "  "
            yield from self.chain(block.parts[0], deeper)
        else:
            yield f"{margin}- parallel:"
            yield from self._ident(ident, margin)
            yield f"{margin}    join: {block.kind}"
            yield f"{margin}    branches:"
            for part in block.parts:
                yield from self._branch(part, margin + "      ")

    def _branch(self, part: Sequence[Block], margin: str) -> Iterator[str]:
        if not part:
            yield f"{margin}- []"
            return
        first, *rest = self.chain(part, margin + "  ")
        yield f"{margin}- {first.lstrip()}"
        yield from rest

    def _ident(self, ident: str, margin: str) -> Iterator[str]:
        if ident:
            yield f"{margin}    id: {ident}"

    def _item(self, item: Item) -> str:
        step = item.operation
        settings: dict[str, object] = {} if not item.ident else {"id": item.ident}
        if item.sources is not None:
            named = item.sources
            settings["from"] = list(named) if step.join else named[0]
        layer = step.claim.layer if step.claim else step.join
        text = step_text(layer, settings | dict(step.claim.settings if step.claim else {}),
                         self.names)
        return f"{text}  # {step.path}" if self.comments and step.path else text
