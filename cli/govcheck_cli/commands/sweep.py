"""``govcheck sweep ARCH...``: train for all combinations of files, symbols and seeds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output, run_options
from govcheck_cli.interrupt import Interrupt
from govcheck_cli.sweep_options import seeds, values

if TYPE_CHECKING:
    from govcheck.numeric.train.sweep import Sweep
    from govcheck.plugin.registry import Registry

EXIT = """\
exit code 0: all runs are done; 1: one diverged, or was not done; 2: bad input; 3: plugin problem
under --strict-plugins; 4: a loss was above what a theorem that applies allows; 130: interrupted

The same command with --resume leaves finished runs alone and goes on with the others where they
stopped. Under torchrun (torchrun --no-python --nproc-per-node 4 govcheck sweep ...) all processes
share the work."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    parser.add_argument("architectures", metavar="ARCH", nargs="+",
                        help="architecture files (YAML)")
    parser.add_argument(
        "--set", metavar="NAME=V[,V...]", action="append", default=[], dest="overrides",
        help="values of a declared symbol; may be repeated for other symbols",
    )
    parser.add_argument(
        "--seeds", metavar="S[,S..S]", default=None,
        help="seeds of initial weights and order of samples, such as 0..3 or 0,2,5 "
        "(default: those of the files)",
    )
    parser.add_argument("-o", "--output", metavar="DIR", default="sweep",
                        help="folder of all runs (sweep)")
    parser.add_argument("--workers", type=run_options.natural, metavar="N", default=1,
                        help="processes on this machine (1)")
    parser.add_argument("--resume", action="store_true", help="go on with the sweep in DIR")
    parser.add_argument(
        "--strict-plugins", action="store_true", help="exit with 3 if any plugin is broken"
    )
    common.add_json(parser)
    run_options.add_training(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do all runs and print one line for each."""
    from pathlib import Path

    from govcheck.numeric.train.sweep import Sweep, jobs, prepare
    from govcheck.numeric.train.workers import member
    from govcheck_cli.main import OK, PLUGIN

    wanted = jobs(options.architectures, values(options.overrides),
                  [] if options.seeds is None else seeds(options.seeds))
    sweep = Sweep(Path(options.output), wanted, run_options.overrides(options),
                  run_options.saving(options))
    me = member()
    with common.plugins() as plugins, Interrupt() as interrupt:
        if me is None or me.rank == 0:
            prepare(sweep, plugins.registry, resume=options.resume)
        _work(options, sweep, me, plugins.registry, interrupt)
        asked = interrupt.asked()
    if me is not None and me.rank:
        return OK
    code = _report(options, sweep, asked)
    return PLUGIN if code == OK and options.strict_plugins and plugins.trouble else code


def _work(
    options: argparse.Namespace, sweep: Sweep, me: Any, registry: Registry, interrupt: Interrupt
) -> None:
    from govcheck.numeric.train import workers
    from govcheck_cli.progress import Progress

    done = 0
    with Progress("runs") as bar:

        def told(index: int) -> None:
            nonlocal done
            done += 1
            bar(done, len(sweep.jobs))

        if me is not None:
            me.share(sweep, registry, interrupt.asked, told)
        elif options.workers > 1:
            lost = workers.together(sweep, options.workers, interrupt.asked, told)
            if lost:
                output.warn(f"{lost} of {options.workers} worker processes ended before their time")
        else:
            workers.alone(sweep, registry, interrupt.asked, told)


def _report(options: argparse.Namespace, sweep: Sweep, asked: bool) -> int:
    from govcheck.numeric.train.files import write_json
    from govcheck.numeric.train.state import FAILED
    from govcheck_cli.main import INTERRUPTED, NOT_HELD, OK, USAGE, VIOLATED

    rows = [_row(sweep, i) for i in range(len(sweep.jobs))]
    write_json(sweep.folder / "results.json", {"runs": rows})
    if options.json:
        output.write_json({"folder": str(sweep.folder), "runs": rows})
    else:
        _print(sweep, rows)
    alarms = [f"run {r['index']}: {v}" for r in rows for v in r["violations"]]
    errors = [f"run {r['index']}: {p}" for r in rows for p in r["problems"]]
    output.fail([f"ALARM: {a}" for a in alarms] + errors)
    left = sum(r["reason"] is None for r in rows) - sum(bool(r["problems"]) for r in rows)
    if left:
        output.fail([f"{left} of {len(rows)} runs are not finished; the same command with "
                     "--resume goes on with them"])
    if alarms:
        return VIOLATED
    if asked and left:
        return INTERRUPTED
    if errors:
        return USAGE
    return NOT_HELD if left or any(r["reason"] in FAILED for r in rows) else OK


def _row(sweep: Sweep, index: int) -> dict[str, Any]:
    job = sweep.jobs[index]
    found = sweep.finished(job)
    row: dict[str, Any] = {
        "index": index, "file": job.file, "symbols": job.symbols, "seed": job.seed,
        "folder": str(sweep.place(job)), "reason": None, "step": None, "loss": None,
        "first_loss": None, "envelopes": [], "violations": [],
        "problems": [] if found else sweep.failed(job),
    }
    return row if found is None else row | {k: found[k] for k in row if k in found}


def _print(sweep: Sweep, rows: list[dict[str, Any]]) -> None:
    page = output.make_page()
    page.field("files", str(sweep.folder))
    table = page.table()
    names = list(sweep.jobs[0].symbols)
    heads = ("run", "file", *names, "seed", "steps", "first loss", "loss", "loss/bound", "stopped")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        ratios = [e["ratio"] for e in row["envelopes"] if e["ratio"] is not None]
        name = row["file"].replace("\\", "/").rpartition("/")[2]
        table.add_row(
            str(row["index"]), name, *(row["symbols"][n] for n in names),
            "" if row["seed"] is None else str(row["seed"]), _text(row["step"]),
            _text(row["first_loss"]), _text(row["loss"]),
            f"{max(ratios):.6f}" if ratios else "",
            row["reason"] or ("bad input" if row["problems"] else "not finished"),
        )
    page.console.print(table)
    output.write(page.text())


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
