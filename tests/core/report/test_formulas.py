from fractions import Fraction

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import add, let, sqrt, sym
from govcheck.bounds.recurrence import Recurrence
from govcheck.report.formulas import Notation, reachable
from govcheck.report.numbers import Numbers

a, b, c = sym("a"), sym("b"), sym("c")


def named(name, body):
    return let(name, body, at_least=0)


def test_equal_names_of_different_formulas_get_numbers():
    first = named("D@x", a + b)
    second = named("D@x", a * b)
    both = sqrt(first) + second
    notation = Notation([both])
    names = {d["name"]: d["text"] for d in notation.definitions()}
    assert names == {"D@x": "a + b", "D@x.2": "a*b"}
    shown = notation.formula(both)
    assert shown["text"] == "sqrt(D@x) + D@x.2"
    assert shown["uses"] == ["D@x", "D@x.2"]
    env = {a: ball(2), b: ball(7)}
    assert evaluate(notation.of(both), env) == evaluate(both, env)


def test_a_number_that_is_taken_is_left_out():
    lets = [named("x", a + b), named("x.2", a * b), named("x", a - b)]
    names = [d["name"] for d in Notation(lets).definitions()]
    assert names == ["x", "x.2", "x.3"]


def test_names_in_bodies_follow_their_own_definition():
    inner = named("x", a + b)
    outer = named("y", inner * c)
    top = outer + named("x", a - b)
    definitions = {d["name"]: d for d in Notation([top]).definitions()}
    assert definitions["y"]["uses"] == ["x"]
    assert definitions["x"]["text"] == "a + b"
    assert [d["name"] for d in reachable(["y"], list(definitions.values()))] == ["x", "y"]


def test_a_recurrence_is_written_out_once():
    s, t = sym("s"), sym("t")
    machine = Recurrence((s, t), (2 * s, s + t))
    args = (c, a, b)
    roots = [machine.output(args, 0), machine.output(args, 1)]
    (found,) = Notation(roots).recurrences()
    assert found["times"]["text"] == "c"
    assert [(x["name"], x["initial"]["text"], x["step"]["text"]) for x in found["states"]] == [
        ("s", "a", "2*s"), ("t", "b", "s + t"),
    ]


def test_states_of_a_recurrence_are_not_missing():
    s = sym("s")
    result = Recurrence((s,), (s * b,)).output((c, a), 0)
    assert Numbers({a: ball(1)}).missing(add(result, s)) == ("b", "c", "s")
    assert Numbers({a: ball(1), c: ball(3)}).missing(result) == ("b",)
    value = Numbers({a: ball(5), b: ball(2), c: ball(3)}).of(result, "upper")
    assert value.text == "40"


def test_numbers_are_rounded_outward():
    numbers = Numbers({a: ball(Fraction(1, 3))})
    assert numbers.of(a, "upper").text == "0.333334"
    assert numbers.of(a, "lower").text == "0.333333"
    assert numbers.of(a, "upper", 2).text == "0.34"


def test_missing_symbols_of_a_deep_formula():
    e = a
    for i in range(5000):
        e = named(f"n{i}", sqrt(e + 1))
    numbers = Numbers({})
    assert numbers.missing(e) == ("a",)
    assert Numbers({a: ball(0)}).of(e, "upper").text == "1.61804"
