"""Steps, edges and shapes: what is built, and where each mistake is reported."""

import pytest

from govcheck.bounds.expr import num, sym
from govcheck.graph.blocks import INPUT, Join, Leaf, Parallel, Repeat, Residual, leaves

H = sym("H")


def build(read, steps, shape="[m]", symbols="{m: 64, k: null, H: null}"):
    return read(f"govcheck: 1\ninput: {shape}\nsymbols: {symbols}\nlayers:\n{steps}\n")


def sources(chain):
    return [(s.block.node, s.sources) for s in chain.steps]


def test_nested_blocks(read):
    a = build(read, """
  - affine: {out: m, weight: entrywise, bias: false}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {out: m}
            - tanh
  - residual: {block: [tanh], id: skip}
  - parallel:
      join: concat
      branches:
        - [{affine: {out: 2*m}}]
        - []
  - tanh:
""")
    blocks = [s.block for s in a.body.steps]
    assert [type(b) for b in blocks] == [Leaf, Repeat, Residual, Parallel, Leaf]
    assert [b.node for b in blocks] == ["affine", "repeat", "skip", "parallel", "tanh_3"]
    assert a.body.linear
    first, again, skip, wide, _ = blocks
    assert (first.layer.weight, first.layer.bias) == ("entrywise", False)
    assert (str(first.mark), str(skip.mark)) == ("a.yaml:6:5", "a.yaml:13:5")
    assert again.times is H - 1
    assert [x.node for x in leaves(a.body)] == ["affine", "affine_2", "tanh", "tanh_2",
                                               "affine_3", "tanh_3"]
    assert (wide.join, [len(c.steps) for c in wide.branches]) == ("concat", [1, 0])
    assert a.output == (3 * sym("m"),)


def test_names_pass_over_ids(read):
    a = build(read, "  - tanh: {id: tanh_2}\n  - tanh\n  - tanh\n  - affine: {out: 1, id: tanh}")
    assert [s.block.node for s in a.body.steps] == ["tanh_2", "tanh_3", "tanh_4", "tanh"]


def test_edges(read):
    a = build(read, """
  - affine: {out: m, id: a}
  - tanh: {id: b}
  - affine: {out: m, from: a, id: c}
  - sum: {from: [b, c, input], id: sum_in}
  - concat: {from: [sum_in, input], id: sum_out}
  - tanh: {from: sum_out}
""")
    assert sources(a.body) == [("a", (INPUT,)), ("b", (0,)), ("c", (0,)), ("sum_in", (1, 2, INPUT)),
                               ("sum_out", (3, INPUT)), ("tanh", (4,))]
    assert isinstance(a.body.steps[3].block, Join)
    assert a.output == (2 * sym("m"),)


def test_forward_references_are_sorted(read):
    a = build(read, """
  - tanh: {from: late, id: mid}
  - affine: {out: m, id: end, from: mid}
  - tanh: {id: late, from: input}
  - sum: {from: [end, late]}
""")
    assert sources(a.body) == [("late", (INPUT,)), ("mid", (0,)), ("end", (1,)), ("sum", (2, 0))]


def test_edges_inside_blocks(read):
    a = build(read, """
  - residual:
      - affine: {out: m, id: a}
      - tanh: {id: b}
      - sum: {from: [a, b, input]}
""")
    (step,) = a.body.steps
    assert sources(step.block.body)[-1] == ("sum", (0, 1, INPUT))


def test_shapes_equal_by_value(read):
    a = build(read, "  - residual:\n      - affine: {out: 64}\n  - diagonal: {width: 8^2}")
    # the layer's own rule is then asked with values
    assert a.output == (num(64),)
    b = build(read, "  - diagonal: {width: m, factor: sqrt(2)}", shape="[64]")
    assert b.output == (num(64),)


def test_images(read):
    a = build(read, "  - pool: {by: 2}\n  - flatten\n  - affine: {out: 10}", shape="[3, 32, k]")
    assert a.input == (num(3), num(32), sym("k"))
    assert a.output == (num(10),)


def codes(found):
    return [(code, place) for code, place, _ in found]


