"""Plain text and LaTeX."""

from fractions import Fraction

import pytest

from govcheck.bounds.expr import ZERO, absolute, function, let, maximum, num, power, sqrt, sym
from govcheck.bounds.letters import name_latex, state_latex
from govcheck.bounds.printing import definitions, latex, symbol_latex, text
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
        # the only factor below or above needs no parentheses
        (1 / (M + EPS), "1/(m + eps)", r"\frac{1}{m + \varepsilon}"),
        ((M + EPS) / H, "(m + eps)/H", r"\frac{m + \varepsilon}{H}"),
        (M * (M + EPS) / H, "m*(m + eps)/H",
         r"\frac{m \, \left(m + \varepsilon\right)}{H}"),
        # GitHub refuses \operatorname
        (function("erf", M), "erf(m)", r"\mathrm{erf}\left(m\right)"),
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


def test_a_long_factor_stands_behind_its_fraction():
    terms = sum((sym(f"b_{i}") for i in range(9)), ZERO)
    inside = " + ".join(f"b_{{{i}}}" for i in range(9))
    assert latex(M * terms / H) == rf"\frac{{m}}{{H}} \, \left({inside}\right)"
    assert text(M * terms / H).endswith(")/H")


def test_a_power_of_a_value_after_steps_has_parentheses():
    e = Recurrence((M,), (2 * M * EPS + 1,)).output((H, num(5)), 0) ** 2
    assert latex(e) == r"\left(m^{(H)}\right)^{2}"


@pytest.mark.parametrize(
    ("name", "tex"),
    [
        ("out@repeat", r"B_{\mathrm{repeat}}"),
        ("out_spec@repeat.2", r"B_{\mathrm{op},\mathrm{repeat.2}}"),
        ("tt@multihead_attention", r"T_{\theta\theta,\mathrm{multihead\_attention}}"),
        ("sigma_D@conv", r"\sigma_{D,\mathrm{conv}}"),
        ("beta", r"\beta"),
        ("Gamma_1", r"\Gamma_{1}"),
        ("rate(R)", r"\rho\left(R\right)"),
        ("R_star", r"R_{\star}"),
    ],
)
def test_names_of_shared_parts(name, tex):
    assert name_latex(name) == tex


def test_a_name_can_be_given_other_letters():
    assert latex(let("beta", M + EPS, at_least=0) ** 2, {"beta": r"\tilde\beta"}) == (
        r"\tilde\beta^{2}"
    )


def test_states_wear_a_hat():
    assert state_latex("D", "repeat", squared=True) == r"\widehat{D^{2}}_{\mathrm{repeat}}"
    assert state_latex("out", "r") == r"\widehat{B}_{\mathrm{r}}"


def test_shared_parts_print_by_name_and_are_defined_once():
    body = sum((sym(f"a_{i}") for i in range(20)), ZERO)
    part = let("J@tanh", body)
    formula = part**2 + 3 * part
    assert text(formula) == "J@tanh^2 + 3*J@tanh"
    assert definitions(formula) == [("J@tanh", body)]


def test_a_recurrence_is_named_by_its_result():
    machine = Recurrence((M,), (2 * M + 1,))
    e = machine.output((H, num(5)), 0)
    assert text(e) == "m[H]"
