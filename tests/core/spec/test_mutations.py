"""Damaged files give an architecture or positioned problems, never anything else."""

import random
import re

from govcheck import spec
from govcheck.errors import InputError
from govcheck.graph.architecture import Architecture

FILES = [
    """\
govcheck: 1
name: weight-normalised residual net
symbols: {m: 64, H: 8, delta: 1/10, eps: 1}     # values optional
input: [64]
layers:
  - affine: {out: m, weight: entrywise, eps: eps, bias: false}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {out: m, weight: weight_norm, scale: (1 - delta)/sqrt(m)}
            - tanh
cost: square
data: {digits: {n: 32}}
theorems: [macdonald2022, {du2019.theorem_5_1: {rate: 1/2}}]
train: {method: gd, steps: 500, step_size: 1e-3}
""",
    """\
govcheck: 1
input: [3, 8, k]
symbols:
  k: 8
  R: null
layers:
  - pool: {by: 2, id: small}
  - flatten: {id: flat}
  - affine: {out: 3*4, id: head}
  - tanh: {id: t, from: late}
  - sum: {from: [head, t, late], id: s}
  - concat: {from: [s, head], id: wide}
  - affine: {out: 10, id: out}
  - tanh: {id: late, from: head}
  - affine: {out: 10, id: tail, from: flat}
  - sum: {from: [out, tail]}
domain: {ball: {radius: R, at: {head: 2*R}}}
init: {normal: {std: "1/sqrt(k)", seed: 7}}
""",
    """\
govcheck: 1
input: [m]
symbols: {m: , n: 2^4}
layers:
- parallel:
    join: concat
    branches:
    - - affine: {out: n}
      - residual: {block: [tanh, tanh: {id: q}], id: r}
    - []
- diagonal:
    width: >-
      n
      + m
- repeat: {times: 2, block: [residual: [residual: [tanh]]]}
domain: around_init
cost: {huber: {delta: "max(1, 1/2)"}}
""",
]
PIECES = [
    "*a", "&a ", "!!python/object:os.system ", "<<: ", "[", "]", "{", "}", ": ", "- ", "\t", "\n",
    "'", '"', "#", "|", ">", "%", "---\n", "...\n", "\\", "\0", "é", "\u2028", "\ufeff", "~",
    "null", "1e999", "9^9^9", "1/0", "sqrt(-1)", "(" * 70, "[" * 70, "id: a", "from: input",
    "from: late", "m", "e", "-", "0", "999999999999999999999", "times", "repeat", "tanh", "? ", ",",
]


def _by_bytes(rng, text):
    raw = bytearray(text.encode())
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(raw))
        match rng.randrange(3):
            case 0:
                raw[at] = rng.choice((rng.randrange(256), rng.randrange(32, 127)))
            case 1:
                del raw[at : at + rng.randint(1, 4)]
            case 2:
                raw[at:at] = bytes([rng.randrange(256)])
    return bytes(raw)


def _by_lines(rng, text):
    lines = text.splitlines()
    for _ in range(rng.randint(1, 2)):
        a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                lines[a], lines[b] = lines[b], lines[a]
            case 1:
                del lines[a]
            case 2:
                lines.insert(a, lines[b])
            case 3:
                lines[a] = " " * rng.randint(0, 9) + lines[a].lstrip()
    return "\n".join(lines).encode()


def _by_tokens(rng, text):
    tokens = re.findall(r"\w+|\s+|[^\w\s]", text)
    for _ in range(rng.randint(1, 2)):
        a, b = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(3):
            case 0:
                tokens[a] = rng.choice(PIECES)
            case 1:
                tokens[a], tokens[b] = tokens[b], tokens[a]
            case 2:
                tokens.insert(a, rng.choice(PIECES))
    return "".join(tokens).encode()


def test_the_files_are_valid(read):
    for text in FILES:
        assert isinstance(read(text), Architecture)


def test_500_mutated_files(tmp_path, registry):
    rng = random.Random(1)
    path = tmp_path / "mutant.yaml"
    outcomes = {"fine": 0, "refused": 0}
    codes = set()
    for k in range(500):
        mutate = (_by_bytes, _by_lines, _by_tokens)[k % 3]
        raw = mutate(rng, FILES[rng.randrange(len(FILES))])
        path.write_bytes(raw)
        try:
            found = spec.load(path, registry)
        except InputError as error:
            outcomes["refused"] += 1
            assert error.problems
            for p in error.problems:
                codes.add(p.code)
                assert p.message and str(p).isprintable(), raw
                assert re.fullmatch(re.escape(str(path)) + r":[1-9]\d*:[1-9]\d*", p.where), (p, raw)
                line = int(p.where.split(":")[-2])
                assert line <= raw.decode("utf-8", "replace").count("\n") + 3
        else:
            outcomes["fine"] += 1
            assert isinstance(found, Architecture)
    assert min(outcomes.values()) > 20, outcomes
    assert len(codes) > 15, codes
