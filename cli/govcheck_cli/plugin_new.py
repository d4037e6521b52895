"""``govcheck plugin new NAME``: a complete distribution with one layer and its tests."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from govcheck.errors import InputError, Problem
from govcheck_cli import common, output
from govcheck_cli.plugin_template import FILES

NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST: Final = 40


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action's arguments."""
    parser.add_argument(
        "name", metavar="NAME", help="name of the layer: lower-case letters, digits, underscores"
    )
    parser.add_argument(
        "--directory", metavar="DIR", type=Path,
        help="where to write; govcheck-NAME in the current directory when omitted",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files and say what to do next."""
    from govcheck_cli.main import OK

    name: str = options.name
    _refuse_bad(name)
    distribution = "govcheck-" + name.replace("_", "-")
    folder: Path = options.directory or Path(distribution)
    _refuse_taken(name, folder)
    words = {
        "NAME": name,
        "PACKAGE": f"govcheck_{name}",
        "DISTRIBUTION": distribution,
        "CLASS": "".join(part.capitalize() for part in name.split("_")) + "Layer",
    }
    written = []
    for path, text in FILES.items():
        target = folder / _filled(path, words)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_filled(text, words), encoding="utf-8")
        except OSError as error:
            problem = Problem("cannot-write", f"{target} cannot be written: {error.strerror}",
                              "--directory", "choose another directory")
            raise InputError(problem) from None
        written.append(str(target))
    output.write("\n".join(["wrote", *(f"  {w}" for w in written)]))
    output.write(f"next: pip install -e {folder}, then govcheck plugin check {name}")
    return OK


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], text)


def _refuse_bad(name: str) -> None:
    from govcheck.plugin.inspection import RESERVED

    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise InputError(Problem(
            "bad-name", f"{name[:LONGEST]!r} cannot name a layer", "NAME",
            f"use up to {LONGEST} lower-case letters, digits and single underscores, a letter "
            "first",
        ))
    if name in RESERVED:
        raise InputError(Problem(
            "bad-name", f"{name!r} means something else in architecture files", "NAME",
            "choose another name",
        ))


def _refuse_taken(name: str, folder: Path) -> None:
    problems = []
    with common.plugins() as plugins:
        if name in plugins.registry.layers:
            owner = plugins.registry.owner("layers", name)
            problems.append(Problem("taken", f"there is a layer {name!r} already, of {owner}",
                                    "NAME", "choose another name"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problems.append(Problem("exists", f"{folder} exists and is not empty", "--directory",
                                "choose another directory, or remove it"))
    if problems:
        raise InputError(problems)
