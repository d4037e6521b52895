from dataclasses import dataclass
from typing import Literal

import pytest

from govcheck.bounds.expr import ONE, ZERO, Expr, num
from govcheck.plugin import Example, Layer, ShapeError
from govcheck.plugin.example import examples_of

TWO = num(2)


@dataclass(frozen=True)
class Many(Layer):
    """many: a field of each kind."""

    name = "many"
    size: Expr
    count: int
    kind: Literal["a", "b", "c"] = "a"
    flag: bool = True
    factor: Expr = TWO
    offset: Expr = ZERO
    extra: Expr | None = None
    mixed: Expr | Literal["same"] = ONE

    def shape(self, shape):
        if len(shape) != 2:
            raise ShapeError("two dimensions")
        return shape

    def check(self):
        if self.kind == "c":
            raise ValueError("no c")

    def module(self, shape, values):
        raise NotImplementedError


def test_each_field_is_varied_on_a_shape_that_fits():
    found = Many.examples()
    first = found[0]
    assert first.layer == Many(num(2), 2)
    assert all(len(e.shape) == 2 for e in found)
    varied = {
        name: {getattr(e.layer, name) for e in found} - {getattr(first.layer, name)}
        for name in ("size", "count", "kind", "flag", "factor", "offset", "extra", "mixed")
    }
    assert varied["kind"] == {"b"}, "what check() refuses is left out"
    assert varied["flag"] == {False} and varied["count"] == {3}
    assert varied["size"] == {num(3)} and varied["factor"] == {num(3)}
    assert varied["offset"] == {ONE} and varied["extra"] == {num(2)}
    assert varied["mixed"] == {"same", num(3) / 2}


def test_shapes_of_two_kinds_and_several_numbers_of_samples(registry):
    first, second = registry.layers["tanh"].examples()
    assert len(first.shape) != len(second.shape)
    assert first.samples != second.samples


def test_every_built_in_layer_has_examples(registry):
    for name, layer in registry.layers.items():
        found = layer.examples()
        assert found, name
        assert all(isinstance(e, Example) and e.layer.name == name for e in found)


def test_an_example_tells_what_is_special_about_it(registry):
    layer = registry.layers["softplus"](beta=num(7))
    assert str(Example(layer, (2, 3), 4)) == "softplus(beta=7) on 4x2x3"


def test_shapes_for_one_instance():
    assert [e.shape for e in examples_of(Many(num(2), 2))] == [(2, 3)]


def test_a_layer_that_breaks_on_a_shape_is_not_hidden():
    @dataclass(frozen=True)
    class Broken(Layer):
        """broken: raises what a layer may not raise."""

        name = "broken"

        def shape(self, shape):
            raise KeyError("oops")

        def module(self, shape, values):
            raise NotImplementedError

    with pytest.raises(KeyError):
        Broken.examples()
