"""``govcheck measure ARCH``: proven bound, measured value, ratio."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output, processes, run_options
from govcheck_cli.measured import at_start, subject_facts, tell

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.analysis import Analysis
    from govcheck.numeric.distributed import Processes
    from govcheck.numeric.measure.record import Budget, Cost
    from govcheck.numeric.measure.subject import Subject
    from govcheck.plugin.registry import Registry

EXIT = """\
exit code 0: no measurement contradicts a bound; 2: bad input; 3: plugin problem under
--strict-plugins; 4: a measurement is beyond a proven bound by more than its error"""

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser, data=False)
    common.add_json(parser)
    parser.add_argument(
        "--quantities", metavar="GROUP,...",
        help="outputs, loss, layers, jacobian, gram, hessian, dynamics, second, density "
        "(default: all)",
    )
    parser.add_argument(
        "--at", metavar="init|FILE", default="init",
        help="the initial weights, a checkpoint (.safetensors) or the folder of a run",
    )
    parser.add_argument(
        "--set-of", choices=("auto", "file", "point"), default="auto",
        help="where the bounds hold: the file's set; the smallest around the initial weights that "
        "reaches the point; auto: the file's, unless it has no bounds",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the table, .svg, .png or .pdf; with "
                        "--spectra a folder, for one drawing of each place")
    parser.add_argument(
        "--chain", action="store_true",
        help="instead: printed, derived and local bounds for beta, D, sigma_D, mu and the rate, "
        "beside a short run of gradient descent",
    )
    parser.add_argument(
        "--estimate", action="store_true", help="say what it would cost, and measure nothing"
    )
    parser.add_argument(
        "--max-seconds", type=float, default=60.0, metavar="T",
        help="about where iterations stop with the errors they have (60)",
    )
    parser.add_argument(
        "--max-memory", metavar="SIZE", help="of one measurement, such as 500M or 4G (half of "
        "the machine's)",
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--device", metavar="NAME", default="cpu", help="as torch names it")
    parser.add_argument("--seed", type=run_options.natural, default=0, metavar="S",
                        help="of starts and probes (0)")
    group = parser.add_argument_group("singular values of layers")
    group.add_argument(
        "--spectra", metavar="PLACE", nargs="*",
        help="those of the derivative of the outputs in the inputs, over the whole batch: of "
        "these layers and blocks, of conv..relu for layers in a row, of `network`; of all "
        "without a PLACE. Nothing else is measured",
    )
    group.add_argument(
        "--method", choices=("auto", "dense", "structured", "inertia", "lanczos"),
        default="auto", help="how (auto: exact where that takes up to 20 s, or lanczos)",
    )
    group.add_argument(
        "--tolerance", type=float, default=0.01, metavar="E",
        help="of the distribution function, for inertia and lanczos (0.01)",
    )
    group = parser.add_argument_group("along training")
    group.add_argument(
        "--every", type=run_options.natural, metavar="K",
        help="train as the file says and measure every K steps into RUNDIR/results.jsonl",
    )
    group.add_argument("--steps", type=run_options.natural, metavar="N", help="of training")
    group.add_argument("-o", "--output", metavar="RUNDIR", help="its folder")
    group.add_argument("--resume", action="store_true", help="go on with the run in RUNDIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print the table."""
    return processes.run(options.device, lambda shared: _run(options, shared))


def _run(options: argparse.Namespace, shared: Processes | None) -> int:
    from govcheck_cli.main import PLUGIN

    _check(options, shared)
    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        from govcheck.analysis import analyze

        analysis = analyze(arch, "tight", plugins.registry)
        for line in analysis.warnings:
            output.warn(line)
        if options.every is not None:
            code = _along(options, analysis, plugins.registry)
        else:
            code = _measure(options, analysis, plugins.registry, shared)
    return PLUGIN if code == 0 and options.strict_plugins and plugins.trouble else code


