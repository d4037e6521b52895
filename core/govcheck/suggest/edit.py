"""What a plugin of edits is: one kind of change that people make to an architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from govcheck.plugin.layer import API_VERSION
from govcheck.spec.lookup import Lookup
from govcheck.suggest.draft import Draft, Path


@dataclass(frozen=True)
class Place:
    """Where an edit can act.

    Args:
        path: in the document.
        line: in the file; 0 for what an earlier edit wrote.
        words: the edit there, in the imperative, such as ``replace relu by softplus``.
    """

    path: Path
    line: int
    words: str


class Edit(ABC):
    """One kind of change; whether it helps is decided by analysing the edited file.

    ``price`` is how much it changes what the network computes, 1 for a small change; the search
    prefers cheap edits.
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    price: ClassVar[int] = 1

    @abstractmethod
    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        """Where the edit can act in a document, in the order of the file.

        Args:
            draft: the document, which stays as it is.
            lookup: the installed layers, costs, data sources and theorems.
        """

    @abstractmethod
    def act(self, draft: Draft, place: Place) -> None:
        """Change the document at one of the places.

        Args:
            draft: the document to change.
            place: one of `places`; those later in the file were acted on before.
        """
