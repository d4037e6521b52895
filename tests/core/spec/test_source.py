"""Files that are refused before anything in them is read."""

import os
import time

import pytest

from govcheck import spec
from govcheck.errors import InputError

GOOD = "govcheck: 1\ninput: [4]\nlayers: [tanh]\n"


def refused(path, registry):
    with pytest.raises(InputError) as caught:
        spec.load(path, registry)
    (problem,) = caught.value.problems
    return problem


def test_good_file(tmp_path, registry):
    path = tmp_path / "net.yaml"
    path.write_text(GOOD)
    a = spec.load(path, registry)
    assert (a.name, a.file) == ("net", str(path))
    assert spec.load(str(path), registry).input == a.input


def test_missing_file(tmp_path, registry):
    problem = refused(tmp_path / "no.yaml", registry)
    assert (problem.code, problem.where) == ("no-file", str(tmp_path / "no.yaml"))


def test_directory(tmp_path, registry):
    assert refused(tmp_path, registry).code == "directory"


def test_name_with_nul(registry):
    assert refused("a\0b", registry).code == "no-file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipe_is_not_opened(tmp_path, registry):
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe", registry).code == "not-a-file"


def test_unreadable_name(tmp_path, registry):
    assert refused(tmp_path / ("x" * 5000), registry).code == "unreadable"


def test_ten_megabytes_are_refused_at_once(tmp_path, registry):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"- a\n" * (10 << 18))
    start = time.process_time()
    problem = refused(path, registry)
    assert time.process_time() - start < 0.5
    assert (problem.code, problem.where) == ("too-large", str(path))
    assert str(10 << 20) in problem.message


def test_text_of_more_than_two_megabytes(registry):
    with pytest.raises(InputError, match="at most 2097152"):
        spec.loads("#" * (1 << 21) + "\n", registry)


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"govcheck: 1\nname: a\0b\n", "binary", "2:8"),
        (b"\x7fELF\x02\x01\x00\x00", "binary", "1:7"),
        (b"govcheck: 1\nname: gr\xfc\xdf\n", "encoding", "2:9"),
        ("ä: \ud7ff".encode() + b"\xff", "encoding", "1:5"),
        (b"\x89PNG\r\n\x1a\n", "encoding", "1:1"),
        ("govcheck: 1\n".encode("utf-16"), "binary", "1:4"),
        (b"govcheck: 1\nname: a\x07b\n", "not-text", "2:8"),
        ("govcheck: 1\nname: a\ufeffb\n".encode(), "not-text", "2:8"),
    ],
)
def test_binary_files(tmp_path, registry, raw, code, place):
    path = tmp_path / "bin.yaml"
    path.write_bytes(raw)
    problem = refused(path, registry)
    assert (problem.code, problem.where) == (code, f"{path}:{place}")


def test_lone_surrogate_in_text(registry):
    with pytest.raises(InputError) as caught:
        spec.loads("govcheck: 1\nname: \ud800\n", registry, file="f")
    assert [(p.code, p.where) for p in caught.value.problems] == [("encoding", "f:2:7")]


def test_byte_order_mark_and_crlf(tmp_path, registry):
    path = tmp_path / "win.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert spec.load(path, registry).output == spec.loads(GOOD, registry).output
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").replace("tanh", "tnh").encode())
    assert refused(path, registry).where == f"{path}:3:10"
