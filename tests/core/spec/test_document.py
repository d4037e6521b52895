"""The keys of a file other than the network, and the file as a whole."""

import time
from fractions import Fraction

import pytest

from govcheck import spec
from govcheck.analysis import SAMPLES, X_FROBENIUS, X_SIGMA, X_SIGMA_ONES, X_SPECTRAL, Y_FROBENIUS
from govcheck.bounds.expr import num, sqrt, sym
from govcheck.errors import InputError
from govcheck.spec.names import RESERVED

BASE = "govcheck: 1\ninput: [64]\nlayers: [affine: {out: 64, id: a}, residual: [tanh]]\n"

FULL = """\
govcheck: 1
name: weight-normalised residual net
symbols: {m: 64, H: 8, delta: 1/10, eps: 1, t: null, w: -1/2, u: }
input: [64]
layers:
  - affine: {out: m, weight: entrywise, eps: eps, bias: false}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {out: m, weight: weight_norm, scale: (1 - delta)/sqrt(m)}
            - tanh
cost: {huber: {delta: 2*delta}}
data: {digits: {n: 2^5, shuffle: true, sizes: [1, 2]}}
init: {normal: {std: 1/sqrt(m), seed: 7}}
domain: {ball: {radius: t, at: {affine: 2*t}}}
theorems: [macdonald2022, {macdonald2022.theorem_2_1: {rate: 1/2}}, du2019.theorem_5_1]
train: {method: sgd, steps: 1e3, step_size: 1/eps, seed: 010, momentum: 0.9, weight_decay: 0}
"""


def codes(problems):
    return [(p.code, p.where.removeprefix("a.yaml:")) for p in problems]


def test_full_file(read):
    a = read(FULL)
    m, t = sym("m"), sym("t")
    assert a.name == "weight-normalised residual net"
    assert list(a.symbols) == ["m", "H", "delta", "eps", "t", "w", "u"]
    assert {s.payload.name: v for s, v in a.values.items()} == {
        "m": num(64), "H": num(8), "delta": num("1/10"), "eps": num(1), "w": num("-1/2")}
    assert [s.nonneg for s in a.symbols.values()] == [True] * 5 + [False, True]
    assert (a.input, a.output) == ((num(64),), (m,))
    assert a.body.steps[0].block.layer.out is m
    inner = a.body.steps[1].block.body.steps[0].block.body.steps[0].block.layer
    assert inner.scale is (1 - sym("delta")) / sqrt(m)
    assert a.cost.delta is 2 * sym("delta")
    assert (a.data.n, a.data.shuffle, a.data.sizes) == (32, True, (1, 2))
    assert (a.init.method, a.init.std, a.init.seed) == ("normal", 1 / sqrt(m), 7)
    assert (a.domain.kind, a.domain.radius, a.domain.radii) == ("ball", t, {"affine": 2 * t})
    assert [(r.name, r.options, str(r.mark)) for r in a.theorems] == [
        ("macdonald2022.theorem_4_8", {}, "a.yaml:17:12"),
        ("macdonald2022.theorem_2_1", {"rate": num("1/2")}, "a.yaml:17:28"),
        ("du2019.theorem_5_1", {}, "a.yaml:17:69"),
    ]
    assert a.train == {"method": "sgd", "steps": 1000, "step_size": 1 / sym("eps"), "seed": 10,
                       "momentum": num("9/10"), "weight_decay": num(0)}


def test_defaults(read):
    a = read("govcheck: 1\ninput: [3, 8, 8]\nlayers: [tanh]\n")
    assert (a.name, a.cost, a.data, a.theorems, a.train) == ("network", None, None, None, {})
    assert (a.domain.kind, a.init.method, a.init.seed) == ("everything", "normal", 0)


def test_overrides(read):
    a = read(FULL, overrides={"m": "2^7", "t": "1e-1", "w": "3"})
    assert a.values[sym("m")] is num(128)
    assert a.values[sym("t")] is num("1/10")
    assert a.symbols["w"].nonneg


