"""A badge: two words on coloured ground as one small SVG file."""

from __future__ import annotations

from typing import Any, Final
from xml.sax.saxutils import escape

from govcheck.report.budget_check import decided

Json = dict[str, Any]

HELD: Final = "#1a7f37"
BROKEN: Final = "#c62828"
OPEN: Final = "#8a5a00"
NUMBER: Final = "#0b5cad"
LABEL: Final = "#4a4a4a"
GROUNDS: Final = (HELD, BROKEN, OPEN, NUMBER, LABEL)
"""White text on each of them has a contrast of at least 4.5, which WCAG asks for."""

SIZE: Final = 11
HEIGHT: Final = 20
PAD: Final = 6
LIMIT: Final = 100

WIDTHS: Final = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)
"""Advances of the printable ASCII signs in DejaVu Sans, in thousandths of the size."""

MORE: Final = {"≤": 838, "≥": 838}
WIDE: Final = 1000
"""Of signs that are in neither table; wide enough for most."""


class Badge:
    """What a badge says.

    Args:
        label: on the left.
        message: on the right.
        ground: colour behind the message.
        holds: whether what it shows holds.
    """

    def __init__(self, label: str, message: str, ground: str, holds: bool) -> None:
        self.label = _short(label)
        self.message = _short(message)
        self.ground = ground
        self.holds = holds

    def svg(self) -> str:
        """The badge; the same words give the same bytes.

        The length of the text is fixed, so that it fits whatever sans-serif font shows it.
        """
        left, right = _width(self.label), _width(self.message)
        a, b = left + 2 * PAD, right + 2 * PAD
        title = escape(f"{self.label}: {self.message}", {'"': "&quot;"})
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="{HEIGHT}" '
            f'role="img" aria-label="{title}">\n'
            f"  <title>{title}</title>\n"
            f'  <rect width="{a + b}" height="{HEIGHT}" rx="3" fill="{self.ground}"/>\n'
            f'  <path d="M{a} 0v{HEIGHT}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="{LABEL}"/>\n'
            f'  <g fill="#fff" font-family="Verdana,\'DejaVu Sans\',Geneva,sans-serif" '
            f'font-size="{SIZE}" text-rendering="geometricPrecision" aria-hidden="true">\n'
            f"{_words(self.label, PAD, left)}{_words(self.message, a + PAD, right)}"
            f"  </g>\n"
            f"</svg>\n"
        )


def of_guarantees(doc: Json) -> Badge:
    """Whether the theorems that the file asks for apply."""
    asked = doc["guarantees"]["asked"]
    if asked is None:
        names = dict.fromkeys(v["theorem"] for v in doc["theorems"])
        verdicts = [v for v in (decided(doc, n) for n in names) if v is not None]
        held = sum(v["status"] == "applies" for v in verdicts)
        return Badge("govcheck", f"{held} of {len(verdicts)} theorems apply", NUMBER, True)
    failed = len(doc["guarantees"]["failed"])
    total = len(asked)
    if not total:
        return Badge("govcheck", "no theorem asked for", OPEN, True)
    words = "1 theorem applies" if total == 1 else f"all {total} theorems apply"
    if failed:
        words = f"{total - failed} of {total} theorems apply"
    return Badge("govcheck", words, BROKEN if failed else HELD, not failed)


def of_quantity(doc: Json, quantity: str) -> Badge:
    """A constant of the network or the loss, with the number the report prints.

    Raises:
        KeyError: with the names there are, for a quantity that the report does not have.
    """
    mode = doc["modes"][0]["name"]
    rows = {q["quantity"]: q for part in ("network", "loss") for q in doc["bounds"][part]}
    if quantity not in rows:
        raise KeyError(*rows)
    answer = rows[quantity]["answers"][mode]
    if answer["value"] is None:
        return Badge(quantity, "unknown" if answer["unknown"] else "no number", OPEN, False)
    sign = "≤" if answer["sense"] == "upper" else "≥"
    message = f"{sign} {answer['value']}"
    if not answer["guaranteed"]:
        return Badge(quantity, f"{message} (not guaranteed)", OPEN, False)
    return Badge(quantity, message, NUMBER, True)


def of_theorem(doc: Json, theorem: str) -> Badge:
    """The verdict of a theorem by its corrected reading."""
    v = decided(doc, theorem)
    if v is None:
        return Badge(theorem, "not decided", OPEN, False)
    words = {"applies": "applies", "fails": "does not apply", "undecided": "undecided"}
    assumed = v["status"] == "applies" and any(
        h["status"] in ("assumed", "measured") for h in v["hypotheses"])
    ground = {"applies": HELD, "fails": BROKEN, "undecided": OPEN}[v["status"]]
    tail = " under assumptions" if assumed else ""
    return Badge(theorem, words[v["status"]] + tail, ground, v["status"] == "applies")


def of_budget(part: Json) -> Badge:
    """Whether a budget is kept; see `govcheck.report.budget_check.check`."""
    total = len(part["lines"])
    broken = sum(not line["holds"] for line in part["lines"])
    words = f"{broken} of {total} not kept" if broken else f"kept ({total} of {total})"
    return Badge("govcheck budget", words, BROKEN if broken else HELD, not broken)


def _short(text: str) -> str:
    """Printable text of at most `LIMIT` characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"


def _width(text: str) -> int:
    """Of a line of text in pixels, rounded up."""
    total = sum(WIDTHS[ord(c) - 32] if " " <= c <= "~" else MORE.get(c, WIDE)
                for c in text)
    return -(-total * SIZE // 1000)


def _words(text: str, x: int, width: int) -> str:
    length = f' textLength="{width}"' if text else ""
    return f'    <text x="{x}" y="14"{length}>{escape(text)}</text>\n'
