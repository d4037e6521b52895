"""All benchmarks, one after the other, as one table.

Every row stands beside a peer or beside what cannot be saved, timed in the same process or in
processes that take turns: CPU seconds of one core. A peer that is not installed is left out, and
its row says so. Each job runs in a process of its own; one that fails makes a row that says why,
and exit code 1.

    python benchmarks/run.py [--quick] [--only JOB ...] [-o TABLE.md] [--into README.md]

`--into` replaces what stands between the lines ``<!-- bench:begin -->`` and
``<!-- bench:end -->`` of a file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from jobs import JOBS, Row

HEAD = ("what", "govcheck", "beside it", "ratio", "the beside, and what cannot be saved")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def rows(names: list[str], *, quick: bool) -> Iterator[tuple[list[Row], bool]]:
    """Run each job in a process of its own; its rows, and whether it came to its end."""
    for place, name in enumerate(names, 1):
        print(f"[{place}/{len(names)}] {name}", file=sys.stderr, end=" ", flush=True)
        start = time.perf_counter()
        command = [sys.executable, __file__, "--job", name, *(["--quick"] if quick else [])]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - start
        print(f"{took:.0f} s", file=sys.stderr, flush=True)
        found = [Row(**json.loads(x[4:])) for x in run.stdout.splitlines() if x[:4] == "ROW "]
        if run.returncode:
            sys.stderr.write(run.stderr[-2000:])
            why = (run.stderr.strip().splitlines() or ["no message"])[-1]
            found.append(Row(name, note=f"failed: {why}"))
        yield found, run.returncode == 0


def table(found: list[Row]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|"]
    for row in found:
        cells = (row.what, row.ours, row.peer, row.ratio, row.note)
        lines.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    return "\n".join(lines) + "\n"


def about() -> str:
    """Cores and versions, one line."""
    from importlib.metadata import version

    tools = ", ".join(f"{p} {version(p)}" for p in ("numpy", "python-flint", "torch"))
    return (f"One of {os.cpu_count()} cores; Python "
            f"{sys.version.split()[0]}, {tools}. CPU seconds; ratio: ours over the other.\n")


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def insert(path: Path, text: str) -> None:
    """Between the two marks of a file."""
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise SystemExit(f"{path}: there must be one line {BEGIN} and, after it, one {END}")
    head, rest = old.split(BEGIN)
    write(path, f"{head}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, two minutes")
    parser.add_argument("--only", nargs="+", choices=list(JOBS), metavar="JOB",
                        help=f"of {', '.join(JOBS)}")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--into", type=Path, metavar="FILE", help="replace it between the marks")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job: Callable[[bool], Iterator[Row]] = JOBS[options.job]
        for row in job(options.quick):
            print("ROW " + json.dumps(row._asdict()), flush=True)
        return 0
    found: list[Row] = []
    whole = True
    for some, ended in rows(options.only or list(JOBS), quick=options.quick):
        found += some
        whole &= ended
        for row in some:
            print("   ", row.what, "|", row.ours, "|", row.peer, "|", row.ratio, file=sys.stderr)
    text = f"{table(found)}\n{about()}"
    print(text, end="")
    if options.output:
        write(options.output, text)
    if options.into and whole:
        insert(options.into, text)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