def _check(options: argparse.Namespace, shared: Processes | None) -> None:
    """Refuse options that make no sense before anything expensive.

    Raises:
        InputError: saying what to write instead.
    """
    from govcheck.errors import InputError, Problem

    if options.plot is not None and options.spectra is None:
        from govcheck_cli.measure_plot import check

        check(Path(options.plot))
    if not options.max_seconds > 0:
        raise InputError(Problem("bad-option", "it takes a positive number of seconds",
                                 "--max-seconds"))
    if options.every is not None and shared is not None:
        raise InputError(Problem("bad-option", "processes do not share training", "--every",
                                 "start one process"))
    if options.chain and any(
        (options.quantities, options.plot, options.estimate, options.every is not None)
    ):
        raise InputError(Problem(
            "bad-option", "it goes with none of --quantities, --plot, --estimate and --every",
            "--chain",
        ))
    if options.spectra is not None and (
        shared is not None or options.quantities is not None or options.every is not None
    ):
        raise InputError(Problem("bad-option", "it goes neither with --quantities nor with "
                                 "--every, and runs in one process", "--spectra"))
    if options.every == 0:
        raise InputError(Problem("bad-option", "it takes a number of steps from 1 on", "--every"))


def _measure(
    options: argparse.Namespace, analysis: Analysis, registry: Registry, shared: Processes | None
) -> int:
    from govcheck.numeric.measure.run import chosen, measure, plan
    from govcheck.numeric.measure.sets import proven
    from govcheck.numeric.measure.sharded import Sharded
    from govcheck.numeric.measure.subject import subject
    from govcheck_cli.main import OK, VIOLATED

    dtype, device = _place(options, shared)
    state, where = _state(options.at, analysis)
    s, start = subject(analysis, state, dtype=dtype, device=device)
    if shared is not None:
        s = Sharded(s, shared)
    if options.chain:
        about = _about(options, analysis) | {"point": where, "parameters": s.parameters}
        return _chain(options, analysis, registry, s, start, about, _budget(options, shared))
    if options.spectra is not None:
        from govcheck_cli.measure_spectra import spectra

        return spectra(options, s, _about(options, analysis) | {"point": where},
                       _budget(options, shared))
    groups, budget = chosen(_groups(options), s), _budget(options, shared)
    about = _about(options, analysis) | {"point": where, "parameters": s.parameters}
    if options.estimate:
        _estimate(plan(s, groups, budget).parts, options.json)
        return OK
    bounds = proven(analysis, s, start, registry, options.set_of)
    total = plan(s, groups, budget).total
    sys.stderr.write(f"govcheck: {s.parameters} parameters, {s.rows} outputs: {total}\n")
    result = measure(s, start, bounds, groups, budget=budget, seed=options.seed,
                     progress=tell)
    if shared is not None and shared.rank:
        return OK
    about["set"] = bounds.words
    if options.json:
        output.write_json(about | result.as_json())
    else:
        from govcheck_cli.measure_report import show

        output.write(show(about, result))
    if options.plot is not None:
        from govcheck_cli.measure_plot import draw

        draw(result.rows, Path(options.plot), about["name"])
    for row in result.alarms:
        output.fail([f"ALARM: {row.sentence}"])
    return VIOLATED if result.alarms else OK


def _chain(
    options: argparse.Namespace, analysis: Analysis, registry: Registry, s: Subject,
    start: Tensor, about: dict[str, Any], budget: Budget,
) -> int:
    from govcheck.numeric.measure.chain import chains
    from govcheck_cli.main import OK, VIOLATED

    found = chains(analysis, s, start, registry, budget=budget, seed=options.seed,
                   progress=lambda text: output.note(f"govcheck: {text}"))
    if options.json:
        output.write_json(about | found.as_json())
    else:
        from govcheck_cli.measure_chain import show

        output.write(show(about, found))
    output.fail([f"ALARM: {text}" for text in found.alarms])
    return VIOLATED if found.alarms else OK


