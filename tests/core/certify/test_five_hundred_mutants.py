"""Five hundred mutants of the accepted certificates of all examples; a few of each by default."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import govcheck
from govcheck.certify import checker
from govcheck.certify.program import task
from govcheck.certify.search import certify

File = dict[str, Any]
Holds = Callable[[File], bool]
EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL = {
    "digits": {"m: 64": "m: 12", "n: 50": "n: 4"},
    "residual": {"m: 32, H: 4": "m: 6, H: 2", "n: 20": "n: 3"},
    "weight_normalised": {"m: 16": "m: 4", "n: 3": "n: 2"},
    "conv": {"n: 10": "n: 3", "out: 6": "out: 2"},
    "cross_entropy": {"m: 128, s: 512": "m: 24, s: 4096", "n: 10": "n: 2", "out: 10": "out: 3"},
    "from_start": {"m: 32": "m: 8", "n: 10": "n: 3"},
    "initial": {"m: 128": "m: 48", "n: 10": "n: 3"},
    "layer_norm": {"m: 12": "m: 4", "n: 10": "n: 2"},
    "batch_norm": {"m: 12": "m: 4", "n: 10": "n: 4"},
}


def _accepted(name: str, small: bool) -> File:
    path = EXAMPLES / f"certify_{name}.yaml"
    text = path.read_text()
    for old, new in SMALL[name].items() if small else ():
        assert old in text
        text = text.replace(old, new)
    if small and name == "cross_entropy":
        text = text.replace("digits: {n: 2, norm: unit, center: true}",
                            "sphere: {n: 2, classes: 3, seed: 0}")
    found = certify(task(govcheck.loads(text)), shadow=name == "from_start",
                    steps=0 if name in ("cross_entropy", "initial") else 5000)
    assert found.file is not None
    return found.file


def _number(x: str) -> float:
    return float.fromhex(x)


NONSENSE: list[Any] = [
    None, True, [], {}, "nan", "inf", "-inf", "0x1.0000000000000p+9999", "0x1.8p+1024", -1, 10**10,
    "0x1.80p+0", "0x" + "f" * 10**5, "0x1.fffffffffffffp+1023", "-0x1.0000000000000p+0", [[[]]],
    "0x0.0000000000001p-1022", "\ud800", "9" * 10**6,
]


def _places(at: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in at.items() if isinstance(at, dict) else enumerate(at):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*path, key))


def _at(file: File, path: tuple[Any, ...]) -> Any:
    at: Any = file
    for key in path:
        at = at[key]
    return at


def _with(file: File, path: tuple[Any, ...], value: Any, rehash: bool = True) -> File:
    mutant = copy.deepcopy(file)
    _at(mutant, path[:-1])[path[-1]] = value
    if rehash and path[-2:-1] == ("values",):
        array = _at(mutant, path[:-2])
        array["sha256"] = checker.Array((), [_number(v) for v in array["values"]]).sha256()
    return mutant


def _mutants(file: File, seed: int) -> Iterator[tuple[str, bytes]]:
    """About 90 mutants, named; every claim and every kind of place is hit."""
    rng = random.Random(seed)
    places = [p for p in _places(file) if p[0] != "about"]
    keys = [p for p in places if isinstance(p[-1], str)]
    many = [p for p in places if {"values", "factor"} & set(p[:-1])]
    few = [p for p in places if p not in set(many)]

    def dumped(mutant: File) -> bytes:
        return json.dumps(mutant).encode()

    numbers = [("claims", k) for k in file["claims"]] + [("step",), ("witness", "shift")]
    for path in numbers:
        value = _number(_at(file, path))
        for what, new in (("minus", -value), ("up", value * 1.01), ("down", value * 0.99),
                          ("huge", value * 2.0**90), ("tiny", value * 2.0**-90)):
            yield f"{path} {what}", dumped(_with(file, path, new.hex()))
    for path in rng.sample(few, 16):
        yield f"{path} nonsense", dumped(_with(file, path, rng.choice(NONSENSE)))
    for path in rng.sample(many, 6):
        if isinstance(_at(file, path), str):
            yield f"{path} nan", dumped(_with(file, path, "nan", rehash=False))
            for what, new in (("sign", -_number(_at(file, path))), ("far", 2.0**100)):
                yield f"{path} {what}", dumped(_with(file, path, new.hex()))
    for path in rng.sample(keys, 6):
        mutant = copy.deepcopy(file)
        del _at(mutant, path[:-1])[path[-1]]
        yield f"{path} lost", dumped(mutant)
    for name in ("inputs", "targets"):
        array = file["data"][name]
        yield f"{name} shape", dumped(_with(file, ("data", name, "shape"), array["shape"][::-1]))
        yield f"{name} hash", dumped(_with(file, ("data", name, "sha256"), "0" * 64))
        yield f"{name} cut", dumped(_with(file, ("data", name, "values"), array["values"][1:]))
    first, second = rng.sample(sorted(file["parameters"]), 2)
    swapped = copy.deepcopy(file)
    both = swapped["parameters"]
    both[first], both[second] = both[second], both[first]
    yield "swapped", dumped(swapped)
    yield "program backwards", dumped(_with(file, ("program",), file["program"][::-1]))
    text = dumped(file)
    yield "truncated", text[: rng.randrange(len(text))]
    yield "twice", text.replace(b'"step": ', b'"step": "0x1.0000000000000p-20", "step": ')
    yield "digits", text.replace(b'"bits": ', b'"bits": ' + b"1" * 10**6)
    yield "float", text.replace(b'"bits": ', b'"bits": 1.')
    yield "deep", text.replace(b'"bits": ', b'"bits": ' + b"[" * 10**5)


def _judge(text: bytes) -> bool:
    try:
        found = checker.check(checker.read(text), limit=4 * 10**8)
    except checker.MalformedError as error:
        assert 5 < len(str(error)) < 500
        return False
    assert found.accepted or any(not x.holds and x.text for x in found.lines)
    return found.accepted


@pytest.mark.parametrize("name", sorted(SMALL))
def test_mutants_are_refused_or_true(name: str, claims_hold: Holds) -> None:
    file = _accepted(name, small=True)
    text = json.dumps(file).encode()
    assert _judge(text)
    assert claims_hold(file)
    refused = 0
    found = list(_mutants(file, seed=len(name)))
    for what, mutant in random.Random(0).sample(found, 40):
        if mutant != text and not _judge(mutant):
            refused += 1
        else:
            assert claims_hold(json.loads(mutant)), what
    assert refused >= 20


@pytest.mark.slow
def test_five_hundred_mutants_of_the_examples(capsys: Any, claims_hold: Holds) -> None:
    """Minutes: the certificates of the examples themselves, all their mutants."""
    total = refused = 0
    for name in sorted(SMALL):
        file = _accepted(name, small=False)
        text = json.dumps(file).encode()
        assert _judge(text)
        for what, mutant in _mutants(file, seed=1):
            total += 1
            if mutant != text and not _judge(mutant):
                refused += 1
            else:
                assert claims_hold(json.loads(mutant)), (name, what)
    with capsys.disabled():
        print(f"\n{total} mutants, {refused} refused, {total - refused} still true")
    assert total >= 500
    assert refused >= 0.7 * total
