"""``govcheck gram ARCH``: limiting Gram matrices on the architecture's own data."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from govcheck_cli import common, output
from govcheck_cli.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.graph.architecture import Architecture
    from govcheck.kernels.gram import Job
    from govcheck.kernels.limits import NoKernelError
    from govcheck.kernels.plan import Plan
    from govcheck.plugin.data import Dataset

    Array = NDArray[np.float64]

PRINTED: Final = 500
"""Samples up to which the definition as printed is computed unasked."""

BALLS: Final = 300
"""Samples up to which eigenvalues are bounded in ball arithmetic."""

AGREE: Final = 1e-9
"""Relative difference between a definition and the layers that rounding can explain."""

LARGE: Final = 256 << 20
"""Memory above which the estimate is announced before the work."""

EXIT = """\
exit code 0: the smallest eigenvalue that was asked for (lambda_0 unless --block says otherwise)
is certified positive; 1: it is not, or there is no limit; 2: bad input; 3: plugin problem
under --strict-plugins

With --depth or several --points the command prints lambda_0 of the last hidden layer for each
depth and number of samples, and draws it with --plot."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser, data=False)
    common.add_json(parser)
    parser.add_argument(
        "--block", default="last", metavar="NAME",
        help="last (default): derivatives in the last hidden layer's weights, whose smallest "
        "eigenvalue is lambda_0; feature: outputs of the last hidden layer; ntk: derivatives in "
        "all parameters; all; or a layer's name",
    )
    parser.add_argument("--points", metavar="N[,N...]", help="use the first N samples")
    parser.add_argument(
        "--as-printed", action="store_true",
        help="compute the definition as the paper prints it too, for any number of samples "
        f"(unasked up to {PRINTED})",
    )
    parser.add_argument("--save", metavar="FILE.npy", help="write the matrix, tile by tile")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true",
                       help="take up an interrupted --save (default)")
    again.add_argument("--restart", action="store_true",
                       help="throw away what an interrupted --save left")
    parser.add_argument("--no-eigenvalues", action="store_true",
                        help="only --save: neither eigenvalues nor their memory")
    parser.add_argument("--balls", action="store_true",
                        help="prove the bound in ball arithmetic: slow, and it loses nothing "
                        f"but the entry error (up to {BALLS} samples)")
    parser.add_argument("--max-memory", metavar="SIZE",
                        help="refuse work that takes more, such as 2GiB (default: most of what "
                        "is free)")
    parser.add_argument("--depth", metavar="H[,H...]", help="lambda_0 for each of these depths")
    parser.add_argument("--depth-symbol", metavar="NAME", default="H",
                        help="the symbol that --depth sets (H)")
    parser.add_argument("--plot", metavar="FILE",
                        help="draw lambda_0 against depth and samples: .svg, .png or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compute and print."""
    from govcheck.kernels.limits import NoKernelError
    from govcheck_cli import gram_depth
    from govcheck_cli.gram_options import numbers
    from govcheck_cli.main import NOT_HELD, PLUGIN

    points = None if options.points is None else numbers(options.points, "--points")
    swept = options.depth is not None or (points is not None and len(points) > 1)
    _consistent(options, swept)
    with common.plugins() as plugins:
        try:
            if swept:
                held = gram_depth.run(options, points, plugins.registry)
            else:
                arch = common.load(options, plugins.registry)
                held = _single(options, arch, points[0] if points else None)
        except NoKernelError as error:
            _no_kernel(options, error)
            held = False
    if options.strict_plugins and plugins.trouble:
        return PLUGIN
    return 0 if held else NOT_HELD


def _consistent(options: argparse.Namespace, swept: bool) -> None:
    from govcheck.errors import InputError, Problem

    problems = []
    if swept and (options.save or options.block != "last" or options.no_eigenvalues
                  or options.balls):
        problems.append(Problem("bad-option", "with --depth or several --points there is a table "
                                "of lambda_0 and nothing else", "gram",
                                "leave out --save, --block, --balls and --no-eigenvalues"))
    if options.plot and not swept:
        problems.append(Problem("bad-option", "there is one matrix and nothing to draw", "--plot",
                                "add --depth 1,2,4,8 or --points 10,20,50"))
    if not options.save:
        for given, name in ((options.resume, "--resume"), (options.restart, "--restart"),
                            (options.no_eigenvalues, "--no-eigenvalues")):
            if given:
                problems.append(Problem("bad-option", "it goes with --save", name,
                                        "add --save K.npy"))
    if options.no_eigenvalues:
        for given, name in ((options.as_printed, "--as-printed"), (options.balls, "--balls")):
            if given:
                problems.append(Problem("bad-option", "it is about eigenvalues", name,
                                        "leave out --no-eigenvalues"))
    if problems:
        raise InputError(problems)


def _no_kernel(options: argparse.Namespace, error: NoKernelError) -> None:
    causes = [{"node": c.node, "reason": c.reason} for c in error.unknown.causes]
    if options.json:
        output.write_json({"unknown": error.unknown.reason, "causes": causes, "hold": False})
        return
    page = output.make_page()
    page.line("There is no limiting Gram matrix", "bold")
    for c in causes:
        page.hypothesis("?", c["node"] or "network", "yellow", c["reason"])
    output.write(page.text())


def limit(options: argparse.Namespace) -> int:
    """The most memory that may be taken."""
    from govcheck.kernels.plan import available
    from govcheck_cli.gram_options import size

    if options.max_memory is None:
        return available()
    return size(options.max_memory, "--max-memory")


def first(data: Dataset, points: int | None) -> Array:
    """The first samples.

    Raises:
        InputError: if there are fewer.
    """
    from govcheck.errors import InputError, Problem

    if points is not None and points > len(data.x):
        raise InputError(Problem(
            "bad-option", f"there are {len(data.x)} samples, not {points}", "--points",
            "raise n of the data in the file"))
    return data.x[:points]


def allow(found: Plan, cap: int, hint: str) -> None:
    """Announce large work and refuse what does not fit.

    Raises:
        InputError: if it does not fit, naming what would.
    """
    from govcheck.errors import InputError, Problem
    from govcheck_cli.gram_options import shown_size

    if found.peak > cap:
        fits = found.largest(cap)
        smaller = f"--points {fits} fits" if fits else "no smaller number is known to fit"
        raise InputError(Problem(
            "memory", f"{found.n} samples take about {shown_size(found.peak)}, more than "
            f"{shown_size(cap)}", "--max-memory", f"{smaller}{hint}"))
    if found.peak > LARGE:
        sys.stderr.write(f"govcheck: {found.n} samples, about {shown_size(found.peak)} of memory\n")


def _single(options: argparse.Namespace, arch: Architecture, points: int | None) -> bool:
    from govcheck.certify.sample_facts import directions, lengths
    from govcheck.kernels.gram import Job
    from govcheck.kernels.plan import plan
    from govcheck.kernels.spectrum import spectrum
    from govcheck.kernels.survey import choose, samples
    from govcheck_cli import gram_report
    from govcheck_cli.gram_options import array_file

    path = None if options.save is None else array_file(options.save)
    cap = limit(options)
    data = samples(arch)
    x = first(data, points)
    if options.balls and len(x) > BALLS:
        raise _too_many(len(x))
    wanted = choose(arch, x, options.block)
    if path is not None and len(wanted) > 1:
        raise _several(options.block, wanted)
    job = Job(arch, x, wanted)
    doc: dict[str, Any] = gram_report.head(arch, data, len(x))
    doc["hypotheses"] = gram_report.hypotheses(lengths(x), directions(x))
    doc |= {"blocks": [], "printed": None, "saved": None}
    if job.names:
        needed = plan(job, mapped=path is not None, spectrum=not options.no_eigenvalues)
        hint = "" if path is not None and options.no_eigenvalues else (
            "; --save K.npy --no-eigenvalues writes the matrix in tiles")
        allow(needed, cap, hint)
        doc["memory"] = gram_report.memory(needed, cap)
    matrices, errors, random = _matrices(options, job, path)
    degree = None if job.map is None else job.map.degree
    doc["expectations"] = gram_report.expectations(job.error, degree)
    if path is not None and matrices:
        name = job.names[0]
        doc["saved"] = {"path": str(path), "name": _title(name, job),
                        "bytes": path.stat().st_size}
    for name in wanted:
        title = _title(name, job)
        if name in job.lost:
            doc["blocks"].append(gram_report.lost(name, title, job.lost[name]))
        elif not options.no_eigenvalues:
            found = spectrum(matrices[name], errors[name], balls=options.balls)
            doc["blocks"].append(gram_report.block(name, title, found, name in random))
    if not options.no_eigenvalues:
        doc["printed"] = _printed(options, arch, x, doc["blocks"], matrices)
    held = _held(doc["blocks"])
    doc["hold"] = held
    if options.json:
        output.write_json(doc)
    else:
        output.write(gram_report.render(doc))
    return held


def _too_many(n: int) -> Exception:
    from govcheck.errors import InputError, Problem

    return InputError(Problem("bad-option", f"it takes at most {BALLS} samples, not {n}",
                              "--balls", f"--points {BALLS} takes the first {BALLS}"))


def _several(block: str, wanted: list[str]) -> Exception:
    from govcheck.errors import InputError, Problem

    return InputError(Problem(
        "bad-option", f"block {block} is {len(wanted)} matrices and a file holds one", "--save",
        f"choose one, such as --block {wanted[0]}"))


def _matrices(
    options: argparse.Namespace, job: Job, path: Any
) -> tuple[dict[str, Array], dict[str, float], set[str]]:
    random = {f"block:{p}" for p in job.probe.random}
    if not job.names:
        return {}, {}, random
    with Progress("tiles") as progress:
        if path is None:
            found = job.compute(progress)
            return dict(found.matrices), dict(found.entry_error), random
        name = job.names[0]
        stored = job.stored(name, path)
        if stored.note.exists() and not options.restart:
            _leftover(stored.finished(), str(path))
        matrix = stored.write(name, job.entries, progress, restart=options.restart)
        return {name: matrix}, job.entry_errors({name: matrix}), random


def _leftover(done: int, path: str) -> None:
    from govcheck.errors import InputError, Problem

    if not done:
        raise InputError(Problem(
            "other-run", "an interrupted run left work on another matrix, or none that can be "
            "used", f"{path}.part", "--restart throws it away"))
    sys.stderr.write(f"govcheck: taking up {path}.part after {done} tiles\n")


def _title(name: str, job: Job) -> str:
    order = job.probe.order
    if name == "last":
        return f"last ({order[-2]})" if len(order) > 1 else "last"
    kind, _, rest = name.partition(":")
    if kind == "gram":
        return f"feature (before {rest})"
    return rest or name


def _held(blocks: list[dict[str, Any]]) -> bool:
    """Whether lambda_0 is certified, or what was asked for in its place."""
    asked = [b for b in blocks if b["name"] == "last"] or blocks
    return all(b["certified_positive"] for b in asked)


def _printed(
    options: argparse.Namespace,
    arch: Architecture,
    x: Array,
    blocks: list[dict[str, Any]],
    matrices: dict[str, Array],
) -> dict[str, Any] | None:
    """The definition as printed beside the corrected one, where there is one."""
    from govcheck.bounds.answer import Unknown
    from govcheck.errors import InputError, Problem
    from govcheck.kernels.printed import ALL, MEANING, NUMBER
    from govcheck.kernels.spectrum import smallest_eigenvalue
    from govcheck.kernels.survey import paper

    if not options.as_printed and len(x) > PRINTED:
        return None
    last = next((b for b in blocks if b["name"] == "last" and b["unknown"] is None), None)
    own = paper(arch)
    if isinstance(own, Unknown) or last is None:
        if not options.as_printed:
            return None
        why = "; ".join(f"{c.node}: {c.reason}" if c.node else c.reason for c in own.causes) \
            if isinstance(own, Unknown) else "it is about the block last"
        raise InputError(Problem("not-printed", f"no paper defines this network's matrix: {why}",
                                 "--as-printed"))
    found: dict[str, Any] = {"title": own.title, "why_not": None, "errata": []}
    if own.family.hidden < 2:
        return found | {"why_not": "as printed, the matrix is not defined for one hidden layer"}
    right, engine = last["lambda_min"], matrices["last"]
    if abs(own.last(x) - engine).max() > AGREE * abs(engine).max():
        return found | {"why_not": "the corrected definition gives another matrix than the layers"}

    def percent(value: float) -> float | None:
        return 100 * (value / right - 1) if last["certified_positive"] else None

    for name in own.errata:
        value = smallest_eigenvalue(own.last(x, frozenset({name}))).value
        found["errata"].append({"id": NUMBER[name], "meaning": MEANING[name],
                                "lambda_0": value, "percent": percent(value)})
    printed = value if len(own.errata) == 1 else smallest_eigenvalue(own.last(x, ALL)).value
    return found | {"corrected": right, "printed": printed, "percent": percent(printed)}
