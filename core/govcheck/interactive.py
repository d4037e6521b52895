"""One-liners for notebooks and scripts: measure, train, search, draw.

Everything here can be had with more options from `govcheck.numeric` and `govcheck.report`.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from govcheck.analysis import Analysis
from govcheck.errors import InputError, Problem
from govcheck.report.notebook import Bar, Drawing, Drawings, Picture
from govcheck.report.plot_data import plots_of

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.numeric.measure.run import Result
    from govcheck.numeric.measure.spectra import LayerSpectrum
    from govcheck.numeric.tightness import Tightness
    from govcheck.numeric.train.state import Callback, Outcome
    from govcheck.plugin.registry import Registry

Progress = Callable[[str, int, int], None]
"""Told what is done now, and how many of how many parts are over."""


def measure(
    analysis: Analysis,
    quantities: Sequence[str] | None = None,
    *,
    at: Mapping[str, Tensor] | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Result:
    """Measure a network on its data and hold the values against the proven bounds.

    Args:
        analysis: from `govcheck.analyze`, of an architecture with data.
        quantities: groups of them, see `govcheck.numeric.measure.run.GROUPS`; all if omitted.
        at: parameters as in a ``state_dict``, such as `Training.state`; the initial weights if
            omitted.
        seconds: about where iterations stop with the errors they have.
        seed: of everything random.
        registry: the plugins; loaded if omitted.
        progress: told of each part; a bar in notebooks if omitted, nothing elsewhere.

    Raises:
        InputError: without data, for a group that does not exist, or parameters that do not fit.
    """
    from govcheck.numeric.measure.record import Budget, available_memory
    from govcheck.numeric.measure.run import chosen
    from govcheck.numeric.measure.run import measure as run
    from govcheck.numeric.measure.sets import proven
    from govcheck.numeric.measure.subject import subject

    s, start = subject(analysis, at)
    groups = chosen(quantities, s)
    bounds = proven(analysis, s, start, _registry(registry))
    done = iter(range(len(groups)))
    with _shown(progress) as tell:
        return run(s, start, bounds, groups, budget=Budget(available_memory(), seconds), seed=seed,
                   progress=lambda name, cost: tell(name, next(done), len(groups)))


def spectra(
    analysis: Analysis,
    places: Sequence[str] | None = None,
    *,
    at: Mapping[str, Tensor] | None = None,
    tolerance: float = 0.01,
    seconds: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[LayerSpectrum]:
    """Singular values of the derivative of layers and blocks, over the whole batch.

    Args:
        analysis: from `govcheck.analyze`, of an architecture with data.
        places: layers and blocks, ``conv..relu`` for several in a row, ``network``; all that fit
            into memory if omitted.
        at: parameters as in a ``state_dict``; the initial weights if omitted.
        tolerance: of the distribution function, where it is not found exactly.
        seconds: for each place.
        seed: of random vectors.
        progress: told of each place; a bar in notebooks if omitted, nothing elsewhere.

    Raises:
        InputError: without data, or for a place that does not exist or does not fit.
    """
    from govcheck.numeric.measure.record import Budget, available_memory
    from govcheck.numeric.measure.spectra import layer_spectrum
    from govcheck.numeric.measure.spectra_place import names
    from govcheck.numeric.measure.subject import subject

    s, _ = subject(analysis, at)
    wanted = names(s.module) if places is None else list(places)
    budget = Budget(available_memory(), seconds)
    found = []
    with _shown(progress) as tell:
        for k, place in enumerate(wanted):
            tell(place, k, len(wanted))
            try:
                found.append(layer_spectrum(s.module, place, s.x, tolerance=tolerance,
                                            budget=budget, seed=seed))
            except InputError as error:
                if places is not None or {p.code for p in error.problems} != {"too-large"}:
                    raise
    return found


@dataclass(eq=False)
class Training:
    """A finished or stopped run of training.

    Args:
        outcome: how it ended, with what theorems said of the last loss.
        records: one for each step: loss, norm of the gradient, what theorems allow, what
            callbacks measured.
        state: parameters at the end.
    """

    outcome: Outcome
    records: list[dict[str, Any]]
    state: dict[str, Tensor] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a report's ``training``."""
        return self.outcome.as_json() | {"records": self.records}

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import outcome_html

        return outcome_html(self.outcome)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import outcome_text

        printer.text(outcome_text(self.outcome))