def _along(options: argparse.Namespace, analysis: Analysis, registry: Registry) -> int:
    from govcheck.numeric.measure.along import along
    from govcheck.numeric.measure.run import chosen
    from govcheck.numeric.measure.subject import subject
    from govcheck.numeric.train import read_settings, train
    from govcheck_cli.interrupt import Interrupt
    from govcheck_cli.main import VIOLATED
    from govcheck_cli.progress import Progress

    _place(options)
    alarms: list[str] = []

    def alarm(step: int, text: str) -> None:
        alarms.append(f"step {step}: {text}")
        output.fail([f"ALARM: {alarms[-1]}"])

    given = {"steps": options.steps, "dtype": options.dtype, "device": options.device}
    settings = read_settings(analysis.architecture, given)
    groups = chosen(_groups(options), subject(analysis)[0])
    folder = Path(options.output or Path(options.architecture).stem + ".run")
    callback = along(analysis, registry, groups, options.every, budget=_budget(options),
                     which=options.set_of, seed=options.seed, alarm=alarm)
    with Interrupt() as interrupt, Progress("steps") as bar:
        outcome = train(
            analysis, settings, folder, resume=options.resume, callbacks=[callback],
            progress=lambda now: bar(now.step, now.steps), interrupted=interrupt.asked,
        )
    if options.json:
        output.write_json(_about(options, analysis) | outcome.as_json() | {"alarms": alarms})
    else:
        page = output.make_page()
        page.line(str(analysis.architecture.name), "bold")
        page.field("steps", f"{outcome.step}, measured every {options.every}")
        page.field("loss", f"{outcome.loss}")
        page.field("results", str(folder / "results.jsonl"))
        output.write(page.text())
    return VIOLATED if alarms else run_options.exit_code(outcome)


def _groups(options: argparse.Namespace) -> list[str] | None:
    text = options.quantities
    return None if text is None else [p.strip() for p in text.split(",") if p.strip()]


def _budget(options: argparse.Namespace, shared: Processes | None = None) -> Budget:
    from govcheck.errors import InputError, Problem
    from govcheck.numeric.measure.record import Budget, available_memory

    if options.max_memory is None:
        return Budget(processes.share_of_memory(available_memory(), shared), options.max_seconds)
    text = options.max_memory.strip().lower().removesuffix("ib").removesuffix("b")
    number = text.rstrip("kmgt")
    try:
        size = int(float(number) * UNITS[text[len(number):]])
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size < 1:
        raise InputError(Problem("bad-option", f"{options.max_memory!r} is no size of memory",
                                 "--max-memory", "write 500M or 4G"))
    return Budget(size, options.max_seconds)


def _place(
    options: argparse.Namespace, shared: Processes | None = None
) -> tuple[Any, str]:
    """dtype and device.

    Raises:
        InputError: for a device that torch does not have.
    """
    import torch

    from govcheck.numeric.devices import check_device

    device = processes.device_of(options.device, shared)
    check_device(device)
    # tensor cores would round to 10 bits without a word
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return getattr(torch, options.dtype), device


def _state(at: str, analysis: Analysis) -> tuple[dict[str, Tensor] | None, str]:
    """The parameters to measure at, and where that is."""
    from govcheck.errors import InputError, Problem

    if at == "init":
        return None, at_start(analysis)
    path = Path(at)
    if path.is_dir():
        found = sorted(path.glob("checkpoint-*.safetensors"))
        if not found:
            raise InputError(Problem("checkpoint", f"there is no checkpoint in {at}", "--at"))
        path = found[-1]
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise InputError(Problem("checkpoint", f"{path} cannot be read: {error}", "--at",
                                 "it takes a .safetensors file that `train` wrote")) from None
    own = {k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")}
    return own or tensors, str(path)


def _about(options: argparse.Namespace, analysis: Analysis) -> dict[str, Any]:
    return subject_facts(analysis, f"{options.dtype} on {options.device}", options.seed)


def _estimate(parts: tuple[tuple[str, Cost], ...], as_json: bool) -> None:
    if as_json:
        output.write_json([
            {"part": name, "seconds": cost.seconds, "bytes": cost.bytes} for name, cost in parts
        ])
        return
    page = output.make_page()
    for name, cost in parts:
        page.field(name, str(cost))
    output.write(page.text())