ONE_STEP = [
    ("  - tnah", "unknown-layer", "5:5", "no layer 'tnah'", "did you mean 'tanh'?"),
    ("  - Affine: {out: 3}", "unknown-layer", "5:5", "", "did you mean 'affine'?"),
    ("  - affine: {out: 3, wieght: plain}", "unknown-key", "5:22", "no key 'wieght'",
     "did you mean 'weight'?"),
    ("  - affine: {bias: true}", "missing-key", "5:5", "affine needs the key 'out'",
     "write affine: {out: …}"),
    ("  - affine", "missing-key", "5:5", "needs the key 'out'", "write affine: {out: …}"),
    ("  - affine: 12", "wrong-type", "5:13", "takes a mapping", "write - affine: {out: 12}"),
    ("  - affine: [12]", "wrong-type", "5:13", "takes a mapping, not a list", ""),
    ("  - affine: {out: 3, out: 4}", "duplicate-key", "5:22", "'out' of affine is given twice",
     "the first is in line 5; keep one of them"),
    ("  - affine: {out: 3, <<: {bias: true}}", "alias", "5:22", "merge keys", ""),
    ("  - affine: {out: 3, [1]: 2}", "wrong-type", "5:22", "a key of affine is a list", ""),
    ("  - affine: {out: q + 1}", "undeclared-symbol", "5:19", "symbol 'q' is not declared",
     "declare it under symbols, as in symbols: {q: null}"),
    ("  - affine: {out: 1 + mm}", "undeclared-symbol", "5:23", "'mm'",
     "did you mean 'm'? otherwise declare it under symbols"),
    ("  - affine: {out: }", "wrong-type", "5:18", "out of affine has no value", ""),
    ("  - affine: {out: [3]}", "wrong-type", "5:19", "takes a formula, not a list", ""),
    ("  - affine: {out: 3, scale: 1/(m - 64)}", "no-value", "5:29", "division by zero", ""),
    ("  - affine: {out: 3, scale: sqrt(m - 65)}", "no-value", "5:29", "negative number", ""),
    ("  - affine: {out: 3, scale: 1/0}", "division-by-zero", "5:31", "division by zero", ""),
    ("  - affine: {out: 3, bias: no}", "wrong-type", "5:28", "takes true or false, not 'no'",
     "write false"),
    ("  - affine: {out: 3, bias: True}", "wrong-type", "5:28", "", "write true"),
    ("  - affine: {out: 3, bias: m}", "wrong-type", "5:28", "", "write true or false"),
    ("  - affine: {out: 3, groups: 1.5}", "wrong-type", "5:30", "takes an integer", ""),
    ("  - affine: {out: 3, groups: m}", "wrong-type", "5:30", "takes an integer", ""),
    ("  - affine: {out: 3, groups: 1:30}", "formula", "5:31", "unexpected character ':'", ""),
    ("  - affine: {out: 3, groups: 0}", "wrong-value", "5:5", "groups must be at least 1", ""),
    ("  - affine: {out: 3, weight: entry}", "wrong-value", "5:30",
     "one of plain, weight_norm, entrywise", "did you mean 'entrywise'?"),
    ("  - affine: {out: 3, weight: []}", "wrong-type", "5:30", "takes one of", ""),
    ("  - affine: {out: 3, note: {}}", "wrong-type", "5:28", "takes a word", ""),
    ("  - affine: {out: 5/2}", "shape-mismatch", "5:5", "5/2 is not a positive integer", ""),
    ("  - affine: {out: 0}", "shape-mismatch", "5:5", "0 is not a positive integer", ""),
    ("  - affine: {out: m - 70}", "shape-mismatch", "5:5",
     "'m - 70' is -6, not a positive integer", ""),
    ("  - affine: {out: sqrt(m + 1)}", "shape-mismatch", "5:5", "is 8.0622577, not a", ""),
    ("  - affine: {out: log(exp(m))}", "shape-mismatch", "5:5",
     "cannot be shown to be an integer", ""),
    ("  - affine:\n    out: 3", "step", "6:5", "a step has one key, here there are 2",
     "indent the keys of 'affine' further"),
    ("  - {}", "step", "5:5", "a one-key mapping, not a mapping", ""),
    ("  - [tanh]", "step", "5:5", "not a list", ""),
    ("  -", "step", "5:4", "not nothing", ""),
    ("  - tanh: {id: 2a}", "bad-name", "5:16", "id '2a' is not a name", "a letter, then"),
    ("  - tanh: {id: a-b}", "bad-name", "5:16", "", ""),
    ("  - tanh: {id: [a]}", "wrong-type", "5:16", "", ""),
    ("  - tanh: {id: input}", "bad-name", "5:16", "stands for the block's input", ""),
    ("  - tanh: {from: nowhere}", "dangling-from", "5:18", "no step has the id 'nowhere'",
     "ids of this block: input"),
    ("  - tanh: {from: []}", "wrong-value", "5:18", "from of tanh is empty", ""),
    ("  - tanh: {from: {a: b}}", "wrong-type", "5:18", "from takes a word", ""),
    ("  - tanh: {id: a, from: a}", "cycle", "5:25", "form a cycle: a -> a", ""),
    ("  - repeat", "missing-key", "5:5", "needs the key", "repeat: {times: H, block: […]}"),
    ("  - repeat: [tanh]", "wrong-type", "5:13", "repeat takes a mapping, not a list", ""),
    ("  - repeat: {times: 2, body: [tanh]}", "missing-key", "5:5",
     "needs the key 'block'", ""),
    ("  - repeat: {times: 5/2, block: [tanh]}", "wrong-value", "5:21",
     "5/2 is not a non-negative integer", ""),
    ("  - repeat: {times: 63 - m, block: [tanh]}", "wrong-value", "5:21",
     "'63 - m' is -1, not a non-negative integer", ""),
    ("  - repeat: {times: 2, block: []}", "empty", "5:31", "block of repeat has no steps", ""),
    ("  - repeat: {times: 2, block: tanh}", "wrong-type", "5:31", "takes a list of steps", ""),
    ("  - repeat: {times: H, block: [affine: {out: 32}]}", "shape-mismatch", "5:5",
     "the block of repeat changes the shape from [64] to [32]: 64 is not 32", ""),
    ("  - repeat: {times: H, block: [affine: {out: k}]}", "shape-mismatch", "5:5",
     "64 = k cannot be decided while k has no value", ""),
    ("  - residual: []", "empty", "5:15", "residual has no steps", ""),
    ("  - residual: tanh", "wrong-type", "5:15", "residual takes a mapping, not 'tanh'", ""),
    ("  - residual: [affine: {out: 2*m}]", "shape-mismatch", "5:5",
     "64 is not 2*m = 128", ""),
    ("  - residual: [affine: {out: 2*k - k + H}]", "shape-mismatch", "5:5",
     "64 = k + H cannot be decided while k, H have no values", ""),
    ("  - parallel: {join: add, branches: [[tanh], []]}", "wrong-value", "5:22", "", ""),
    ("  - parallel: {join: sum, branches: [[tanh]]}", "wrong-value", "5:37", "needs two", ""),
    ("  - parallel: {join: sum, branches: {a: [tanh]}}", "wrong-type", "5:37",
     "a list of lists", ""),
    ("  - parallel: {join: sum, branches: [tanh, []]}", "wrong-type", "5:38",
     "a branch takes a list of steps, not 'tanh'", ""),
    ("  - parallel: {join: sum, branches: [[tanh], [affine: {out: 3}]]}", "shape-mismatch",
     "5:46", "parallel adds shapes [64] and [3]: 64 is not 3", ""),
    ("  - sum", "missing-key", "5:5", "sum needs the key 'from'", "write sum: {from: [a, b]}"),
    ("  - sum: [a, b]", "wrong-type", "5:10", "sum takes a mapping, not a list", ""),
    ("  - sum: {from: input}", "wrong-value", "5:17", "two or more steps", ""),
    ("  - sum: {from: [input, input]}", "wrong-value", "5:25", "names 'input' twice", ""),
    ("  - faulty", "plugin-failed", "5:5", "KeyError in the shape rule", "fault of the plugin"),
    ("  - diagonal: {width: 63}", "shape-mismatch", "5:5",
     "diagonal cannot take an input of shape [64]: the width is 63", ""),
    ("  - diagonal: {width: k}", "shape-mismatch", "5:5", "the width is k", ""),
]


