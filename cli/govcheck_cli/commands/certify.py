"""``govcheck certify ARCH -o FILE``: prove that gradient descent converges on this network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, memory, output

if TYPE_CHECKING:
    from pathlib import Path

    from govcheck.certify.program import Task
    from govcheck.certify.search import Outcome

EXIT = """\
exit code 0: a certificate was written and its checker accepts it; 1: the proof stays open,
which refutes nothing; 2: bad input"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    parser.add_argument("architecture", metavar="ARCH", help="architecture file (YAML)")
    parser.add_argument("-o", "--output", metavar="FILE", required=True,
                        help="where the certificate goes (JSON)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[],
                        dest="overrides", help="value of a declared symbol; may be repeated")
    parser.add_argument("--from", dest="start", metavar="WHERE", default="trained",
                        help="init: the initial weights; trained (default): where gradient "
                        "descent from them first allows a proof; or weights: a .npz or "
                        ".safetensors file, or the folder of a run of train")
    parser.add_argument("--steps", type=int, default=None, metavar="N",
                        help="training steps at most (default: the file's, or 100000)")
    parser.add_argument("--step-size", type=float, default=None, metavar="ETA",
                        help="step size of training and of the certificate; chosen if omitted")
    parser.add_argument("--aim", choices=("steps", "rate"), default="steps",
                        help="prove as early as possible, or the best rate (default steps)")
    parser.add_argument("--target", type=float, default=None, metavar="LOSS",
                        help="cross-entropy: the summed loss to reach (default: below log 2, "
                        "which classifies every sample rightly)")
    parser.add_argument("--shadow", action="store_true",
                        help="prove from the weights before training: the checker follows every "
                        "step with all rounding enclosed")
    parser.add_argument("--bits", type=int, default=128,
                        help="precision of the checker (default 128)")
    parser.add_argument("--with-checker", action="store_true",
                        help="write the checker beside the certificate, as FILE.checker.py: one "
                        "file that needs Python alone")
    parser.add_argument("--width", metavar="SYMBOL", default=None,
                        help="if it stays open, search the least value of this symbol at which "
                        "it closes from the initial weights")
    memory.add_option(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prove, check and write; or say what is missing."""
    from govcheck.certify import search
    from govcheck.certify.checkpoint import checkpoint
    from govcheck_cli.main import NOT_HELD, OK

    _check(options)
    with common.plugins() as plugins:
        task, settings = _task(options, plugins.registry, {})
        _allow(options, task)
        start = None
        if options.start not in ("init", "trained"):
            start = checkpoint(options.start, task)
        steps = options.steps if options.steps is not None else settings.get("steps", 100_000)
        found = search.certify(
            task, start=start, steps=0 if options.start == "init" else steps,
            step=options.step_size, aim=options.aim, target=options.target, bits=options.bits,
            shadow=options.shadow, say=output.note,
        )
        width = None
        if found.file is None and options.width is not None:
            width = _width(options, plugins.registry)
    if found.file is not None:
        _write(options.output, found.file, checker=options.with_checker)
    report = _report(options, found, width)
    if options.json:
        output.write_json(report)
    else:
        _show(report)
    return OK if found.file is not None else NOT_HELD


def _check(options: argparse.Namespace) -> None:
    import math

    from govcheck.errors import InputError, Problem

    problems = []
    for name, low in (("steps", 0), ("step_size", 0.0), ("target", 0.0)):
        value = getattr(options, name)
        bad = value is not None and (not math.isfinite(value) or value < low)
        if bad or (value == 0 and name != "steps"):
            problems.append(Problem("bad-option", f"{value} is not a positive number",
                                    f"--{name.replace('_', '-')}"))
    if not 64 <= options.bits <= 4096:
        problems.append(Problem("bad-option", f"{options.bits} is not from 64 to 4096", "--bits"))
    if problems:
        raise InputError(problems)


def _task(
    options: argparse.Namespace, registry: Any, more: dict[str, str]
) -> tuple[Task, dict[str, Any]]:
    import govcheck
    from govcheck.certify.program import task

    values = {**common.overrides(options.overrides), **more}
    arch = govcheck.load(options.architecture, registry=registry, overrides=values)
    return task(arch), arch.train


def _allow(options: argparse.Namespace, task: Task) -> None:
    from govcheck.certify.memory import peak
    from govcheck.errors import InputError, Problem

    try:
        found = peak(task, options.bits, shadow=options.shadow)
    except ValueError as error:
        raise InputError(Problem("not-covered", str(error))) from None
    smaller = "take fewer samples (n of the data in the file) or a smaller width with --set"
    if options.bits > 128:
        smaller = f"take --bits 128, {smaller.removeprefix('take ')}"
    memory.allow(options, "proving and checking it", found, smaller)


def _width(options: argparse.Namespace, registry: Any, most: int = 2**15) -> int | None:
    """Least value of a symbol at which the initial weights are certified, by doubling."""
    from govcheck.certify.prover import Prover

    def closes(width: int) -> bool:
        found, _ = _task(options, registry, {options.width: str(width)})
        _allow(options, found)
        prover = Prover(found, options.target)
        at = prover.measure(found.parameters)
        output.note(f"{options.width} = {width}: h {at.h:.4g}")
        return prover.plan(found.parameters, at, "steps", None) is not None

    high = 8
    while not closes(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if closes(middle) else (middle, high)
    return high


def _write(path: str, file: dict[str, Any], *, checker: bool) -> None:
    """The certificate and, if asked for, the checker beside it; each whole or not at all."""
    import json
    from pathlib import Path

    from govcheck.writing import write_whole

    texts = {Path(path): json.dumps(file, indent=None, separators=(",", ":")) + "\n"}
    if checker:
        texts[_checker(path)] = _checker_source()
    for target, text in texts.items():
        write_whole(target, text)


def _checker(path: str) -> Path:
    """Where the checker of a certificate goes."""
    from pathlib import Path

    return Path(f"{path}.checker.py")


def _checker_source() -> str:
    from pathlib import Path

    from govcheck.certify import checker

    return Path(checker.__file__).read_text(encoding="utf-8")


def _report(options: argparse.Namespace, found: Outcome, width: int | None) -> dict[str, Any]:
    from govcheck.certify.tight import tight_rate

    closed = found.file is not None
    return {
        "proven": closed,
        "statement": found.statement if closed else "",
        "file": options.output if closed else None,
        "checker": str(_checker(options.output)) if closed and options.with_checker else None,
        "steps": found.steps,
        "tight_rate": tight_rate(found.file) if found.file is not None else None,
        "from_start": closed and (found.steps == 0 or options.shadow),
        "h": found.at.h,
        "loss": found.at.loss,
        "smallest_eigenvalue": found.at.eigenvalue,
        "lipschitz": found.at.lipschitz,
        "inequalities": [x._asdict() for x in found.lines],
        "closing_output_scale": found.scale,
        "closing_readout_step_scale": found.readout_step,
        "closing_width": {options.width: width} if options.width else None,
        "h_by_step": [[t, h] for t, h in found.history],
    }


def _gap(rate: float) -> str:
    """One minus a rate in four digits, rounded down."""
    from decimal import ROUND_FLOOR, Context, Decimal

    return f"{Context(4, rounding=ROUND_FLOOR).subtract(Decimal(1), Decimal(rate)):.4g}"


def _show(report: dict[str, Any]) -> None:
    for line in report["inequalities"]:
        output.write(f"{'PASS' if line['holds'] else 'FAIL'} {line['name']}: {line['text']}")
    if report["proven"]:
        output.write(report["statement"])
        if report["tight_rate"] is not None:
            output.write("By the exact rate of smooth losses with the PL inequality each step "
                         f"multiplies it by at most 1 - {_gap(report['tight_rate'])}.")
        side = "before" if report["from_start"] else "after"
        place = f"{side} {report['steps']} steps of training"
        place = place if report["steps"] else "at the start"
        output.write(f"The parameters are those {place}. "
                     f"Written to {report['file']}; check it with govcheck verify.")
        if report["checker"]:
            output.write("Or with Python alone: "
                         f"python -I {report['checker']} {report['file']}")
        return
    output.write(f"Open after {report['steps']} steps: h = {report['h']:.4g} and the theorem needs "
                 "h < (1 - delta)/2. This refutes nothing.")
    if report["closing_output_scale"] is not None:
        output.write("From the weights at the start it would close with the output multiplied by "
                     f"{report['closing_output_scale']:.4g}.")
    if report["closing_readout_step_scale"] is not None:
        output.write("With the readout's weights taking steps "
                     f"{report['closing_readout_step_scale']:.4g} times as long it would, too.")
    for symbol, value in (report["closing_width"] or {}).items():
        known = f"at {symbol} = {value}" if value else f"at no {symbol} up to 32768"
        output.write(f"From initial weights it would close {known}.")