@pytest.mark.parametrize(
    ("overrides", "code", "where", "part", "hint"),
    [
        ({"n": "1"}, "undeclared-symbol", "--set n", "symbol 'n' is not declared", "symbols: m"),
        ({"detla": "1"}, "undeclared-symbol", "--set detla", "", "did you mean 'delta'?"),
        ({"m": "12 +"}, "formula", "--set m", "ends too early, at character 5 of '12 +'", ""),
        ({"m": ""}, "formula", "--set m", "expected here", ""),
        ({"m": "2*H"}, "wrong-type", "--set m", "is a constant", ""),
        ({"m": "1/0"}, "division-by-zero", "--set m", "division by zero", ""),
    ],
)
def test_bad_overrides(problems, overrides, code, where, part, hint):
    (problem,) = problems(FULL, overrides=overrides)
    assert (problem.code, problem.where) == (code, where)
    assert part in problem.message
    assert hint in problem.hint


def test_overrides_can_break_a_file(problems):
    found = problems(FULL, overrides={"m": "5/2", "H": "1/2", "eps": "-1"})
    assert codes(found) == [("shape-mismatch", "6:5"), ("wrong-value", "8:14"),
                            ("wrong-value", "18:45")]


def test_radius_symbol_of_around_init(read):
    a = read(BASE + "domain: around_init\n")
    assert (a.domain.kind, a.domain.radius) == ("around_init", a.symbols["R"])
    assert a.values == {}
    b = read(BASE + "symbols: {R: 1/2}\ndomain: around_init\n")
    assert (b.domain.radius, b.values) == (b.symbols["R"], {b.symbols["R"]: num("1/2")})
    c = read(BASE + "domain: around_init\n", overrides={"R": "3"})
    assert c.values == {c.symbols["R"]: num(3)}
    assert read(BASE + "domain: {around_init: 1/3}\n").domain.radius is num("1/3")
    assert read(BASE + "domain: everything\n").domain.radius is None
    at = read(BASE + "domain: {around_init: {radius: 1, at: {a: 2}}}\n").domain
    assert (at.radius, at.radii) == (num(1), {"a": num(2)})


def test_theorem_selection(read):
    assert read(BASE + "theorems: []\n").theorems == ()
    names = [r.name for r in read(BASE + "theorems: [macdonald2022]\n").theorems]
    assert names == ["macdonald2022.theorem_4_8", "macdonald2022.theorem_2_1"]
    (one,) = read(BASE + "theorems:\n  - du2019: {rate: 2}\n").theorems
    assert (one.name, one.options) == ("du2019.theorem_5_1", {"rate": num(2)})


SYMBOLS = [
    ("symbols: [m]", "wrong-type", "4:10", "symbols takes a mapping, not a list", ""),
    ("symbols: {1a: 2}", "bad-name", "4:11", "symbol '1a' is not a name", ""),
    ("symbols: {a-b: 2}", "bad-name", "4:11", "", ""),
    ("symbols: {ä: 2}", "bad-name", "4:11", "", ""),
    ("symbols: {pi: 3}", "bad-name", "4:11", "reserved: it is a constant", ""),
    ("symbols: {sqrt: 3}", "bad-name", "4:11", "reserved: it is a function", ""),
    ("symbols: {N: 3}", "bad-name", "4:11", "it is the number of samples", ""),
    ("symbols: {X_F: 3}", "bad-name", "4:11", "it is a norm of the data", ""),
    ("symbols: {m: 1, m: 2}", "duplicate-key", "4:17", "'m' of symbols is given twice", ""),
    ("symbols: {m: 1/}", "formula", "4:16", "symbol 'm': the formula ends too early", ""),
    ("symbols: {m: [1]}", "wrong-type", "4:14", "takes a number, not a list", ""),
    ("symbols: {m: 1, k: 2*m}", "wrong-type", "4:22", "a constant, without other symbols", ""),
    ("symbols: {m: log(-1)}", "not-real", "4:18", "logarithm", ""),
    ("symbols: {m: exp(exp(exp(exp(9))))}", "no-value", "4:14", "no finite value", ""),
    ("symbols: {m: yes}", "wrong-type", "4:14", "a constant", ""),
]