@pytest.mark.parametrize(("steps", "code", "place", "part", "hint"), ONE_STEP)
def test_one_mistake_gives_one_problem(net, steps, code, place, part, hint):
    found = net(steps)
    first, where, problem = found[0]
    assert (first, where) == (code, place)
    assert part in problem.message
    assert hint in problem.hint
    # a bare `repeat` lacks two keys
    assert len(found) == (2 if steps.strip() == "- repeat" or "body" in steps else 1), found


def test_unknown_shapes_do_not_cascade(net):
    assert codes(net("  - affine: {out: q}\n  - residual: [affine: {out: 3}]\n  - flatten")) == [
        ("undeclared-symbol", "5:19")]
    assert codes(net("  - affine: {out: 3}\n    bias: true\n  - diagonal: {width: 3}")) == [
        ("step", "6:5")]
    assert codes(net("  - tanh: {from: x}\n  - diagonal: {width: 3}")) == [
        ("dangling-from", "5:18")]


def test_errors_go_on_after_a_shape_error(net):
    found = net("  - residual: [affine: {out: 3}]\n  - affine: {out: 5}\n"
                "  - residual: [affine: {out: 4}]")
    assert codes(found) == [("shape-mismatch", "5:5"), ("shape-mismatch", "7:5")]


def test_cycle_through_forward_references(net):
    found = net("""  - tanh: {id: a}
  - affine: {out: m, id: b, from: d}
  - tanh: {id: c}
  - tanh: {id: d}
  - sum: {from: [a, d]}""")
    assert codes(found) == [("cycle", "6:35")]
    assert found[0][2].message == "these steps form a cycle: b -> c -> d -> b"


