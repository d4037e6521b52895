"""Small networks built by hand, and the verdicts of one theorem about them."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from govcheck.analysis import Analysis, analyze
from govcheck.bounds.expr import ONE, Expr, as_expr, num, sqrt, sym
from govcheck.graph.architecture import Architecture, DomainSpec, TheoremRequest
from govcheck.graph.blocks import Chain, Leaf, Repeat, Residual, chain
from govcheck.plugin.cost import Cost
from govcheck.plugin.data import DataSource, dataset
from govcheck.theorems.protocol import Hypothesis, Verdict
from govcheck_plugins import builtin
from govcheck_plugins.costs.square import Square
from govcheck_plugins.data.orthonormal import Orthonormal
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.tanh import Tanh

M, DELTA, EPS = sym("m"), sym("delta"), sym("eps")
THEOREMS = {c.name: c for c in builtin.govcheck_theorems()}
NONE = SimpleNamespace(theorems={}, owner=lambda kind, name: None)


@dataclass(frozen=True, eq=False)
class Given(DataSource):
    """Arrays given by the test."""

    name = "given"
    x: np.ndarray
    y: np.ndarray

    def load(self, shape, folder):
        return dataset(self.x, self.y, shape, "given")


@dataclass
class Build:
    """Builds networks, analyses them and asks theorems."""

    m: Expr = M
    delta: Expr = DELTA
    eps: Expr = EPS
    given: type = Given
    values: dict = field(
        default_factory=lambda: {M: num(4), DELTA: num(Fraction(1, 10)), EPS: ONE}
    )

    def first(self, **changes) -> Leaf:
        """The entrywise first layer."""
        return Leaf("first", replace(Affine(M, "entrywise", False, ONE, EPS), **changes))

    def branch(self, index: object = "", activation=None, scale=None) -> list[Leaf]:
        """A weight-normalised affine layer and an activation."""
        s = (1 - DELTA) / sqrt(M) if scale is None else scale
        affine = Affine(M, "weight_norm", False, s, EPS)
        return [Leaf(f"wn{index}", affine), Leaf(f"act{index}", activation or Tanh())]

    def resnet(self, blocks: int = 3, activation=None, repeat: bool = False) -> Chain:
        """The network of Theorem 4.8."""
        if repeat:
            inner = Residual("res", chain(*self.branch("", activation)))
            return chain(self.first(), Repeat("repeat", as_expr(blocks), chain(inner)))
        return chain(
            self.first(),
            *(Residual(f"res{i}", chain(*self.branch(i, activation))) for i in range(blocks)),
        )

    def analysis(
        self,
        body: Chain,
        *,
        cost: Cost | None = Square(),  # noqa: B008 - frozen
        data: DataSource | None = Orthonormal(3),  # noqa: B008 - frozen
        domain: DomainSpec = DomainSpec(),  # noqa: B008 - frozen
        mode: str = "tight",
        symbols: dict | None = None,
        requests: dict | None = None,
        output: Expr = M,
    ) -> Analysis:
        """Bounds of a network on m inputs; theorems are asked one by one afterwards."""
        asked = tuple(TheoremRequest(n, o) for n, o in (requests or {}).items())
        arch = Architecture(
            "net",
            "net.yaml",
            {s.payload.name: s for s in (self.values | (symbols or {}))},
            {s: v for s, v in (self.values | (symbols or {})).items() if v is not None},
            (M,),
            body,
            (output,),
            cost,
            data,
            domain=domain,
            theorems=asked,
        )
        registry = SimpleNamespace(theorems=dict.fromkeys(requests or {}, _Silent), owner=None)
        return analyze(arch, mode, registry)

    def verdict(self, theorem: str, analysis: Analysis, reading: str = "as_corrected") -> Verdict:
        """One theorem of the paper on one network."""
        return THEOREMS[f"macdonald2022.{theorem}"]().decide(analysis, reading)

    def status(self, verdict: Verdict) -> dict[str, str]:
        """Status by hypothesis key."""
        return {h.key: h.status for h in verdict.hypotheses}

    def hypothesis(self, verdict: Verdict, key: str) -> Hypothesis:
        """One hypothesis by key."""
        return next(h for h in verdict.hypotheses if h.key == key)


class _Silent:
    readings = ()


@pytest.fixture
def build() -> Build:
    return Build()
