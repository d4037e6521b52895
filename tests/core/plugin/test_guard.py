"""A bound that misbehaves becomes Unknown with the reason; the others are answered."""

import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import num, sym
from govcheck.plugin import At, Layer, Ref, bound
from govcheck.plugin.guard import PluginWarning, ask
from govcheck.plugin.layer import answer

REF = Ref("test", "here")
AT = At("n", (num(2),), num(3), sym("B"), sym("b"))


@dataclass(frozen=True)
class Misbehaving(Layer):
    name: ClassVar[str] = "misbehaving"
    result: object = None

    def module(self, shape, values):
        raise AssertionError

    @bound("J", "upper", REF)
    def jacobian(self, at):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    @bound("out", "upper", REF)
    def output(self, at):
        return at.frobenius


@pytest.mark.parametrize(("result", "reason"), [
    (ValueError("odd width"), "Misbehaving.jacobian raised ValueError: odd width"),
    (ZeroDivisionError(), "Misbehaving.jacobian raised ZeroDivisionError"),
    (SystemExit(2), "Misbehaving.jacobian raised SystemExit: 2"),
    (None, "None is a NoneType"),
    (0.5, "0.5 is a float"),
    (float("inf"), "inf is a float"),
    ("1/2", "is a str"),
    (True, "returned True, which is not a formula"),
    (-1, "returned -1, but no bound is negative"),
])
def test_what_goes_wrong_becomes_unknown(result, reason):
    with pytest.warns(PluginWarning) as caught:
        value = answer(Misbehaving(result), "jacobian", AT)
    assert isinstance(value, Unknown) and reason in value.reason
    assert value.reason.startswith("Misbehaving.jacobian ")
    assert [str(w.message) for w in caught] == [value.reason]
    assert answer(Misbehaving(result), "output", AT) is AT.frobenius


def test_a_missing_method_becomes_unknown():
    with pytest.warns(PluginWarning):
        value = answer(Misbehaving(), "no_such_method", AT)
    assert isinstance(value, Unknown) and "AttributeError" in value.reason


def test_keyboard_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        answer(Misbehaving(KeyboardInterrupt()), "jacobian", AT)


def test_good_answers_pass_through_without_a_warning():
    own_reason = Unknown.because("has a kink")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answer(Misbehaving(own_reason), "jacobian", AT) is own_reason
        assert answer(Misbehaving(3), "jacobian", AT) is num(3)
        assert answer(Misbehaving(Fraction(1, 2)), "jacobian", AT) is num("1/2")
        assert ask({"a": 1}, "__len__") is num(1)
