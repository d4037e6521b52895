"""Loading one plugin: import it, call its hooks, look at every class it hands over."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeVar, Union

import pluggy

from govcheck.plugin import hooks
from govcheck.plugin.guard import Raised, Returned, attempt, one_line
from govcheck.plugin.inspection import Kind, fault

TRACE = "GOVCHECK_TRACE_PLUGINS"
HOOKS: Final[dict[str, Kind]] = {
    "govcheck_layers": "layers",
    "govcheck_costs": "costs",
    "govcheck_theorems": "theorems",
    "govcheck_data": "data",
    "govcheck_reproductions": "reproductions",
    "govcheck_importers": "importers",
    "govcheck_edits": "edits",
}

Stage = Literal["metadata", "import", "hook", "class", "duplicate"]
T = TypeVar("T")


@dataclass(frozen=True)
class Owner:
    """Who provides a class.

    Args:
        plugin: name of the entry point.
        distribution: the installed distribution it belongs to; empty if it is none's.
        version: of that distribution.
    """

    plugin: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        of = f" ({self.distribution} {self.version})".replace(" )", ")")
        return f"plugin {self.plugin}" + (of if self.distribution else "")


@dataclass(frozen=True)
class Broken:
    """Something of a plugin that was set aside.

    Args:
        plugin: name of the entry point.
        distribution: the installed distribution it belongs to; empty if it is none's.
        stage: how far loading came.
        error: what went wrong, on one line.
    """

    plugin: str
    distribution: str
    stage: Stage
    error: str

    def __str__(self) -> str:
        of = f" (distribution {self.distribution})" if self.distribution else ""
        return f"plugin {self.plugin}{of}, set aside at stage {self.stage}: {self.error}"


@dataclass(frozen=True)
class Source:
    """A plugin not loaded yet: who owns it, what module it names, how to get it."""

    owner: Owner
    module: str
    load: Callable[[], object]


@dataclass
class Loaded:
    """What came out of one plugin: usable classes, and what was set aside."""

    owner: Owner
    imported: bool = False
    classes: list[tuple[Kind, type]] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    def set_aside(self, stage: Stage, error: str) -> None:
        """Note one thing that cannot be used."""
        self.broken.append(
            Broken(self.owner.plugin, self.owner.distribution, stage, one_line(error))
        )


def load_plugin(source: Source) -> Loaded:
    """Import one plugin and collect its classes; never raises but KeyboardInterrupt."""
    loaded = Loaded(source.owner)
    outcome = _run(source.load)
    if isinstance(outcome, Raised):
        loaded.set_aside("import", f"{source.module}: {outcome.text}")
        return loaded
    loaded.imported = True
    implementations = _run(lambda: _implementations(outcome.value, loaded))
    if isinstance(implementations, Raised):
        loaded.set_aside("hook", f"{source.module}: {implementations.text}")
        return loaded
    for hook, function in implementations.value:
        for candidate in _call(hook, function, loaded):
            _collect(HOOKS[hook], candidate, loaded)
    return loaded


def _implementations(plugin: object, loaded: Loaded) -> list[tuple[str, Any]]:
    """Hook name and function of each implementation; misspelt and unmarked ones set aside."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    module = getattr(plugin, "__name__", None)
    found: list[tuple[str, Any]] = []
    before = len(loaded.broken)
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            function = getattr(plugin, attribute, None)
            own = inspect.isfunction(function) and function.__module__ == module
            if own and attribute.startswith("govcheck_"):
                known = attribute in HOOKS
                loaded.set_aside("hook", (
                    f"function {attribute} lacks the marker @hookimpl" if known
                    else _no_such_hook(attribute)
                ))
            continue
        hook = options.get("specname") or attribute
        if hook not in HOOKS:
            if not options.get("optionalhook"):
                loaded.set_aside("hook", _no_such_hook(hook))
        elif options.get("wrapper") or options.get("hookwrapper"):
            loaded.set_aside("hook", f"{attribute} is a wrapper; a hook returns a list of classes")
        else:
            found.append((hook, getattr(plugin, attribute)))
    if not found and len(loaded.broken) == before:
        loaded.set_aside("hook", f"no function is marked @hookimpl; hooks are {', '.join(HOOKS)}")
    return found


def _no_such_hook(name: str) -> str:
    close = get_close_matches(name, HOOKS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(HOOKS)}"
    return f"no hook is called {name}; {hint}"


def _call(hook: str, function: Any, loaded: Loaded) -> list[object]:
    """Candidates from one hook of one plugin, asked by itself so that we know whose they are."""

    def ask() -> list[object]:
        manager = pluggy.PluginManager(hooks.PROJECT)
        manager.add_hookspecs(hooks)
        # pluggy refuses arguments that the hook does not have
        manager.register(SimpleNamespace(**{hook: function}), name=loaded.owner.plugin)
        answers: list[object] = getattr(manager.hook, hook)()
        return answers

    start = time.perf_counter()
    outcome = _run(ask)
    milliseconds = (time.perf_counter() - start) * 1e3
    result: list[object] = []
    if isinstance(outcome, Raised):
        problem = outcome.text
    elif not outcome.value:
        problem = "returned None, not a list of classes"
    elif not isinstance(outcome.value[0], list | tuple):
        problem = f"returned {type(outcome.value[0]).__name__}, not a list of classes"
    else:
        problem = ""
        result = list(outcome.value[0])
    if problem:
        loaded.set_aside("hook", f"{hook}: {problem}")
    if tracing():
        came = problem or f"{len(result)} classes"
        sys.stderr.write(
            f"govcheck: {loaded.owner}: {hook}() -> {came} in {milliseconds:.1f} ms\n"
        )
    return result


def _collect(kind: Kind, candidate: object, loaded: Loaded) -> None:
    outcome = _run(lambda: fault(kind, candidate))
    problem = outcome.text if isinstance(outcome, Raised) else outcome.value
    if problem is None:
        assert isinstance(candidate, type)
        loaded.classes.append((kind, candidate))
    else:
        loaded.set_aside("class", problem)


def tracing() -> bool:
    """Whether the environment asks for a line about each hook call."""
    return os.environ.get(TRACE, "") not in ("", "0")


def _run(action: Callable[[], T]) -> Union[Returned[T], Raised]:
    # a plugin that prints must not get into the JSON on stdout
    with contextlib.redirect_stdout(sys.stderr):
        outcome = attempt(action)
    if isinstance(outcome, Raised) and tracing():
        traceback.print_exception(outcome.error, file=sys.stderr)
    return outcome
