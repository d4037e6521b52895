"""Parameter sets: where the bounds hold. One formula serves all three.

A layer asks for the largest norm of one of its parameters; the parameter set answers
with a formula, or with Unknown where the set leaves it unbounded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final, Literal

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.expr import ZERO, Expr, maximum, sym

NormKind = Literal["spectral", "frobenius", "max"]
FloorKind = Literal["sigma_min", "abs_min"]

NORM_TEXT: Final[dict[str, str]] = {
    "spectral": "operator norm",
    "frobenius": "Frobenius norm",
    "max": "largest absolute entry",
    "sigma_min": "surjectivity modulus",
    "abs_min": "smallest absolute entry",
}


@dataclass(frozen=True)
class WeightFact:
    """A number to be computed from the given weights: one norm of one parameter."""

    node: str
    parameter: str
    kind: str


class Domain(ABC):
    """A set of parameters, the product of one set for each layer."""

    @abstractmethod
    def norm(self, node: str, parameter: str, kind: NormKind) -> Value:
        """Supremum over the set of a norm of one parameter of the layer `node`."""

    @abstractmethod
    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """Infimum over the set; 0 where nothing better is known."""

    @abstractmethod
    def describe(self) -> str:
        """The set in words."""

    def facts(self) -> dict[Expr, WeightFact]:
        """Symbols whose values come from the given weights."""
        return {}


@dataclass(frozen=True)
class Everything(Domain):
    """All parameters."""

    def norm(self, node: str, parameter: str, kind: NormKind) -> Value:
        """See `Domain.norm`."""
        return Unknown.because(
            f"parameter {parameter} is unbounded on the set of all parameters",
            kind="unbounded",
        )

    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """See `Domain.floor`."""
        return ZERO

    def describe(self) -> str:
        """See `Domain.describe`."""
        return "all parameters"


@dataclass(frozen=True)
class Ball(Domain):
    """Parameters of each layer within Euclidean distance R of 0 (R may differ by layer)."""

    radius: Expr
    radii: dict[str, Expr] = field(default_factory=dict, hash=False)

    def norm(self, node: str, parameter: str, kind: NormKind) -> Value:
        """See `Domain.norm`."""
        return self.radii.get(node, self.radius)

    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """See `Domain.floor`."""
        return ZERO

    def describe(self) -> str:
        """See `Domain.describe`."""
        return f"parameters of each layer with Euclidean norm at most {self.radius!r}"


@dataclass(frozen=True)
class AroundInit(Domain):
    """Parameters of each layer within Euclidean distance R of the given weights."""

    radius: Expr
    radii: dict[str, Expr] = field(default_factory=dict, hash=False)
    _facts: dict[Expr, WeightFact] = field(default_factory=dict, hash=False)

    def norm(self, node: str, parameter: str, kind: NormKind) -> Value:
        """See `Domain.norm`."""
        # every kind is at most 1-Lipschitz in the Frobenius norm
        return self._symbol(node, parameter, kind) + self.radii.get(node, self.radius)

    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """See `Domain.floor`."""
        value = self._symbol(node, parameter, kind) - self.radii.get(node, self.radius)
        return maximum(0, value)

    def _symbol(self, node: str, parameter: str, kind: str) -> Expr:
        short = {"spectral": "2", "frobenius": "F", "max": "max"}.get(kind, kind)
        s = sym(
            f"{parameter}0_{short}[{node}]",
            f"{NORM_TEXT[kind]} of the given {parameter} of {node}",
            latex=rf"\|{parameter[0].upper()}^{{0}}_{{\mathrm{{{node}}}}}\|"
            rf"_{{\mathrm{{{short}}}}}".replace("_{\\mathrm{sigma_min}}", r"_{\sigma}"),
        )
        self._facts[s] = WeightFact(node, parameter, kind)
        return s

    def describe(self) -> str:
        """See `Domain.describe`."""
        return f"parameters of each layer within distance {self.radius!r} of the given weights"

    def facts(self) -> dict[Expr, WeightFact]:
        """See `Domain.facts`."""
        return dict(self._facts)


@dataclass(frozen=True)
class EntriesWithin(Domain):
    """Another set, with every entry of one layer's parameter at most R in absolute value."""

    base: Domain
    node: str
    parameter: str
    radius: Expr

    def norm(self, node: str, parameter: str, kind: NormKind) -> Value:
        """See `Domain.norm`."""
        if (node, parameter, kind) == (self.node, self.parameter, "max"):
            return self.radius
        return self.base.norm(node, parameter, kind)

    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """See `Domain.floor`."""
        return self.base.floor(node, parameter, kind)

    def describe(self) -> str:
        """See `Domain.describe`."""
        return (
            f"{self.base.describe()}, with every |entry| of {self.parameter} of {self.node} "
            f"at most {self.radius!r}"
        )

    def facts(self) -> dict[Expr, WeightFact]:
        """See `Domain.facts`."""
        return self.base.facts()
