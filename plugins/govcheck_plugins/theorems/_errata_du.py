"""Mistakes of Du et al. (2019), each with what is right and how one sees it."""

from __future__ import annotations

from typing import Final

from govcheck.theorems.protocol import Erratum

_ALL: Final = (
    Erratum(
        "D-1",
        "Defs 5.1, 6.1, 7.1: K^(H) takes E sigma'(u) sigma'(v) under A^(H-1)",
        "under A^(H), which is made of the features of layer H - 1; A^(0) does not exist",
        "softplus, H = 2, m = 1000: the mean of G^(H) is within 1 standard error of the corrected "
        "matrix and 15 from the printed one, whose smallest eigenvalue is 29 % too large",
    ),
    Erratum(
        "D-2",
        "Defs 6.1 and 7.1: cross terms b_i E sigma(u) + b_j E sigma(v)",
        "b_i E sigma(v) + b_j E sigma(u)",
        "inputs of norm 0.2 and 3: the mean of <x_i, sigma(W x_j)>/sqrt(m) is within 2.5 standard "
        "errors of the corrected value and 93 from the printed one",
    ),
    Erratum(
        "D-3",
        "Def 7.1: the skip adds the sums over patches of the layer before",
        "it adds the Gram matrix of the pixels",
        "Monte Carlo: within 2 standard errors of the corrected value, 263 from the printed one",
    ),
    Erratum(
        "D-4",
        "Def 7.1: M^(H) without the factor c_res^2/H^2",
        "with it",
        "c_res = 1/2, H = 3: the printed matrix is 36 times too large",
    ),
    Erratum(
        "D-9",
        "Thm 6.1: n^4/(lambda_0^4 H^6) and eta = O(lambda_0 H^2/n^2)",
        "with the same proof n^4/(lambda_0^4 H^4) and eta = O(lambda_0/n^2)",
        "the derivatives in W^(1) and in a do not fall with H: at H = 64 their norms are 0.57 and "
        "1.8 for softplus, as at H = 2",
    ),
    Erratum(
        "D-11",
        "Thms 5.1, 6.1, 7.1: the first term of the width does not depend on delta",
        "it carries 1 + log(1/delta)",
        "u(0) is Gaussian of variance near 1 for given features: |y - u(0)| = O(sqrt(n)) fails "
        "with a probability that only a larger constant makes small",
    ),
    Erratum(
        "D-13",
        "no two samples are parallel",
        "nor antiparallel, and none is 0",
        "tanh with x_2 = -x_1: the smallest eigenvalue of K^(H) is 0",
    ),
    Erratum(
        "D-14",
        "Thm 7.1: |x_i|_F = 1 makes |x^(h)| near 1",
        "it does not normalise patches",
        "two images of 3 pixels, tanh: the limit of |x^(1)|_F^2 is 3.31",
    ),
)

DU: Final[dict[str, Erratum]] = {e.id: e for e in _ALL}
