"""Analyse an architecture: bounds, data facts, and a verdict for each theorem."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flint import arb

from govcheck.bounds.answer import ComposedBound, Ref, Unknown, Value, sense_of
from govcheck.bounds.constants import MODES, LayerConstants, MapConstants, Mode
from govcheck.bounds.domain import AroundInit, Ball, Domain, Everything
from govcheck.bounds.evaluate import (
    EvaluationError,
    Missing,
    ZeroDenominatorError,
    ball,
    evaluate,
    free_symbols,
)
from govcheck.bounds.expr import ZERO, Expr, mul, sym
from govcheck.bounds.loss import loss_bounds
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Leaf, leaves, repeats
from govcheck.graph.compose import Composer
from govcheck.plugin.cost import CostAt
from govcheck.plugin.layer import Shape
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, Verdict

if TYPE_CHECKING:
    from govcheck.certify.data_facts import DataFacts
    from govcheck.plugin.data import Dataset
    from govcheck.plugin.registry import Registry

T = TypeVar("T")

SAMPLES = sym("N", "number of samples")
X_FROBENIUS = sym("X_F", "Frobenius norm of the data", latex=r"\|X\|_F")
X_SPECTRAL = sym("X_2", "operator norm of the data, features x samples", latex=r"\|X\|_2")
X_LARGEST = sym("X_max", "largest Euclidean norm of a sample", latex=r"\max_i\|x_i\|")
X_SIGMA = sym("sigma_X", "smallest |X v| over unit v", latex=r"\sigma(X)")
X_SIGMA_ONES = sym("sigma_X1", "the same with a row of ones below X", latex=r"\sigma([X;1])")
Y_FROBENIUS = sym("Y_F", "Frobenius norm of the targets", latex=r"\|Y\|_F")

DATA = Ref("data", "computed from the samples, rounded outward")


@dataclass(frozen=True, eq=False)
class Data:
    """The loaded samples with what is proved about them."""

    dataset: Dataset
    facts: DataFacts
    target_norm: arb
    targets: str


@dataclass(eq=False)
class Analysis:
    """Everything derived for one architecture under one mode.

    Args:
        architecture: what was analysed.
        mode: rules and knowledge used.
        domain: the parameter set.
        network: constants of the map from the parameters to all outputs.
        local: constants of each layer by itself, by node name.
        upto: constants of the map from the input up to each outer block.
        shapes: shape of one input sample of each layer.
        bounds: the network's ten constants and those of the loss, by name.
        env: values of symbols, as balls.
        data: the data, if the architecture names any.
        verdicts: one for each theorem and reading asked for.
        warnings: one line each.
    """

    architecture: Architecture
    mode: Mode
    domain: Domain
    network: MapConstants
    local: Mapping[str, LayerConstants]
    upto: Mapping[str, MapConstants]
    shapes: Mapping[str, Shape]
    bounds: dict[str, ComposedBound]
    env: dict[Expr, arb]
    data: Data | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _memo: dict[Expr, arb] = field(default_factory=dict, repr=False)
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def value(self, answer: ComposedBound | Value) -> arb | Missing | Unknown:
        """The number behind an answer, as a ball that contains it.

        Returns:
            `Missing` names the symbols without value; `Unknown` is passed through.

        Raises:
            InputError: if the formula has no value at the given symbol values.
        """
        formula = answer.value if isinstance(answer, ComposedBound) else answer
        if isinstance(formula, Unknown):
            return formula
        lacking = free_symbols(formula, self.env)
        if lacking:
            return Missing(tuple(dict.fromkeys(s.payload.name for s in lacking)))
        try:
            return evaluate(formula, self.env, self._memo)
        except ZeroDenominatorError as error:
            return Unknown.because(f"no finite value: {error}", kind="unbounded")
        except EvaluationError as error:
            where = self.architecture.file
            raise InputError(Problem("no-value", str(error), where)) from None

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returned the first time, so that theorems share what is costly."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def leaves(self) -> list[Leaf]:
        """All layers in order; those inside a repeat once."""
        return list(leaves(self.architecture.body))

    def compose(self, domain: Domain, *, order: int = 2) -> MapConstants:
        """The network's constants on another parameter set, same data and mode.

        Args:
            domain: the parameter set.
            order: 1 leaves out what only bounds of second order need; it costs less than half.
        """
        return _compose(self.architecture, replace(self.mode, order=order), domain)[0]

    def on(self, domain: Domain, *, order: int = 2) -> dict[str, ComposedBound]:
        """All bounds on another parameter set; see `compose`."""
        net = self.compose(domain, order=order)
        return dict(net.bounds) | _loss(self.architecture, net)

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import analysis_html

        return analysis_html(self)

    def _repr_latex_(self) -> str:
        from govcheck.report.jupyter import analysis_latex

        return analysis_latex(self)

    def _repr_svg_(self) -> str:
        from govcheck.report.jupyter import analysis_svg

        return analysis_svg(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import analysis_text

        printer.text(analysis_text(self))


def _compose(
    arch: Architecture, mode: Mode, domain: Domain
) -> tuple[MapConstants, Composer]:
    composer = Composer(
        SAMPLES, domain, mode, empty=_without_copies(arch), values=symbol_values(arch)
    )
    premises = {
        q: ComposedBound(q, "data", s, sense_of(q), "norm of the data", DATA)
        for q, s in (
            ("out", X_FROBENIUS),
            ("out_spec", X_SPECTRAL),
            ("out_max", X_LARGEST),
            ("out_inj", X_SIGMA),
        )
    }
    start = composer.start(
        arch.input, X_FROBENIUS, X_SPECTRAL, X_SIGMA, X_SIGMA_ONES, X_LARGEST, premises
    )
    return composer.run(arch.body, start).constants, composer


def _without_copies(arch: Architecture) -> frozenset[str]:
    """Repeats whose count has the value 0."""
    env = symbol_values(arch)
    return frozenset(
        r.node
        for r in repeats(arch.body)
        if not free_symbols(r.times, env) and evaluate(r.times, env) == 0
    )


def _loss(arch: Architecture, net: MapConstants) -> dict[str, ComposedBound]:
    if arch.cost is None:
        return {}
    at = CostAt(SAMPLES, mul(*arch.output), Y_FROBENIUS, ZERO)
    return loss_bounds(net, arch.cost, at)


def make_domain(arch: Architecture) -> Domain:
    """The parameter set an architecture asks for."""
    spec = arch.domain
    if spec.kind == "everything":
        return Everything()
    radius = spec.radius if spec.radius is not None else sym("R", "radius of the parameter set")
    return Ball(radius, spec.radii) if spec.kind == "ball" else AroundInit(radius, spec.radii)


def analyze(
    arch: Architecture,
    mode: str | Mode = "tight",
    registry: Registry | None = None,
    *,
    data: bool = True,
) -> Analysis:
    """Derive all bounds and decide the theorems.

    Args:
        arch: from `govcheck.load`.
        mode: ``tight`` (default), ``coarse``, ``sums`` or ``paper``.
        registry: the plugins; loaded when omitted.
        data: load the data the architecture names; without, its norms stay symbols.

    Raises:
        InputError: if the data cannot be used or a formula has no value.
    """
    if registry is None:
        from govcheck.plugin.registry import load_registry

        registry = load_registry()
    chosen = MODES[mode] if isinstance(mode, str) else mode
    domain = make_domain(arch)
    net, composer = _compose(arch, chosen, domain)
    result = Analysis(
        architecture=arch,
        mode=chosen,
        domain=domain,
        network=net,
        local=composer.local,
        upto=composer.upto,
        shapes=composer.shapes,
        bounds=dict(net.bounds) | _loss(arch, net),
        env=symbol_values(arch),
    )
    if data and arch.data is not None:
        result.data = load_data(result)
        result.env.update(data_values(result.data))
    _add_weight_facts(result)
    result.verdicts = decide(result, registry)
    return result


def symbol_values(arch: Architecture) -> dict[Expr, arb]:
    """Balls of the valued symbols."""
    return {s: evaluate(v, {}) for s, v in arch.values.items()}


def concrete(shape: Shape, env: Mapping[Expr, arb], what: str) -> tuple[int, ...]:
    """A shape as integers.

    Raises:
        InputError: if a dimension has no value or is not a positive integer.
    """
    dims = []
    for d in shape:
        try:
            n = evaluate(d, env).unique_fmpz()
        except EvaluationError as error:
            problem = Problem("no-value", f"{what} has no size: {error}", hint="--set NAME=VALUE")
            raise InputError(problem) from None
        if n is None or n < 1:
            raise InputError(Problem("bad-size", f"{what}: {d!r} is not a positive integer"))
        dims.append(int(n))
    return tuple(dims)


def load_data(a: Analysis) -> Data:
    """Load the samples and prove what is needed about them.

    Raises:
        InputError: if the data does not fit.
    """
    from govcheck.certify.data_facts import data_facts
    from govcheck.certify.matrices import frobenius
    from govcheck.plugin.data import DataError, targets

    arch = a.architecture
    assert arch.data is not None
    shape = concrete(arch.input, a.env, "input")
    outputs = 1
    for d in concrete(arch.output, a.env, "output"):
        outputs *= d
    try:
        dataset = arch.data.load(shape, str(Path(arch.file).parent))
        classification = arch.cost is not None and arch.cost.classification
        y, how = targets(dataset, outputs, classification)
    except DataError as error:
        raise InputError(Problem("data", str(error), arch.file)) from None
    norm = ball(0) if classification else frobenius(y)
    return Data(dataset, data_facts(dataset.x), norm, how)


def data_values(data: Data) -> dict[Expr, arb]:
    """Balls of the symbols that stand for norms of the data."""
    f = data.facts
    return {
        SAMPLES: ball(f.samples),
        X_FROBENIUS: f.frobenius,
        X_SPECTRAL: f.spectral,
        X_LARGEST: f.largest,
        X_SIGMA: f.sigma,
        X_SIGMA_ONES: f.sigma_with_ones,
        Y_FROBENIUS: data.target_norm,
    }


def _add_weight_facts(a: Analysis) -> None:
    wanted = {s: fact for s, fact in a.domain.facts().items() if s not in a.env}
    if wanted:
        from govcheck.graph.weights import fact_values

        a.env.update(fact_values(a.architecture, wanted, a.shapes, a.env))
    chains = {s: fact for s, fact in a.domain.chains().items() if s not in a.env}
    if chains:
        from govcheck.graph.chain_values import chain_values

        a.env.update(chain_values(a.architecture, chains, a.shapes, a.env))


def decide(a: Analysis, registry: Registry) -> list[Verdict]:
    """A verdict for each theorem and reading asked for."""
    asked: Iterable[str]
    if a.architecture.theorems is None:
        asked = [name for name, t in registry.theorems.items() if t.by_default]
    else:
        asked = [t.name for t in a.architecture.theorems]
    verdicts = []
    for name in asked:
        theorem = registry.theorems[name]()
        for reading in theorem.readings:
            try:
                verdicts.append(theorem.decide(a, reading))
            except InputError as error:  # a value is out of reach, such as a very large depth
                verdicts.append(_out_of_reach(theorem, reading, error))
            except Exception as error:  # a plugin's mistake must not take the others down
                owner = registry.owner("theorems", name)
                a.warnings.append(
                    f"theorem {name} of {owner.distribution} failed: "
                    f"{type(error).__name__}: {error}"
                )
    return verdicts


def _out_of_reach(theorem: Theorem, reading: Reading, error: InputError) -> Verdict:
    why = "; ".join(p.message for p in error.problems)
    unknown = Hypothesis("computed", "the constants that the theorem needs can be computed",
                         "symbolic", "unknown", why)
    return Verdict(theorem.name, theorem.title, theorem.reference, reading, (unknown,),
                   summary=f"It was not decided: {why}.")


def with_mode(a: Analysis, mode: str | Mode) -> Analysis:
    """The same analysis composed under another mode; data and values are shared."""
    chosen = MODES[mode] if isinstance(mode, str) else mode
    net, composer = _compose(a.architecture, chosen, a.domain)
    other = replace(
        a,
        mode=chosen,
        network=net,
        local=composer.local,
        upto=composer.upto,
        bounds=dict(net.bounds) | _loss(a.architecture, net),
        verdicts=[],
        _memo={},
        _kept={},
    )
    _add_weight_facts(other)
    return other
