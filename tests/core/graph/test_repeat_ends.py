"""The search for what a repeated block carries ends after a bounded number of compositions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from govcheck.bounds.answer import CARRIED
from govcheck.bounds.constants import MODES
from govcheck.bounds.domain import Ball
from govcheck.bounds.expr import sqrt, sym
from govcheck.graph import repeat
from govcheck.graph.blocks import Leaf, Repeat, Residual, chain
from govcheck.graph.compose import Composer
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.tanh import Tanh

N, M, EPS, H = (sym(n) for n in ("N", "m", "eps", "H"))
X, SIGMA = sym("X_F"), sym("sigma_X")


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_copies_composed_are_few_in_every_mode(monkeypatch, mode, order):
    most = 2 * len(CARRIED)
    composed = []

    def counted(*args):
        composed.append(args)
        assert len(composed) <= most
        return original(*args)

    original = repeat._one_copy
    monkeypatch.setattr(repeat, "_one_copy", counted)
    block = Residual(
        "residual",
        chain(Leaf("wn", Affine(M, "weight_norm", False, 1 / sqrt(M), EPS)), Leaf("act", Tanh())),
    )
    first = Leaf("first", Affine(M, "entrywise", False, 1 / sqrt(M), EPS))
    composer = Composer(N, Ball(sym("R"), {}), replace(mode, order=order))
    start = composer.start((M,), X, X, SIGMA)
    net = composer.run(chain(first, Repeat("repeat", H, chain(block))), start).constants
    assert 0 < len(composed) <= most
    assert net["J"].known and net["sigma_D"].known
    assert net["tt"].known is (order == 2)
