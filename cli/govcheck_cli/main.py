"""The command line: finds the command, imports it, turns what happens into an exit code.

Exit codes: 0 every asked guarantee holds; 1 one does not; 2 bad usage or input; 3 plugin
problem under ``--strict-plugins``; 4 a measurement violates a derived bound; 70 internal
error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Final

import govcheck
from govcheck_cli import output

OK: Final = 0
NOT_HELD: Final = 1
USAGE: Final = 2
PLUGIN: Final = 3
VIOLATED: Final = 4
INTERNAL: Final = 70
INTERRUPTED: Final = 130

COMMANDS: Final = {
    "analyze": "closed-form constants and a verdict for each theorem",
    "report": "the analysis as one HTML, Markdown, LaTeX or JSON file",
    "explain": "the numbered derivation of one constant",
    "suggest": "the smallest edits under which a theorem applies",
    "compare": "several architectures side by side",
    "import": "a PyTorch module as an architecture file, with its weights",
    "gram": "Gram matrices in the limit of infinite width, and their smallest eigenvalue",
    "measure": "the same quantities measured, beside the proven bounds",
    "train": "gradient descent on the file's data, with proven bounds beside the loss",
    "sweep": "train for all combinations of files, symbols and seeds",
    "certify": "a proof, small enough to check, that gradient descent converges here",
    "verify": "check such a proof with integers alone",
    "badge": "one fact about an architecture as an SVG badge",
    "reproduce": "results of the papers computed again, with a verdict for each",
    "layers": "the installed layers, or all about one",
    "theorems": "the installed theorems, or all about one",
    "plugin": "list the installed plugins, check them, write a new one",
    "schema": "JSON Schema of architecture files or of reports",
}
DEBUG: Final = "GOVCHECK_DEBUG"
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_EPILOG = """\
exit codes: 0 every asked guarantee holds, 1 one does not, 2 bad usage or input,
3 plugin problem under --strict-plugins, 4 a measurement violates a bound,
70 internal error.  NO_COLOR is honoured; GOVCHECK_DEBUG=1 shows tracebacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; those of the process when omitted.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return OK
    except Exception as error:
        return _internal(error)


def _one_thread() -> None:
    """Let BLAS use one thread unless the user chose; threads waiting for work cost 10 times."""
    if not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))


def _run(arguments: list[str]) -> int:
    from govcheck.errors import InputError

    _one_thread()
    try:
        options = _parser(arguments).parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        result: int = options.run(options)
    except InputError as error:
        output.fail(error.problems)
        return USAGE
    return result


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is asked for is imported to say its arguments."""
    parser = argparse.ArgumentParser(
        prog="govcheck",
        description="What is provable about gradient descent on a network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"govcheck {govcheck.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((a for a in arguments if not a.startswith("-")), None)
    if asked is not None and asked not in COMMANDS:
        parser.error(_unknown(asked))
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == asked:
            # a module cannot be named like a keyword
            module = f"{name}_" if iskeyword(name) else name
            import_module(f"govcheck_cli.commands.{module}").arguments(command)
    return parser


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"commands: {', '.join(COMMANDS)}"
    return f"there is no command {name!r} ({hint})"


def _internal(error: Exception) -> int:
    if os.environ.get(DEBUG, "") not in ("", "0"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    text = " ".join(str(error).split())[:300]
    output.fail([
        f"internal error: {type(error).__name__}: {text}",
        f"this is a mistake in govcheck {govcheck.__version__}; please report it with the "
        f"file and the command ({DEBUG}=1 shows where it happened)",
    ])
    return INTERNAL


def _silence_stdout() -> None:
    # the reader is gone; without this the interpreter complains once more when it exits
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry() -> None:
    """Entry point of ``python -m govcheck_cli.main``."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
