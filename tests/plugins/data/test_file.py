"""Users' files: what is read, and what each broken file is told."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from govcheck.plugin.data import DataError
from govcheck_plugins.data import file as file_module
from govcheck_plugins.data.file import File


@pytest.fixture
def folder(tmp_path):
    def write(name, content):
        target = tmp_path / name
        if isinstance(content, dict):
            np.savez(target, **content)
        elif isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content, encoding="utf-8")
        return str(tmp_path)

    return write


def test_npz_with_labels(folder):
    x = np.arange(12.0).reshape(3, 2, 2)
    data = File("d.npz").load((4,), folder("d.npz", {"x": x, "y": np.array([0, 2, 1])}))
    assert (data.x == x.reshape(3, 4)).all()
    assert data.y.dtype == np.int64
    assert data.y.tolist() == [0, 2, 1]
    assert data.source == "d.npz"


def test_npz_with_real_targets_and_float32(folder):
    arrays = {"x": np.ones((2, 3), np.float32), "y": np.array([0.5, 1.5])}
    data = File("d.npz").load((3,), folder("d.npz", arrays))
    assert data.x.dtype == np.float64
    assert data.y.shape == (2, 1)


def test_labels_option(folder):
    where = folder("d.npz", {"x": np.ones((2, 1)), "y": np.array([[3.0], [1.0]])})
    assert File("d.npz", labels="yes").load((1,), where).y.tolist() == [3, 1]
    where = folder("e.npz", {"x": np.ones((2, 1)), "y": np.array([3, 1])})
    assert File("e.npz", labels="no").load((1,), where).y.tolist() == [[3.0], [1.0]]
    where = folder("f.npz", {"x": np.ones((2, 1)), "y": np.array([3.5, 1])})
    with pytest.raises(DataError, match="not integers"):
        File("f.npz", labels="yes").load((1,), where)


def test_n_keeps_the_first_samples(folder):
    where = folder("d.csv", "1,0\n2,1\n3,0\n")
    assert File("d.csv", n=2).load((1,), where).x.tolist() == [[1], [2]]
    with pytest.raises(DataError, match="3 samples, fewer than n=4"):
        File("d.csv", n=4).load((1,), where)
    where = folder("d.npz", {"x": np.ones((2, 1)), "y": np.arange(3)})
    with pytest.raises(DataError, match="y has shape"):
        File("d.npz", n=1).load((1,), where)
    with pytest.raises(DataError, match="n must be positive"):
        File("d.csv", n=-1).load((1,), where)


def test_csv_without_header(folder):
    data = File("d.csv").load((2,), folder("d.csv", "1,2.5,0\n-3e1,.5,1\n\n"))
    assert data.x.tolist() == [[1, 2.5], [-30, 0.5]]
    assert data.y.tolist() == [0, 1]
    assert data.y.dtype == np.int64


def test_csv_with_header_bom_and_named_target(folder):
    text = "\ufeffa, t ,b\r\n1,0.5,2\r\n3,1,4\r\n"
    data = File("d.csv", target="t").load((2,), folder("d.csv", text))
    assert data.x.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == [[0.5], [1.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,0\n3,x,1\n", r"d\.csv:2: column 2 is 'x'"),
        ("a,b\n1,2\n\n3,nan\n", r"d\.csv:4: column 2 is 'nan'"),
        ("1,inf\n", r"d\.csv:1: column 2 is 'inf'"),
        ("1,1e999\n", r"d\.csv:1: column 2 is '1e999'"),
        ("1,1_0\n", r"d\.csv:1: column 2 is '1_0'"),
        ("1,\n", r"d\.csv:1: column 2 is ''"),
        ("1,2\n3,4,5\n", r"d\.csv:2: 3 columns, but the rows above have 2"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no samples"),
        ("1\n2\n", "one column"),
        ('1,"2\n', r"d\.csv:\d: "),
        ("1,-1\n", "labels count from 0"),
        ("1;2\n3;4\n", "one column|not a finite"),
    ],
)
def test_malformed_csv(folder, text, message):
    with pytest.raises(DataError, match=message):
        File("d.csv").load((1,), folder("d.csv", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n", "no header line"),
        ("a,b\n1,2\n", "no column named 't'; it has a, b"),
        ("t,t\n1,2\n", "several columns named 't'"),
    ],
)
def test_target_column_must_exist(folder, text, message):
    with pytest.raises(DataError, match=message):
        File("d.csv", target="t").load((1,), folder("d.csv", text))


def test_binary_csv(folder):
    with pytest.raises(DataError, match="not text in UTF-8"):
        File("d.csv").load((1,), folder("d.csv", b"\xff\xfe\x00\x01,\x80"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 3))}, "no array `y` .it holds x"),
        ({"x": np.ones((2, 3)), "y": np.array([0, 1, 2])}, "y has shape"),
        ({"x": np.ones((2, 4)), "y": np.array([0, 1])}, "4 numbers"),
        ({"x": np.array([[1.0, 2, np.nan]]), "y": np.array([0])}, r"x\[0, 2\] is nan"),
        ({"x": np.ones((2, 3)), "y": np.array([0, np.inf])}, r"y\[1, 0\]|y\[1\] is inf"),
        ({"x": np.ones((0, 3)), "y": np.zeros(0)}, "at least one"),
        ({"x": np.ones(3), "y": np.arange(3)}, "one row for each sample"),
        ({"x": np.float64(3), "y": np.arange(3)}, "first dimension"),
        ({"x": np.array([["a", "b", "c"]]), "y": np.arange(1)}, "real numbers"),
        ({"x": np.ones((1, 3)) * 1j, "y": np.arange(1)}, "real numbers"),
        ({"x": np.ones((1, 3)), "y": np.array(["a"])}, "real numbers"),
        ({"x": np.ones((1, 3)), "y": np.array([-1])}, "count from 0"),
    ],
)
def test_unusable_npz(folder, arrays, message):
    with pytest.raises(DataError, match=message):
        File("d.npz").load((3,), folder("d.npz", arrays))


def test_pickled_objects_are_refused(folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    where = folder("d.npz", {"x": np.array([[Trap()]], dtype=object), "y": np.arange(1)})
    with pytest.raises(DataError, match="allow_pickle"):
        File("d.npz").load((1,), where)


def test_damaged_archives(folder):
    with pytest.raises(DataError, match=r"not a \.npz archive"):
        File("d.npz").load((1,), folder("d.npz", b"not a zip file"))
    buffer = io.BytesIO()
    np.savez(buffer, x=np.ones((5, 2)), y=np.arange(5))
    broken = bytearray(buffer.getvalue())
    broken[60:200] = b"\0" * 140
    with pytest.raises(DataError):
        File("d.npz").load((2,), folder("d.npz", bytes(broken)))


def test_archive_that_unpacks_to_too_much(folder, monkeypatch):
    monkeypatch.setattr(file_module, "MAX_BYTES", 10_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 100_000)
        archive.writestr("y.npy", b"\0")
    assert len(buffer.getvalue()) < 10_000
    with pytest.raises(DataError, match="`x` has 100000 bytes"):
        File("d.npz").load((1,), folder("d.npz", buffer.getvalue()))


def test_file_that_is_too_large(folder, monkeypatch):
    monkeypatch.setattr(file_module, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="above the limit"):
        File("d.csv").load((1,), folder("d.csv", "1,2\n" * 10))


def test_missing_file_folder_and_other_kinds(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        File("nothing.csv").load((1,), str(tmp_path))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="not a file"):
        File("folder.csv").load((1,), str(tmp_path))
    with pytest.raises(DataError, match=r"end in \.npz or \.csv"):
        File("d.pkl").load((1,), str(tmp_path))


def test_target_is_for_tables_only(folder):
    where = folder("d.npz", {"x": np.ones((1, 1)), "y": np.arange(1)})
    with pytest.raises(DataError, match="target"):
        File("d.npz", target="t").load((1,), where)
