"""Plain text and LaTeX."""

from fractions import Fraction

import pytest

from govcheck.bounds.expr import ZERO, absolute, let, maximum, num, power, sqrt, sym
from govcheck.bounds.printing import definitions, latex, recurrence_text, symbol_latex, text
from govcheck.bounds.recurrence import Recurrence, complete_symmetric

M, EPS, D, H = sym("m"), sym("eps"), sym("delta", nonneg=False), sym("H")


@pytest.mark.parametrize(
    ("formula", "plain", "tex"),
    [
        (1 - D, "1 - delta", r"1 - \delta"),
        (absolute(1 - D) / sqrt(M), "abs(1 - delta)/sqrt(m)",
         r"\frac{\left|1 - \delta\right|}{\sqrt{m}}"),
        ((M + 1) ** 2 / EPS, "(1 + m)^2/eps", r"\frac{\left(1 + m\right)^{2}}{\varepsilon}"),
        (Fraction(2, 3) * M, "2*m/3", r"\frac{2 \, m}{3}"),
        (M ** Fraction(3, 2), "m^(3/2)", r"m^{\frac{3}{2}}"),
        (-M, "-m", "-m"),
        (maximum(M, 2), "max(m, 2)", r"\max\left(m, 2\right)"),
        (power(M + 1, H - 1), "(1 + m)^(H - 1)", r"\left(1 + m\right)^{H - 1}"),
        (complete_symmetric(H - 1, M, 1), "h[H - 1](m, 1)", r"h_{H - 1}\left(m, 1\right)"),
        (num(Fraction(-1, 2)), "-1/2", r"-\frac{1}{2}"),
    ],
)
def test_forms(formula, plain, tex):
    assert text(formula) == plain
    assert latex(formula) == tex


@pytest.mark.parametrize(
    ("name", "tex"),
    [
        ("eps", r"\varepsilon"),
        ("lambda_0", r"\lambda_{0}"),
        ("Gamma_1", r"\Gamma_{1}"),
        ("X_F", "X_{F}"),
        ("x12", "x_{12}"),
        ("mu_gamma", r"\mu_{\gamma}"),
        ("width", r"\mathrm{width}"),
    ],
)
def test_symbol_names(name, tex):
    assert symbol_latex(name) == tex


def test_shared_parts_print_by_name_and_are_defined_once():
    body = sum((sym(f"a_{i}") for i in range(20)), ZERO)
    part = let("J@tanh", body)
    formula = part**2 + 3 * part
    assert text(formula) == "J@tanh^2 + 3*J@tanh"
    assert definitions(formula) == [("J@tanh", body)]


def test_a_recurrence_is_written_out():
    machine = Recurrence((M,), (2 * M + 1,))
    e = machine.output((H, num(5)), 0)
    assert text(e) == "m[H]"
    assert recurrence_text(e).splitlines() == ["m[0] = 5;  m[k+1] = 1 + 2*m", "value m[H]"]
