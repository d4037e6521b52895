"""Pictures with labels: IDX and CIFAR files of the user's, and what comes with packages."""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from govcheck.errors import InputError, Problem

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

SIDE: Final = 32
CHANNELS: Final = 3
LARGEST: Final = 2**28
"""Most bytes that an IDX file may hold after decompression."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures as bytes.

    Args:
        x: ``(N, h, w)`` or ``(N, 3, 32, 32)``, uint8.
        y: labels from 0, ``(N,)``.
        source: one line for people.
        sha256: of the files read, by name; of the bytes of x and y where no file was read.
    """

    x: Bytes
    y: Labels
    source: str
    sha256: dict[str, str]

    @property
    def classes(self) -> int:
        """Number of labels."""
        return int(self.y.max()) + 1


def content_hash(x: Bytes, y: Labels) -> dict[str, str]:
    """SHA-256 of pictures and labels that are not one file."""
    digest = hashlib.sha256(np.ascontiguousarray(x).tobytes())
    digest.update(np.ascontiguousarray(y.astype("<i8")).tobytes())
    return {"pixels and labels": digest.hexdigest()}


def fail(path: Path, text: str, help_: str) -> InputError:
    """An error about a data file."""
    return InputError(Problem("data-file", f"{path}: {text}", "--data-root", help_))


# IDX: the files of MNIST and Fashion-MNIST

IDX_HELP: Final = (
    "the folder must hold train-images-idx3-ubyte and train-labels-idx1-ubyte of MNIST or "
    "Fashion-MNIST, as they are published, gzipped or not"
)
IDX_NAMES: Final = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
IDX_FOLDERS: Final = (".", "mnist", "MNIST/raw", "fashion-mnist", "FashionMNIST/raw")


def find_idx(root: Path) -> tuple[Path, Path] | None:
    """The two training files, in a folder or one level below as packages lay them out."""
    for folder in IDX_FOLDERS:
        found = []
        for name in IDX_NAMES:
            for variant in (name, name.replace("-idx", ".idx")):
                for end in ("", ".gz"):
                    path = root / folder / (variant + end)
                    if path.is_file():
                        found.append(path)
                        break
                else:
                    continue
                break
        if len(found) == 2:
            return found[0], found[1]
    return None


def read_idx(path: Path) -> Bytes:
    """An array of bytes in IDX format, gzipped or not.

    Raises:
        InputError: if it is no such file, or its length is not what its header says.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, EOFError) as error:
        raise fail(path, f"cannot be read: {error}", IDX_HELP) from error
    if len(data) > LARGEST:
        raise fail(path, f"holds more than {LARGEST} bytes", IDX_HELP)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != 8 or not 1 <= data[3] <= 3:
        raise fail(path, "no IDX file of bytes with one to three axes", IDX_HELP)
    axes = data[3]
    if len(data) < 4 + 4 * axes:
        raise fail(path, "ends within its header", IDX_HELP)
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    size = 1
    for n in shape:
        size *= n
    if len(data) - 4 - 4 * axes != size:
        raise fail(path, f"has {len(data) - 4 - 4 * axes} bytes after its header, which says "
                   f"{' x '.join(map(str, shape))}", IDX_HELP)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_mnist(root: Path) -> Pictures:
    """The training pictures of MNIST or Fashion-MNIST.

    Raises:
        InputError: if they are not there or malformed.
    """
    paths = find_idx(root)
    if paths is None:
        raise fail(root, "no MNIST or Fashion-MNIST training files here", IDX_HELP)
    x, y = (read_idx(p) for p in paths)
    if x.ndim != 3 or x.shape[1:] != (28, 28) or not len(x):
        raise fail(paths[0], f"has shape {x.shape}, expected (N, 28, 28)", IDX_HELP)
    if y.shape != (len(x),):
        raise fail(paths[1], f"has shape {y.shape} for {len(x)} pictures", IDX_HELP)
    if y.max() > 9:
        raise fail(paths[1], f"has the label {y.max()}, expected 0 to 9", IDX_HELP)
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    return Pictures(x, y.astype(np.int64), f"{len(x)} pictures of IDX files in the folder "
                    f"{paths[0].parent.resolve().name}", hashes)


def digits() -> Pictures:
    """The 8x8 digits of scikit-learn, enlarged to 20x20 inside 28x28 as MNIST's digits are."""
    from sklearn.datasets import load_digits

    flat, y = load_digits(return_X_y=True)
    small = flat.reshape(-1, 8, 8)
    # bilinear, corners onto corners
    at = np.linspace(0, 7, 20)
    low = np.minimum(at.astype(int), 6)
    spread = np.zeros((20, 8))
    spread[np.arange(20), low] = 1 - (at - low)
    spread[np.arange(20), low + 1] += at - low
    large = spread @ small @ spread.T
    x = np.zeros((len(small), 28, 28), dtype=np.uint8)
    x[:, 4:24, 4:24] = np.rint(large * 255 / 16).astype(np.uint8)
    labels = y.astype(np.int64)
    return Pictures(x, labels, "scikit-learn digits (8x8), enlarged to 20x20 inside 28x28: not "
                    "MNIST", content_hash(x, labels))


# CIFAR: the binary version

CIFAR_HELP: Final = (
    "the folder must hold the binary version: cifar-10-batches-bin with data_batch_1.bin to "
    "data_batch_5.bin, or cifar-100-binary with train.bin"
)


def find_cifar(root: Path, classes: int) -> list[Path] | None:
    """The training files of CIFAR-10 or CIFAR-100 in a folder, if all are there."""
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] if classes == 10 else ["train.bin"]
    inner = "cifar-10-batches-bin" if classes == 10 else "cifar-100-binary"
    for folder in (root, root / inner):
        paths = [folder / n for n in names]
        if all(p.is_file() for p in paths):
            return paths
    return None


def read_cifar(root: Path, classes: int) -> Pictures:
    """The training pictures of CIFAR-10 or CIFAR-100 (fine labels).

    Args:
        root: the folder with the files, or the one above.
        classes: 10 or 100.

    Raises:
        InputError: if they are not there or malformed.
    """
    paths = find_cifar(root, classes)
    if paths is None:
        raise fail(root, f"no binary training files of CIFAR-{classes} here", CIFAR_HELP)
    heads = 1 if classes == 10 else 2
    record = heads + CHANNELS * SIDE * SIDE
    each = 10_000 if classes == 10 else 50_000
    parts, hashes = [], {}
    for path in paths:
        size = path.stat().st_size
        if size != each * record:
            raise fail(path, f"has {size} bytes, expected {each} records of {record} bytes",
                       CIFAR_HELP)
        data = path.read_bytes()
        hashes[path.name] = hashlib.sha256(data).hexdigest()
        rows = np.frombuffer(data, dtype=np.uint8).reshape(each, record)
        if rows[:, heads - 1].max() >= classes:
            raise fail(path, f"has the label {rows[:, heads - 1].max()}, expected 0 to "
                       f"{classes - 1}", CIFAR_HELP)
        parts.append(rows)
    rows = np.concatenate(parts)
    x = rows[:, heads:].reshape(-1, CHANNELS, SIDE, SIDE)
    return Pictures(x, rows[:, heads - 1].astype(np.int64), f"CIFAR-{classes}, {len(x)} training "
                    "pictures", hashes)
