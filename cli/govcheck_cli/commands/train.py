"""``govcheck train ARCH``: gradient descent with the proven bounds beside the loss."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from govcheck_cli import common, memory, output, run_options

if TYPE_CHECKING:
    from govcheck.numeric.train.settings import Settings
    from govcheck.numeric.train.state import Outcome
    from govcheck.numeric.train.state import Progress as Step
    from govcheck_cli.progress import Progress

EXIT = """\
exit code 0: trained; 1: the loss diverged or is no number; 2: bad input; 3: plugin problem under
--strict-plugins; 4: a loss was above what a theorem that applies allows; 130: interrupted, with a
checkpoint that --resume goes on from"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser, data=False)
    common.add_json(parser)
    parser.add_argument(
        "-o", "--output", metavar="RUNDIR",
        help="folder for checkpoints and results (default: the file's name with .run)",
    )
    parser.add_argument(
        "--resume", action="store_true",
        help="go on with the run in RUNDIR, to the same bits as if it had not stopped",
    )
    parser.add_argument(
        "--seed", type=run_options.natural, metavar="S",
        help="seed of the initial weights and of the order of samples",
    )
    run_options.add_training(parser)
    memory.add_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train and print what came out."""
    from govcheck_cli.main import PLUGIN

    with common.plugins() as plugins:
        arch = run_options.seeded(common.load(options, plugins.registry), options.seed)
        code = _train(options, arch, plugins)
    return PLUGIN if code == 0 and options.strict_plugins and plugins.trouble else code


def _train(
    options: argparse.Namespace, arch: run_options.Architecture, plugins: common.Plugins
) -> int:
    from pathlib import Path

    from govcheck.analysis import analyze
    from govcheck.numeric.train import read_settings, train
    from govcheck.numeric.train.memory import peak
    from govcheck_cli.interrupt import Interrupt
    from govcheck_cli.progress import Progress

    settings = read_settings(arch, run_options.overrides(options))
    folder = Path(options.output or Path(options.architecture).stem + ".run")
    analysis = analyze(arch, "tight", plugins.registry)
    for line in analysis.warnings:
        output.warn(line)
    memory.allow(options, "training", peak(analysis, settings), _smaller(options, settings))
    with Interrupt() as interrupt, Progress("steps") as bar:
        outcome = train(
            analysis, settings, folder, resume=options.resume,
            saving=run_options.saving(options), progress=_shown(bar), interrupted=interrupt.asked,
        )
    if options.json:
        output.write_json(run_options.document(analysis, settings) | outcome.as_json())
    else:
        _print(run_options.document(analysis, settings), outcome)
    if outcome.reason == "interrupted":
        output.fail([f"stopped after step {outcome.step}; the same command with --resume goes on "
                     f"from {folder}"])
    for line in outcome.violations:
        output.fail([f"ALARM: {line}"])
    return run_options.exit_code(outcome)


def _smaller(options: argparse.Namespace, settings: Settings) -> str:
    """What needs less memory."""
    if settings.method == "sgd" and settings.batch != 1:
        return "take a smaller --batch" if options.batch else "take --batch 32"
    way = "" if settings.dtype == "float32" else ", --dtype float32"
    return f"take fewer samples (n of the data in the file){way}, or --method sgd --batch 32"


def _shown(bar: Progress) -> run_options.Listener:
    def tell(now: Step) -> None:
        bar.label = f"loss {now.loss:.6g}, steps"
        if now.step > now.begun:
            bar(now.step, now.steps)

    return tell


def _print(about: dict[str, object], outcome: Outcome) -> None:
    from govcheck.numeric.train.state import REASONS

    page = output.make_page()
    page.line(str(about["name"]), "bold")
    for name in ("data", "start", "method", "arithmetic"):
        page.field(name, str(about[name]))
    page.field("step size", f"{outcome.step_size.value:.6g} ({outcome.step_size.source})")
    page.field("files", str(outcome.directory))
    if outcome.resumed is not None:
        page.field("resumed", f"at step {outcome.resumed}")
    page.title("Result (measured)")
    page.field("stopped", f"after {outcome.step} steps: {REASONS[outcome.reason]}")
    lost = "not a number" if outcome.loss is None else f"{outcome.loss:.8g}"
    page.field("loss", f"{lost}, at the start {outcome.first_loss:.8g}")
    if outcome.gradient_norm is not None:
        page.field("|gradient|", f"{outcome.gradient_norm:.6g}")
    page.field("time", f"{outcome.seconds:.1f} s")
    if outcome.envelopes:
        page.title("Loss against what is proved")
        table = page.table()
        for head in ("theorem", "loss", "bound", "ratio", "held up to step"):
            table.add_column(head)
        for e in outcome.envelopes:
            bound = "none" if e["bound"] is None else f"{e['bound']:.8g}"
            ratio = "" if e["ratio"] is None else f"{e['ratio']:.6f}"
            if e["bound"] is not None and not e["resolved"]:
                ratio = "(below rounding)"
            table.add_row(e["theorem"], lost, bound, ratio, str(e["checked"]))
        page.console.print(table)
        for e in outcome.envelopes:
            if e["checked"] or not e["ended"]:
                page.item(f"{e['theorem']}: {e['statement']}")
            if e["ended"]:
                page.item(f"{e['theorem']} says nothing from {e['ended']}", "yellow")
    for line in outcome.remarks:
        page.item(line, "yellow")
    for line in outcome.violations:
        page.item(f"ALARM: {line}", "bold red")
    output.write(page.text())
