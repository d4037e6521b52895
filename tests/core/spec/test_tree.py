"""YAML that an architecture file does not need is refused, at its place."""

import time

import pytest
import yaml

from govcheck.errors import InputError
from govcheck.spec.tree import (
    MAX_DEPTH,
    ListNode,
    MapNode,
    Problems,
    ScalarNode,
    parse,
)

LOADERS = [yaml.SafeLoader]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(yaml.CSafeLoader)


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def tree(request):
    return lambda text: parse(Problems("f", text), request.param)


@pytest.mark.parametrize(
    ("text", "code", "place", "part"),
    [
        ("", "empty", "1:1", "the file is empty"),
        ("\n\n  \n", "empty", "1:1", ""),
        ("# only a comment\n", "empty", "1:1", ""),
        ("---\n...\n", "empty", "1:1", ""),
        ("null", "empty", "1:1", ""),
        ("a: [1, 2\nb: 3\n", "not-yaml", "2:2", "this is not YAML"),
        ("a: b: c\n", "not-yaml", "1:5", "mapping values are not allowed"),
        ("a:\n\t- b\n", "not-yaml", "2:1", "cannot start any token"),
        ("a: 'b\n", "not-yaml", "2:1", "quoted scalar"),
        ("a: }\n", "not-yaml", "1:4", ""),
        ("a: 1\n---\nb: 2\n", "documents", "2:1", "second YAML document"),
        ("a: !!python/object/apply:os.system [x]\n", "tag", "1:4", "tags are not read"),
        ("a: !!str b\n", "tag", "1:4", ""),
        ("a: ! b\n", "tag", "1:4", "tag '!'"),
        ("b: 1\na: &x [1]\n", "alias", "2:4", "anchor 'x'"),
        ("b: 1\na: *x\n", "alias", "2:4", "alias 'x'"),
    ],
)
def test_refused(tree, text, code, place, part):
    with pytest.raises(InputError) as caught:
        tree(text)
    problem = caught.value.problems[0]
    assert (problem.code, problem.where) == (code, f"f:{place}")
    assert part in problem.message


def test_tab_hint(tree):
    with pytest.raises(InputError) as caught:
        tree("a:\n\t- b\n")
    assert caught.value.problems[0].hint == "indent with spaces, not with tabs"


def test_all_refusals_of_one_file_together(tree):
    with pytest.raises(InputError) as caught:
        tree("a: &x !t 1\nb: *x\n")
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("alias", "f:1:4"), ("tag", "f:1:4"), ("alias", "f:2:4")]


def test_alias_bomb_is_not_expanded(tree):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for k in range(1, 30):
        refs = ", ".join([f"*a{k - 1}"] * 9)
        lines.append(f"a{k}: &a{k} [{refs}]")
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        tree("\n".join(lines))
    assert time.process_time() - start < 1
    assert {p.code for p in caught.value.problems} == {"alias"}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 100_000])
@pytest.mark.parametrize("style", ["[", "{a: "])
def test_deep_nesting_is_refused_at_the_limit(tree, depth, style):
    with pytest.raises(InputError) as caught:
        tree(style * depth)
    (problem,) = caught.value.problems
    # libyaml gives up by itself on extreme nesting
    assert problem.code in ("too-deep", "not-yaml")
    if problem.code == "too-deep":
        assert problem.where == f"f:1:{MAX_DEPTH * len(style) + 1}"


def test_deep_block_sequences(tree):
    with pytest.raises(InputError) as caught:
        tree("- " * 3000 + "a")
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("too-deep", f"f:1:{2 * MAX_DEPTH + 1}")]


def test_nesting_up_to_the_limit(tree):
    node = tree("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    depth = 0
    while isinstance(node, ListNode):
        node, depth = (node.items[0] if node.items else None), depth + 1
    assert depth == MAX_DEPTH


def test_too_many_elements(tree):
    with pytest.raises(InputError) as caught:
        tree("[" + "a," * 510_000 + "]")
    assert [p.code for p in caught.value.problems] == ["too-large"]


def test_scalars_stay_text(tree):
    root = tree("{a: 1e-3, b: no, c: 010, d: 1:30, e: 2001-01-01, f: 'x', g: , h: ~}")
    assert isinstance(root, MapNode)
    assert [v.text for _, v in root.pairs] == [
        "1e-3", "no", "010", "1:30", "2001-01-01", "x", "", "~"]
    assert [v.null for _, v in root.pairs] == [False] * 6 + [True] * 2


SAMPLES = [
    "a: {b: [1, 'q', \"r\"], c: }\nd:\n- e\n- f: g\n  h:\n",
    "ä: [ü, 'é']\n日本: |\n  x\n  y\nz: >-\n  folded\n  text\n",
    "plain: one\n  two\n  three # end\nnext: 1\n",
    "- - a\n  - b\n-\n  c: d\n- ? k\n  : v\n",
    "a: 1\r\nb:\r\n  - x\r\n  - y\u2028    c\n",
    "z: {c: , b: }\nd:\n- f: g\n  h:\n\nk: \n",
    "- \n-   # x\n- {a: ,\n  b:   \n  }\n-\n\n- [a, {}]\n",
    "\"quoted key\": 'it''s'\n'k': \"a\\nb\"\n",
]


@pytest.mark.skipif(len(LOADERS) < 2, reason="PyYAML without libyaml")
@pytest.mark.parametrize("text", SAMPLES)
def test_both_parsers_give_the_same_tree(text):
    first, second = (parse(Problems("f", text), loader) for loader in LOADERS)
    assert first == second


@pytest.mark.parametrize(
    ("text", "needle", "place"),
    [
        ("a: 1 + q\n", "q", (1, 8)),
        ("a: '1 + q'\n", "q", (1, 9)),
        ('a: "1 + q"\n', "q", (1, 9)),
        ("a: 1 +\n    2 +\n    q\n", "q", (3, 5)),
        ('a: "1 +\n  2 + q"\n', "q", (2, 7)),
        ("a: >-\n  1 +\n  2 + q\n", "q", (3, 7)),
        ("a: |\n  1 +\n  2 + q\n", "q", (3, 7)),
        ("ä: [ö, q]\n", "q", (1, 8)),
        # an escape shifts what follows by an unknown amount: the scalar itself is named
        ('a: "1\\x20+ q"\n', "q", (1, 4)),
    ],
)
def test_places_inside_scalars(tree, text, needle, place):
    root = tree(text)
    value = root.pairs[0][1]
    if isinstance(value, ListNode):
        value = value.items[-1]
    assert isinstance(value, ScalarNode)
    assert Problems("f", text).place(value, value.text.index(needle)) == place


def test_problems_are_sorted_unique_and_limited():
    problems = Problems("f", "")
    for line in range(500, 1, -1):
        problems.at("c", "m", line, 1)
        problems.at("c", "m", line, 1)
    assert [p.where for p in problems.error().problems] == [f"f:{k}:1" for k in range(2, 501)]
    with pytest.raises(InputError) as caught:
        problems.at("c", "m", 1, 1)
    found = caught.value.problems
    assert (len(found), found[0].where) == (501, "f:1:1")
    assert found[-1].message == "reading stopped after 500 problems"
