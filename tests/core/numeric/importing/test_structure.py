import torch
import torch.nn.functional as F
from torch import nn

from govcheck.graph.blocks import leaves


class Linears(nn.Module):
    def __init__(self, f, count=3):
        super().__init__()
        self.m = nn.ModuleList([nn.Linear(4, 4) for _ in range(count)])
        self.f = f

    def forward(self, x):
        return self.f(x, *self.m)


def layers_of(text):
    return text.split("layers:\n")[1]


def test_a_skip_over_two_layers_is_a_residual(imports):
    found = imports(Linears(lambda x, a, b: x + b(F.relu(a(x))), 2), 1, 4)
    assert layers_of(found.text) == """\
  - residual:
      - affine: {out: 4}  # m.0
      - relu
      - affine: {out: 4}  # m.1
"""


def test_nested_skips_and_branches(imports):
    def f(x, a, b, c):
        y = x + a(x)
        return torch.cat([y, b(y), c(y)], 1)

    found = imports(Linears(f), 1, 4)
    assert layers_of(found.text) == """\
  - residual:
      - affine: {out: 4}  # m.0
  - parallel:
      join: concat
      branches:
        - []
        - - affine: {out: 4}  # m.1
        - - affine: {out: 4}  # m.2
"""


def test_edges_that_are_no_nest_are_written_out(imports):
    def f(x, a, b, c):
        p = a(x)
        q = b(F.relu(p))
        r = c(q)
        # p goes into both operands of the last sum
        return torch.tanh((p + q) + (r + p))

    found = imports(Linears(f), 1, 4)
    assert "from: [" in found.text
    assert len(list(leaves(found.architecture.body))) == 5
    assert found.check.passed


def test_densely_connected_layers(imports):
    def f(x, a, b, c):
        y = a(x)
        z = b(x + y)
        return c(x + y + z)

    assert imports(Linears(f), 1, 4).check.passed


def test_equal_blocks_repeat_and_their_weights_are_told_apart(imports):
    def f(x, *ms):
        for m in ms:
            x = x + torch.tanh(m(x))
        return x

    module = Linears(f, 5)
    found = imports(module, 1, 4)
    assert "times: 5" in found.text
    assert found.names["repeat.3.affine.weight"] == ("m.3.weight",)
    assert torch.equal(found.weights["repeat.3.affine.weight"], module.m[3].weight.double())
    one_by_one = imports(module, 1, 4, repeats=False)
    assert "repeat" not in one_by_one.text
    assert one_by_one.text.count("residual") == 5


def test_inplace_calls_change_what_comes_later(imports):
    def f(x, a, b):
        y = a(x)
        y.mul_(0.5)
        z = torch.tanh(y)
        return b(y) * 2 + z

    assert imports(Linears(f, 2), 1, 4).check.passed


def test_python_control_flow_on_shapes_falls_back_to_export(imports):
    def f(x, a, b, c):
        if x.shape[1] > 3:
            x = x + F.gelu(a(x))
        return c(F.silu(b(x)))

    found = imports(Linears(f), 1, 4)
    assert found.how == "torch.export"
    assert [leaf.layer.name for leaf in leaves(found.architecture.body)] == [
        "affine", "gelu", "affine", "silu", "affine"]
    assert found.names["affine.weight"] == ("m.0.weight",)


def test_sizes_become_symbols(imports, registry):
    import govcheck as gc

    def f(x, a, b, c):
        return c(F.relu(a(x)))

    module = Linears(f)
    module.m[0], module.m[2] = nn.Linear(4, 16), nn.Linear(16, 2)
    found = imports(module, 1, 4, symbols={"m": 16})
    assert "symbols: {m: 16}" in found.text
    assert "affine: {out: m}" in found.text
    wider = gc.loads(found.text, registry=registry, overrides={"m": "32"})
    assert gc.to_torch(wider)(torch.zeros(1, 4, dtype=torch.float64)).shape == (1, 2)
