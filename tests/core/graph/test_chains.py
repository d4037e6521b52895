"""Layers in a row looked at together: formulas, values, and attempts to cross them."""

import numpy as np
import pytest
import torch

import govcheck as gc
from govcheck.analysis import with_mode
from govcheck.bounds.constants import Mode
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import as_expr
from govcheck.graph.chains import CHAINS
from govcheck.graph.weights import initial_weights, placed_layers
from govcheck.numeric.attack import Inputs, attack
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function
from govcheck.numeric.network import weights_of
from govcheck.plugin import Activation, Layer

torch.set_num_threads(1)

ALONE = Mode("alone", leave_out=frozenset({"chains"}))
ACTIVATIONS = [
    "tanh", "sigmoid", "erf", "arctan", "softsign", "isru", "softplus", "logsigmoid",
    "squareplus", "gelu", "gelu_tanh", "silu", "quick_gelu", "mish", "elu", "relu",
    "hardswish", "hardsigmoid", "tanhshrink", "sin", "gaussian", "selu", "identity",
]


def analysed(layers, shape, radius, seed=0):
    return gc.analyze(gc.loads(f"""
govcheck: 1
name: chain
input: {list(shape)}
layers:
{"".join(f"  - {layer}{chr(10)}" for layer in layers)}
data: {{sphere: {{n: 2}}}}
init: {{normal: {{seed: {seed}}}}}
domain: {{around_init: {radius}}}
theorems: []
"""))


def upper(a, quantity):
    return float(a.value(a.bounds[quantity]).upper())


def whole_chain(a):
    """The bound of the chain by itself, whatever slopes in the sectors."""
    (found,) = (p for p in a.bounds["J"].premises if p.ref == CHAINS)
    return float(a.value(found).upper())


def matrices_and_slopes(a):
    """Each matrix with how it moves with its parameter, and the sectors between."""
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    given = initial_weights(placed, a.env, a.architecture.init)

    def number(e):
        return float(evaluate(e if hasattr(e, "op") else as_expr(e), a.env).mid())

    steps, sectors, here = [], [], (1.0, 1.0)
    for p in placed:
        shape = tuple(int(number(d)) for d in p.shape)
        if isinstance(p.layer, Activation):
            facts = p.layer.constants()
            ends = number(facts.slope_low), number(facts.slope_high)
            products = [x * y for x in here for y in ends]
            here = min(products), max(products)
            continue
        form = p.layer.matrix_form(p.shape)
        scale = number(form.scale)
        if form.size is None:
            here = tuple(sorted(x * scale for x in here))
            continue
        if steps:
            sectors.append(here)
        here = (1.0, 1.0)
        array = given[p.node, form.parameter] if form.parameter else None
        matrix = scale * p.layer.matrix(array, shape, number)
        basis = np.zeros((0, *matrix.shape))
        if array is not None:
            units = np.eye(array.size).reshape(array.size, *array.shape)
            basis = np.stack([scale * p.layer.matrix(u, shape, number) for u in units])
        steps.append((matrix, basis))
    return steps, sectors


def steepest(steps, sectors, radius, rng, starts=2, rounds=8):
    """The largest norm over slopes and parameters, the best choice of one after the other."""
    best = 0.0
    for _ in range(starts):
        d = [rng.uniform(*s, len(m)) for s, (m, _) in zip(sectors, steps, strict=False)]
        now = [m.copy() for m, _ in steps]
        for _ in range(rounds):
            for k in range(len(steps)):
                front = np.eye(steps[0][0].shape[1])
                for i in range(k):
                    front = d[i][:, None] * (now[i] @ front)
                behind = np.eye(len(steps[-1][0]))
                for i in range(len(steps) - 1, k, -1):
                    behind = behind @ now[i] * d[i - 1]
                u, s, v = np.linalg.svd(behind @ now[k] @ front)
                best = max(best, s[0])
                left, right = u[:, 0] @ behind, front @ v[0]
                if len(steps[k][1]) and radius:
                    slope = np.einsum("pij,i,j->p", steps[k][1], left, right)
                    move = radius * slope / max(np.linalg.norm(slope), 1e-300)
                    now[k] = steps[k][0] + np.tensordot(move, steps[k][1], 1)
                if k < len(d):
                    low, high = sectors[k]
                    u, s, v = np.linalg.svd(behind @ now[k] @ front)
                    best = max(best, s[0])
                    after = now[k] @ front @ v[0]
                    # what is behind slope k, without it
                    tail = np.eye(len(steps[-1][0]))
                    for i in range(len(steps) - 1, k, -1):
                        tail = tail @ now[i] * (d[i - 1] if i - 1 != k else 1.0)
                    d[k] = np.where((u[:, 0] @ tail) * after > 0, high, low)
        total = now[0]
        for i in range(1, len(steps)):
            total = now[i] @ (d[i - 1][:, None] * total)
        best = max(best, np.linalg.norm(total, 2))
    return best


