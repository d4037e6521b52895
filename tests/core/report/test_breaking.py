import pytest

from govcheck.report.breaking import lines, tex_width


def joined(parts):
    return " ".join(parts)


def test_short_formulas_stay_on_one_line():
    assert lines(r"a + \frac{b}{c}", 40) == [r"a + \frac{b}{c}"]


def test_sums_break_before_their_signs_and_lose_nothing():
    tex = " + ".join(rf"x_{{{i}}} \, y" for i in range(9)) + " - z"
    parts = lines(tex, 16)
    assert len(parts) > 2 and all(p.startswith(("+ ", "- ")) for p in parts[1:])
    assert all(tex_width(p) <= 18 for p in parts)
    assert joined(parts) == tex


def test_products_break_with_a_sign_of_multiplication():
    tex = r" \, ".join(rf"\left(a + b_{{{i}}}\right)" for i in range(6))
    parts = lines(tex, 20)
    assert len(parts) > 1 and all(p.startswith(r"\times ") for p in parts[1:])
    assert joined(parts).replace(r"\times ", r"\, ") == tex


@pytest.mark.parametrize(
    "tex", [r"\frac{a + b + c + d}{e + f}", r"\left(a + b + c + d\right)^{2}", r"\sqrt{a + b + c}"]
)
def test_what_cannot_break_stays_whole(tex):
    assert lines(tex, 3) == [tex]


def test_width_of_a_fraction_is_that_of_its_wider_part():
    assert tex_width(r"\frac{a b c d}{e}") == pytest.approx(4.5)
    assert tex_width(r"\mathrm{abc}") == 3
    assert tex_width("x_{ab}") == pytest.approx(1 + 2 * 0.72)
    assert tex_width(r"\left(x\right)") == 3


def test_what_stands_before_counts_on_the_first_line_only():
    tex = " + ".join("abcdefgh" for _ in range(4))
    assert len(lines(tex, 24, taken=14)) > len(lines(tex, 24))
