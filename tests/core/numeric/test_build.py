"""Networks in torch against the same computation written by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, num, sym
from govcheck.errors import InputError
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual, Step, chain
from govcheck.numeric.build import build, build_chain, values_in
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.tanh import Tanh

torch.set_num_threads(1)

M, H = sym("m"), sym("H")
VALUES = values_in({M: evaluate(num(3), {}), H: evaluate(num(2), {})})


def affine(name, out=M, **options):
    return Leaf(name, Affine(out, **options))


def randomise(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return {n: p.detach() for n, p in module.named_parameters()}


def batch(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


BODY = chain(
    affine("half", bias=False),
    Repeat("blocks", H, chain(Residual("r", chain(affine("lin"), Leaf("tanh", Tanh()))))),
    Parallel("p", "concat", (chain(affine("left", num(2))), chain())),
)


def test_forward_and_names():
    module = build_chain(BODY, (4,), VALUES)
    w = randomise(module)
    assert list(w) == [
        "half.weight",
        "blocks.0.lin.weight",
        "blocks.0.lin.bias",
        "blocks.1.lin.weight",
        "blocks.1.lin.bias",
        "left.weight",
        "left.bias",
    ]
    x = batch(5, 4)
    z = x @ w["half.weight"].T
    for k in range(2):
        z = z + torch.tanh(z @ w[f"blocks.{k}.lin.weight"].T + w[f"blocks.{k}.lin.bias"])
    expected = torch.cat([z @ w["left.weight"].T + w["left.bias"], z], dim=1)
    assert torch.allclose(module(x), expected, rtol=1e-14, atol=1e-14)
    assert module.output_shape == (5,)


def test_state_dict_round_trip():
    one, two = (build_chain(BODY, (4,), VALUES) for _ in range(2))
    randomise(one)
    two.load_state_dict(one.state_dict())
    x = batch(2, 4)
    assert torch.equal(one(x), two(x))


def test_explicit_edges_and_images():
    steps = (
        Step(Leaf("flatten", Flatten()), (-1,)),
        Step(affine("a"), (0,)),
        Step(affine("b"), (0,)),
        Step(Join("sum", "sum"), (1, 2)),
        Step(Join("cat", "concat"), (3, 1, 0)),
    )
    module = build_chain(Chain(steps), (2, 2), VALUES)
    w = randomise(module)
    x = batch(3, 2, 2)
    flat = x.reshape(3, 4)
    a, b = (flat @ w[f"{n}.weight"].T + w[f"{n}.bias"] for n in "ab")
    assert torch.allclose(module(x), torch.cat([a + b, a, flat], dim=1))


def test_concatenation_is_along_the_first_dimension_of_a_sample():
    body = chain(Parallel("p", "concat", (chain(), chain(Leaf("tanh", Tanh())))))
    module = build_chain(body, (2, 5), VALUES)
    assert module(batch(3, 2, 5)).shape == (3, 4, 5)
    assert module.output_shape == (4, 5)


def architecture():
    values = {M: num(3)}
    symbols = {"m": M, "H": H}
    return Architecture("net", "net.yaml", symbols, values, (num(4),), BODY, (num(5),))


def test_build_takes_values_of_symbols():
    module = build(architecture(), {"H": "1", "m": "6/2"}, torch.float32)
    assert sum("lin" in n for n in module.state_dict()) == 2
    assert {p.dtype for p in module.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, ["no-value"]),
        ({"H": "1", "k": "2", "m": "x"}, ["unknown-symbol", "bad-value"]),
        ({"H": "1/2"}, ["bad-size"]),
        ({"H": "-1"}, ["no-value"]),
        ({"H": "1000000"}, ["too-many"]),
        ({"H": "1", "m": "0"}, ["bad-size"]),
    ],
)
def test_bad_values_are_reported_together(values, codes):
    with pytest.raises(InputError) as caught:
        build(architecture(), values)
    assert [p.code for p in caught.value.problems] == codes


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(InputError):
        build_chain(chain(affine("a"), affine("a")), (3,), VALUES)


def test_no_copies_are_the_identity():
    body = chain(Repeat("r", num(0), chain(affine("a"))))
    x = batch(2, 3)
    assert torch.equal(build_chain(body, (3,), VALUES)(x), x)


def test_scale_in_front_of_the_weight():
    layer = Affine(num(2), "plain", False, num(Fraction(-1, 2)), ONE)
    module = build_chain(chain(Leaf("a", layer)), (3,), VALUES)
    w = randomise(module)["a.weight"]
    x = batch(2, 3)
    assert torch.allclose(module(x), -0.5 * x @ w.T)
