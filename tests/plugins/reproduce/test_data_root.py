"""Figures 2 to 5 on files of the user's, laid out as they are published or packaged."""

import gzip
import hashlib
import json

import numpy as np
import pytest
import torch

from govcheck.reproduce.protocol import Context
from govcheck_cli.main import main

torch.set_num_threads(1)

TINY = {(10, 30): (2, 11), (6, (0, 10), (0, 16)): (2, (0,), (0,)), 6: 2, 16: 2, 40: 8}


@pytest.fixture
def reproduce(tmp_path, monkeypatch, capsys):
    """Run a key on a folder of data, with two short trials; its report."""
    monkeypatch.setattr(Context, "size", lambda self, quick, full: TINY.get(quick, quick))

    def run(key, root):
        out = tmp_path / "reports"
        code = main(["reproduce", key, "--quick", "--data-root", str(root), "-o", str(out)])
        captured = capsys.readouterr()
        if code:
            return code, captured.err
        return code, json.loads((out / f"{key}.json").read_text())

    return run


def idx(array):
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def mnist(folder, count=64, *, packed=False, dotted=False):
    """Synthetic training files; their SHA-256 by name."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    y = (np.arange(count) % 10).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, array in (("train-images-idx3-ubyte", x), ("train-labels-idx1-ubyte", y)):
        name = name.replace("-idx", ".idx") if dotted else name
        data = idx(array)
        if packed:
            name, data = f"{name}.gz", gzip.compress(data)
        (folder / name).write_bytes(data)
        found[name] = hashlib.sha256(data).hexdigest()
    return found


@pytest.mark.parametrize(("key", "layout", "form"), [
    ("m22-fig3", ".", {}),
    ("m22-fig3", "fashion-mnist", {"packed": True}),
    ("m22-fig3", "MNIST/raw", {"dotted": True}),
    ("m22-fig2", "FashionMNIST/raw", {"packed": True, "dotted": True}),
])
def test_mnist_files(reproduce, tmp_path, key, layout, form):
    root = tmp_path / "data"
    hashes = mnist(root / layout, **form)
    code, report = reproduce(key, root)
    assert code == 0, report
    data = " ".join(report["data"])
    assert "64 pictures of IDX files" in data and "digits" not in data
    for name, digest in hashes.items():
        assert f"SHA-256 of {name}: {digest}" in data
    assert report["identity"]["inputs"] != "digits"


def cifar(folder, classes):
    """Synthetic training files; their SHA-256 by name."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] if classes == 10 else ["train.bin"]
    count, heads = 50_000 // len(names), 1 if classes == 10 else 2
    found = {}
    for name in names:
        rows = rng.integers(0, 256, (count, heads + 3072), dtype=np.uint8)
        rows[:, heads - 1] %= classes
        (folder / name).write_bytes(rows.tobytes())
        found[name] = hashlib.sha256(rows.tobytes()).hexdigest()
    return found


@pytest.mark.parametrize(("key", "classes", "layout"), [
    ("m22-fig4", 10, "cifar-10-batches-bin"), ("m22-fig5", 100, "."),
])
def test_cifar_files(reproduce, tmp_path, key, classes, layout):
    root = tmp_path / "data" / "cifar"
    hashes = cifar(root / layout, classes)
    code, report = reproduce(key, root)
    assert code == 0, report
    data = " ".join(report["data"])
    assert f"CIFAR-{classes}, 50000 training pictures, 4096 of them at random" in data
    assert "not CIFAR" not in data
    for name, digest in hashes.items():
        assert f"SHA-256 of {name}: {digest}" in data


def test_damaged_files_are_refused_and_named(reproduce, tmp_path):
    mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    code, err = reproduce("m22-fig3", tmp_path)
    assert code == 2 and "train-labels-idx1-ubyte" in err
    (tmp_path / "train.bin").write_bytes(b"short")
    code, err = reproduce("m22-fig5", tmp_path)
    assert code == 2 and "expected 50000 records" in err


def test_a_folder_that_is_not_there_is_no_fallback(reproduce, tmp_path):
    code, err = reproduce("m22-fig3", tmp_path / "nowhere")
    assert code == 2 and "nowhere" in err
