"""Mistakes and gaps in the empirical part of MacDonald et al. (2022)."""

from __future__ import annotations

from typing import Final

from govcheck.theorems.protocol import Erratum

VARIANCE: Final = Erratum(
    "F1",
    "Figure 1: singular values of A and Id + A for a 10^4 x 10^4 Gaussian A of variance 10^-2",
    "the standard deviation is 10^-2: with the variance 10^-2 the singular values of A reach 20 "
    "and adding Id cannot be seen",
    "m22-fig1: exact limiting laws and samples for both",
)
POOL: Final = Erratum(
    "F2",
    "5.2 (4): an 'identity mapping' that is a zero-padding after a scaled average pool A with "
    "A A^T = Id has singular values all equal to one",
    "those of the pool are one; after zero-padding the rank is smaller than the number of "
    "outputs, and the others are zero",
    "m22-fig2: the singular values themselves",
)
ZERO: Final = Erratum(
    "F3",
    "5.3 (1): all parameters of the spectrally normalised residual classifier start at zero",
    "only the trained norm (and a bias) may: with W = 0, W/|W| is undefined, and with any small "
    "number added to |W| neither W nor the norm ever gets a gradient",
    "m22-fig4: the gradients of both starts",
)
