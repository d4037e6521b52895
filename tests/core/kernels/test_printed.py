"""Definitions in print, for recognised networks: corrected they agree with the layers."""

from __future__ import annotations

import numpy as np
import pytest

from govcheck.bounds.answer import Unknown
from govcheck.errors import InputError
from govcheck.kernels import printed as module
from govcheck.kernels.gram import limiting_kernels
from govcheck.kernels.limits import NoKernelError
from govcheck.kernels.papers import conv_resnet_kernels, fc_kernels, resnet_kernels
from govcheck.kernels.printed import ALL
from govcheck.kernels.survey import choose, paper, samples, sweep
from govcheck.spec.document import loads

HEAD = """govcheck: 1
symbols: {{m: 64, H: {H}, alpha: 1/2}}
input: {shape}
layers:
  - {first}
  - softplus
  - scale: {{factor: sqrt(c_sigma(softplus)/m)}}
"""
DENSE, CONV = "affine: {out: m, bias: false}", (
    "conv: {out: m, kernel: 3, padding: same, bias: false}")
PLAIN = """  - repeat:
      times: H - 1
      block:
        - {first}
        - softplus
        - scale: {{factor: sqrt(c_sigma(softplus)/m)}}
"""
SKIP = """  - repeat:
      times: H - 1
      block:
        - residual:
            - {first}
            - softplus
            - scale: {{factor: alpha/(H*sqrt(m))}}
"""
READ = "  - affine: {{out: 1, bias: false}}\ncost: half_square\ndata: {{sphere: {{n: 6}}}}\n"


@pytest.fixture(scope="session")
def make(registry):
    def build(kind, H=3, tail=READ):
        image = kind == "conv"
        text = HEAD + (PLAIN if kind == "fc" else SKIP) + ("  - flatten\n" if image else "") + tail
        first, shape = (CONV, "[2, 3]") if image else (DENSE, "[3]")
        return loads(text.format(H=H, first=first, shape=shape), registry)

    return build


def truth(kind, x, dual, H, as_printed):
    if kind == "fc":
        return fc_kernels(x, H, dual, as_printed=as_printed).last
    if kind == "res":
        return resnet_kernels(x, [0.5] * (H - 1), dual, as_printed=as_printed).last
    return conv_resnet_kernels(x, H, dual, c_res=0.5, patch=3, as_printed=as_printed).last


@pytest.mark.parametrize("kind", ["fc", "res", "conv"])
@pytest.mark.parametrize("H", [1, 2, 4])
def test_numbers_of_a_definition(make, dual, inputs, images, upper_triangle, kind, H):
    arch = make(kind, H)
    x = images if kind == "conv" else inputs["X3n"]
    own = paper(arch)
    assert not isinstance(own, Unknown)
    right = truth(kind, x, dual("softplus"), H, False)
    assert upper_triangle(own.last(x), right) < 1e-14
    assert upper_triangle(limiting_kernels(arch, x, ("last",))["last"], right) < 1e-13
    if H == 1:
        with pytest.raises(ValueError, match="not defined"):
            own.last(x, ALL)
        return
    wrong = truth(kind, x, dual("softplus"), H, True)
    assert upper_triangle(own.last(x, ALL), wrong) < 1e-14
    assert upper_triangle(wrong, right) > 1e-6


def test_each_erratum_by_itself(make, inputs, images, upper_triangle):
    own = paper(make("conv"))
    assert own.errata == ("index", "cross", "skip", "factor")
    right = own.last(images)
    for name in own.errata:
        assert upper_triangle(own.last(images, frozenset({name})), right) > 1e-6
    assert paper(make("fc")).errata == ("index",)
    assert paper(make("res")).errata == ("index", "cross")


@pytest.mark.parametrize("kind", ["fc", "conv"])
def test_tiles_do_not_matter(make, monkeypatch, upper_triangle, kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((23, 2, 3) if kind == "conv" else (23, 3))
    own = paper(make(kind))
    whole = own.last(x, ALL)
    monkeypatch.setattr(module, "ENTRIES", 900 if kind == "conv" else 100)
    steps = []
    tiled = own.last(x, ALL, lambda done, of: steps.append((done, of)))
    assert len(steps) > 3 and steps[-1][0] == steps[-1][1]
    assert upper_triangle(tiled, whole) < 1e-13 * np.abs(whole).max()


def test_stretch(make, registry):
    assert paper(make("res", 4)).stretch == (4 / 0.5) ** 2
    assert paper(make("conv", 4)).stretch == (4 / 0.5) ** 2
    assert paper(make("fc", 4)).stretch is None
    assert paper(make("res", 1)).stretch is None


def test_other_networks_have_none(network, dual):
    found = paper(network("  - affine: {out: m}\n  - tanh\n  - affine: {out: 1}\n", dual("tanh")))
    assert isinstance(found, Unknown) and "bias" in found.reason


def test_samples_of_a_file(make):
    assert samples(make("conv")).x.shape == (6, 2, 3)
    with pytest.raises(InputError, match="no data"):
        samples(make("fc", tail="  - affine: {{out: 1, bias: false}}\n"))


def test_blocks_to_choose(make, inputs):
    arch, x = make("fc"), inputs["X3"]
    assert choose(arch, x, "feature") == ["gram:affine_3"]
    assert choose(arch, x, "affine_2[0]") == ["block:affine_2[0].weight"]
    assert choose(arch, x, "variance:affine") == ["variance:affine"]
    with pytest.raises(InputError, match="did you mean 'feature'"):
        choose(arch, x, "features")


def test_sweep_needs_a_hidden_layer(registry):
    arch = loads("govcheck: 1\ninput: [3]\nlayers: [{affine: {out: 1}}]\n", registry)
    with pytest.raises(NoKernelError, match="no hidden layer"):
        list(sweep([(None, arch)], np.eye(3), [3]))


def test_sweep_takes_the_first_samples(make, dual, inputs):
    rows = list(sweep([(2, make("fc", 2)), (3, make("fc", 3))], inputs["X3"], [2, 3]))
    assert [(r.depth, r.n) for r in rows] == [(2, 2), (2, 3), (3, 2), (3, 3)]
    for r in rows:
        k = fc_kernels(inputs["X3"][: r.n], r.depth, dual("softplus")).last
        assert r.smallest.value == pytest.approx(np.linalg.eigvalsh(k)[0], abs=1e-14)
        assert r.depth_free is None and r.printed is None