SETTINGS = [
    ("name: [a]", "wrong-type", "4:7", "name takes a word", ""),
    ("name: ''", "wrong-type", "4:7", "name takes a word", ""),
    ('name: "a\\tb"', "wrong-value", "4:7", "does not print", ""),
    ("cost: squaer", "unknown-cost", "4:7", "no cost 'squaer'", "did you mean 'square'?"),
    ("cost: [square]", "wrong-type", "4:7", "cost takes a name, not a list", "cost: square"),
    ("cost:", "wrong-type", "4:6", "not nothing", ""),
    ("cost: huber", "missing-key", "4:7", "huber needs the key 'delta'", ""),
    ("cost: {huber: {delta: q}}", "undeclared-symbol", "4:23", "delta of huber: symbol 'q'", ""),
    ("cost: {huber: {delta: max(1}}", "formula", "4:26", "not closed", "a comma needs quotes"),
    ("cost: {square: {a: 1}}", "unknown-key", "4:17", "square has no key 'a'", ""),
    ("cost: {square: 3}", "wrong-type", "4:16", "square takes a mapping", ""),
    ("cost: {square: , huber: {delta: 1}}", "wrong-type", "4:7", "one name, not 2", ""),
    ("data: {digit: {n: 3}}", "unknown-data", "4:8", "no data 'digit'", "did you mean 'digits'?"),
    ("data: {digits: {n: x}}", "undeclared-symbol", "4:20", "", ""),
    ("data: {digits: {n: 0}}", "wrong-value", "4:8", "digits: n must be positive", ""),
    ("data: {digits: {sizes: 3}}", "wrong-type", "4:24", "takes a list", ""),
    ("data: {digits: {sizes: [1, 2.5]}}", "wrong-type", "4:28", "takes an integer", ""),
    ("data: {digits: {n: 1e30}}", "wrong-value", "4:20", "too large", ""),
    ("init: lecum", "wrong-value", "4:7", "init takes one of", "did you mean 'lecun'?"),
    ("init: {he: {std: 1}}", "wrong-value", "4:13", "std is given by the method he", ""),
    ("init: {normal: {std: -1}}", "wrong-value", "4:22", "std is negative", ""),
    ("init: {normal: {seed: -1}}", "wrong-value", "4:23", "seed is -1, below 0", ""),
    ("init: {normal: {sd: 1}}", "unknown-key", "4:17", "", "did you mean 'std'?"),
    ("domain: all", "wrong-value", "4:9", "domain takes one of", ""),
    ("domain: ball", "missing-key", "4:9", "a ball needs a radius", "domain: {ball: R}"),
    ("domain: {bal: 1}", "wrong-value", "4:10", "", "did you mean 'ball'?"),
    ("domain: {ball: -1}", "wrong-value", "4:16", "radius is negative", ""),
    ("domain: {ball: R}", "undeclared-symbol", "4:16", "symbol 'R' is not declared", ""),
    ("domain: {ball: }", "wrong-type", "4:15", "radius has no value", ""),
    ("domain: {ball: [1]}", "wrong-type", "4:16", "", ""),
    ("domain: {ball: {at: {a: 1}}}", "missing-key", "4:10", "ball needs the key 'radius'", ""),
    ("domain: {ball: {radius: 1, at: {b: 1}}}", "unknown-key", "4:33", "there is no step 'b'",
     "layers: a, tanh"),
    ("domain: {ball: {radius: 1, at: {residual: 1}}}", "wrong-value", "4:33",
     "residual is a residual block", ""),
    ("domain: {ball: {radius: 1, at: {a: -2}}}", "wrong-value", "4:36", "is negative", ""),
    ("domain: {everything: 1}", "wrong-type", "4:22", "everything takes no radius", ""),
    ("domain: [ball]", "wrong-type", "4:9", "not a list", ""),
    ("domain: {ball: 1, around_init: 2}", "wrong-type", "4:9", "not 2 keys", ""),
    ("domain: {[a]: 1}", "wrong-type", "4:10", "a key of domain is a list", ""),
    ("theorems: macdonald2022", "wrong-type", "4:11", "takes a list", ""),
    ("theorems: [macdonald]", "unknown-theorem", "4:12", "", "did you mean 'macdonald2022'?"),
    ("theorems: [macdonald2022.theorem_4_9]", "unknown-theorem", "4:12", "",
     "did you mean 'macdonald2022.theorem_4_8'?"),
    ("theorems: [{du2019: {rate: q}}]", "undeclared-symbol", "4:28", "", ""),
    ("theorems: [[a]]", "wrong-type", "4:12", "", ""),
    ("theorems: [du2019.theorem_5_1, du2019.theorem_5_1]", "duplicate-key", "4:32", "twice", ""),
    ("train: fast", "wrong-type", "4:8", "train takes a mapping", ""),
    ("train: {stpes: 3}", "unknown-key", "4:9", "train has no key 'stpes'",
     "did you mean 'steps'?"),
    ("train: {method: adam}", "wrong-value", "4:17", "one of gd, sgd", ""),
    ("train: {steps: -1}", "wrong-value", "4:16", "below 0", ""),
    ("train: {steps: 1/2}", "wrong-type", "4:16", "takes an integer", ""),
    ("train: {step_size: 0}", "wrong-value", "4:20", "not positive", ""),
    ("train: {momentum: 1}", "wrong-value", "4:19", "1 or more", ""),
    ("train: {momentum: -1/2}", "wrong-value", "4:19", "negative", ""),
    ("train: {weight_decay: -1}", "wrong-value", "4:23", "negative", ""),
    ("lyers: []", "unknown-key", "4:1", "the file has no key 'lyers'", "did you mean 'layers'?"),
    ("input: [1]", "duplicate-key", "4:1", "'input' of the file is given twice", "line 2"),
    ("? [a]\n: b", "wrong-type", "4:3", "a key of the file is a list", ""),
]


