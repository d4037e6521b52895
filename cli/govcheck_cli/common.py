"""What several commands share: options, loading with its warnings, hints for wrong names."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from govcheck.errors import InputError, Problem
from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.plugin.registry import Registry

MODES = ("tight", "paper", "coarse", "sums")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def add_architecture(parser: argparse.ArgumentParser, *, data: bool = True) -> None:
    """The file and the options that change how it is read.

    Args:
        parser: of the command.
        data: whether the command can do without the data.
    """
    parser.add_argument("architecture", metavar="ARCH", help="architecture file (YAML)")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="overrides",
        help="value of a declared symbol, in place of the file's; may be repeated",
    )
    if data:
        parser.add_argument(
            "--no-data", action="store_true",
            help="do not load the data; its norms stay symbols",
        )
    parser.add_argument(
        "--strict-plugins", action="store_true", help="exit with 3 if any plugin is broken"
    )


def add_mode(parser: argparse.ArgumentParser) -> None:
    """The option ``--mode``."""
    parser.add_argument(
        "--mode", choices=(*MODES, "both"), default="tight",
        help="how bounds are composed: tight (default), paper (as the paper prints them), "
        "coarse, sums, or both: tight with paper beside it",
    )


def overrides(pairs: Iterable[str]) -> dict[str, str]:
    """Values by symbol name from ``NAME=VALUE``.

    Raises:
        InputError: for text of another form and for a name given twice.
    """
    found: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            problems.append(Problem("bad-set", f"it takes NAME=VALUE, not {pair!r}", "--set",
                                    "write --set m=128"))
        elif name in found:
            problems.append(Problem("bad-set", f"{name} is set twice", "--set",
                                    "keep one of them"))
        found[name] = value
    if problems:
        raise InputError(problems)
    return found


def list_or_show(
    options: argparse.Namespace,
    kind: Literal["layers", "theorems"],
    describe: Callable[[str, Registry, bool], dict[str, Any]],
    show_all: Callable[[list[dict[str, Any]]], None],
    show_one: Callable[[dict[str, Any]], None],
) -> int:
    """Print all plugins of a kind, or the one that is named.

    Args:
        options: ``name`` or None, and ``json``.
        kind: which plugins.
        describe: from a name, the registry, and whether everything is wanted.
        show_all: prints a list of them in words.
        show_one: prints one in words.

    Raises:
        InputError: if there is none of that name.
    """
    with plugins() as found:
        known = getattr(found.registry, kind)
        if options.name is not None and options.name not in known:
            raise no_such(kind.removesuffix("s"), options.name, known)
        one = options.name is not None
        shown = [describe(n, found.registry, one) for n in ([options.name] if one else known)]
    if options.json:
        output.write_json(shown[0] if one else shown)
    elif one:
        show_one(shown[0])
    else:
        show_all(shown)
    return 0


@dataclass
class Plugins:
    """The registry, with everything that went wrong with plugins so far."""

    registry: Registry
    trouble: list[str] = field(default_factory=list)


@contextmanager
def plugins() -> Iterator[Plugins]:
    """The installed plugins; broken ones and those that misbehave are warned of once each."""
    from govcheck.plugin.guard import PluginWarning
    from govcheck.plugin.registry import load_registry

    found = Plugins(load_registry())
    for broken in found.registry.broken:
        found.trouble.append(str(broken))
        output.warn(str(broken))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginWarning)
        try:
            yield found
        finally:
            for text in _one_line_each([w.message for w in caught], found.registry):
                output.warn(text)
    found.trouble += [str(w.message) for w in caught if issubclass(w.category, PluginWarning)]


def _one_line_each(messages: Iterable[Warning | str], registry: Registry) -> list[str]:
    """One line for each plugin class that misbehaved, and each other text once."""
    lines: dict[str, None] = {}
    by_class: dict[type, list[str]] = {}
    for message in messages:
        source = getattr(message, "source", None)
        if isinstance(source, type):
            texts = by_class.setdefault(source, [])
            texts += [str(message)] if str(message) not in texts else []
        else:
            lines[str(message)] = None
    for source, texts in by_class.items():
        more = f" (and {len(texts) - 1} more of its answers)" if len(texts) > 1 else ""
        lines[f"{_whose(source, registry)}{texts[0]}{more}"] = None
    return list(lines)


def _whose(source: type, registry: Registry) -> str:
    for kind in ("layers", "costs"):
        for name, cls in getattr(registry, kind).items():
            if cls is source:
                owner = registry.owner(kind, name)
                return (
                    f"{kind[:-1]} {name} of plugin {owner.plugin} "
                    f"({owner.distribution} {owner.version}): "
                )
    return ""


def load(options: argparse.Namespace, registry: Registry) -> Architecture:
    """The architecture a command is about.

    Raises:
        InputError: with every problem of the file and the options.
    """
    import govcheck

    return govcheck.load(
        options.architecture, registry=registry, overrides=overrides(options.overrides)
    )


def no_such(kind: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The answer to a wrong name."""
    from govcheck.spec.names import shown, suggest

    hint = suggest(name, known, f"{kind}s")
    return InputError(Problem(f"unknown-{kind}", f"there is no {kind} {shown(name)}", where, hint))


def first_sentence(cls: type, name: str = "") -> str:
    """The first line of a class's docstring, without the name it may begin with."""
    import inspect

    doc = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0]
    text = " ".join(doc.split())
    return text.removeprefix(f"{name}:").strip() if name else text
