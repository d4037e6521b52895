"""What a reproduction is: claims of a paper, each with computed beside published numbers.

A verdict is a property of the numbers; there is no way to state one.
"""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar

from govcheck.bounds.answer import Ref
from govcheck.plugin.layer import API_VERSION
from govcheck.reproduce.plot import Plot
from govcheck.theorems.protocol import Erratum, Reading

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

Verdict = Literal["agrees", "agrees after correction", "contradicted", "not computable"]
Relation = Literal["equal", "at most", "at least"]
RANK: Final[dict[Verdict, int]] = {
    "not computable": 0, "agrees": 1, "agrees after correction": 2, "contradicted": 3,
}


@dataclass(frozen=True)
class Pair:
    """A computed number and what is published of it.

    Args:
        what: the number, in words.
        computed: as it came out.
        published: as the statement says, or what the statement's formula gives.
        relation: how the computed number should stand to the published one.
        rtol, atol: how far it may miss that, ``atol + rtol |published|``.
        reading: which statement the published number is from, printed or corrected.
        source: where it is published, if not where the claim is.

    Raises:
        ValueError: for numbers that are not finite and tolerances that are negative.
    """

    what: str
    computed: float
    published: float
    relation: Relation = "equal"
    rtol: float = 0.0
    atol: float = 0.0
    reading: Reading = "as_printed"
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("computed", "published", "rtol", "atol"):
            number = float(getattr(self, name))
            if not math.isfinite(number):
                raise ValueError(f"{self.what}: {name} is {number}")
            object.__setattr__(self, name, number)
        if self.rtol < 0 or self.atol < 0:
            raise ValueError(f"{self.what}: a tolerance is negative")

    @property
    def holds(self) -> bool:
        """Whether the computed number stands to the published one as it should."""
        slack = self.atol + self.rtol * abs(self.published)
        above = self.computed - self.published
        if self.relation == "at most":
            return above <= slack
        if self.relation == "at least":
            return -above <= slack
        return abs(above) <= slack


@dataclass(frozen=True)
class Claim:
    """One statement of a paper with the numbers that speak for or against it.

    Args:
        key: short identifier within the reproduction.
        statement: as printed.
        pairs: numbers for the printed and for the corrected statement.
        corrected: the statement that is right; empty if the printed one is, or none is known.
        reason: why the printed statement has no numbers; only without printed pairs.
        errata: numbers of mistakes of the paper that this concerns.
        remarks: what else to know, one sentence each.

    Raises:
        ValueError: without any number or reason, or with both; or with numbers for a
            corrected statement that is not given.
    """

    key: str
    statement: str
    pairs: tuple[Pair, ...] = ()
    corrected: str = ""
    reason: str = ""
    errata: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.of("as_printed")) == bool(self.reason):
            raise ValueError(f"{self.key}: it needs numbers for the printed statement, or a "
                             "reason why there are none")
        if self.of("as_corrected") and not self.corrected:
            raise ValueError(f"{self.key}: numbers for a corrected statement that is not given")

    def of(self, reading: Reading) -> tuple[Pair, ...]:
        """The numbers for one of the statements."""
        return tuple(p for p in self.pairs if p.reading == reading)

    @property
    def verdict(self) -> Verdict:
        """What follows from the numbers."""
        printed, corrected = self.of("as_printed"), self.of("as_corrected")
        if not printed:
            return "not computable"
        if all(p.holds for p in printed):
            return "agrees"
        if corrected and all(p.holds for p in corrected):
            return "agrees after correction"
        return "contradicted"

    @property
    def correction_fails(self) -> bool:
        """Whether a number speaks against the corrected statement."""
        return not all(p.holds for p in self.of("as_corrected"))


@dataclass(frozen=True)
class Table:
    """Numbers and words in rows, for people."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]

    def __post_init__(self) -> None:
        if any(len(r) != len(self.header) for r in self.rows):
            raise ValueError(f"{self.title}: a row has not as many cells as the header")


@dataclass(frozen=True)
class Outcome:
    """What a reproduction found.

    Args:
        claims: at least one.
        tables: the numbers behind them.
        plot: a drawing of them.
        notes: what was chosen and what the paper leaves open, one sentence each.
        data: what the samples are; source and SHA-256 where they come from files.
    """

    claims: tuple[Claim, ...]
    tables: tuple[Table, ...] = ()
    plot: Plot | None = None
    notes: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.claims:
            raise ValueError("a reproduction needs at least one claim")

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of the claims."""
        return max((c.verdict for c in self.claims), key=RANK.__getitem__)

    @property
    def correction_fails(self) -> bool:
        """Whether a number speaks against a corrected statement."""
        return any(c.correction_fails for c in self.claims)


Tick = Callable[[int, int], None]


def _silent(done: int, of: int) -> None:
    pass


@dataclass(frozen=True)
class Context:
    """What a reproduction is given.

    Args:
        key: its name.
        seed: of everything random.
        quick: whether the small size is wanted.
        data_root: folder of the user's data sets.
        tick: told how many of how many parts are done; it may raise to stop the work.
        scratch: a folder for what may help an interrupted run to go on; it exists when the
            reproduction runs from the command line and is removed when its report is written.
    """

    key: str
    seed: int = 0
    quick: bool = True
    data_root: Path | None = None
    tick: Tick = _silent
    scratch: Path | None = None

    def size(self, quick: T, full: T) -> T:
        """One of two sizes."""
        return quick if self.quick else full

    def seed_of(self, *names: object) -> int:
        """A seed of 32 bits for a part of the work, the same in every run."""
        return zlib.crc32("/".join(map(str, (self.seed, self.key, *names))).encode())

    def draw(self, *names: object) -> np.random.Generator:
        """Random numbers for a part of the work, independent of those of other parts."""
        import numpy as np

        return np.random.default_rng(self.seed_of(*names))


class Reproduction(ABC):
    """A result of a paper that can be computed again; see docs/reproduce.md.

    The first line of the docstring says what it computes. The module must not import numpy,
    torch or matplotlib before `run` does: it is loaded with the registry.

    ``quick_seconds`` and ``full_seconds`` say roughly how long it takes on one core. ``errata``
    are records that claims may name, and others that no number can show.
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    title: ClassVar[str]
    reference: ClassVar[Ref]
    quick_seconds: ClassVar[float]
    full_seconds: ClassVar[float]
    errata: ClassVar[Sequence[Erratum]] = ()

    @abstractmethod
    def run(self, context: Context) -> Outcome:
        """Compute.

        Raises:
            InputError: if the user's data cannot be read.
        """

    def inputs(self, context: Context) -> str:
        """What the result depends on besides seed and size, such as a digest of data files.

        A report of other inputs is out of date. It must be quick.
        """
        return ""


@dataclass(frozen=True)
class Report:
    """An outcome with all that is needed to obtain it again.

    Args:
        key, title, reference: of the reproduction.
        identity: version, digest of the code, seed, size and inputs; see `runner.identity`.
        outcome: what was found.
        errata: mistakes of the paper that it knows, whether a claim names them or not.
        seconds: how long it took.
        made_with: versions of what computed it.
    """

    key: str
    title: str
    reference: str
    identity: dict[str, Any]
    outcome: Outcome
    errata: tuple[Erratum, ...] = ()
    seconds: float = 0.0
    made_with: dict[str, str] = field(default_factory=dict)
