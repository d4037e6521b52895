import copy
import re

import pytest

from govcheck.report import markdown
from govcheck.report.blocks import Code, Math, Text

NASTY = "100% of $x_{#}$ \\evil | <script>alert(1)</script> `tick` *star* ~~no~~ [a](b) &amp;"
INLINE = re.compile(r"\$`([^`]*)`\$")
FENCE = re.compile(r"^(`{3,})(\w*)\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)
REFUSED = (r"\operatorname", r"\newcommand", r"\def", r"\require", r"\href", r"\text{")


@pytest.fixture(scope="module", params=["small_full", "both_full"])
def rendered(request):
    return markdown.render(request.getfixturevalue(request.param))


def maths(text):
    return [*INLINE.findall(text), *(m[3] for m in FENCE.finditer(text) if m[2] == "math")]


def balanced(tex):
    depth = 0
    for token in re.findall(r"\\.|[{}]", tex):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0 and tex.count(r"\left") == tex.count(r"\right")


def test_every_formula_is_one_that_github_takes(rendered):
    found = maths(rendered)
    assert len(found) > 40
    for tex in found:
        assert balanced(tex), tex
        assert "|" not in tex and "`" not in tex and "$" not in tex, tex
        assert not any(word in tex for word in REFUSED), tex


def test_no_sign_of_mathematics_is_left_over(rendered):
    rest = INLINE.sub("", FENCE.sub("", rendered))
    assert re.sub(r"\\\$", "", rest).count("$") == 0


def test_rows_of_a_table_have_as_many_cells_as_its_head(rendered):
    for block in FENCE.sub("", rendered).split("\n\n"):
        if block.startswith("| "):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1, block


def test_details_are_closed_and_stand_apart(rendered):
    assert rendered.count("<details>\n<summary>") == rendered.count("\n\n</details>") > 0
    outside = re.sub(r"</?(details|summary)>", "", FENCE.sub("", rendered))
    assert not re.search(r"<[a-z!/]", re.sub(r"`[^`]*`", "", outside))


def nasty(doc):
    spoiled = copy.deepcopy(doc)
    spoiled["architecture"]["name"] = NASTY
    spoiled["architecture"]["file"] = "a`b|c.yaml"
    spoiled["warnings"] = [NASTY]
    spoiled["theorems"][0]["hypotheses"][0]["statement"] = NASTY
    spoiled["symbols"][0]["meaning"] = "| a | b |"
    return spoiled


def test_nasty_names_are_shown_and_do_nothing(small_full):
    text = markdown.render(nasty(small_full))
    title = text.splitlines()[0]
    assert title == (
        r"# 100% of \$x\_{#}\$ \\evil \| &lt;script&gt;alert(1)&lt;/script&gt; \`tick\` "
        r"`*star*` \~\~no\~\~ \[a\](b) &amp;amp;".replace("{#}", r"\{\#\}")
    )
    assert "<script" not in text
    test_rows_of_a_table_have_as_many_cells_as_its_head(text)
    test_no_sign_of_mathematics_is_left_over(text)


def test_code_with_backticks_has_longer_fences():
    assert markdown._part(Code("a`b"), False) == "``a`b``"
    assert markdown._part(Code("`a"), False) == "`` `a ``"
    assert markdown._part(Code("a|b"), True) == r"`a\|b`"


def test_bars_of_formulas_are_words():
    assert markdown._part(Math(r"\|X\|_F + \left|a\right|"), True) == (
        r"$`\Vert X\Vert _F + \left\vert a\right\vert `$"
    )


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sigma(D) >= lambda_0,", "sigma(D) ≥ `lambda_0`,"),
        ("|X|_F <= 2", "`|X|_F` ≤ 2"),
        ("at every |grad l|^2", r"at every \|grad l\|^2"),
        ("2 * 3", r"2 \* 3"),
    ],
)
def test_prose_keeps_its_formulas(given, shown):
    assert markdown._part(Text(given), False) == shown


def test_a_line_does_not_become_a_list():
    assert markdown._line((Text("- no point"),)) == r"\- no point"
    assert markdown._line((Text("1. no number"),)) == r"1\. no number"


def test_drawings_are_shown_by_their_files(both_full):
    text = markdown.render(both_full, figures={"modes": "r-modes.svg"})
    assert text.count("](<r-modes.svg>)") == 1 and text.count("![") == 1
