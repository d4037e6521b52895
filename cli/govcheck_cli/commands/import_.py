"""``govcheck import MODULE:FACTORY``: a PyTorch module as an architecture file."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck_cli import common, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from govcheck.numeric.importing import Imported

NOTES = """\
MODULE is imported and FACTORY called without arguments: this runs the code in them. FACTORY
returns the torch module; it may be a class. What no plugin claims is listed completely,
and nothing is written.

exit code 0: imported, and outputs and gradients agree; 2: not everything is claimed, they do
not agree, or bad input"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = NOTES
    parser.add_argument("factory", metavar="MODULE:FACTORY",
                        help="as in mypackage.nets:make; the current folder is searched first")
    parser.add_argument("--input", metavar="N,D,...", required=True,
                        help="shape of an input batch, such as 1,3,32,32")
    parser.add_argument("-o", "--output", metavar="FILE", default=None,
                        help="the architecture file (default: stdout)")
    parser.add_argument("--weights", metavar="FILE", default=None,
                        help="the module's weights, for measure --at (.safetensors) or "
                        "certify --from (.npz)")
    parser.add_argument("--mode", choices=("train", "eval"), default=None,
                        help="batch norm and dropout as in training or after it (default: as "
                        "FACTORY leaves the module)")
    parser.add_argument("--symbol", metavar="NAME=SIZE", action="append", default=[],
                        dest="symbols", help="a size that becomes a symbol; may be repeated")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True,
                        help="compare outputs and gradients in float64 (default: yes)")
    parser.add_argument("--no-repeat", action="store_true",
                        help="write equal blocks in a row one by one")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of the check's inputs, and of torch before FACTORY is called "
                        "(default: 0)")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import a module, then write the file and the weights."""
    shape = _shape(options.input)
    symbols = _symbols(options.symbols)
    _suffix(options.weights)
    _places(options)
    factory = _factory(options.factory)
    _not_over_the_module(options)
    import torch

    from govcheck.numeric.importing import from_torch

    torch.manual_seed(options.seed)
    module = _called(factory, options.factory)
    with common.plugins() as plugins:
        found = from_torch(
            module, shape, mode=options.mode, symbols=symbols,
            name=options.factory.partition(":")[2],
            origin=f"Imported from {options.factory} by govcheck import.",
            check=options.check, repeats=not options.no_repeat, seed=options.seed,
            registry=plugins.registry,
        )
    _write(options, found)
    return 0


def _not_over_the_module(options: argparse.Namespace) -> None:
    """Refuse to replace the source of the module that is imported.

    Raises:
        InputError: naming the option.
    """
    source = getattr(sys.modules.get(options.factory.partition(":")[0]), "__file__", None)
    problems = [
        Problem("same-file", f"{path} is the module that is imported", option,
                "give it a name of its own")
        for option, path in (("--output", options.output), ("--weights", options.weights))
        if path and source and Path(path).resolve() == Path(source).resolve()
    ]
    if problems:
        raise InputError(problems)


def _write(options: argparse.Namespace, found: Imported) -> None:
    from govcheck.writing import write_whole

    if options.weights is not None:
        found.save_weights(options.weights)
    if options.output is not None:
        write_whole(options.output, found.text, "output")
    for text in found.notes:
        output.note(f"note: {text}")
    if options.json:
        output.write_json(_about(options, found))
        return
    if found.check is not None:
        output.note(f"check at seed {options.seed}: {found.check}")
    if options.output is None:
        output.write(found.text)
    else:
        output.write(f"wrote {options.output}")
        if options.weights is not None:
            output.write(f"wrote {options.weights}")


def _about(options: argparse.Namespace, found: Imported) -> dict[str, Any]:
    check = found.check
    return {
        "architecture": found.text,
        "traced": found.how,
        "names": {k: list(v) for k, v in found.names.items()},
        "notes": list(found.notes),
        "check": None if check is None else {
            "output": check.output, "gradient": check.gradient, "seed": options.seed,
            "parameters": check.parameters,
        },
    }


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) < 2 or min(shape) < 1:
        raise InputError(Problem("input", f"{text!r} is no shape of a batch", "--input",
                                 "the number of samples, then the shape of one: 1,3,32,32"))
    return shape


def _symbols(pairs: list[str]) -> dict[str, int]:
    found = {}
    for name, value in common.overrides(pairs).items():
        if not value.isdigit():
            raise InputError(Problem("symbol", f"{value!r} is no size", "--symbol",
                                     "write --symbol m=64"))
        found[name] = int(value)
    return found


def _suffix(weights: str | None) -> None:
    if weights is not None and Path(weights).suffix not in (".safetensors", ".npz"):
        raise InputError(Problem("weights", f"{weights} is neither .safetensors nor .npz",
                                 "--weights",
                                 "measure --at reads the first, certify --from the second"))


def _places(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written, before there is anything to write."""
    given = {"--output": options.output, "--weights": options.weights}
    problems = [
        Problem("output", f"{Path(path).parent} is no folder", option)
        for option, path in given.items() if path and not Path(path).parent.is_dir()
    ]
    problems += [Problem("output", f"{path} is a folder", option)
                 for option, path in given.items() if path and Path(path).is_dir()]
    if options.output and options.weights and (
        Path(options.output).resolve() == Path(options.weights).resolve()
    ):
        problems.append(Problem("same-file", f"{options.weights} is also --output", "--weights",
                                "give it a name of its own"))
    if problems:
        raise InputError(problems)


def _factory(text: str) -> Callable[[], Any]:
    """What MODULE:FACTORY names; importing it runs its code."""
    import sys

    name, colon, path = text.partition(":")
    if not (name and colon and path):
        raise InputError(Problem("factory", f"{text!r} is not MODULE:FACTORY",
                                 hint="as in mypackage.nets:make"))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        raise InputError(Problem("factory", f"there is no module {missing!r}", text,
                                 f"looked in {here} and the installed packages")) from None
    except Exception as error:
        raise InputError(Problem("factory", f"importing {name} fails: {_said(error)}",
                                 text)) from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise InputError(Problem("factory", f"{name} has no {path!r}", text))
        found = getattr(found, part)
    if not callable(found):
        raise InputError(Problem("factory", f"{path} is no function or class", text))
    return found


def _called(factory: Callable[[], Any], text: str) -> Any:
    from torch import nn

    try:
        module = factory() if not isinstance(factory, nn.Module) else factory
    except Exception as error:
        raise InputError(Problem("factory", f"it fails: {_said(error)}", text,
                                 "it is called without arguments")) from None
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise InputError(Problem("factory", f"it returns a {kind}, not a torch.nn.Module", text))
    return module


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:200]}" if lines else type(error).__name__
