"""The digits are those that scikit-learn returns, without its import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from govcheck_plugins.data import digits


def test_pixels_and_labels_are_those_of_the_library():
    pixels, labels = load_digits(return_X_y=True)
    own, names = digits._table()
    assert own.dtype == pixels.dtype and np.array_equal(own, pixels)
    assert names.dtype == labels.dtype and np.array_equal(names, labels)


def test_without_the_file_the_library_is_asked(monkeypatch):
    pixels, _ = load_digits(return_X_y=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert np.array_equal(digits._table()[0], pixels)


def test_loading_digits_imports_neither_sklearn_nor_scipy():
    code = (
        "import sys\nfrom govcheck_plugins.data.digits import Digits\n"
        "assert Digits(n=4).load((64,), '').x.shape == (4, 64)\n"
        "print(*sorted({'sklearn', 'scipy', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