def train(
    analysis: Analysis,
    directory: Path | str | None = None,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    **settings: Any,
) -> Training:
    """Train as the file says, with what theorems allow beside every loss.

    An interrupt (the stop button of a notebook, Ctrl-C) ends it after the current step; what
    was done is returned, and with a directory ``resume=True`` goes on from there.

    Args:
        analysis: from `govcheck.analyze`, of an architecture with data and cost.
        directory: where checkpoints and results stay; nothing stays if omitted.
        resume: go on with the run in `directory`.
        callbacks: see `govcheck.numeric.train.Callback` and
            `govcheck.numeric.measure.along.along`.
        progress: told of each step; a bar in notebooks if omitted, nothing elsewhere.
        settings: in place of the file's ``train`` block: steps, step_size, method, batch, ...

    Raises:
        InputError: if there is nothing to train, or settings make no sense.
    """
    from govcheck.numeric.train import Saving, Settings, read_settings
    from govcheck.numeric.train import train as run
    from govcheck.numeric.train.files import RESULTS, load_checkpoint, read_results

    _known(settings, [f.name for f in fields(Settings)])
    chosen = read_settings(analysis.architecture, settings)
    with _folder(directory) as folder, _shown(progress) as tell, _interrupt() as asked:
        outcome = run(
            analysis, chosen, folder, resume=resume, callbacks=callbacks, interrupted=asked,
            saving=Saving(every=None, seconds=10.0),
            progress=lambda now: tell(f"loss {now.loss:.6g}", now.step, now.steps),
        )
        point = load_checkpoint(folder)
        records = read_results(folder / RESULTS)
    if directory is None:
        outcome.directory = None
    return Training(outcome, records, {} if point is None else point.part("model"))


def attack(
    analysis: Analysis, *, seconds: float = 10.0, seed: int = 0, progress: Progress | None = None
) -> list[Tightness]:
    """Search the parameter set, at the data, for values beyond each bound.

    Args:
        analysis: of a network with data, on a set with given radii.
        seconds: for all searches; each is made once at least.
        seed: of the searches.
        progress: told of each quantity; a bar in notebooks if omitted, nothing elsewhere.

    Raises:
        InputError: if the network cannot be searched; the text says why.
    """
    from govcheck.numeric.tightness import LOSS, NETWORK, tightness

    found = []
    of = len([q for q in (*NETWORK, *LOSS) if q in analysis.bounds])
    with _shown(progress) as tell:
        for t in tightness(analysis, seed=seed, seconds=seconds):
            found.append(t)
            tell(f"searched {t.quantity}", len(found), of)
    return found


def diagram(analysis: Analysis) -> Picture:
    """The layers of a network drawn, with the bounds of their derivatives."""
    from govcheck.report.document import document
    from govcheck.report.graph_svg import graph_svg

    name = analysis.architecture.name or "a network"
    return Picture(graph_svg(document(analysis)), f"layers of {name} with their bounds")


Drawable = Union[
    "Result", Training, "Sequence[Tightness]", "Sequence[LayerSpectrum]", Mapping[str, Any]
]


def plots(*things: Drawable, seed: int = 0) -> Drawings:
    """Everything that can be drawn of measurements, runs, searches and reports.

    Args:
        things: what `measure`, `spectra`, `train` and `attack` returned, or report documents.
        seed: of the searches, as it was given to `attack`.
    """
    from govcheck.numeric.measure.run import Result
    from govcheck.numeric.tightness import Tightness

    found = Drawings()
    for thing in things:
        if isinstance(thing, Mapping):
            doc = dict(thing)
        elif isinstance(thing, Result):
            doc = {"measurement": thing.as_json()}
        elif isinstance(thing, Training):
            doc = {"training": thing.as_json()}
        else:
            rows = [t.as_json() for t in thing]
            searched = any(isinstance(t, Tightness) for t in thing)
            doc = ({"tightness": {"seed": seed, "rows": rows}} if searched else
                   {"measurement": {"spectra": rows}})
        found += [Drawing(p) for p in plots_of(doc)]
    return found


def _known(settings: Mapping[str, Any], names: Sequence[str]) -> None:
    from govcheck.spec.names import shown, suggest

    problems = [
        Problem("bad-option", f"there is no setting {shown(name)}", "train",
                suggest(name, names, "settings"))
        for name in settings if name not in names
    ]
    if problems:
        raise InputError(problems)


def _registry(registry: Registry | None) -> Registry:
    from govcheck.plugin.registry import load_registry

    return load_registry() if registry is None else registry


@contextmanager
def _shown(progress: Progress | None) -> Iterator[Progress]:
    if progress is not None:
        yield progress
        return
    with Bar() as bar:
        yield bar


@contextmanager
def _folder(directory: Path | str | None) -> Iterator[Path]:
    if directory is not None:
        yield Path(directory)
        return
    with tempfile.TemporaryDirectory(prefix="govcheck-") as made:
        yield Path(made)


@contextmanager
def _interrupt() -> Iterator[Callable[[], bool]]:
    """Whether an interrupt has come; the second stops at once."""
    asked = threading.Event()

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = [
    "Drawable", "Progress", "Training", "attack", "diagram", "measure", "plots", "spectra", "train",
]
