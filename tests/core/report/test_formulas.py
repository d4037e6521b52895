from fractions import Fraction

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import add, let, num, sqrt, sym
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


def test_different_recurrences_never_share_a_name():
    s = sym("s", latex=r"\widehat{s}_{\mathrm{x}}")
    first = Recurrence((s,), (2 * s,)).output((c, a), 0)
    inner = Recurrence((s,), (s + b,)).output((c, first), 0)
    notation = Notation([first, inner])
    assert notation.formula(first)["text"] == "s[c]"
    assert notation.formula(inner)["text"] == "s.2[c]"
    assert notation.formula(inner)["latex"] == r"\widehat{s}_{\mathrm{x},2}^{(c)}"
    steps = {x["name"]: (x["initial"]["text"], x["step"]["text"])
             for r in notation.recurrences() for x in r["states"]}
    assert steps == {"s": ("a", "2*s"), "s.2": ("s[c]", "s.2 + b")}
    env = {a: ball(2), b: ball(7), c: ball(3)}
    assert evaluate(notation.of(inner), env) == evaluate(inner, env)


def test_a_recurrence_in_the_step_of_another_keeps_to_its_own_names():
    s, t = sym("s"), sym("t")
    within = Recurrence((t,), (t + s,)).output((num(2), s), 0)
    outer = Recurrence((s,), (within,)).output((c, a), 0)
    alone = Recurrence((t,), (t * b,)).output((c, a), 0)
    notation = Notation([alone, outer])
    names = [x["name"] for r in notation.recurrences() for x in r["states"]]
    assert sorted(names) == ["s", "t", "t.2"]
    env = {a: ball(2), b: ball(7), c: ball(3)}
    assert evaluate(notation.of(outer), env) == evaluate(outer, env) == ball(54)


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


def test_what_a_long_formula_repeats_gets_a_name():
    parts = [sym(f"p_{i}") for i in range(12)]
    shared = sqrt(add(*parts))
    long = add(*(s * (shared + s) for s in parts))
    notation = Notation([long])
    definitions = {d["name"]: d["text"] for d in notation.definitions()}
    assert definitions == {"v1": " + ".join(s.payload.name for s in parts)}
    shown = notation.formula(long)
    assert shown["text"].startswith("p_0*(sqrt(v1) + p_0) + ") and shown["uses"] == ["v1"]
    short = notation.formula(2 * shared)
    assert "v1" not in short["text"]
    env = {s: ball(i + 1) for i, s in enumerate(parts)}
    assert evaluate(notation._brief[long], env).overlaps(evaluate(long, env))


def test_what_is_too_wide_for_a_line_gets_a_name():
    wide = add(*(sym(f"p_{i}") * sym(f"q_{i}") for i in range(12)))
    notation = Notation([sqrt(wide), a + sqrt(wide) * b])
    assert notation.formula(sqrt(wide))["text"] == "sqrt(v1)"
    assert notation.formula(a + sqrt(wide) * b)["text"] == "a + sqrt(v1)*b"
    (v1,) = notation.definitions()
    assert v1["name_latex"] == "v_{1}" and v1["text"].count("+") == 11


def test_names_that_are_taken_are_left_to_their_owners():
    wide = add(*(sym(f"p_{i}") * sym(f"q_{i}") for i in range(12)))
    root = sqrt(wide) + sym("v1") + sym("beta")
    notation = Notation([root * named("beta", a + b)])
    names = {d["name"]: d["name_latex"] for d in notation.definitions()}
    assert names == {"v2": "v_{2}", "beta.2": r"\mathrm{beta}"}
    assert notation.name_latex("beta") == r"\mathrm{beta}"
    assert notation.name_latex("eta") == r"\eta"


def test_a_recurrence_is_abbreviated_line_by_line():
    s = sym("s")
    wide = add(*(sym(f"p_{i}") * sym(f"q_{i}") for i in range(12)))
    result = Recurrence((s,), (s * b + sqrt(wide),)).output((c, a), 0)
    notation = Notation([result])
    (found,) = notation.recurrences()
    assert found["states"][0]["step"]["text"] in ("sqrt(v1) + s*b", "s*b + sqrt(v1)")
    assert notation.formula(result)["uses"] == ["v1"]
