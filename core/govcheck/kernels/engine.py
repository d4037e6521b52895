"""Walk a network and take each layer's kernel step, for whatever pairs of inputs are given."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Final

from flint import arb

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import ONE, Expr, mul, num, power, sqrt
from govcheck.bounds.walk import symbols_of
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Block, Chain, Join, Leaf, Parallel, Repeat, Residual, leaves
from govcheck.kernels.dual import EXACT, Array, Dual, DualError
from govcheck.kernels.limits import Limits, NoKernelError
from govcheck.kernels.pairs import Pairs
from govcheck.kernels.state import Context, KernelState, data_state
from govcheck.plugin.guard import Raised, attempt
from govcheck.plugin.layer import Shape

MAX_COPIES: Final = 10_000

Wanted = Callable[[str], bool]

SUM: Final = "sum of others"
"""Name of the block that holds the blocks which were not asked for by themselves."""


@dataclass(eq=False)
class Pass:
    """What one walk over the network found, for the pairs it was given.

    Args:
        order: layers with random weights, copies told apart, from input to output.
        parameters: names of the tangents that were asked for, in the order of the layers.
        values: by name: ``gram:NODE`` the Gram matrix of the vectors before a layer with
            random weights, ``variance:NODE`` the covariance of what it makes, ``block:NAME``
            the Gram matrix of the output's derivative in a parameter, ``output`` the
            covariance of the output.
        means: by node, ``lim <x, 1>/sqrt(units)`` of the row samples before the layer.
        lost: by name, why there is no value.
        random: blocks that are means of random matrices.
        merged: parameters whose blocks are in that called `SUM`.
        refinable: whether any Gaussian expectation has a higher resolution.
        error: worst error of a Gaussian expectation.
    """

    order: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    values: dict[str, Array] = field(default_factory=dict)
    means: dict[str, Array] = field(default_factory=dict)
    lost: dict[str, Unknown] = field(default_factory=dict)
    random: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)
    refinable: bool = False
    error: DualError = EXACT


@dataclass(frozen=True, eq=False)
class Network:
    """A network whose limit is taken: its structure, symbol values, and law of the weights."""

    arch: Architecture
    values: Mapping[Expr, arb]
    widths: frozenset[Expr]

    @cached_property
    def limits(self) -> Limits:
        """Limits of formulas, kept from one walk to the next."""
        return Limits(self.values, self.widths)

    @cached_property
    def store(self) -> dict[Hashable, Any]:
        """What walks found that is the same for all pairs of inputs."""
        return {}

    def remember(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result of `make`, from an earlier walk if there is one with this key."""
        try:
            return self.store[key]
        except KeyError:
            found = self.store[key] = make()
            return found
        except TypeError:
            # a plugin's settings need not be hashable
            return make()

    @property
    def pixels(self) -> int:
        """What the layers need of images, see `Layer.kernel_pixels`."""
        return max((leaf.layer.kernel_pixels for leaf in leaves(self.arch.body)), default=0)


def network(arch: Architecture, values: Mapping[Expr, arb] | None = None) -> Network:
    """The network of an architecture, with the symbols that tend to infinity.

    These are the symbols in the number of units of inner layers that occur neither in the
    shape of the input nor in that of the output. A number of units without symbols is taken as
    it is: then what the settings of the layers cancel is taken to cancel.

    Args:
        arch: the architecture.
        values: values of symbols that override those of the file.
    """
    return _network(arch) if values is None else _new(arch, values)


@lru_cache(maxsize=8)
def _network(arch: Architecture) -> Network:
    return _new(arch, {})


def _new(arch: Architecture, values: Mapping[Expr, arb]) -> Network:
    known = {s: evaluate(v, {}) for s, v in arch.values.items()} | dict(values)
    shapes: list[Shape] = []
    _shapes(arch.body, arch.input, shapes)
    inner = set(symbols_of(*(s[0] for s in shapes if s)))
    outer = set(symbols_of(*arch.input, *arch.output))
    return Network(arch, known, frozenset(inner - outer))


