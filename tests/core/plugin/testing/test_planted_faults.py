"""Plant a false claim and see that the kit finds it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module

import pytest
import torch

from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import ONE, ZERO, Expr, num, sqrt
from govcheck.plugin import Activation, Parameter, Ref, bound, scalar
from govcheck.plugin.testing import QUICK, STANDARD, CheckFailed, CheckSkipped, check_layer
from govcheck.plugin.testing.runner import checks_for

REF = Ref("a book", "page 1")


def run(layer, *names, effort=QUICK):
    """Outcome of the named checks on the first example: what failed, with the message."""
    found = {}
    for check in checks_for(layer, effort=effort):
        if names and check.name not in names:
            continue
        try:
            check.run()
        except CheckFailed as error:
            found.setdefault(check.name, str(error))
        except CheckSkipped:
            pass
    return found


def test_correct_layers_pass(wave, skip):
    for layer in (wave, skip):
        records = check_layer(layer, effort=replace(STANDARD, examples=1))
        # the module of this file's layers loads torch, which is right for a test
        bad = [r for r in records if r.bad and r.check != "import_light"]
        assert not bad, bad
        assert len({r.check for r in records}) >= 14


@dataclass(frozen=True)
class LazyGelu(Activation):
    """lazy_gelu: gelu, said to be 1-Lipschitz as if its slope stayed in [0, 1]."""

    name = "lazy_gelu"

    def constants(self):
        return scalar(slope=(0, 1), curvature=sqrt(2 / num(3)))

    def apply(self, x, values):
        return torch.nn.functional.gelu(x)


def test_gelu_is_not_1_lipschitz():
    """sup phi' = 1.1289 at sqrt 2, as scipy's normal distribution says."""
    found = run(LazyGelu, "bound_J", "constants_on_the_line", "slopes_on_intervals")
    assert found.keys() == {"bound_J", "constants_on_the_line", "slopes_on_intervals"}
    assert "1.1289" in found["constants_on_the_line"]


def scaled(cls, attribute, factor):
    original = getattr(cls, attribute)

    def smaller(self, at):
        value = original(self, at)
        return value if isinstance(value, Unknown) else value * factor

    return smaller


@pytest.mark.parametrize(
    ("attribute", "check"),
    [("jacobian", "bound_J"), ("jacobian_inf", "bound_J_inf"), ("second", "bound_xx"),
     ("second_inf", "bound_xx_inf"), ("mixed", "bound_xt"), ("output", "bound_out"),
     ("parameter_derivative", "bound_D")],
)
def test_a_bound_1_percent_too_small(wave, changed, attribute, check):
    wrong = changed(wave, **{attribute: scaled(wave, attribute, Fraction(99, 100))})
    assert run(wrong, check, effort=STANDARD).keys() == {check}


@pytest.mark.parametrize(
    ("attribute", "check"),
    [("least", "bound_sigma_J"), ("least_with_skip", "bound_sigma_skip"),
     ("injective", "bound_out_inj")],
)
def test_a_lower_bound_1_percent_too_large(skip, changed, attribute, check):
    wrong = changed(skip, **{attribute: scaled(skip, attribute, Fraction(101, 100))})
    assert run(wrong, check).keys() == {check}


NINETY_NINE = num(Fraction(99, 100))
MORE_CLAIMS = {
    "out_spec": lambda self, at: NINETY_NINE * at.norm("weight", "max") * at.spectral,
    "out_max": lambda self, at: NINETY_NINE * at.norm("weight", "max") * at.sample,
    "J_rows": lambda self, at: NINETY_NINE * at.norm("weight", "max"),
    "D_rows": lambda self, at: NINETY_NINE,
    "sigma_D": lambda self, at: num(Fraction(1, 10)),
}


@pytest.mark.parametrize("quantity", MORE_CLAIMS)
def test_a_false_claim_of_another_quantity(wave, changed, quantity):
    """Entries are ``w sin x``; the output moves with no weight where ``x = 0``."""

    def claim(self, at):
        unbounded = Unknown.because("the weights are unbounded", kind="unbounded")
        known = quantity == "D_rows" or not isinstance(at.norm("weight", "max"), Unknown)
        return MORE_CLAIMS[quantity](self, at) if known else unbounded

    sense = "lower" if quantity == "sigma_D" else "upper"
    wrong = changed(wave, claim=bound(quantity, sense, REF)(claim))
    check = f"bound_{quantity}"
    assert run(wrong, check, effort=replace(STANDARD, examples=1)).keys() == {check}


def test_a_formula_that_reads_back_as_another(skip, changed, monkeypatch):
    from govcheck.bounds import printing

    right = printing.text
    monkeypatch.setattr(printing, "text", lambda e: f"2*({right(e)})")
    assert "reads back as" in run(skip, "formulas")["formulas"]


def test_a_regularity_that_does_not_exist(wave, changed):
    wrong = changed(wave, least=lambda self, at: num(Fraction(1, 10)))
    assert run(wrong, "bound_sigma_J").keys() == {"bound_sigma_J"}


def test_a_wrong_second_derivative(wave, changed):
    wrong = changed(wave, second=lambda self, at: ZERO)
    found = run(wrong, "bound_xx", "differences")
    assert found.keys() == {"bound_xx", "differences"}


def test_a_wrong_second_derivative_in_the_parameters(wave, changed):
    class Squared(torch.nn.Module):
        def __init__(self, shape):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))

        def forward(self, x):
            return self.weight**2 * x.sin()

    wrong = changed(wave, module=lambda self, shape, values: Squared(shape))
    assert "bound_tt" in run(wrong, "bound_tt")


def bump(x, centre, width):
    """A smooth step of height 1."""
    return torch.sigmoid((x - centre) / width)


@dataclass(frozen=True)
class Plateau(Activation):
    """plateau: tanh, and one more step that begins far from the origin."""

    name = "plateau"

    def constants(self):
        return scalar(slope=(0, 1), curvature=1, value=2)

    def apply(self, x, values):
        return x.tanh() + bump(x, 637.0, 0.2)


def test_an_activation_wrong_only_far_from_the_origin():
    """The slope at 637 is 5/4; inputs of the attack reach up to 30."""
    found = run(Plateau)
    assert found["constants_on_the_line"].startswith("slope_high")
    assert "1.25 at x = 637" in found["constants_on_the_line"]
    assert "bound_J" not in found


@dataclass(frozen=True)
class Hill(Activation):
    """hill: tanh, and a step whose width is 1/1000 of its distance from the origin."""

    centre: Expr
    name = "hill"

    def constants(self):
        return scalar(slope=(0, 1), curvature=1)

    def apply(self, x, values):
        centre = values(self.centre)
        width = abs(centre) / 1000
        return x.tanh() + 1.25 * width * torch.erf((x - centre) / width) * math.sqrt(math.pi) / 2


@pytest.mark.parametrize("centre", [1.37e6, -2.9e6, 1.37e12, -7.7e12])
def test_an_activation_wrong_only_very_far_from_the_origin(centre):
    """A slope of 5/4 where most of the line is flat; the scan lands 2 widths away from it."""
    found = run(Hill(num(Fraction(centre))), "constants_on_the_line")
    assert found["constants_on_the_line"].startswith("slope_high")
    assert "1.25 at x = " in found["constants_on_the_line"]


def bent(skip, changed, start):
    """Slope 1/2 before `start`, 3/2 beyond."""

    class Bent(torch.nn.Module):
        def forward(self, x):
            return x / 2 + start * torch.nn.functional.softplus(12 * (x / start - 1)) / 12

    return changed(skip, module=lambda self, shape, values: Bent(),
                   jacobian=lambda self, at: num(Fraction(501, 1000)),
                   least=lambda self, at: ZERO, injective=lambda self, at: ZERO)


def test_a_layer_wrong_only_far_from_the_origin(skip, changed):
    """Only the largest input set of the search has such points."""
    message = run(bent(skip, changed, 12.0), "bound_J")["bound_J"]
    assert "inputs up to 30" in message


@pytest.mark.parametrize("start", [1e3, 1e5, 1e6 / 4, 1e9, 1e12 / 4])
def test_a_layer_wrong_only_very_far_from_the_origin(skip, changed, start):
    found = run(bent(skip, changed, start), "bound_J", "far_from_origin")
    assert found.keys() == {"far_from_origin"}
    assert "claims that J is at most 0.501" in found["far_from_origin"]


def test_a_kink_that_automatic_differentiation_does_not_see(skip, changed):
    """relu with second derivative 0: autograd agrees, differences do not."""
    body = {
        "module": lambda self, shape, values: torch.nn.ReLU(),
        "jacobian": lambda self, at: ONE,
        "flat": bound("xx", "upper", REF)(lambda self, at: ZERO),
    }
    wrong = changed(skip, **body)
    found = run(wrong, "bound_xx", "differences")
    assert found.keys() == {"differences"} and "kink" in found["differences"]


def test_a_jump(skip, changed):
    class Sign(torch.nn.Module):
        def forward(self, x):
            return x + 0.1 * torch.sign(x)

    wrong = changed(skip, module=lambda self, shape, values: Sign(),
                    jacobian=lambda self, at: ONE)
    found = run(wrong, "bound_J", "differences")
    assert found.keys() == {"differences"}


def test_sizes_as_symbols_are_held_against_the_search_too(wave, changed):
    def careless(self, at):
        # right for numbers, forgets the samples for symbols
        return sqrt(at.samples) if at.samples.is_number else ONE

    wrong = changed(wave, parameter_derivative=careless)
    assert "sizes as symbols" in run(wrong, "bound_D")["bound_D"]


def test_a_claim_of_tightness_that_is_not_met(skip, changed):
    wrong = changed(skip, jacobian=lambda self, at: num(Fraction(3, 5)))
    assert "declared tight" in run(wrong, "bound_J")["bound_J"]


def test_negative_and_infinite_claims_are_faults(skip, changed):
    wrong = changed(skip, jacobian=lambda self, at: num(-1))
    assert "gives" in run(wrong, "bound_J")["bound_J"]


def test_unknown_needs_a_reason(skip, changed):
    wrong = changed(skip, jacobian=lambda self, at: Unknown.because(" "))
    assert "without a reason" in run(wrong, "bound_J")["bound_J"]


def test_an_exception_of_the_layer_is_a_failure_with_its_text(skip, changed, failed):
    def broken(self, at):
        raise KeyError("lost")

    records = check_layer(changed(skip, jacobian=broken), effort=QUICK)
    assert "KeyError" in failed(records)["bound_J"]


def test_a_norm_of_a_parameter_that_does_not_exist(wave, changed, failed):
    wrong = changed(wave, jacobian=lambda self, at: at.norm("wieght", "max"))
    found = failed(check_layer(wrong, effort=replace(STANDARD, examples=1, points=2, steps=1,
                                                     starts=1, polish=1)))
    assert "norm of wieght, which the layer does not have" in found["bound_J"]


def test_a_lower_bound_of_0_is_not_reported_as_met(wave):
    (record,) = (r for r in check_layer(wave, effort=replace(QUICK, examples=1))
                 if r.check == "bound_sigma_J")
    assert record.message == "least: 0, nothing to attack"


def test_wrong_shape(skip, changed):
    wrong = changed(skip, shape=lambda self, shape: (*shape[:-1], shape[-1] + 1))
    assert run(wrong, "shape").keys() == {"shape"}


def test_wrong_shape_for_symbols_only(skip, changed):
    def odd(self, shape):
        return shape if shape[0].is_number else (2 * shape[0], *shape[1:])

    assert "symbols" in run(changed(skip, shape=odd), "shape")["shape"]


def test_undeclared_and_missing_parameters(wave, changed):
    wrong = changed(wave, parameters=lambda self, shape: ())
    assert "does not declare" in run(wrong, "parameters")["parameters"]
    more = changed(wave, parameters=lambda self, shape: (
        Parameter("weight", shape), Parameter("bias", shape)))
    assert "does not have" in run(more, "parameters")["parameters"]
    other = changed(wave, parameters=lambda self, shape: (Parameter("weight", (ONE,)),))
    assert "declared with shape (1,)" in run(other, "parameters")["parameters"]


def test_missing_reference(skip, changed):
    def jacobian(self, at):
        """Half of the identity."""
        return ONE / 2

    for reference, word in ((None, "needs a reference"), (Ref("", ""), "empty reference")):
        marked = bound("J", "upper", reference)(lambda self, at: jacobian(self, at))
        marked.__doc__ = jacobian.__doc__
        assert word in run(changed(skip, jacobian=marked), "metadata")["metadata"]


def test_missing_docstrings(skip, changed):
    silent = bound("J", "upper", REF)(lambda self, at: ONE / 2)
    assert "jacobian has no docstring" in run(changed(skip, jacobian=silent), "metadata")[
        "metadata"]
    assert "says what it computes" in run(changed(skip, __doc__=None), "metadata")["metadata"]


def test_a_module_that_is_no_function(skip, changed):
    class Noise(torch.nn.Module):
        def forward(self, x):
            return x / 2 + 1e-9 * torch.rand(())

    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return x / 2

    class Careless(torch.nn.Module):
        def forward(self, x):
            return x.mul_(0.5)

    class TwoFaced(torch.nn.Module):
        def forward(self, x):
            return x / 2 if self.training else x

    for module, word in ((Noise, "different outputs"), (Counter, "buffers"),
                         (Careless, "changes its input"), (TwoFaced, "eval")):
        wrong = changed(skip, module=lambda self, shape, values, m=module: m())
        assert word in run(wrong, "deterministic")["deterministic"], module


def test_a_module_that_stays_in_float64(skip, changed):
    class Stubborn(torch.nn.Module):
        def forward(self, x):
            return x * torch.full((), 0.5, dtype=torch.float64).reshape(1)

    wrong = changed(skip, module=lambda self, shape, values: Stubborn())
    assert "float32" in run(wrong, "dtype")["dtype"]


def test_a_module_that_cannot_take_one_sample(skip, changed):
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x / 2 / (x.shape[0] - 1)

    wrong = changed(skip, module=lambda self, shape, values: Pair())
    assert run(wrong, "batch_of_one").keys() == {"batch_of_one"}


def test_a_gradient_that_is_wrong(skip, changed):
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x / 2

        @staticmethod
        def backward(ctx, g):
            return g

    wrong = changed(skip, module=lambda self, shape, values: SimpleModule(Half.apply))
    assert "autograd says" in run(wrong, "gradients")["gradients"]


class SimpleModule(torch.nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x)


SOURCE = '''
"""A layer."""
{line}
from dataclasses import dataclass, replace
from govcheck.plugin import Layer

@dataclass(frozen=True)
class Heavy(Layer):
    """heavy: nothing."""

    name = "heavy"

    def module(self, shape, values):
        from torch import nn
        return nn.Identity()
'''


@pytest.mark.parametrize(("line", "loaded"), [
    ("import torch", "torch"), ("import sympy", "sympy"), ("import json", "")])
def test_heavy_imports(tmp_path, monkeypatch, line, loaded):
    name = f"heavy_{loaded or 'not'}_layer"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(line=line), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        found = run(import_module(name).Heavy, "import_light")
    finally:
        sys.modules.pop(name, None)
    assert found.keys() == ({"import_light"} if loaded else set())
    assert loaded in found.get("import_light", "")


def test_layers_that_differ_although_their_fields_agree(skip, changed):
    wrong = changed(skip, __eq__=lambda a, b: False, __hash__=lambda a: 0)
    assert run(wrong, "value_semantics").keys() == {"value_semantics"}


def test_a_layer_that_nothing_fits_needs_examples(skip, changed):
    def refuse(self, shape):
        raise ValueError("never")

    wrong = changed(skip, shape=refuse)
    assert "override" in run(wrong)["examples"]


