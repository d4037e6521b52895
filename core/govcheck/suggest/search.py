"""Search for the smallest set of edits under which a theorem applies.

Every candidate is read and analysed like a file of the user's, so an answer is as sound as the
analysis; only that no smaller set exists is not proved where the search runs out of time.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from govcheck.analysis import analyze
from govcheck.errors import InputError
from govcheck.spec import loads
from govcheck.suggest.draft import Draft, Plain
from govcheck.suggest.edit import Edit, Place
from govcheck.theorems.protocol import Hypothesis, Verdict

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry

MOST_PLACES: Final = 12
Tick = Callable[[int, str], None]


@dataclass(frozen=True)
class Action:
    """An edit at some of its places: all, or those with the given numbers."""

    edit: Edit
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a theorem says of an edited file.

    Args:
        actions: the edits, in order.
        done: where each of them acted, in words.
        text: the edited file.
        verdicts: of the theorem, in its corrected reading where it has one.
    """

    actions: tuple[Action, ...]
    done: tuple[Place, ...]
    text: str
    verdicts: tuple[Verdict, ...]

    @property
    def failing(self) -> tuple[Hypothesis, ...]:
        """Hypotheses that do not hold, first things first."""
        return tuple(h for v in self.verdicts for h in v.hypotheses if not h.holds)

    @property
    def applies(self) -> bool:
        """Whether the theorem applies."""
        return bool(self.verdicts) and not self.failing

    @property
    def price(self) -> int:
        """What its edits cost together."""
        return sum(a.edit.price for a in self.actions)


@dataclass
class Suggestion:
    """The answer for one theorem.

    Args:
        theorem: its registered name.
        before: the file as it is.
        after: the cheapest edited file under which the theorem applies, or else the one with
            the fewest failing hypotheses; None if nothing helps.
        tried: files analysed.
        complete: whether everything cheaper was tried.
    """

    theorem: str
    before: Outcome
    after: Outcome | None = None
    tried: int = 0
    complete: bool = True

    @property
    def mended(self) -> tuple[Hypothesis, ...]:
        """Hypotheses that fail before and hold after."""
        if self.after is None:
            return ()
        still = {h.key for h in self.after.failing}
        return tuple(h for h in self.before.failing if h.key not in still)


@dataclass
class Search:
    """Looks for edits that make one theorem apply.

    Args:
        draft: the document as it is.
        file: its name, from which data files are found.
        theorem: item of the list ``theorems``: a name, or a mapping with its arguments.
        name: the theorem's registered name.
        registry: the installed plugins.
        edits: what may be changed.
        seconds: stop after so long with the best answer found by then.
        tick: told the number of files analysed and what was tried last.
        overrides: values of symbols in place of the file's.
    """

    draft: Draft
    file: str
    theorem: Plain
    name: str
    registry: Registry
    edits: Sequence[Edit]
    seconds: float = 60.0
    tick: Tick = lambda count, words: None
    overrides: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, Outcome | None] = field(default_factory=dict)
    _stop: float = 0.0

    def run(self) -> Suggestion:
        """Search, cheapest and nearest first.

        Raises:
            InputError: if the file itself is wrong.
        """
        self._stop = time.monotonic() + self.seconds
        before = self._decide((), (), self._asked(self.draft.copy()).text())
        found = Suggestion(self.name, before)
        if before.applies or not before.verdicts:
            return found
        best = before
        queue: list[tuple[int, int, Outcome]] = [(len(before.failing), 0, before)]
        order = 0
        while queue:
            if time.monotonic() > self._stop:
                found.complete = False
                break
            _, _, here = heapq.heappop(queue)
            if best.applies and here.price + 1 >= best.price:
                continue
            for edit in self.edits:
                nxt = self._try((*here.actions, Action(edit)))
                if nxt is None:
                    continue
                order += 1
                if _better(nxt, best):
                    best = nxt
                if not nxt.applies:
                    heapq.heappush(queue, (len(nxt.failing) + nxt.price, order, nxt))
        if best is not before:
            found.after = self._smallest(best)
        found.tried = len(self._known)
        return found

    def _asked(self, draft: Draft) -> Draft:
        draft.root["theorems"] = [self.theorem]
        return draft

    def _try(self, actions: tuple[Action, ...]) -> Outcome | None:
        """The outcome of edits that give a new file; else None."""
        count = len(self._known)
        found = self._outcome(actions)
        return found if len(self._known) > count else None

    def _outcome(self, actions: tuple[Action, ...]) -> Outcome | None:
        """The outcome of edits; None if one of them acts nowhere or gives a wrong file."""
        draft, done = self._replay(actions)
        if draft is None:
            return None
        text = self._asked(draft).text()
        if text not in self._known:
            self._known[text] = None
            self.tick(len(self._known), done[-1].words)
            # what does not fit this network stays None
            with suppress(InputError):
                self._known[text] = self._decide(actions, done, text)
        known = self._known[text]
        return None if known is None else replace(known, actions=actions, done=done)

    def _replay(self, actions: tuple[Action, ...]) -> tuple[Draft | None, tuple[Place, ...]]:
        draft = self.draft.copy()
        done: list[Place] = []
        for action in actions:
            places = action.edit.places(draft, self.registry)
            chosen = [
                p for i, p in enumerate(places) if action.numbers is None or i in action.numbers
            ]
            if not chosen:
                return None, ()
            for place in reversed(chosen):
                action.edit.act(draft, place)
            done += chosen
        return draft, tuple(done)

    def _decide(
        self, actions: tuple[Action, ...], done: tuple[Place, ...], text: str
    ) -> Outcome:
        arch = loads(text, self.registry, self.file, self.overrides)
        verdicts = analyze(arch, registry=self.registry).verdicts
        corrected = tuple(v for v in verdicts if v.reading == "as_corrected") or tuple(verdicts)
        return Outcome(actions, done, text, corrected)

    def _smallest(self, best: Outcome) -> Outcome:
        """Without the edits, and then the places, that it can do without."""
        for i in reversed(range(len(best.actions))):
            best = self._if_as_good(best, best.actions[:i] + best.actions[i + 1:])
        for i, action in enumerate(best.actions):
            draft, _ = self._replay(best.actions[:i])
            if draft is None:
                continue
            count = len(action.edit.places(draft, self.registry))
            if not 1 < count <= MOST_PLACES:
                continue
            for number in range(count):
                now = best.actions[i].numbers or tuple(range(count))
                fewer = tuple(n for n in now if n != number)
                if fewer:
                    lean = Action(action.edit, fewer)
                    best = self._if_as_good(
                        best, (*best.actions[:i], lean, *best.actions[i + 1:]))
        return best

    def _if_as_good(self, best: Outcome, actions: tuple[Action, ...]) -> Outcome:
        other = self._outcome(actions) if actions else None
        return best if other is None or len(other.failing) > len(best.failing) else other


def _better(a: Outcome, b: Outcome) -> bool:
    return (len(a.failing), a.price, len(a.done)) < (len(b.failing), b.price, len(b.done))
