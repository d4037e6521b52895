"""Mistakes of Zhang et al. (2022, supplement) and of the notes on Du et al. (2019)."""

from __future__ import annotations

from typing import Final

from govcheck.theorems.protocol import Erratum

_ALL: Final = (
    Erratum(
        "N-3",
        "proof of Thm 1.2, step 1: the factor 1 - eta lambda_min(G^(H))",
        "1 - 2 eta lambda_min(G^(H)), which step 2 needs",
        "with the single factor the steps give 1 - eta lambda_0/8, not 1 - eta lambda_0/2",
    ),
    Erratum(
        "N-5",
        "g is not defined, and c_x is defined without and with max{., 1}",
        "g_c(k) = 1 + c + ... + c^(k-1); with the maximum in Lemmas 1.8 to 1.10",
        "for c_x < 1 the bound of the first layer's derivative would be too small by c_x^(H-1)",
    ),
    Erratum(
        "N-6",
        "Lemma 1.4: m = Omega(n H g_C(H)^2/delta), C = c_sigma L (2 |sigma(0)| sqrt(2/pi) + 2 L)",
        "the logarithm of n H/delta suffices, and L instead of 2 L in C",
        "products of features concentrate exponentially, by Bernstein's inequality",
    ),
    Erratum(
        "N-7",
        "Lemma 1.10: eta <= c lambda_0/(n^2 H^2 c_x^(2H) g_(2 c_x)(H))",
        "its proof needs c_x^(2H) g_(c_x)(H)^2 there, or the condition of Lemma 1.9",
        "g_(c_x)(H)^2/(H^2 g_(2 c_x)(H)) grows like (c_x/2)^H/H^2, so no constant c serves",
    ),
    Erratum(
        "N-8",
        "Lemma 1.8 asks R' <= c/g_(c_x)(H) only",
        "Lemma 1.7, which is used with it, asks R' <= c lambda_0/(n g_(c_x)(H)) as well",
        "this is where the width's n^4/lambda_0^4 comes from",
    ),
    Erratum(
        "R-1",
        "Lemmas 2 and 4 leave out that alpha_h moves",
        "alpha_h = alpha_h(0) + gamma_h/sqrt(m) with gamma_h trained, that is alpha_h trained with "
        "step eta/m",
        "du/d alpha_h does not fall with m, so that alpha_H moves by an amount that does not "
        "either, and G^(H) is proportional to alpha_H^2",
    ),
    Erratum(
        "R-2",
        "Lemma 2: lambda_min(G^(H)(k)) >= lambda_0/4, from which Thm 1 is to follow",
        "lambda_0/2, or a rate of 1 - eta lambda_0/4",
        "1 - 2 eta lambda_0/4 = 1 - eta lambda_0/2 leaves nothing for I_2 and |u(k+1) - u(k)|^2",
    ),
    Erratum(
        "R-3",
        "Lemma 2: m = Omega(n^2 log(Hn/delta)/lambda_0^2)",
        "R <= c lambda_0 H^2/n, which its proof uses, needs a width of order n^4/lambda_0^4 too",
        "R is of the order of |y - u(0)| sqrt(n)/(lambda_0 sqrt(m))",
    ),
    Erratum(
        "R-4",
        "Lemma 3: |W^(h)(k) - W^(h)(0)|_F = O(sqrt n), |alpha_h(k) - alpha_h(0)| = O(1), for "
        "eta <= c H^2/m",
        "4 B_h sqrt(n) |y - u(0)|/lambda_0, which is O(n/(lambda_0 H)) for h >= 2 and without 1/H "
        "for h = 1 and a; for alpha_h a bound of the same kind if gamma_h is trained",
        "|a| is of the order sqrt(m), which is lost in the bound of alpha_h; and the total way "
        "does not depend on eta",
    ),
    Erratum(
        "R-6",
        "Lemma 7: I_1 = -eta G (u - y) with G the sum over the weights and a",
        "G includes the block of the alphas",
        "without it u(k+1) - u(k) - I_1 is of order eta, not eta^2",
    ),
    Erratum(
        "R-7",
        "Lemma 5: |sigma(W x)| <= L |W| |x|, (1 - t/H)^(H-1) >= e^-t, Var <= C_2/m",
        "the first needs sigma(0) = 0, the second t = c_w0 L <= 1.59, the third lost c_sigma^2",
        "the lower bound of |x^(h)(0)| is not needed; the upper one holds with S_ii + 1/2",
    ),
    Erratum(
        "R-8",
        "Lemma 4: |x^(h)(k) - x^(h)(0)| = O(1), O(e^(1/H))",
        "O(R), with factors 1 + alpha L omega/H and a term for the change of alpha",
        "it is 0 for R = 0",
    ),
    Erratum(
        "R-11",
        "Lemma 7: (y - u)^T I_1 >= lambda_min(G^(H)) |y - u|^2; Lemmas 6 and 8: O(eta^2 ...)",
        "eta lambda_min(G^(H)) |y - u|^2; the O hides n^(3/2) |y - u| and n^2",
        "the left-hand side is proportional to eta",
    ),
    Erratum(
        "R-12",
        "Thm 2: |du_i/d xi| >= m_1 > 0 for every parameter xi",
        "an upper bound only",
        "du_i/d alpha_h tends to a centred normal variable as m grows",
    ),
    Erratum(
        "R-13",
        "Thm 3: lambda_max(J J^T) = Omega(H), lambda_min(J J^T) = O(1), J not defined",
        "J has to be named: for the outputs' derivative in the parameters lambda_min grows as "
        "well; for the features' derivative in the input it holds",
        "decided for the network at hand by computing both at several depths",
    ),
    Erratum(
        "R-16",
        "Lemma 1 and Thm 1 do not exclude alpha_H(0) = 0",
        "alpha_H(0) is not 0",
        "K^(H) is proportional to alpha_H(0)^2",
    ),
)

ZHANG: Final[dict[str, Erratum]] = {e.id: e for e in _ALL}


def lemma_errata(*ids: str) -> tuple[Erratum, ...]:
    """The records with these ids."""
    return tuple(ZHANG[i] for i in ids)
