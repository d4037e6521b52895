import gzip
import struct

import numpy as np
import pytest

from govcheck.errors import InputError
from govcheck.numeric.experiments import pictures
from govcheck.numeric.experiments.photographs import patches, photographs


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (7, 28, 28), dtype=np.uint8), rng.integers(
        0, 10, 7, dtype=np.uint8)


@pytest.mark.parametrize("folder", [".", "MNIST/raw", "fashion-mnist"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read(tmp_path, images, folder, packed):
    x, y = images
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, array in zip(pictures.IDX_NAMES, (x, y), strict=True):
        raw = idx(array)
        (place / (name + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)
    found = pictures.read_mnist(tmp_path)
    assert np.array_equal(found.x, x) and np.array_equal(found.y, y)
    assert len(found.sha256) == 2 and "7 pictures" in found.source


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda b: b[:-1], "after its header"),
    (lambda b: b + b"x", "after its header"),
    (lambda b: b"\0\0\x0d" + b[3:], "no IDX file"),
    (lambda b: b[:9], "within its header"),
    (lambda b: b"", "no IDX file"),
    (lambda b: gzip.compress(b)[:-20], "cannot be read"),
    (lambda b: b[:4] + struct.pack(">3I", 2**31, 2**31, 2**31) + b[16:], "after its header"),
])
def test_damaged_files_are_told_by_name(tmp_path, images, spoil, says):
    path = tmp_path / pictures.IDX_NAMES[0]
    path.write_bytes(spoil(idx(images[0])))
    with pytest.raises(InputError, match=says) as error:
        pictures.read_idx(path)
    assert path.name in str(error.value)


def test_pictures_and_labels_must_fit(tmp_path, images):
    x, y = images
    first, second = (tmp_path / n for n in pictures.IDX_NAMES)
    first.write_bytes(idx(x))
    second.write_bytes(idx(y[:-1]))
    with pytest.raises(InputError, match="for 7 pictures"):
        pictures.read_mnist(tmp_path)
    second.write_bytes(idx(y + 10))
    with pytest.raises(InputError, match="expected 0 to 9"):
        pictures.read_mnist(tmp_path)
    with pytest.raises(InputError, match="no MNIST"):
        pictures.read_mnist(tmp_path / "elsewhere")


def test_cifar_100_records_are_read(tmp_path):
    record = 2 + 3 * 32 * 32
    rng = np.random.default_rng(0)
    row = rng.integers(0, 256, record, dtype=np.uint8)
    row[:2] = 19, 77
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    with (folder / "train.bin").open("wb") as file:
        file.truncate(50_000 * record)
        file.seek(3 * record)
        file.write(row.tobytes())
    found = pictures.read_cifar(tmp_path, 100)
    assert found.x.shape == (50_000, 3, 32, 32) and found.y[3] == 77
    # red first, rows from above
    assert found.x[3, 0, 0, 1] == row[3] and found.x[3, 1, 0, 0] == row[2 + 1024]
    with (folder / "train.bin").open("r+b") as file:
        file.seek(1)
        file.write(b"\x64")
    with pytest.raises(InputError, match="label 100"):
        pictures.read_cifar(folder, 100)


def test_cifar_files_of_another_length_are_refused(tmp_path):
    for k in range(1, 6):
        (tmp_path / f"data_batch_{k}.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(InputError, match="expected 10000 records"):
        pictures.read_cifar(tmp_path, 10)
    with pytest.raises(InputError, match="no binary training files"):
        pictures.read_cifar(tmp_path, 100)


def test_digits_sit_where_mnist_has_them():
    d = pictures.digits()
    assert d.x.shape == (1797, 28, 28) and d.classes == 10 and "not MNIST" in d.source
    assert not d.x[:, :4].any() and not d.x[:, :, 24:].any()
    # the corners of the enlarged digit are those of the small one
    from sklearn.datasets import load_digits

    small = load_digits().images
    assert np.allclose(d.x[:, 23, 23], np.rint(small[:, 7, 7] * 255 / 16))


def test_patches_come_from_their_photograph():
    photos = list(photographs().values())
    p = patches(12, 5, cells=(2, 3))
    assert p.classes == min(12, 6 * len(photos)) and "not CIFAR" in p.source
    for patch, label in zip(p.x, p.y, strict=True):
        photo = photos[label // 6]
        height, width = photo.shape[0] // 2, photo.shape[1] // 3
        i, j = divmod(label % 6, 3)
        region = photo[i * height:(i + 1) * height, j * width:(j + 1) * width].transpose(2, 0, 1)
        windows = np.lib.stride_tricks.sliding_window_view(region[0], (32, 32))
        hits = np.argwhere((windows[:, :, 0] == patch[0, 0]).all(-1))
        assert any(np.array_equal(region[:, a:a + 32, b:b + 32], patch) for a, b in hits)
    again = patches(12, 5, cells=(2, 3))
    assert again.sha256 == p.sha256 != patches(12, 6, cells=(2, 3)).sha256
