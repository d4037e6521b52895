"""What the cost compares outputs with."""

from __future__ import annotations

import numpy as np
import pytest

from govcheck.plugin.data import DataError, dataset, targets

LABELS = dataset(np.ones((4, 2)), np.array([0, 2, 1, 2]), (2,), "labels")
REAL = dataset(np.ones((2, 2)), np.array([[0.5, 1.0], [2.0, 3.0]]), (2,), "real")


def test_one_hot():
    y, how = targets(LABELS, 3, classification=False)
    assert y.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert how == "one-hot rows for 3 classes"


def test_one_hot_is_padded():
    y, how = targets(LABELS, 5, classification=False)
    assert y.shape == (4, 5)
    assert (y[:, 3:] == 0).all()
    assert (y.sum(axis=1) == 1).all()
    assert "2 columns of zeros" in how


def test_one_output_gets_signs():
    y, how = targets(LABELS, 1, classification=False)
    assert y.tolist() == [[1], [1], [-1], [1]]
    assert "even" in how


def test_classification_keeps_labels():
    y, how = targets(LABELS, 10, classification=True)
    assert y.tolist() == [0, 2, 1, 2]
    assert "10 classes" in how


@pytest.mark.parametrize(("outputs", "classification"), [(2, False), (2, True), (1, True)])
def test_too_few_outputs(outputs, classification):
    with pytest.raises(DataError, match="at least 3") as caught:
        targets(LABELS, outputs, classification)
    assert ("+1/-1" in str(caught.value)) == (not classification)


def test_real_targets():
    y, how = targets(REAL, 2, classification=False)
    assert y is REAL.y
    assert "2 real targets" in how
    with pytest.raises(DataError, match="2 numbers for each sample, but the network has 3"):
        targets(REAL, 3, classification=False)
    with pytest.raises(DataError, match="class labels"):
        targets(REAL, 2, classification=True)


def test_dataset_refuses_what_it_would_have_to_guess():
    with pytest.raises(DataError, match="y has shape"):
        dataset(np.ones((2, 2)), np.array([[0], [1]]), (2,), "column of labels")
    with pytest.raises(DataError, match="y has shape"):
        dataset(np.ones((3, 2)), np.array([0, 1]), (2,), "too few labels")
