"""``govcheck suggest ARCH``: the smallest edits under which a theorem applies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck.writing import write_whole
from govcheck_cli import common, output
from govcheck_cli.progress import Progress

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.plugin.registry import Registry
    from govcheck.report.page import Page
    from govcheck.suggest.search import Outcome, Suggestion

EXIT = """\
Edits are tried and the edited file is analysed again: what is suggested was decided, not
guessed. No smaller set of these edits helps, unless the search says that it ran out of time.
exit code 0: every theorem asked about applies, as the file is or with the edits;
1: for one no such edits were found; 2: bad input"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser, data=False)
    common.add_json(parser)
    parser.add_argument(
        "--theorem", metavar="NAME", action="append", default=[],
        help="theorem to make apply; may be repeated (default: those the file names)",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0,
        help="time for each theorem (default 60); the best found by then is said",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path,
        help="write the edited architecture, for one theorem (comments are lost)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search edits for each theorem and print them."""
    from govcheck_cli.main import NOT_HELD, OK, PLUGIN

    if not 0 < options.seconds < float("inf"):
        raise InputError(Problem("bad-search", "it takes a positive number", "--seconds"))
    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        asked = _asked(options, arch, plugins.registry)
        if options.output is not None and len(asked) != 1:
            raise InputError(Problem(
                "bad-output", f"one file is written for one theorem, not for {len(asked)}",
                "--output", "name it with --theorem"))
        if options.output is not None:
            _writable(options.output, Path(options.architecture))
        found = [_search(options, name, plugins.registry) for name in asked]
    if options.output is not None and found[0].after is not None:
        write_whole(options.output, found[0].after.text)
    elif options.output is not None:
        output.note(f"{options.output} is not written: there are no edits to make")
    if options.json:
        output.write_json({"govcheck_suggest": 1, "file": options.architecture,
                           "theorems": [_json(s) for s in found]})
    else:
        page = output.make_page()
        for suggestion in found:
            _show(page, suggestion, plugins.registry.theorems[suggestion.theorem].title)
        output.write(page.text())
    if options.strict_plugins and plugins.trouble:
        return PLUGIN
    good = all((s.after or s.before).applies for s in found)
    return OK if good else NOT_HELD


def _writable(path: Path, source: Path) -> None:
    """Complain before the search about a file that cannot or must not be written.

    Raises:
        InputError: for the file that is read, a folder, or one in a folder that is not there.
    """
    if path.resolve() == source.resolve():
        problem = "it is the file that is read, whose comments would be lost"
    elif path.is_dir():
        problem = "it cannot be written: it is a folder"
    elif not path.parent.is_dir():
        problem = f"it cannot be written: there is no folder {path.parent}"
    else:
        return
    raise InputError(Problem("bad-output", problem, str(path), "name another file"))


def _asked(
    options: argparse.Namespace, arch: Architecture, registry: Registry
) -> list[str]:
    for name in options.theorem:
        if name not in registry.theorems:
            raise common.no_such("theorem", name, registry.theorems, "--theorem")
    asked = list(dict.fromkeys(options.theorem or [t.name for t in arch.theorems or ()]))
    if not asked:
        raise InputError(Problem(
            "no-theorem", "the file names no theorems", options.architecture,
            "say which with --theorem NAME; govcheck theorems lists them"))
    return asked


def _search(options: argparse.Namespace, name: str, registry: Registry) -> Suggestion:
    from govcheck.spec.source import read_text
    from govcheck.suggest.draft import read
    from govcheck.suggest.search import Search

    draft = read(read_text(Path(options.architecture)), options.architecture)
    named = draft.root.get("theorems")
    items = named if isinstance(named, list) else []
    item = next((t for t in items if t == name or (isinstance(t, dict) and name in t)), name)
    with Progress(name) as progress:
        return Search(
            draft, options.architecture, item, name, registry,
            [edit() for edit in registry.edits.values()], options.seconds,
            lambda count, words: progress.say(f"{name}: {count} edited files analysed"),
            common.overrides(options.overrides),
        ).run()


def _show(page: Page, s: Suggestion, title: str) -> None:
    page.title(f"{title} ({s.theorem})")
    if s.before.applies:
        page.line("  applies as the file is", "green")
        return
    for h in s.before.failing:
        page.hypothesis(page.mark(False, h.status), h.status, "red",
                        h.statement + (f" ({h.evidence})" if h.evidence else ""))
    if s.after is None:
        page.line(f"  none of the {s.tried} edited files that were analysed is better", "bold")
    else:
        page.line("  It applies with these edits:" if s.after.applies
                  else "  With these edits fewer hypotheses fail:", "bold")
        for place in sorted(s.after.done, key=lambda p: (p.line == 0, p.line)):
            where = f"line {place.line}: " if place.line else ""
            page.item(where + place.words)
        for h in s.after.failing:
            page.item(f"still open: {h.statement} ({h.evidence})", "yellow")
        for v in s.after.verdicts:
            if s.after.applies and v.summary:
                page.item(f"then: {v.summary}", "dim")
    page.item(_effort(s), "dim")


def _effort(s: Suggestion) -> str:
    text = f"{s.tried} edited files were analysed"
    return text if s.complete else f"{text}; the time was up before all were, see --seconds"


def _json(s: Suggestion) -> dict[str, Any]:
    return {
        "theorem": s.theorem,
        "before": _outcome(s.before),
        "after": None if s.after is None else _outcome(s.after),
        "mended": [h.key for h in s.mended],
        "tried": s.tried,
        "complete": s.complete,
    }


def _outcome(o: Outcome) -> dict[str, Any]:
    return {
        "applies": o.applies,
        "edits": [{"line": p.line or None, "edit": p.words} for p in o.done],
        "failing": [
            {"key": h.key, "statement": h.statement, "status": h.status, "evidence": h.evidence}
            for h in o.failing
        ],
        "architecture": o.text,
    }
