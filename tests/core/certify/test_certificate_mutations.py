"""Certificates with a mistake in them: refused with a reason, unless what they say stays true."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from govcheck.certify import checker
from govcheck.certify.search import certify

File = dict[str, Any]
KINDS = ("residual", "images")


@pytest.fixture(scope="module")
def files() -> dict[str, File]:
    return {}


@pytest.fixture(params=KINDS)
def accepted(
    request: pytest.FixtureRequest, files: dict[str, File],
    make_case: Callable[..., Any],
) -> File:
    """An accepted certificate."""
    kind = request.param
    if kind not in files:
        case = make_case(kind, seed=1, samples=2, size=0.9)
        outcome = certify(case.task, steps=2000, bits=96)
        assert outcome.file is not None
        files[kind] = outcome.file
    return copy.deepcopy(files[kind])


def _paths(at: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def _set(file: File, path: tuple[Any, ...], value: Any) -> None:
    at: Any = file
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value


def _get(file: File, path: tuple[Any, ...]) -> Any:
    at: Any = file
    for key in path:
        at = at[key]
    return at


def _rehash(file: File) -> None:
    """What somebody who knows the format would do after changing a value."""
    for at in (*file["parameters"].values(), *file["data"].values()):
        values = [float.fromhex(v) for v in at["values"]]
        at["sha256"] = checker.Array((), values).sha256()


def _verdict(text: bytes) -> tuple[bool, str]:
    try:
        found = checker.check(checker.read(text))
    except checker.MalformedError as error:
        assert 5 < len(str(error)) < 400
        return False, str(error)
    return found.accepted, found.statement


WRONG: list[Any] = [
    None, True, False, [], {}, "", "x", "nan", "inf", "-inf", "NaN", "Infinity", "0x1p+99999",
    "0x1.8p+1024", "1.5", "0x1.80p+0", "0x1.8P+0", " 0x1.8000000000000p+0", "0x" + "f" * 1000,
    "0x1.0000000000000p+0\n", "-0x0.0p+0", 0, -1, 2**31, 10**9, "0x1.fffffffffffffp+1023",
    "0x0.0000000000001p-1022",
]


def test_random_places_with_nonsense(
    accepted: File, claims_hold: Callable[[File], bool]
) -> None:
    file = accepted
    rng = random.Random(0)
    paths = [p for p in _paths(file) if p[0] != "about"]
    # values are many and alike; every other key is hit
    few = [p for p in paths if not ({"values", "factor"} & set(p[:-1]))]
    many = [p for p in paths if {"values", "factor"} & set(p[:-1])]
    refused = 0
    for path in [*few, *rng.sample(many, min(60, len(many)))]:
        for value in rng.sample(WRONG, 3):
            mutant = copy.deepcopy(file)
            if _get(mutant, path) == value and type(_get(mutant, path)) is type(value):
                continue
            _set(mutant, path, value)
            good, _ = _verdict(json.dumps(mutant).encode())
            refused += not good
            if good:
                assert claims_hold(mutant), (path, value)
    assert refused > 300


def test_numbers_moved_a_little(
    accepted: File, claims_hold: Callable[[File], bool]
) -> None:
    """With hashes made right again, so that the inequalities must notice."""
    file = accepted
    rng = random.Random(1)
    paths = [p for p in _paths(file)
             if isinstance(_get(file, p), str) and _get(file, p).startswith(("0x", "-0x"))]
    few = [p for p in paths if p[0] in ("claims", "step", "witness", "program")]
    refused = good = 0
    for path in [*few, *rng.sample([p for p in paths if p not in few], 40)]:
        for change in (lambda v: -v, lambda v: v * 1.001, lambda v: v * 0.999, lambda v: v + 1,
                       lambda v: v * 1e-9, lambda v: v * 1e12):
            mutant = copy.deepcopy(file)
            _set(mutant, path, float(change(float.fromhex(_get(mutant, path)))).hex())
            _rehash(mutant)
            if _get(mutant, path) == _get(file, path):
                continue
            fine, _ = _verdict(json.dumps(mutant).encode())
            refused, good = refused + (not fine), good + fine
            if fine:
                assert claims_hold(mutant), (path, _get(mutant, path))
    assert refused > 100
    assert good  # weaker claims, and data that moved toward the outputs, are still true


def test_keys_lost_doubled_and_added(accepted: File) -> None:
    file = accepted
    text = json.dumps(file)
    for path in _paths(file):
        if isinstance(path[-1], str) and path[0] != "about":
            mutant = copy.deepcopy(file)
            del _get(mutant, path[:-1])[path[-1]]
            assert not _verdict(json.dumps(mutant).encode())[0], path
            mutant = copy.deepcopy(file)
            _get(mutant, path[:-1])["more"] = 1
            assert not _verdict(json.dumps(mutant).encode())[0], path
    step = f'"step": "{file["step"]}"'
    assert step in text
    assert "twice" in _verdict(text.replace(step, f'{step}, "step": "0x1.0p+0"').encode())[1]


def test_arrays_swapped_turned_and_cut(
    accepted: File, claims_hold: Callable[[File], bool]
) -> None:
    file = accepted
    names = sorted(file["parameters"])
    for i, a in enumerate(names):
        for b in names[:i]:
            mutant = copy.deepcopy(file)
            both = mutant["parameters"]
            both[a], both[b] = both[b], both[a]
            good, _ = _verdict(json.dumps(mutant).encode())
            assert not good or claims_hold(mutant)
    for at in ("parameters", "data"):
        for name in file[at]:
            mutant = copy.deepcopy(file)
            array = mutant[at][name]
            array["shape"] = [*array["shape"][::-1], 1]
            assert not _verdict(json.dumps(mutant).encode())[0]
            array["shape"] = [10**9, 10**9]
            assert not _verdict(json.dumps(mutant).encode())[0]
            mutant = copy.deepcopy(file)
            array = mutant[at][name]
            array["values"] = array["values"][:-1]
            assert not _verdict(json.dumps(mutant).encode())[0]
            mutant = copy.deepcopy(file)
            array = mutant[at][name]
            array["values"][0] = (float.fromhex(array["values"][0]) + 1).hex()
            assert "hash" in _verdict(json.dumps(mutant).encode())[1]
    mutant = copy.deepcopy(file)
    mutant["program"] = mutant["program"][::-1]
    assert not _verdict(json.dumps(mutant).encode())[0]
    mutant = copy.deepcopy(file)
    mutant["program"][0]["from"] = [len(mutant["program"])]
    assert not _verdict(json.dumps(mutant).encode())[0]


def test_files_that_are_no_json(accepted: File) -> None:
    text = json.dumps(accepted).encode()
    bits = json.dumps(accepted["bits"]).encode()
    for mutant in (
        b"", b"{", text[: len(text) // 2], text + b"}", b"\xff\xfe" + text, b"[" * 200_000,
        b"[1]", b"null", b'"certificate"', text.replace(b'"bits": ' + bits, b'"bits": NaN'),
        text.replace(b'"bits": ' + bits, b'"bits": ' + b"9" * 10**6),
        text.replace(b'"bits": ' + bits, b'"bits": 128.0'),
        text.replace(b'"bits": ' + bits, b'"bits": 1e9'),
        text.replace(b'"bits": ' + bits, b'"bits": 1000000'),
    ):
        assert mutant != text
        assert not _verdict(mutant)[0]


def test_what_is_said_about_it_is_short(accepted: File) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    for about in (deep, {"a": deep}, {"a": "x" * 10**5}, {str(i): 1 for i in range(1000)}, None):
        mutant = copy.deepcopy(accepted)
        mutant["about"] = about
        assert not _verdict(json.dumps(mutant).encode())[0]
    mutant = copy.deepcopy(accepted)
    mutant["about"] = {"name": "anything"}
    assert _verdict(json.dumps(mutant).encode())[0]


def test_many_operations_are_refused_or_quick(accepted: File) -> None:
    file = accepted
    for count, sources in ((2000, 1), (900, 200)):
        mutant = copy.deepcopy(file)
        last = len(mutant["program"])
        for k in range(count):
            mutant["program"].append({"op": "sum", "from": [last + k] * sources})
        assert not _verdict(json.dumps(mutant).encode())[0]


def test_work_is_bounded_before_it_begins(accepted: File) -> None:
    file = accepted
    with pytest.raises(checker.MalformedError, match="multiplications"):
        checker.check(file, limit=1000)
