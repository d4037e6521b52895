"""The checks of theorem plugins, on theorems that are right and on some that are not."""

from __future__ import annotations

import pytest

from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.expr import num
from govcheck.plugin.testing import check_theorem
from govcheck.theorems.protocol import Hypothesis, Theorem, TheoremExample, Verdict

NET = """
govcheck: 1
name: net
input: [2]
layers:
  - {layer}
data: {{orthonormal: {{n: 2}}}}
domain: {{ball: 1}}
"""
SCALED, TRAINED = "scale: {factor: 3}", "affine: {out: 2}"
BOTH = "affine: {out: 3}"
REF = Ref("a book", "page 1")


class Square(Theorem):
    """A fixed layer with as many outputs as inputs has |J| <= 3 (made up)."""

    name = "made_up.square"
    title = "Square"
    reference = REF
    limit = 3
    decides_size = True

    def decide(self, analysis, reading):
        (leaf,) = analysis.leaves()
        fixed = not leaf.layer.parameters(analysis.shapes[leaf.node])
        square = analysis.architecture.output == analysis.architecture.input
        hypotheses = tuple(
            Hypothesis(key, key, "symbolic", "proved" if holds else "refuted", "seen")
            for key, holds in (("fixed", fixed), ("square", square or not self.decides_size))
        )
        bound = ComposedBound("J", "net", num(self.limit), "upper", "made up", REF)
        return Verdict(self.name, self.title, REF, reading, hypotheses, {"J": bound})

    @classmethod
    def examples(cls):
        def measured(analysis):
            from govcheck.numeric.network import extreme

            return {"J": extreme(analysis, "J", starts=1, steps=5)}

        return (
            TheoremExample(NET.format(layer=SCALED), measured=measured),
            TheoremExample(NET.format(layer=TRAINED), "fixed"),
            TheoremExample(NET.format(layer="zero_pad: {out: 3}"), "square"),
        )


def messages(theorem, registry):
    return {r.check: r.message for r in check_theorem(theorem, registry=registry) if r.bad}


def test_a_right_theorem_passes(registry):
    records = check_theorem(Square, registry=registry)
    assert [r.check for r in records] == [
        "metadata", "applies", "refused_at_fixed", "refused_at_square", "coverage"]
    assert {r.status for r in records} == {"passed"}
    assert "J 3 against 3" in records[1].message


def test_a_conclusion_that_is_wrong(registry):
    class Wrong(Square):
        """As before, with a bound that is too small."""

        limit = 2

    assert "at most 2 by the theorem, and 3 is attained" in messages(Wrong, registry)["applies"]


def test_a_hypothesis_that_is_not_decided(registry):
    class Lax(Square):
        """As before, but anything passes for square."""

        decides_size = False

    assert "accepted" in messages(Lax, registry)["refused_at_square"]


def test_examples_that_violate_more_or_less_than_they_say(registry):
    class Mixed(Square):
        """As before, with wrong examples."""

        @classmethod
        def examples(cls):
            return (
                TheoremExample(NET.format(layer=TRAINED)),
                TheoremExample(NET.format(layer=BOTH), "fixed"),
            )

    found = messages(Mixed, registry)
    assert "refused at fixed" in found["applies"]
    assert "refused at fixed, square" in found["refused_at_fixed"]
    assert "no example violates square" in found["coverage"]


def test_a_theorem_without_a_valid_example(registry):
    class Empty(Square):
        """As before, without a valid example."""

        @classmethod
        def examples(cls):
            return (TheoremExample(NET.format(layer=TRAINED), "fixed"),)

    assert messages(Empty, registry)["coverage"] == "no example is valid"


def test_without_examples_there_is_nothing_to_check(registry):
    class Silent(Square):
        """As before, without examples."""

        @classmethod
        def examples(cls):
            return ()

    status = {r.check: r.status for r in check_theorem(Silent, registry=registry)}
    assert status == {"metadata": "passed", "examples": "skipped"}


def test_an_architecture_that_cannot_be_read_is_a_fault(registry):
    class Garbled(Square):
        """As before, with an architecture that is none."""

        @classmethod
        def examples(cls):
            return (TheoremExample("layers: ["),)

    assert "InputError" in messages(Garbled, registry)["applies"]


def examples(*found):
    """Another set of examples for `Square`."""
    own = classmethod(lambda cls: (*Square.examples(), *found))
    return {"examples": own, "__doc__": "As before."}


def test_hypotheses_that_fail_together_have_to_be_named(registry):
    both = NET.format(layer=BOTH)
    honest = type("Honest", (Square,), examples(TheoremExample(both, "fixed", also=("square",))))
    assert not messages(honest, registry)
    silent = type("Silent", (Square,), examples(TheoremExample(NET.format(layer=TRAINED), "fixed",
                                                               also=("square",))))
    found = messages(silent, registry)["refused_at_fixed"]
    assert found == "a network that violates fixed and square alone is refused at fixed"


@pytest.mark.parametrize(("key", "message"), [
    ("square", "an example violates square, which is said never to fail"),
    ("round", "round is said never to fail and is no hypothesis")])
def test_a_hypothesis_that_is_said_never_to_fail(registry, key, message):
    wrong = type("Wrong", (Square,), {"never_fails": {key: "no reason"}, "__doc__": "As before."})
    assert messages(wrong, registry)["coverage"] == message


def test_a_theorem_whose_conclusion_is_not_measured(registry):
    unmeasured = tuple(TheoremExample(e.architecture, e.violates) for e in Square.examples())

    class Unmeasured(Square):
        """As before, without numbers."""

        @classmethod
        def examples(cls):
            return unmeasured

    assert "measures" in messages(Unmeasured, registry)["coverage"]