def _shapes(body: Chain, shape: Shape, found: list[Shape]) -> Shape:
    outputs = [shape]
    for step in body.steps:
        here = outputs[step.sources[0] + 1]
        block = step.block
        if isinstance(block, Leaf):
            here = block.layer.shape(block.takes(here))
            found.append(here)
        elif isinstance(block, Repeat | Residual):
            here = _shapes(block.body, here, found)
        elif isinstance(block, Parallel):
            ends = [_shapes(b, here, found) for b in block.branches]
            here = ends[0] if ends else here
        outputs.append(here)
    return outputs[-1]


def run(
    net: Network,
    moments: Pairs,
    wanted: Wanted = lambda name: True,
    refined: bool = False,
    progress: Callable[[str], None] | None = None,
    single: Wanted | None = None,
    grams: Wanted = lambda node: True,
) -> Pass:
    """Walk the network.

    Args:
        net: the network.
        moments: Gram matrices of the inputs, summed over features (channels).
        wanted: which parameters' blocks are computed, by name.
        refined: evaluate Gaussian expectations at a higher resolution.
        progress: told the name of each layer before its step.
        single: which of the blocks are wanted by themselves, all by default. Others may be
            found added up, under the name `SUM`.
        grams: at which layers with random weights ``gram`` and ``variance`` are wanted.

    Raises:
        NoKernelError: if there is no limiting kernel, with the layer at which it is lost.
    """
    units = net.arch.input[0] if moments.pixels else mul(*net.arch.input)
    walk = _Walk(net, wanted, refined, progress, single, grams)
    place = walk.chain(net.arch.body, _Place(data_state(units, moments), net.arch.input), (), True)
    walk.finish(place.state)
    return walk.found


@dataclass(frozen=True, eq=False)
class _Place:
    state: KernelState
    shape: Shape


