"""MathML from the LaTeX that reports contain."""

import xml.etree.ElementTree as ET
from fractions import Fraction

import pytest

from govcheck.bounds.expr import absolute, function, minimum, mul, power, sym
from govcheck.bounds.printing import latex
from govcheck.report.html.mathml import ELEMENTS, mathml


def _tree(source, display=False):
    page = mathml(source, display=display).replace("<wbr>", "")
    return ET.fromstring(f"<div>{page}</div>")


def _bare(source, display=False):
    """Structure and text without attributes."""

    def show(e):
        inner = "".join(map(show, e)) or (e.text or "")
        return f"{e.tag}({inner})"

    return "".join(show(e) for e in _tree(source, display))


@pytest.mark.parametrize(("source", "expected"), [
    (r"\frac{a}{b}", "math(mfrac(mi(a)mi(b)))"),
    (r"x_{1}^{2}", "math(msubsup(mi(x)mn(1)mn(2)))"),
    (r"\sqrt{N}", "math(msqrt(mi(N)))"),
    (r"\left|x\right|", "math(mo(|)mi(x)mo(|))"),
    (r"\|X\|_F", "math(msub(mrow(mo(\u2016)mi(X)mo(\u2016))mi(F)))"),
    (r"\left\|X\right\|_F^{2}", "math(msubsup(mrow(mo(\u2016)mi(X)mo(\u2016))mi(F)mn(2)))"),
    (r"\min\left(a, b\right)", "math(mi(min)mrow(mo(()mi(a)mo(,)mi(b)mo())))"),
    (r"\operatorname{erf}\left(1\right)", "math(mi(erf)mrow(mo(()mn(1)mo())))"),
    (r"\mathrm{bn\_2.1}", "math(mi(bn_2.1))"),
    (r"\sum_{i = 1}^{n} x_i",
     "math(munderover(mo(\u2211)mrow(mi(i)mo(=)mn(1))mi(n))msub(mi(x)mi(i)))"),
    (r"\prod_{k} r", "math(munder(mo(\u220f)mi(k))mi(r))"),
    (r"\begin{cases} 1 & a \\ 2 & b \end{cases}",
     "math(mo({)mtable(mtr(mtd(mn(1))mtd(mi(a)))mtr(mtd(mn(2))mtd(mi(b)))))"),
    (r"\widehat{B}_{\mathrm{a}}^{(k + 1)}",
     "math(msubsup(mover(mi(B)mo(^))mi(a)mrow(mo(()mi(k)mo(+)mn(1)mo()))))"),
])
def test_structure(source, expected):
    assert _bare(source, display="\\sum" in source or "\\prod" in source) == expected


def test_names_of_one_letter_stay_upright():
    upright, slanted = _tree(r"\mathrm{J} J")[0]
    assert upright.get("mathvariant") == "normal" and slanted.get("mathvariant") is None


def test_displayed_sums_are_one_element_for_each_term():
    parts = [e for e in _tree(r"a + \frac{b + c}{2} - d", display=True) if e.tag == "math"]
    assert ["".join(p.itertext()) for p in parts] == ["a", "+b+c2", "\u2212d"]
    assert all(p.get("displaystyle") == "true" for p in parts)
    assert [p[0].get("form") for p in parts[1:]] == ["infix", "infix"]


@pytest.mark.parametrize("source", [
    r"\text{<script>alert(1)</script>}", "<img src=x>", r"\href{javascript:x}{y}", "a & b", "{",
    r"\left(", "x_", r"\mathrm{\"><b>}", r"\class{x}{y}", r"\htmlData{a=b}{c}", "", "%",
    r"\unknowncommand{x}", "\ue000", r"\text{" + "\ue000" + r"}\mathrm{<i>}",
])
def test_no_text_becomes_markup(source):
    tags = {e.tag for e in _tree(source).iter()} | {e.tag for e in _tree(source, True).iter()}
    assert tags <= ELEMENTS | {"div", "code"}


def test_what_the_program_prints_converts():
    x, y = sym("x_1", latex=r"\|x\|_{2}"), sym("sigma_Df")
    root = power(x, Fraction(1, 2))
    formula = minimum(mul(root, function("exp", y)), absolute(y - x), (x + y) ** 3)
    page = mathml(latex(formula))
    assert "<code>" not in page and "<mi>min</mi>" in page and "<msqrt>" in page
