"""The faces of the kit: records, and parameters for pytest."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from govcheck.bounds.expr import num, sym
from govcheck.plugin.testing import QUICK, CheckFailed, Effort, check_layer, parametrize_with_checks
from govcheck.plugin.testing.records import CheckSkipped, record
from govcheck.plugin.testing.runner import BoundCheck, checks_for

TINY = replace(QUICK, examples=1, points=3, steps=2, polish=2)


def fail():
    raise CheckFailed("no")


def skip_it():
    raise CheckSkipped("nothing")


def boom():
    raise ZeroDivisionError


def test_records_say_how_it_went():
    def status(run, expected=None):
        r = record("it", "check", run, {"check": expected} if expected else {})
        return r.status, r.message

    assert status(lambda: "well") == ("passed", "well")
    assert status(fail) == ("failed", "no")
    assert status(boom) == ("failed", "ZeroDivisionError")
    assert status(skip_it) == ("skipped", "nothing")
    assert status(fail, "known") == ("expected failure", "known (no)")
    # an expected failure that has gone is noticed
    assert status(lambda: "well", "known") == (
        "failed", "it was expected to fail (known) and passed")


def test_expected_failures_of_a_layer(skip, changed, failed):
    wrong = changed(skip, jacobian=lambda self, at: num(1) / 3)
    assert "bound_J" in failed(check_layer(wrong, effort=TINY))
    excused = {"bound_J": "a known mistake", "import_light": "", "differences": "the same"}
    records = check_layer(wrong, effort=TINY, expected_failures=excused)
    assert "bound_J" not in failed(records)
    assert {r.status for r in records if r.check == "bound_J"} == {"expected failure"}


def test_an_instance_by_itself(skip):
    subjects = {c.subject for c in checks_for(skip(), effort=TINY)}
    assert "skip on 2x3" in subjects


def test_ids_hold_layer_and_check(skip):
    mark = parametrize_with_checks([skip], effort=TINY).mark
    assert mark.name == "parametrize" and mark.args[0] == "check"
    ids = [p.id for p in mark.args[1]]
    assert "skip-metadata" in ids and "skip on 2x3-bound_J" in ids
    assert len(set(ids)) == len(ids) >= 10


def test_expected_failures_become_strict_xfail_marks(skip):
    mark = parametrize_with_checks([skip], effort=TINY, expected_failures={
        "skip": {"bound_J": "known"}}).mark
    (marked,) = (p for p in mark.args[1] if p.marks)
    assert marked.id.endswith("bound_J")
    assert marked.marks[0].kwargs == {"reason": "known", "strict": True}


def test_called_by_pytest_a_check_skips_or_raises():
    with pytest.raises(CheckFailed):
        BoundCheck("it", "check", fail)()
    with pytest.raises(pytest.skip.Exception):
        BoundCheck("it", "check", skip_it)()
    assert BoundCheck("it", "check", lambda: "well")() == "well"


def test_symbols_of_an_example_take_its_values(skip, changed, example):
    s = sym("s")
    wrong = changed(skip, jacobian=lambda self, at: s)

    def outcome(value):
        examples = [example(wrong(), (2,), 2, {s: value})]
        (found,) = (r for r in check_layer(wrong, examples=examples, effort=TINY)
                    if r.check == "bound_J")
        return found.status

    assert outcome(Fraction(1, 2)) == "passed"
    assert outcome(0) == "failed"
    missing = check_layer(wrong, examples=[example(wrong(), (2,))], effort=TINY)
    assert any(r.bad and "s has no value" in r.message for r in missing)


def test_the_same_effort_gives_the_same_records(wave):
    effort = Effort(1, 4, 1, 5, 5, 0, seed=3)

    def messages():
        return [(r.check, r.message) for r in check_layer(wave, effort=effort)
                if r.check.startswith("bound_")]

    assert messages() == messages()


def test_a_method_may_return_a_plain_number(skip, changed):
    plain = changed(skip, jacobian=lambda self, at: Fraction(1, 2))
    (found,) = (r for r in check_layer(plain, effort=TINY) if r.check == "bound_J")
    assert found.status == "passed" and "100.0% found" in found.message