class _Walk:
    def __init__(
        self,
        net: Network,
        wanted: Wanted,
        refined: bool,
        progress: Callable[[str], None] | None,
        single: Wanted | None,
        grams: Wanted,
    ) -> None:
        self.net, self.wanted, self.refined = net, wanted, refined
        self.progress = progress
        self.single = single
        self.grams = grams
        self.limits = net.limits
        self.found = Pass()

    def chain(self, body: Chain, start: _Place, copy: tuple[int, ...], alone: bool) -> _Place:
        """Take the steps of a chain; `alone` if nothing else holds its input."""
        if body.linear:
            here = start
            for step in body.steps:
                here = self.block(step.block, [here], copy, alone)
            return here
        done = [start]
        for step in body.steps:
            inputs = [done[s + 1] for s in step.sources]
            done.append(self.block(step.block, inputs, copy, False))
        return done[-1]

    def block(
        self, block: Block, inputs: list[_Place], copy: tuple[int, ...], alone: bool
    ) -> _Place:
        here = inputs[0]
        match block:
            case Leaf():
                return self.leaf(block, here, copy)
            case Repeat():
                for k in range(self.count(block)):
                    here = self.chain(block.body, here, (*copy, k), alone)
                return here
            case Residual():
                inner = self.chain(block.body, here, copy, False)
                return self.joined(block.node, "sum", [here, inner], alone)
            case Parallel():
                ends = [self.chain(b, here, copy, False) for b in block.branches]
                return self.joined(block.node, block.join, ends, alone)
            case Join():
                return self.joined(block.node, block.join, inputs, alone)

    def count(self, block: Repeat) -> int:
        try:
            times = evaluate(block.times, self.net.values)
        except EvaluationError as error:
            raise NoKernelError(Unknown.because(str(error), node=block.node)) from None
        whole = times.unique_fmpz()
        if whole is None or not times.is_exact() or not 0 <= whole <= MAX_COPIES:
            reason = f"the repeat count is {times}, not a whole number up to {MAX_COPIES}"
            raise NoKernelError(Unknown.because(reason, node=block.node))
        return int(whole)

    def joined(self, node: str, kind: str, ends: list[_Place], alone: bool) -> _Place:
        def action() -> KernelState:
            if kind != "sum":
                raise NoKernelError.because("a concatenation has no kernel step")
            total = ends[0].state
            for e in ends[1:]:
                total = total.plus(e.state)
            return total.merged(self.context(node, ends[0].shape)) if alone else total

        return _Place(self.guarded(node, action), ends[0].shape)

    def leaf(self, leaf: Leaf, here: _Place, copy: tuple[int, ...]) -> _Place:
        node = f"{leaf.node}[{','.join(map(str, copy))}]" if copy else leaf.node
        if self.progress is not None:
            self.progress(node)
        shape = leaf.takes(here.shape)
        ctx = self.context(node, shape)
        state = self.guarded(node, lambda: leaf.layer.kernel_step(here.state, ctx))
        return _Place(state, leaf.layer.shape(shape))

    def guarded(self, node: str, action: Callable[[], object]) -> KernelState:
        outcome = attempt(action)
        if not isinstance(outcome, Raised):
            value = outcome.value
            if isinstance(value, KernelState):
                return value
            unknown = value if isinstance(value, Unknown) else Unknown.because(
                f"the kernel step returned {value!r}"
            )
        elif isinstance(outcome.error, NoKernelError):
            unknown = outcome.error.unknown
        else:
            unknown = Unknown.because(f"the kernel step raised {outcome.text}")
        raise NoKernelError(unknown.located(node, "kernel"))

    def context(self, node: str, shape: Shape) -> Context:
        return Context(
            node, shape, self.limits, self.deviation, self.ask, self.note, self.seen, self.refine,
            self.key, self.net.remember,
        )

    def key(self, name: str) -> str:
        if self.single is None or self.single(name):
            return name
        self.found.merged.add(name)
        return SUM

    def refine(self, dual: Dual) -> Dual:
        finer = dual.refined()
        self.found.refinable |= finer is not dual
        return finer if self.refined else dual

    def ask(self, name: str) -> bool:
        if not self.wanted(name):
            return False
        self.found.parameters.append(name)
        return True

    def note(self, error: DualError) -> None:
        self.found.error = self.found.error.worst(error)

    def deviation(self, fan: Expr) -> Expr:
        """Standard deviation of the entries of a weight matrix."""
        init = self.net.arch.init
        if init.at:
            raise NoKernelError.because("some layers have an initialisation of their own")
        match init.method:
            case "normal":
                return ONE if init.std is None else init.std
            case "lecun":
                return power(fan, Fraction(-1, 2))
            case "he":
                return sqrt(num(2)) * power(fan, Fraction(-1, 2))
        raise NoKernelError.because(f"weights drawn by the method {init.method} are not normal")

    def seen(self, node: str, state: KernelState, made: Pairs) -> None:
        found = self.found
        found.order.append(node)
        if not self.grams(node):
            return
        found.values[f"variance:{node}"] = made.summed_array(made.cross)
        try:
            weights = self.net.remember(
                ("norm", state.units, *(c for _, c in state.terms)), lambda: self.norms(state)
            )
            moments, mean = state.combined(weights)
        except NoKernelError as error:
            found.lost[f"gram:{node}"] = error.unknown.located(node, "kernel")
            return
        found.values[f"gram:{node}"] = moments.summed_array(moments.cross)
        if mean is not None:
            found.means[node] = mean[0]

    def norms(self, state: KernelState) -> list[float]:
        what = "the squared norm of the vectors before the layer"
        root = sqrt(state.units)
        return [self.limits.limit(root * c, what) for _, c in state.terms]

    def finish(self, state: KernelState) -> None:
        """The output: each unit a Gaussian process, with the blocks of one unit's derivative."""
        found = self.found
        sources = [s for s, _ in state.terms]
        if not all(s.gaussian for s in sources) or state.flat:
            raise NoKernelError(Unknown.because(
                "the output does not come from a layer with random weights: end with an affine "
                "layer", node="output", quantity="kernel"))
        if sources[0].moments.pixels:
            raise NoKernelError(Unknown.because(
                "the output still has pixels: flatten or pool them before an affine layer",
                node="output", quantity="kernel"))
        ctx = self.context("output", self.net.arch.output)
        state = self.guarded("output", lambda: state.gathered(ctx))
        (source, _), = state.terms
        found.values["output"] = source.moments.cross
        for name, t in source.tangents.items():
            key = f"block:{name}"
            if isinstance(t, Unknown):
                found.lost[key] = t.located(name, "kernel")
                continue
            try:
                factor = self.limits.limit(t.factor, "the block of the tangent kernel")
            except NoKernelError as error:
                found.lost[key] = error.unknown.located(name, "kernel")
                continue
            found.values[key] = t.values * factor
            if t.random:
                found.random.add(name)

