"""No value that autograd attains may cross a composed bound."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields
from fractions import Fraction

import numpy as np
import torch
from flint import arb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from govcheck.bounds.answer import CARRIED, LOWER
from govcheck.bounds.constants import COARSE, SUMS, TIGHT
from govcheck.bounds.domain import AroundInit, Ball, Domain, Everything
from govcheck.bounds.evaluate import EvaluationError, ball, evaluate
from govcheck.bounds.expr import ONE, num, sym
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual, Step, chain, leaves
from govcheck.graph.chain_values import values_at
from govcheck.graph.compose import Composer
from govcheck.graph.weights import placed_layers
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build_chain, values_in
from govcheck.numeric.derivatives import Function, jacobians, matrix, smallest_on_units
from govcheck.plugin import Activation
from govcheck_plugins.builtin import govcheck_layers
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.scale import Scale

torch.set_num_threads(1)

VALUES = values_in({})
MODES = (TIGHT, COARSE, SUMS)
ACTIVATIONS = {c.name: c for c in govcheck_layers() if issubclass(c, Activation)}
KINKED = {"relu", "leaky_relu", "selu", "hardswish", "hardsigmoid"}
TOLERANCE = 1e-9
X_F, X_2, X_S, X_S1 = sym("X_F"), sym("X_2"), sym("sigma_X"), sym("sigma_X1")
N = sym("N")


def activation(name):
    """An instance with its defaults, and 1/10 for what has none."""
    needed = [f.name for f in fields(ACTIVATIONS[name]) if f.default is MISSING]
    return ACTIVATIONS[name](**dict.fromkeys(needed, num(Fraction(1, 10))))


@dataclass
class Case:
    """A network with a parameter set and inputs."""

    body: Chain
    shape: tuple[int, ...]
    samples: int
    domain: str
    radius: Fraction
    own_radius: bool
    weight_size: float
    input_size: float
    fixed_inputs: bool
    seed: int
    orthogonal: bool = False


@dataclass
class Names:
    """Fresh names of blocks, and how many layers may still come."""

    draw: object
    budget: int = 7
    used: int = 0
    made: list[str] = field(default_factory=list)

    def new(self, kind):
        self.used += 1
        return f"{kind}{self.used}"


AFFINE_KINDS = (
    "plain", "weight_norm", "entrywise", "orthogonal", "torch_weight_norm", "spectral"
)


def affine(names, out):
    draw = names.draw
    kind = draw(st.sampled_from(AFFINE_KINDS))
    scale = draw(st.sampled_from((Fraction(1), Fraction(1, 2), Fraction(-2), Fraction(1, 5))))
    eps = draw(st.sampled_from((Fraction(1, 10), Fraction(1), Fraction(4))))
    layer = Affine(num(out), kind, draw(st.booleans()), num(scale), num(eps))
    return Leaf(names.new("affine"), layer)


def pointwise(names):
    """A layer that keeps any shape."""
    draw = names.draw
    if draw(st.integers(0, 3)) == 0:
        factor = draw(st.sampled_from((Fraction(1, 2), Fraction(-1), Fraction(3), Fraction(0))))
        return Leaf(names.new("scale"), Scale(num(factor), draw(st.booleans())))
    return Leaf(names.new("act"), activation(draw(st.sampled_from(sorted(ACTIVATIONS)))))


def layer(names, shape):
    names.budget -= 1
    if len(shape) == 1 and names.draw(st.booleans()):
        out = names.draw(st.integers(1, 3))
        return affine(names, out), (out,)
    if len(shape) > 1 and names.draw(st.integers(0, 2)) == 0:
        return Leaf(names.new("flatten"), Flatten()), (math.prod(shape),)
    return pointwise(names), shape


def same_shape(names, shape, depth):
    """A chain from a shape to itself."""
    if len(shape) > 1:
        names.budget -= 1
        return chain(*(pointwise(names) for _ in range(names.draw(st.integers(0, 2)))))
    body, out = blocks(names, shape, depth)
    if out != shape:
        names.budget -= 1
        body.append(affine(names, shape[0]))
    return chain(*body)


def blocks(names, shape, depth):
    """Blocks in a row and the shape they end with."""
    result = []
    for _ in range(names.draw(st.integers(0 if depth < 2 else 1, 3))):
        if names.budget <= 0:
            break
        kind = names.draw(st.sampled_from(("layer", "layer", "residual", "parallel", "repeat")))
        if kind == "layer" or depth == 0:
            block, shape = layer(names, shape)
        elif kind == "residual":
            block = Residual(names.new("residual"), same_shape(names, shape, depth - 1))
        elif kind == "repeat":
            times = num(names.draw(st.integers(0, 3)))
            block = Repeat(names.new("repeat"), times, same_shape(names, shape, depth - 1))
        else:
            block, shape = parallel(names, shape, depth)
        result.append(block)
    return result, shape


def parallel(names, shape, depth):
    count = names.draw(st.integers(1, 3))
    name = names.new("parallel")
    if names.draw(st.booleans()):
        bodies = tuple(same_shape(names, shape, depth - 1) for _ in range(count))
        return Parallel(name, "sum", bodies), shape
    ends = []
    for _ in range(count):
        if len(shape) > 1:
            ends.append((same_shape(names, shape, 0), shape[0]))
        else:
            body, out = blocks(names, shape, depth - 1)
            ends.append((chain(*body), out[0]))
    total = (sum(size for _, size in ends), *shape[1:])
    return Parallel(name, "concat", tuple(b for b, _ in ends)), total


def tangle(names, shape):
    """A chain with random edges whose steps all keep the shape."""
    draw = names.draw
    steps = []
    for i in range(draw(st.integers(3, 7))):
        earlier = st.integers(-1, i - 1)
        if i >= 2 and draw(st.integers(0, 2)) == 0:
            sources = tuple(draw(st.lists(earlier, min_size=2, max_size=3)))
            steps.append(Step(Join(names.new("join"), "sum"), sources))
        else:
            block = affine(names, shape[0]) if draw(st.booleans()) else pointwise(names)
            steps.append(Step(block, (draw(earlier),)))
    consumed = {s for step in steps for s in step.sources}
    loose = tuple(i for i in range(len(steps)) if i not in consumed)
    if len(loose) > 1:
        kind = draw(st.sampled_from(("sum", "concat")))
        steps.append(Step(Join(names.new("join"), kind), loose))
    return Chain(tuple(steps))


INVERTIBLE = ("tanh", "sigmoid", "softplus", "identity", "leaky_relu", "softsign", "arctan")


def regular(names, size, depth):
    """A chain from vectors to vectors of the same size that often has lower bounds above 0."""
    draw = names.draw
    made = []
    for _ in range(draw(st.integers(1, 3))):
        kinds = ("affine", "affine", "act", "scale", *(("residual", "sum", "repeat") * depth))
        kind = draw(st.sampled_from(kinds))
        if kind == "affine":
            weight = draw(st.sampled_from(("plain", "plain", "orthogonal", "weight_norm")))
            bias = draw(st.booleans())
            factor = draw(st.sampled_from((Fraction(1), Fraction(1, 5), Fraction(2))))
            block = Leaf(names.new("affine"), Affine(num(size), weight, bias, num(factor), ONE))
        elif kind == "act":
            block = Leaf(names.new("act"), activation(draw(st.sampled_from(INVERTIBLE))))
        elif kind == "scale":
            block = Leaf(names.new("scale"), Scale(num(Fraction(1, 2)), draw(st.booleans())))
        elif kind == "residual":
            shrink = Leaf(names.new("scale"), Scale(num(Fraction(1, 20)), False))
            inner = regular(names, size, depth - 1).steps
            block = Residual(names.new("residual"), chain(*(s.block for s in inner), shrink))
        elif kind == "repeat":
            times = num(draw(st.integers(1, 2)))
            block = Repeat(names.new("repeat"), times, regular(names, size, depth - 1))
        else:
            shrink = Leaf(names.new("scale"), Scale(num(Fraction(1, 20)), False))
            second = chain(*(s.block for s in regular(names, size, depth - 1).steps), shrink)
            branches = (regular(names, size, depth - 1), second)
            block = Parallel(names.new("parallel"), "sum", branches)
        made.append(block)
    return chain(*made)


@st.composite
def regular_cases(draw):
    names = Names(draw)
    size = draw(st.integers(1, 3))
    body = regular(names, size, 1)
    if draw(st.booleans()):
        branches = (body, regular(names, size, 1))
        body = chain(Parallel(names.new("parallel"), "concat", branches))
    return Case(
        body=body,
        shape=(size,),
        samples=draw(st.integers(1, size)),
        domain=draw(st.sampled_from(("everything", "ball", "around_init", "around_init"))),
        radius=draw(st.sampled_from((Fraction(1, 1000), Fraction(1, 10), Fraction(1)))),
        own_radius=draw(st.booleans()),
        weight_size=draw(st.sampled_from((0.5, 1.0, 2.0))),
        input_size=draw(st.sampled_from((0.1, 1.0))),
        fixed_inputs=draw(st.booleans()),
        seed=draw(st.integers(0, 10**6)),
        orthogonal=True,
    )


def case(draw, body_of):
    shape = draw(st.sampled_from(((1,), (2,), (3,), (2, 2))))
    names = Names(draw)
    body, shape = body_of(names, shape)
    return Case(
        body=body,
        shape=shape,
        samples=draw(st.integers(1, 3)),
        domain=draw(st.sampled_from(("everything", "ball", "around_init"))),
        radius=draw(st.sampled_from((Fraction(1, 10), Fraction(1), Fraction(3)))),
        own_radius=draw(st.booleans()),
        weight_size=draw(st.sampled_from((0.05, 0.5, 1.0, 8.0))),
        input_size=draw(st.sampled_from((0.1, 1.0, 5.0))),
        fixed_inputs=draw(st.booleans()),
        seed=draw(st.integers(0, 10**6)),
    )


@st.composite
def nested(draw):
    def body(names, shape):
        made, _ = blocks(names, shape, 2)
        return chain(*made), shape

    return case(draw, body)


@st.composite
def edges(draw):
    def body(names, shape):
        vector = (math.prod(shape),) if len(shape) > 1 else shape
        return tangle(names, vector), vector

    return case(draw, body)


FACTS = {
    "spectral": lambda w: np.linalg.norm(w, 2),
    "frobenius": np.linalg.norm,
    "max": lambda w: np.abs(w).max(),
    "abs_min": lambda w: np.abs(w).min(),
    "row_max": lambda w: np.linalg.norm(w, axis=1).max(),
    "row_min": lambda w: np.linalg.norm(w, axis=1).min(),
    "least_norm": lambda w: np.linalg.norm(w, 2),
    "sigma_min": lambda w: (
        0.0 if w.shape[0] > w.shape[1] else np.linalg.svd(w, compute_uv=False)[-1]
    ),
}


def residual(layer, w):
    """``sigma_min(Id + s w)/|s|`` by numpy."""
    s = VALUES(layer.factor if isinstance(layer, Scale) else layer.scale)
    return np.linalg.svd(np.eye(len(w)) + s * w, compute_uv=False)[-1] / abs(s)


def fact(f, theta, wanted, layer):
    """A number about one parameter with numpy, the worst over the copies of its layer."""
    found = []
    for name, place in f.slices.items():
        path, _, parameter = name.rpartition(".")
        if (path.rpartition(".")[2], parameter) == (wanted.node, wanted.parameter):
            shape = dict(f.module.named_parameters())[name].shape
            w = theta[place].reshape(shape).numpy()
            w = w.reshape(w.shape[0] if w.ndim else 1, -1)
            found.append(
                residual(layer, w) if wanted.kind == "residual" else FACTS[wanted.kind](w)
            )
    worst = min if wanted.sense == "lower" else max
    return ball(float(worst(found))) if found else ball(0)


class Setting:
    """A case with its module, parameter set and input set."""

    def __init__(self, c: Case) -> None:
        self.case = c
        self.f = Function(build_chain(c.body, c.shape, VALUES))
        g = torch.Generator().manual_seed(c.seed)
        draw = {"generator": g, "dtype": torch.float64}
        self.x = c.input_size * torch.randn(c.samples, *c.shape, **draw)
        self.theta = c.weight_size * torch.randn(self.f.size, **draw)
        if c.orthogonal:
            self._make_orthogonal()
        z = matrix(self.x)
        ones = torch.cat([z, torch.ones(1, c.samples, dtype=torch.float64)])
        low = float(smallest_on_units(z)) * (1 - 1e-13)
        norms = float(torch.linalg.matrix_norm(z)), float(torch.linalg.matrix_norm(z, 2))
        fixed = float(smallest_on_units(ones)) if c.fixed_inputs else 0.0
        self.env = {
            N: ball(c.samples),
            X_F: ball(norms[0]),
            X_2: ball(norms[1]),
            X_S: ball(low),
            X_S1: ball(fixed * (1 - 1e-13)),
        }
        self.inputs = Inputs((c.samples, *c.shape), *norms, injective=low)
        self.domain, self.weights = self._parameter_set()
        if c.domain == "ball":
            self.theta = self.weights.project(self.f, self.theta)

    def _make_orthogonal(self) -> None:
        """Well-conditioned matrices, and factors away from 0."""
        for name, p in self.f.module.named_parameters():
            place = self.f.slices[name]
            if p.dim() == 2:
                w = self.theta[place].reshape(p.shape)
                self.theta[place] = self.case.weight_size * torch.linalg.qr(w).Q.reshape(-1)
            elif p.dim() == 0:
                self.theta[place] = self.case.weight_size * self.theta[place].sign()

    def _parameter_set(self) -> tuple[Domain, Weights]:
        c = self.case
        if c.domain == "everything":
            return Everything(), Weights(spread=c.weight_size)
        names = [leaf.node for leaf in leaves(c.body)][:1] if c.own_radius else []
        radii = {n: num(c.radius / 3) for n in names}
        numbers = {n: float(c.radius / 3) for n in names}
        if c.domain == "ball":
            return Ball(num(c.radius), radii), Weights(float(c.radius), None, numbers)
        centre = self.theta.clone()
        return AroundInit(num(c.radius), radii), Weights(float(c.radius), centre, numbers)

    def compose(self, mode):
        composer = Composer(N, self.domain, mode)
        shape = tuple(num(d) for d in self.case.shape)
        start = composer.start(shape, X_F, X_2, X_S, X_S1)
        end = composer.run(self.case.body, start)
        self.shapes = composer.shapes
        return composer, end.constants

    def numbers(self, constants) -> dict[str, arb]:
        env = dict(self.env)
        jumps = False
        layers = {leaf.node: leaf.layer for leaf in leaves(self.case.body)}
        for s, wanted in self.domain.facts().items():
            env[s] = fact(self.f, self.weights.centre, wanted, layers[wanted.node])
            # the set contains weights at which v/|v| or W/|W| jumps
            at_zero = wanted.kind in ("row_min", "least_norm")
            jumps = jumps or (at_zero and not env[s] > self.weights.radius)
        env |= self._chains(env)
        found = {}
        for q, b in constants.bounds.items():
            if b.known:
                try:
                    found[q] = evaluate(b.expr, env)
                except EvaluationError:
                    assert jumps, q
        return found

    def _chains(self, env):
        """Values of what bounds know of several layers together."""
        facts = self.domain.chains()
        if not facts:
            return {}
        modules = dict(self.f.module.named_parameters())
        copies = {}
        for name, place in self.f.slices.items():
            path, _, parameter = name.rpartition(".")
            array = self.weights.centre[place].reshape(modules[name].shape).numpy()
            copies.setdefault((path.rpartition(".")[2], parameter), []).append(array)
        placed = placed_layers(self.case.body, self.shapes, env)
        arrays = {}
        for (leaf, parameter), found in copies.items():
            places = [p for p in placed if p.leaf == leaf]
            arrays |= {(p.node, parameter): w for p, w in zip(places, found, strict=True)}
        nodes = {n for fact in facts.values() for n in fact.nodes}
        return values_at(facts, [p for p in placed if p.leaf in nodes], arrays, env)

    def extreme(self, quantity, steps):
        return attack(
            self.f,
            quantity,
            self.inputs,
            self.weights,
            starts=1,
            steps=steps,
            rate=0.2,
            seed=self.case.seed,
            at=(self.theta, self.x),
            fixed_inputs=self.case.fixed_inputs,
        ).value


def assert_not_crossed(quantity, value, bounds, what):
    size = float(abs(bounds["out_spec"]).upper()) if quantity == "out_inj" else 1.0
    slack = 1e-12 * max(1.0, min(size, 1e6))
    if quantity in LOWER:
        limit = float(bounds[quantity].lower())
        assert value >= limit * (1 - TOLERANCE) - slack, f"{what}: {quantity} {value} < {limit}"
    else:
        limit = float(bounds[quantity].upper())
        assert value <= limit * (1 + TOLERANCE) + slack, f"{what}: {quantity} {value} > {limit}"


def check(c: Case, steps: int, quantities=CARRIED) -> int:
    """Attack every quantity; how many lower bounds were above 0."""
    s = Setting(c)
    by_mode = {}
    for mode in MODES:
        composer, constants = s.compose(mode)
        by_mode[mode.name] = s.numbers(constants)
        for leaf in leaves(c.body):
            if leaf.layer.name in KINKED and leaf.node in composer.local:
                assert not composer.local[leaf.node]["xx"].known
    kinked = any(leaf.layer.name in KINKED for leaf in leaves(c.body))
    for quantity in quantities:
        known = {m: b for m, b in by_mode.items() if quantity in b}
        if known:
            value = s.extreme(quantity, steps)
            for mode, bounds in known.items():
                if math.isfinite(value):
                    assert_not_crossed(quantity, value, {"out_spec": arb(0), **bounds}, mode)
    if kinked:
        check_lipschitz(s, by_mode)
    return sum(q in b and b[q] > 0 for b in by_mode.values() for q in LOWER)


def check_lipschitz(s: Setting, by_mode) -> None:
    """Kinks do not show in pointwise second derivatives: compare derivatives at two points."""
    g = torch.Generator().manual_seed(s.case.seed + 1)
    for _ in range(3):
        t1, t2 = (s.weights.project(s.f, s.weights.draw(s.f, g)) for _ in range(2))
        x1, x2 = (s.x, s.x) if s.case.fixed_inputs else (s.inputs.draw(g), s.inputs.draw(g))
        j, d = jacobians(s.f, t1, x1)
        for q, moved_t, moved_x in (("xx", t1, x2), ("xt", t2, x1), ("tt", t2, x1)):
            j2, d2 = jacobians(s.f, moved_t, moved_x)
            gap = d2 - d if q == "tt" else j2 - j
            way = torch.linalg.vector_norm(x2 - x1 if q == "xx" else t2 - t1)
            change = float(torch.linalg.matrix_norm(gap, 2)) if gap.numel() else 0.0
            # the segment between two batches may leave a set with an injectivity floor
            if q == "xx" and s.inputs.injective > 0:
                continue
            for mode, bounds in by_mode.items():
                if q in bounds and way > 0:
                    assert_not_crossed(q, change / float(way), bounds, mode)


COMMON = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=150, **COMMON)
@given(nested())
def test_nested_networks(c):
    check(c, steps=4)


@settings(max_examples=70, **COMMON)
@given(edges())
def test_networks_with_explicit_edges(c):
    check(c, steps=4)


def test_lower_bounds():
    positive = []

    @settings(max_examples=120, **COMMON)
    @given(regular_cases())
    def run(c):
        positive.append(check(c, steps=8, quantities=LOWER))

    run()
    assert sum(n > 0 for n in positive) > 40
