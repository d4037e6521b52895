"""Colour patches of photographs that come with scikit-learn and scikit-image."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import numpy as np

from govcheck.numeric.experiments.pictures import (
    CHANNELS,
    SIDE,
    Bytes,
    Pictures,
    content_hash,
)

SCIKIT_IMAGE: Final = (
    "astronaut", "cat", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket",
    "stereo_motorcycle",
)


def photographs() -> dict[str, Bytes]:
    """The photographs at hand, ``(h, w, 3)``: scikit-learn's two, more with scikit-image."""
    from sklearn.datasets import load_sample_image

    found: dict[str, Bytes] = {
        name: np.asarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower")
    }
    try:
        # optional
        data = import_module("skimage.data")
    except ImportError:
        return found
    for name in SCIKIT_IMAGE:
        loaded = getattr(data, name)()
        picture = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
        found[name] = picture[:, :, :CHANNELS]
    return found


def patches(count: int, seed: int, *, cells: tuple[int, int] = (1, 1)) -> Pictures:
    """Patches of 32x32 at random places; the label is the photograph, or a cell of it.

    Args:
        count: of patches, the labels in equal shares.
        seed: of the places.
        cells: rows and columns of a grid on each photograph; each cell is a label of its own
            and patches lie within one cell.
    """
    rng = np.random.default_rng(seed)
    photos = photographs()
    regions = []
    for photo in photos.values():
        height, width = photo.shape[0] // cells[0], photo.shape[1] // cells[1]
        regions += [photo[i * height:(i + 1) * height, j * width:(j + 1) * width]
                    for i in range(cells[0]) for j in range(cells[1])]
    y = rng.permutation(np.arange(count, dtype=np.int64) % len(regions))
    x = np.empty((count, CHANNELS, SIDE, SIDE), dtype=np.uint8)
    for k, label in enumerate(y):
        region = regions[label]
        top = rng.integers(region.shape[0] - SIDE + 1)
        left = rng.integers(region.shape[1] - SIDE + 1)
        x[k] = region[top:top + SIDE, left:left + SIDE].transpose(2, 0, 1)
    grid = "" if cells == (1, 1) else f" and cell of a {cells[0]}x{cells[1]} grid"
    return Pictures(x, y, f"{count} patches of 32x32 from the photographs {', '.join(photos)} "
                    f"(label: photograph{grid}; not CIFAR), seed {seed}", content_hash(x, y))
