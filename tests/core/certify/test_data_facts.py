"""Independence of samples, decided exactly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from govcheck.bounds.evaluate import lower, upper
from govcheck.certify.data_facts import data_facts


@pytest.fixture(scope="module")
def digits():
    return load_digits().data / 16


def test_first_32_digits_are_independent(digits):
    facts = data_facts(digits[:32].reshape(32, 1, 8, 8))
    assert (facts.samples, facts.features, facts.rank) == (32, 64, 32)
    assert facts.independent == "proved"
    # numpy: 0.16978207208221832
    assert float(lower(facts.sigma, 12)) > 0.169782072
    assert float(upper(facts.sigma, 12)) < 0.169782073
    assert float(upper(facts.spectral, 12)) == pytest.approx(18.2145987773374, abs=1e-9)
    length = np.linalg.norm(digits[:32])
    assert float(upper(facts.frobenius, 12)) == pytest.approx(length, abs=1e-9)
    assert facts.floor < 1e-11
    assert "0.1697" in facts.explanation
    assert facts.sigma_with_ones.lower() >= facts.sigma.lower()


def test_first_64_digits_have_rank_51(digits):
    facts = data_facts(digits[:64])
    assert (facts.rank, facts.rank_exact, facts.independent) == (51, True, "refuted")
    assert facts.sigma == 0
    assert "51" in facts.explanation


def test_more_samples_than_features_are_dependent():
    facts = data_facts(np.random.default_rng(0).standard_normal((10, 4)))
    assert facts.independent == "refuted"
    assert facts.sigma == 0
    assert facts.sigma_with_ones == 0
    assert facts.rank == 4


def test_a_row_of_ones_can_make_the_difference():
    # the points 0 and 1 on a line
    facts = data_facts(np.array([[0.0], [1.0]]))
    assert facts.independent == "refuted"
    # [[0, 1], [1, 1]] has singular values (sqrt 5 +- 1)/2
    golden = (5**0.5 - 1) / 2
    assert float(lower(facts.sigma_with_ones, 15)) <= golden <= float(
        upper(facts.sigma_with_ones, 15)
    )
    assert facts.sigma_with_ones > 0.618


def test_orthonormal_samples_have_modulus_one():
    facts = data_facts(np.eye(5, 9))
    assert facts.sigma.contains(1)
    assert facts.sigma.lower() > 1 - 1e-13
    assert facts.independent == "proved"


def test_independent_by_rank_where_float64_cannot_see_it():
    # a large matrix with a column that differs from another by one unit in the last place
    x = np.random.default_rng(1).standard_normal((120, 200))
    x[1] = x[0]
    x[1, 0] = np.nextafter(x[0, 0], 9)
    facts = data_facts(x)
    assert facts.independent == "proved"
    assert facts.rank == 120
    assert facts.sigma.lower() == 0
    x[1] = x[0]
    assert data_facts(x).independent == "refuted"


def test_no_samples_and_nan_are_refused():
    with pytest.raises(ValueError, match="no samples"):
        data_facts(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="finite"):
        data_facts(np.array([[1.0, np.nan]]))
