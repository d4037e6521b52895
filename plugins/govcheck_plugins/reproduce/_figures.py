"""What the reproductions of figures share: trials kept for later, comparisons as claims, data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from govcheck.reproduce.plot import Curve, Style
from govcheck.reproduce.protocol import Claim, Context, Pair, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.numeric.experiments.pictures import Pictures
    from govcheck.numeric.experiments.statistics import Comparison

    Array = NDArray[np.float64]

STYLES: Final[tuple[Style, ...]] = ("line", "dashed", "dotted", "line")
GRID: Final = 201


def kept(context: Context, name: str, compute: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    """Compute arrays, or take them from an interrupted run.

    Args:
        context: with the folder.
        name: of this part of the work, with all that it depends on besides seed and size.
        compute: gives them.
    """
    import numpy as np

    if context.scratch is None or not context.scratch.is_dir():
        return compute()
    path = context.scratch / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.npz"
    if path.is_file():
        with suppress(OSError, ValueError), np.load(path, allow_pickle=False) as file:
            return {k: file[k] for k in file.files}
    found = compute()
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    with fresh.open("wb") as out:
        np.savez(out, allow_pickle=False, **found)
    fresh.replace(path)
    return found


def kept_curve(context: Context, name: str, compute: Callable[[], Array]) -> Array:
    """`kept` for one array."""
    return kept(context, name, lambda: {"curve": compute()})["curve"]


def data_lines(pictures: Pictures) -> tuple[str, ...]:
    """Source and SHA-256."""
    return (pictures.source, *(f"SHA-256 of {k}: {v}" for k, v in pictures.sha256.items()))


def files_digest(paths: Sequence[Path]) -> str:
    """Names, sizes and times of files: when they change, reports are out of date."""
    facts = []
    for p in paths:
        state = p.stat()
        facts.append(f"{p} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def claim(
    key: str, statement: str, comparisons: Sequence[Comparison], quantity: str,
    remarks: tuple[str, ...] = (),
) -> Claim:
    """A claim that a quantity rises from each model to the next, by paired tests over trials.

    It agrees if each step is significant in the claimed direction, is contradicted if one is in
    the other (see `statistics.decide`), and is left open otherwise.
    """
    from govcheck.numeric.experiments.statistics import LEVEL, decide

    seen = tuple(
        f"{quantity}: {c.high} minus {c.low} is {c.mean:.3g} on average and positive in {c.wins} "
        f"of {len(c.differences)} trials; p = {c.p_larger:.3g} for {c.high} above {c.low}, "
        f"{c.p_smaller:.3g} for the opposite."
        for c in comparisons)
    if decide(comparisons) == "undecided":
        open_ = [f"{c.high} against {c.low} (p = {c.p_larger:.2g} for, {c.p_smaller:.2g} against)"
                 for c in comparisons if c.p_larger >= LEVEL]
        held = [f"{c.high} is above {c.low} (p = {c.p_larger:.2g})"
                for c in comparisons if c.p_larger < LEVEL]
        return Claim(key, statement, reason=(
            f"{len(comparisons[0].differences)} trials do not decide {' nor '.join(open_)}"
            + "".join(f"; {h}" for h in held)), remarks=(*seen, *remarks))
    return Claim(key, statement, tuple(
        Pair(f"p-value of the paired sign-flip test that {c.high} is above {c.low} "
             f"({len(c.differences)} trials)", c.p_larger, LEVEL, "at most")
        for c in comparisons), remarks=(*seen, *remarks))


def against(rows: Sequence[tuple[str, Comparison]]) -> tuple[str, ...]:
    """A remark on the comparisons that by themselves go against the claimed order, if any do."""
    from govcheck.numeric.experiments.statistics import LEVEL

    found = [f"{what}: {c.high} below {c.low} (p = {c.p_smaller:.3g})"
             for what, c in rows if c.p_smaller < LEVEL]
    return (f"Other quantities go against the order: {'; '.join(found)}.",) if found else ()


def comparison_table(title: str, rows: Sequence[tuple[str, Comparison]]) -> Table:
    """Comparisons with both p-values."""
    return Table(
        title,
        ("quantity", "lower", "higher", "mean difference", "trials won", "p of higher",
         "p of lower"),
        tuple((what, c.low, c.high, c.mean, f"{c.wins} of {len(c.differences)}", c.p_larger,
               c.p_smaller) for what, c in rows),
    )


def cdf_curve(label: str, values: Array, color: int, top: float) -> Curve:
    """Distribution function of values from 0 to `top`."""
    import numpy as np

    x = np.linspace(0, top, GRID)
    y = np.searchsorted(np.sort(values), x, side="right") / len(values)
    return Curve(label, tuple(x.tolist()), tuple(y.tolist()), style=STYLES[color % len(STYLES)],
                 color=color)


def band_curve(label: str, curves: Array, color: int) -> Curve:
    """Mean over trials with two standard errors on both sides."""
    import numpy as np

    from govcheck.numeric.experiments.statistics import band

    mean, error = band(curves)
    x = tuple(float(k) for k in range(len(mean)))
    low = np.maximum(mean - 2 * error, 0.2 * mean)
    return Curve(label, x, tuple(mean.tolist()), tuple(low.tolist()),
                 tuple((mean + 2 * error).tolist()), STYLES[color % len(STYLES)], color)