@pytest.mark.parametrize(("line", "code", "place", "part", "hint"), SYMBOLS + SETTINGS)
def test_one_bad_key(problems, line, code, place, part, hint):
    (problem,) = problems(BASE + line + "\n")
    assert (problem.code, problem.where) == (code, f"a.yaml:{place}")
    assert part in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("just words\n", [("wrong-type", "1:1")]),
        ("- a\n- b\n", [("wrong-type", "1:1")]),
        ("name: x\n", [("missing-key", "1:1")] * 3),
        ("govcheck: 2\ninput: [1]\nlayers: [tanh]\n", [("version", "1:11")]),
        ("govcheck: one\ninput: [1]\nlayers: [tanh]\n", [("version", "1:11")]),
        ("govcheck: 1\ninput: 64\nlayers: [tanh]\n", [("wrong-type", "2:8")]),
        (f"govcheck: 1\ninput: [{'1, ' * 17}]\nlayers: [tanh]\n", [("too-large", "2:8")]),
        ("govcheck: 1\ninput: []\nlayers: [tanh]\n", [("empty", "2:8")]),
        ("govcheck: 1\ninput: [0, -1, 1.5, x, [1], '']\nlayers: [tanh]\n",
         [("wrong-value", "2:9"), ("wrong-value", "2:12"), ("wrong-value", "2:16"),
          ("undeclared-symbol", "2:21"), ("wrong-type", "2:24"), ("formula", "2:29")]),
        ("govcheck: 1\ninput: [2]\nlayers: []\n", [("empty", "3:9")]),
        ("govcheck: 1\ninput: [2]\nlayers:\n", [("wrong-type", "3:8")]),
        ("govcheck: 1\ninput: [2]\nlayers: tanh\n", [("wrong-type", "3:9")]),
    ],
)
def test_whole_file(problems, text, expected):
    assert codes(problems(text)) == expected


def test_messages_are_one_line_with_place_and_hint(registry):
    with pytest.raises(InputError) as caught:
        spec.loads(BASE.replace("tanh", "tnah"), registry, file="net.yaml")
    assert str(caught.value) == "net.yaml:3:47: there is no layer 'tnah' (did you mean 'tanh'?)"


def test_hostile_text_in_messages(problems):
    for bad in (FULL.replace("- tanh", '- "\\e[31m\\nred"'), BASE + "c" * 5000 + ": 1\n",
                BASE + "train: {steps: " + "x" * 5000 + "}\n"):
        for p in problems(bad):
            assert str(p).isprintable()
            assert len(str(p)) < 400


def test_reserved_names_cover_what_analysis_adds():
    added = [SAMPLES, X_FROBENIUS, X_SPECTRAL, X_SIGMA, X_SIGMA_ONES, Y_FROBENIUS]
    assert {s.payload.name for s in added} <= set(RESERVED)


def test_thousands_of_blocks(read):
    block = """
  - residual:
      - affine: {out: m, weight: weight_norm, eps: 1, bias: false, scale: (1 - 1/10)/sqrt(m)}
      - tanh"""
    text = "govcheck: 1\nsymbols: {m: 64}\ninput: [m]\nlayers:" + block * 2000 + "\n"
    start = time.process_time()
    a = read(text)
    assert time.process_time() - start < 10
    assert len(a.body.steps) == 2000
    assert a.body.steps[-1].block.node == "residual_2000"
    scales = {s.block.body.steps[0].block.layer.scale for s in a.body.steps}
    assert scales == {Fraction(9, 10) / sqrt(sym("m"))}