def random_chain(rng):
    """A small chain that ends in a matrix, on vectors or on images."""
    layers = []
    if rng.random() < 0.5:
        shape, images = (int(rng.integers(1, 5)),), False
    else:
        shape, images = (2, int(rng.integers(4, 7))), True
    for _ in range(rng.integers(1, 4)):
        out = int(rng.integers(1, 5))
        if images and rng.random() < 0.6:
            layers.append(f"conv: {{out: {out}, kernel: 2, padding: 1, scale: -1/2}}")
        elif images:
            kernel = "{kernel: 2}" if rng.random() < 0.5 else "{kernel: 2, stride: 1}"
            layers += [f"conv: {{out: {out}, kernel: 1}}", f"avg_pool: {kernel}"]
            layers += ["flatten"]
            images = False
        else:
            layers += ["flatten"] * images + [f"affine: {{out: {out}}}"]
            images = False
        layers.append(str(rng.choice(ACTIVATIONS)))
        if rng.random() < 0.3:
            layers.append("scale: {factor: -3/2}")
    return [*layers, *["flatten"] * images, "affine: {out: 2, bias: false}"], shape


@pytest.mark.parametrize("seed", range(100))
def test_no_slopes_and_weights_cross_the_chain(seed):
    rng = np.random.default_rng(seed)
    radius = float(rng.choice([0, 1 / 64, 1 / 4]))
    a = analysed(*random_chain(rng), radius, seed)
    steps, sectors = matrices_and_slopes(a)
    bound = whole_chain(a)
    assert steepest(steps, sectors, radius, rng) <= bound * (1 + 1e-9)
    assert upper(a, "J") <= bound * (1 + 1e-9)
    alone = with_mode(a, ALONE)
    for q in ("J", "D", "xx", "xt", "tt"):
        if a.bounds[q].known:
            assert upper(a, q) <= upper(alone, q) * (1 + 1e-9), q


NETWORKS = [
    (["affine: {out: 4}", "tanh", "affine: {out: 4}", "tanh", "affine: {out: 1}"], (3,)),
    (["affine: {out: 4}", "gelu", "affine: {out: 2}", "sin", "affine: {out: 2}"], (2,)),
    (["conv: {out: 2, kernel: 2}", "silu", "flatten", "affine: {out: 2}"], (1, 4)),
    (["token_affine: {out: 3}", "mish", "token_affine: {out: 1}"], (2, 2)),
    (["affine: {out: 3}", "softplus", "repeat: {times: 2, block: [affine: {out: 3}, tanh, "
      "affine: {out: 3}, arctan]}", "affine: {out: 1}"], (2,)),
]


@pytest.mark.parametrize("quantity", ["J", "D", "xx", "xt", "tt"])
@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_no_weights_cross_the_network(number, quantity):
    a = analysed(*NETWORKS[number], 0.5, seed=number)
    assert upper(a, quantity) <= upper(with_mode(a, ALONE), quantity) * (1 + 1e-12)
    f = Function(build(a.architecture))
    x = torch.as_tensor(a.data.dataset.x)
    weights = weights_of(a, f)
    inputs = Inputs(tuple(x.shape), float(torch.linalg.vector_norm(x)))
    found = attack(f, quantity, inputs, weights, starts=1, steps=15, seed=number,
                   at=(weights.centre, x), fixed_inputs=True).value
    assert found <= upper(a, quantity)


@pytest.mark.parametrize("quantity", ["J", "D", "xx", "xt", "tt"])
def test_everything_gains(quantity):
    layers = ["affine: {out: 20}", "tanh", "affine: {out: 20}", "tanh", "affine: {out: 20}",
              "tanh", "affine: {out: 5}"]
    a = analysed(layers, (20,), "1/100")
    assert upper(a, quantity) < 0.9 * upper(with_mode(a, ALONE), quantity)


