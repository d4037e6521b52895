"""Every number of the document is shown, and nothing is shown that is not in it."""

import re

import pytest

from govcheck.report import latex, markdown

DECIMAL = re.compile(r"(?<![\w.\-])-?(?:\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.]*\d)")
POWER = re.compile(r"([0-9.]+)\\cdot 10\^\{(-?)([0-9]+)\}")
FORMATS = {"md": markdown.render, "tex": latex.render}
UNSHOWN = {"derivations", "plots", "plan"}


def values(part, skip=frozenset()):
    """Decimals that the document has as values of bounds, conclusions and measurements."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("value", "bound", "low", "high") and isinstance(value, str):
                if re.fullmatch(r"-?[0-9.]+(e[+-]?\d+)?", value):
                    yield value
            elif key not in skip:
                yield from values(value, skip)
    elif isinstance(part, list):
        for item in part:
            yield from values(item, skip)


def leaves(part):
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from leaves(item)
    else:
        yield part


def known(doc):
    """Every decimal in the document; measured ones also with fewer digits."""
    found = set()
    for leaf in leaves(doc):
        if isinstance(leaf, float):
            found |= {re.sub(r"e([+-])0+", r"e\1", f"{leaf:.{n}g}") for n in (4, 6)}
        elif isinstance(leaf, str):
            found |= set(DECIMAL.findall(leaf))
    return found


def plain(text):
    """A rendering with its powers of ten written as in the document."""
    text = POWER.sub(lambda m: f"{m[1]}e{m[2] or '+'}{m[3]}", text)
    return text.replace(r"\allowbreak{}", "").replace(r"{\char45}", "-").replace(r"{\char42}", "*")


def tokens(text):
    return set(re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", plain(text)))


def rows(text, form):
    ends = (lambda line: line.startswith("| ")) if form == "md" else (
        lambda line: line.endswith(r"\tabularnewline"))
    return "\n".join(line for line in text.splitlines() if ends(line))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("which", ["small_full", "both_full"])
def test_all_values_are_shown(form, which, request):
    doc = request.getfixturevalue(which)
    shown = tokens(FORMATS[form](doc))
    wanted = set(values(doc, UNSHOWN if form == "tex" else {"plots", "plan"}))
    assert len(wanted) > 30
    assert wanted - shown == set()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("which", ["small_full", "both_full"])
def test_tables_show_nothing_else(form, which, request):
    doc = request.getfixturevalue(which)
    shown = set(DECIMAL.findall(plain(rows(FORMATS[form](doc), form))))
    assert len(shown) > 30
    assert shown - known(doc) == set()


def test_a_wrong_digit_would_be_seen(small_full):
    text = markdown.render(small_full).replace("66.5482", "66.5483")
    assert "66.5483" not in known(small_full)
    assert "66.5483" in set(DECIMAL.findall(rows(text, "md")))
    assert "66.5482" not in tokens(text)