def test_two_cycles_and_errors_inside(net):
    found = net("""  - tanh: {id: a, from: b}
  - tanh: {id: b, from: a}
  - tanh: {id: c, from: d}
  - affine: {out: q, id: d, from: c}""")
    assert codes(found) == [("cycle", "5:25"), ("cycle", "7:25"), ("undeclared-symbol", "8:19")]


def test_long_cycle_is_shortened(net):
    steps = "  - tanh: {id: first, from: last}\n" + "  - tanh\n" * 500 + "  - tanh: {id: last}"
    ((code, place, problem),) = net(steps)
    assert (code, place) == ("cycle", "5:29")
    assert "…" in problem.message
    assert len(problem.message) < 200


def test_from_reaches_its_own_block_only(net):
    found = net("""  - tanh: {id: outer}
  - residual:
      - tanh: {id: inner, from: outer}
  - sum: {from: [outer, inner]}
  - tanh: {from: affine}
  - affine: {out: 64, from: tanh_2}""")
    assert [c for c, _, _ in found] == ["from-outside", "from-outside", "dangling-from",
                                        "dangling-from"]
    assert [w for _, w, _ in found] == ["7:33", "8:25", "9:18", "10:29"]
    assert "line 5" in found[0][2].message
    assert "line 7" in found[1][2].message
    assert "id: affine to the affine in line 10" in found[2][2].hint


def test_near_ids_are_suggested(net):
    found = net("  - tanh: {id: alpha}\n  - sum: {from: [alhpa, input]}")
    assert codes(found) == [("dangling-from", "6:18")]
    assert found[0][2].hint == "did you mean 'alpha'?"


def test_duplicate_ids(net):
    found = net("  - tanh: {id: a}\n  - residual:\n    - tanh: {id: a}\n  - residual:\n"
                "      id: a\n      block: [tanh]")
    assert codes(found) == [("duplicate-id", "7:18"), ("duplicate-id", "9:11")]


def test_layers_take_one_input(net):
    found = net("  - tanh: {id: a}\n  - tanh: {id: b}\n  - tanh: {from: [a, b]}")
    assert codes(found) == [("wrong-value", "7:22")]
    assert "sum or concat" in found[0][2].hint


def test_unused_steps(net):
    found = net("  - tanh: {id: a}\n  - affine: {out: 3}\n  - tanh: {from: a}\n  - tanh")
    assert codes(found) == [("unused-step", "6:5")]
    assert "the output of affine is not used" in found[0][2].message


def test_sum_and_concat_shapes(net):
    head = "  - flatten: {id: a}\n  - affine: {out: 3, id: b}\n  - affine: {out: 3, id: c}\n"
    found = net(head + "  - sum: {from: [b, c, a]}")
    assert codes(found) == [("shape-mismatch", "8:24")]
    assert "sum adds shapes [3] and [64]: 3 is not 64" in found[0][2].message
    image = "  - tanh: {id: a}\n  - pool: {by: 2, id: b}\n  - concat: {from: [a, b]}"
    found = net(image, shape="[3, 8, 8]")
    assert codes(found) == [("shape-mismatch", "7:24")]
    assert "[3, 8, 8] and [3, 8, 4]: 8 is not 4" in found[0][2].message
    found = net("  - flatten: {id: a}\n  - sum: {from: [a, input]}", shape="[3, 8]")
    assert "1 dimensions against 2" in found[0][2].message


def test_rank_errors_name_the_shape(net):
    ((code, place, problem),) = net("  - tanh\n  - affine: {out: 3}", shape="[3, 8, 8]")
    assert (code, place) == ("shape-mismatch", "6:5")
    assert problem.message == ("affine cannot take an input of shape [3, 8, 8]: affine takes "
                               "vectors; put flatten before it")


def test_pooling_that_does_not_divide(net):
    ((code, _, problem),) = net("  - pool: {by: 3}", shape="[3, m]")
    assert code == "shape-mismatch"
    assert "'m/3' is 64/3, not a positive integer" in problem.message


def test_all_errors_of_a_file_at_once(net):
    found = net("""  - afine: {out: 3}
  - affine: {out: 3, bias: no, wieght: plain}
  - affine: {out: 1/0}
  - repeat:
      times: -1
      block:
        - residual:
          - affine: {ot: 3}
  - tanh: {from: nowhere}""", head="cots: square")
    assert codes(found) == [
        ("unknown-layer", "5:5"), ("wrong-type", "6:28"), ("unknown-key", "6:32"),
        ("division-by-zero", "7:21"), ("wrong-value", "9:14"), ("missing-key", "12:13"),
        ("unknown-key", "12:22"), ("dangling-from", "13:18"), ("unknown-key", "14:1"),
    ]