def test_the_radius_in_closed_form():
    """Two matrices: J0 + R |A_2| m + m R (|A_1| + R), whichever moves first."""
    layers = ["affine: {out: 3, bias: false}", "sin: {frequency: 2}", "affine: {out: 2}"]
    a, b = (analysed(layers, (3,), radius) for radius in (0, "1/4"))
    (one, _), (two, _) = matrices_and_slopes(a)[0]
    n1, n2 = np.linalg.norm(one, 2), np.linalg.norm(two, 2)
    moved = 2 * ((n2 + 0.25) * 0.25 + 0.25 * n1)
    assert whole_chain(b) == pytest.approx(whole_chain(a) + moved, rel=1e-9)


def test_linear_chains_get_their_norm():
    layers = ["affine: {out: 5}", "identity", "affine: {out: 5, scale: 3}", "dropout",
              "affine: {out: 5}"]
    a = analysed(layers, (5,), 0)
    w = [m for m, _ in matrices_and_slopes(a)[0]]
    exact = np.linalg.norm(w[2] @ w[1] @ w[0], 2)
    assert exact * (1 - 1e-12) <= upper(a, "J") <= exact * (1 + 1e-6)


@pytest.mark.parametrize(
    ("layers", "shape", "symbols"),
    [
        # nothing to gain, or nothing known of it: no chain is formed
        (["affine: {out: 3}", "tanh"], (3,), 0),
        (["affine: {out: 3}", "relu_squared", "affine: {out: 3}"], (3,), 0),
        (["affine: {out: 3, weight: weight_norm}", "tanh", "affine: {out: 3}"], (3,), 0),
        (["affine: {out: 3}", "dropout: {mode: train}", "affine: {out: 3}"], (3,), 0),
        (["global_avg_pool", "affine: {out: 3}"], (3, 4), 0),
        (["token_affine: {out: 3}", "transpose", "token_affine: {out: 3}"], (3, 4), 0),
        (["token_affine: {out: 3}", "flatten", "affine: {out: 3}"], (3, 4), 0),
        # one for each pair of neighbours, and for all
        (["affine: {out: 3}", "tanh", "affine: {out: 3}"], (3,), 1),
        (["affine: {out: 3}", "tanh", "affine: {out: 3}", "affine: {out: 3}"], (3,), 3),
    ],
)
def test_what_is_a_chain(layers, shape, symbols):
    assert len(analysed(layers, shape, 0).domain.chains()) == symbols


def test_copies_count_by_the_worst():
    block = "repeat: {times: 3, block: [affine: {out: 3}, tanh, affine: {out: 3}, tanh]}"
    a = analysed([block], (3,), 0)
    (symbol,) = a.domain.chains()
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    given = initial_weights(placed, a.env, a.architecture.init)
    w = [given[p.node, "weight"] for p in placed if (p.node, "weight") in given]
    least = max(np.linalg.norm(two @ one, 2) / 2 for one, two in zip(w[::2], w[1::2], strict=True))
    assert least <= float(a.env[symbol])
    assert upper(a, "J") == pytest.approx(float(a.env[symbol]) ** 3, rel=1e-9)


def test_a_layer_whose_matrix_fails_falls_back_to_norms(monkeypatch):
    from govcheck_plugins.layers.affine import Affine

    layers = ["affine: {out: 3}", "tanh", "affine: {out: 3}"]
    wanted = upper(with_mode(analysed(layers, (3,), 0), ALONE), "J")
    monkeypatch.setattr(Affine, "matrix", Layer.matrix)
    with pytest.warns(UserWarning, match="affine has no matrix"):
        a = analysed(layers, (3,), 0)
    assert upper(a, "J") == pytest.approx(wanted, rel=1e-9)


def test_coarser_modes_leave_chains_out():
    a = analysed(["affine: {out: 3}", "tanh", "affine: {out: 3}"], (3,), 0)
    coarse = with_mode(a, "coarse")
    assert CHAINS not in [p.ref for p in coarse.bounds["J"].premises]
    assert upper(a, "J") < upper(coarse, "J")
