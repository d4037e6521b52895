"""``govcheck explain ARCH QUANTITY[@NODE]``: a derivation as numbered steps."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.report.derivation import Step
    from govcheck.report.lookup import Found
    from govcheck.report.page import Page

EPILOG = """\
QUANTITY is one of out out_spec out_inj J D xx xt tt sigma_J sigma_D of the network, or
alpha Gamma_1 Gamma_2 beta lipschitz eta mu_gamma kappa_gamma mu rate of the loss.
QUANTITY@NODE is the constant of the layer NODE by itself, followed by that of the map
up to and including NODE, which is what formulas call QUANTITY@NODE.

examples: govcheck explain arch.yaml beta
          govcheck explain arch.yaml J@tanh --latex"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EPILOG
    common.add_architecture(parser)
    parser.add_argument("quantity", metavar="QUANTITY[@NODE]", help="what to derive")
    parser.add_argument(
        "--mode", choices=common.MODES, default="tight", help="how bounds are composed"
    )
    parser.add_argument("--full", action="store_true", help="all steps, however many")
    parser.add_argument("--latex", action="store_true", help="formulas in LaTeX")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Derive one constant."""
    from govcheck.analysis import analyze
    from govcheck.report.lookup import find
    from govcheck_cli.main import OK, PLUGIN

    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        result = analyze(arch, options.mode, plugins.registry, data=not options.no_data)
        found = find(result, options.quantity)
        answers = [_answer(f, result, options.full) for f in found]
    if options.json:
        output.write_json({
            "govcheck_derivation": 1,
            "file": arch.file,
            "quantity": options.quantity,
            "mode": options.mode,
            "parameter_set": result.domain.describe(),
            "answers": answers,
        })
    else:
        page = output.make_page()
        for i, answer in enumerate(answers):
            if i:
                page.line("")
            _show(page, answer, options, result)
        output.write(page.text())
    return PLUGIN if options.strict_plugins and plugins.trouble else OK


def _answer(found: Found, a: Analysis, full: bool) -> dict[str, Any]:
    from govcheck.bounds.answer import LocalBound
    from govcheck.bounds.expr import Expr
    from govcheck.report.derivation import Gap, abridged, derivation
    from govcheck.report.formulas import Notation
    from govcheck.report.numbers import Numbers

    steps = derivation(found.bound, Numbers(a.env))
    shown = steps if full else abridged(steps)
    value = found.bound.value
    notation = Notation([value] if isinstance(value, Expr) else [])
    return {
        "about": found.about,
        "local": isinstance(found.bound, LocalBound),
        "definitions": notation.definitions(),
        "recurrences": notation.recurrences(),
        "count": len(steps),
        "steps": [
            {"omitted": [s.first, s.last]} if isinstance(s, Gap) else _step(s) for s in shown
        ],
    }


def _step(s: Step) -> dict[str, Any]:
    number = s.value
    return {
        "number": s.number,
        "quantity": s.quantity,
        "node": s.node,
        "local": s.local,
        "sense": s.sense,
        "text": s.text,
        "latex": s.latex,
        "known": s.known,
        "value": number.text if number else None,
        "missing": list(number.missing) if number else [],
        "rule": s.rule,
        "reference": str(s.ref),
        "note": s.note,
        "premises": list(s.premises),
    }


def _show(page: Page, answer: dict[str, Any], options: argparse.Namespace, a: Analysis) -> None:
    from govcheck.bounds.answer import MEANING
    from govcheck.bounds.loss import LOSS_MEANING

    last = answer["steps"][-1]
    meaning = MEANING.get(last["quantity"]) or LOSS_MEANING.get(last["quantity"], "")
    page.line(f"{last['quantity']} of {answer['about']}", "bold")
    page.field("meaning", meaning)
    page.field("on", a.domain.describe())
    page.field("mode", options.mode)
    page.title("Derivation")
    for step in answer["steps"]:
        if "omitted" in step:
            first, to = step["omitted"]
            page.line(f"  ... steps {first} to {to} left out; --full shows them", "dim")
        else:
            _show_step(page, step, options)
    if answer["definitions"]:
        page.title("Names in the formula")
        form = "latex" if options.latex else "text"
        limit = None if options.full else 20
        for d in answer["definitions"][:limit]:
            page.formula(f"  {d['name_latex' if options.latex else 'name']} = ", d[form])
        if limit is not None and len(answer["definitions"]) > limit:
            more = len(answer["definitions"]) - limit
            page.line(f"  ... {more} more names; --full shows them", "dim")
    for r in answer["recurrences"]:
        page.title(f"Recurrence over {r['times']['text']} copies")
        _show_recurrence(page, r, options.latex)


def _show_step(page: Page, s: dict[str, Any], options: argparse.Namespace) -> None:
    node = s["node"] if s["node"].startswith("before ") else f"of {s['node']}"
    page.line(f"  {s['number']}. {s['quantity']} {node}" + (" by itself" if s["local"] else ""),
              "bold")
    head = f"     {page.sign(s['sense'])} " if s["known"] else "     "
    page.formula(head, s["latex" if options.latex and s["known"] else "text"])
    if s["value"] is not None and s["value"] != s["text"]:
        page.line(f"     {page.sign(s['sense'])} {s['value']}")
    numbers = ", ".join(map(str, s["premises"]))
    page.hang("     ", s["rule"] + (f", from {numbers}" if numbers else "")
              + f"; {s['reference']}" + (f"; {s['note']}" if s["note"] else ""), "dim")


def _show_recurrence(page: Page, r: dict[str, Any], latex: bool) -> None:
    form = "latex" if latex else "text"
    for s in r["states"]:
        if latex:
            page.formula(f"  {s['name_latex']}^{{(0)}} = ", s["initial"][form])
            page.formula(f"  {s['name_latex']}^{{(k+1)}} = ", s["step"][form])
        else:
            page.formula(f"  {s['name']}[0] = ", s["initial"][form])
            page.formula(f"  {s['name']}[k+1] = ", s["step"][form])
