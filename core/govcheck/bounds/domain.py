"""Parameter sets: where the bounds hold. One formula serves all three.

A layer asks for the largest norm of one of its parameters; the parameter set answers
with a formula, or with Unknown where the set leaves it unbounded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final

from govcheck.bounds.answer import Sense, Unknown, Value
from govcheck.bounds.expr import ONE, ZERO, Expr, maximum, mul, sym
from govcheck.bounds.letters import roman

NormKind = str
"""``spectral``, ``frobenius``, ``max``, ``row_max``, or a kind that the layer itself defines."""

FloorKind = str
"""``sigma_min``, ``abs_min``, ``row_min``, ``least_norm``, or a kind of the layer's own."""

NORM_TEXT: Final[dict[str, str]] = {
    "spectral": "operator norm",
    "frobenius": "Frobenius norm",
    "max": "largest absolute entry",
    "sigma_min": "surjectivity modulus",
    "abs_min": "smallest absolute entry",
    "row_max": "largest Euclidean norm of a row",
    "row_min": "smallest Euclidean norm of a row",
    "least_norm": "operator norm, from below",
    "operator": "operator norm of the linear map",
    "residual": "regularity of the identity plus the map",
}
_SHORT: Final = {"spectral": "2", "frobenius": "F", "operator": "op"}


@dataclass(frozen=True)
class WeightFact:
    """A number to be computed from the given weights: one norm of one parameter.

    Args:
        node: name of the layer.
        parameter: name of the parameter.
        kind: which norm or floor.
        sense: whether the number is used as an upper or as a lower bound.
    """

    node: str
    parameter: str
    kind: str
    sense: Sense = "upper"


@dataclass(frozen=True)
class ChainFact:
    """The largest norm of ``A_n D_(n-1) ... D_1 A_1``, given matrices A, slopes D in sectors.

    Args:
        nodes: names of the layers whose derivatives are multiples of the matrices, in order.
        norms: upper bounds of the operator norms of the given matrices.
        sectors: lowest and highest slope between each of them and the next.
    """

    nodes: tuple[str, ...]
    norms: tuple[Expr, ...]
    sectors: tuple[tuple[Expr, Expr], ...]


class Domain(ABC):
    """A set of parameters, the product of one set for each layer."""

    @abstractmethod
    def norm(self, node: str, parameter: str, kind: NormKind, slope: Expr = ONE) -> Value:
        """Supremum over the set of a norm of one parameter of the layer `node`.

        Args:
            node: name of the layer.
            parameter: name of the parameter.
            kind: which norm; one that only the layer knows is computed from given weights
                by `Layer.parameter_norm`.
            slope: the norm is at most this times the Frobenius norm.
        """

    @abstractmethod
    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """Infimum over the set; 0 where nothing better is known.

        Args:
            node: name of the layer.
            parameter: name of the parameter.
            kind: which number; it changes by at most the Frobenius norm of a change.
        """

    @abstractmethod
    def describe(self) -> str:
        """The set in words."""

    def facts(self) -> dict[Expr, WeightFact]:
        """Symbols whose values come from the given weights."""
        return {}

    def chains(self) -> dict[Expr, ChainFact]:
        """Symbols whose values come from several given weights together."""
        return {}

    def around(self) -> AroundInit | None:
        """The ball around given weights that contains the set; None if there is none."""
        return None


@dataclass(frozen=True)
class Everything(Domain):
    """All parameters."""

    def norm(self, node: str, parameter: str, kind: NormKind, slope: Expr = ONE) -> Value:
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

    def norm(self, node: str, parameter: str, kind: NormKind, slope: Expr = ONE) -> Value:
        """See `Domain.norm`."""
        return mul(slope, self.radii.get(node, self.radius))

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
    _chains: dict[Expr, ChainFact] = field(default_factory=dict, hash=False)

    def norm(self, node: str, parameter: str, kind: NormKind, slope: Expr = ONE) -> Value:
        """See `Domain.norm`."""
        given = self.given(node, parameter, kind)
        return given + mul(slope, self.radii.get(node, self.radius))

    def floor(self, node: str, parameter: str, kind: FloorKind) -> Expr:
        """See `Domain.floor`."""
        # every floor is 1-Lipschitz in the Frobenius norm
        given = self._symbol(node, parameter, kind, "lower")
        return maximum(0, given - self.radii.get(node, self.radius))

    def given(self, node: str, parameter: str, kind: NormKind) -> Expr:
        """A norm of the given parameter, whatever the radius."""
        return self._symbol(node, parameter, kind, "upper")

    def change(self, node: str) -> Expr:
        """Largest Euclidean norm of a change of the parameters of the layer `node`."""
        return self.radii.get(node, self.radius)

    def chain(self, fact: ChainFact) -> Expr:
        """The number that a fact about several layers stands for."""
        names = fact.nodes[0], fact.nodes[-1]
        s = sym(
            f"chain0[{','.join(names)}]",
            f"Lipschitz constant of {names[0]} to {names[1]} at the given weights and scale 1, "
            "for any slopes in the sectors of the activations between",
            latex=rf"\|J^{{0}}_{{{roman(f'{names[0]}..{names[1]}')}}}\|_{{2}}",
        )
        self._chains[s] = fact
        return s

    def _symbol(self, node: str, parameter: str, kind: str, sense: Sense) -> Expr:
        short = _SHORT.get(kind, kind)
        below = r"\sigma" if kind == "sigma_min" else roman(short)
        s = sym(
            f"{parameter}0_{short}[{node}]",
            f"{NORM_TEXT.get(kind, kind)} of the given {parameter} of {node}",
            latex=rf"\|{parameter[0].upper()}^{{0}}_{{{roman(node)}}}\|_{{{below}}}",
        )
        self._facts[s] = WeightFact(node, parameter, kind, sense)
        return s

    def describe(self) -> str:
        """See `Domain.describe`."""
        return f"parameters of each layer within distance {self.radius!r} of the given weights"

    def facts(self) -> dict[Expr, WeightFact]:
        """See `Domain.facts`."""
        return dict(self._facts)

    def chains(self) -> dict[Expr, ChainFact]:
        """See `Domain.chains`."""
        return dict(self._chains)

    def around(self) -> AroundInit:
        """See `Domain.around`."""
        return self


@dataclass(frozen=True)
class EntriesWithin(Domain):
    """Another set, with every entry of one layer's parameter at most R in absolute value."""

    base: Domain
    node: str
    parameter: str
    radius: Expr

    def norm(self, node: str, parameter: str, kind: NormKind, slope: Expr = ONE) -> Value:
        """See `Domain.norm`."""
        if (node, parameter, kind) == (self.node, self.parameter, "max"):
            return self.radius
        return self.base.norm(node, parameter, kind, slope)

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

    def chains(self) -> dict[Expr, ChainFact]:
        """See `Domain.chains`."""
        return self.base.chains()

    def around(self) -> AroundInit | None:
        """See `Domain.around`."""
        return self.base.around()
