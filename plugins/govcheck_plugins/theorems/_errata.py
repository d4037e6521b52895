"""Mistakes of MacDonald et al. (2022), each with what is right and how one sees it."""

from __future__ import annotations

from typing import Final

from govcheck.theorems.protocol import Erratum

_ALL: Final = (
    Erratum(
        "E1",
        "Thm 2.2: |grad l|^2 >= mu sigma(DF) (l - gamma*)",
        "|grad l|^2 >= mu sigma(DF)^2 (l - gamma*)",
        "F(t) = 0.1 t, gamma(z) = z^2/2, t = 1: |grad l|^2 = 1e-4, but the printed lower bound "
        "is 1e-3",
    ),
    Erratum(
        "E2",
        "Prop 4.5: sigma(DF) >= sum over layers of (product of sigma(Jf)) sigma(Df)",
        "sigma(DF)^2 >= sum over layers of the squares of these products",
        "DF = [1 1] of two layers: sigma(DF) = sqrt 2, but the printed lower bound is 2; of random "
        "3 x 6 pairs about two thirds violate the sum, none the root of the sum of squares",
    ),
    Erratum(
        "E3",
        "proofs of Prop 4.5 and 4.7: sigma(AB) >= sigma(A) sigma(B) for any matrices, sigma the "
        "smallest singular value",
        "holds with sigma(A) = min |A^T v| over unit v, which is 0 for more rows than columns",
        "A = [1 0], B = [0 1]^T: both have smallest singular value 1, but AB = 0",
    ),
    Erratum(
        "E4",
        "eq (40): the part Jaff of the derivative contributes N/eps to its squared norm",
        "it contributes up to N d1 (Frobenius norm) or d1 (operator norm), whatever eps is",
        "N = 1, eps = 1, d1 = 4, X near 0, equal long rows of w: |Jaff| is near 2, but the "
        "printed bound is near 1",
    ),
    Erratum(
        "E5",
        "eq (42): the derivative of a row of Dwn has Frobenius norm at most sqrt(5 d0/eps^3)",
        "it scales as 1/eps; as a bilinear map its norm is at most (48 sqrt 5/125)/eps",
        "eps = 7, d0 = 1, w = sqrt(7)/2: the norm is 0.1227, but the printed bound is 0.1207; "
        "violated from eps = 6.8 (d0 = 1) and from eps = 11.2 (d0 = 64) on",
    ),
    Erratum(
        "E6",
        "eq (41): |Dwn|_F^2 <= d1 (d0 + 1)/eps (true, but not attained)",
        "d1 d0/eps (Frobenius norm) or 1/eps (operator norm), squared",
        "at w = 0 |Dwn|_F^2 = d1 d0/eps exactly",
    ),
    Erratum(
        "E7",
        "Thm 4.8, case 2: mu_t is proportional to sigma(DP(w_t)), so that mu_t >= Gamma t^(-3/4), "
        "eq (36), and the sum of mu_t diverges",
        "by Theorem 2.2 with its true exponent mu_t is proportional to sigma(DP(w_t))^2, for which "
        "the argument gives mu_t >= Gamma t^(-3/2); that sum converges and proves nothing",
        "r + 1/r^3 iterated from r = 1: the sum of r^-3 grows without bound like t^(1/4), the sum "
        "of r^-6 stays below 1.14",
    ),
    Erratum(
        "E8",
        "section 4.3: the first layer maps into matrices of size d0 x N",
        "it maps into matrices of size d1 x N",
        "P(w) is d1 x d0 and X is d0 x N",
    ),
    Erratum(
        "E9",
        "Thm 4.8: any convex cost, with the mu-PL property that Theorem 2.2 needs",
        "softmax cross-entropy is not PL; on {gamma <= alpha} |grad gamma| >= kappa gamma holds",
        "for one sample of two classes |grad c|^2/c = 2 (1 - e^-c)^2/c, which tends to 0 with c",
    ),
    Erratum(
        "E10",
        "proof of Thm 4.4: aff_wn is bounded by the largest |X|_F",
        "it is bounded by sqrt(d1) times the largest |X|_F",
        "X of rank one with |X|_F = 1, d1 = 4 equal long rows of w along X: |aff_wn|_F tends to 2",
    ),
)

ERRATA: Final[dict[str, Erratum]] = {e.id: e for e in _ALL}


def errata(*ids: str) -> tuple[Erratum, ...]:
    """The records with these ids."""
    return tuple(ERRATA[i] for i in ids)
