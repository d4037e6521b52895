"""Tiny networks on which the theorems of Du et al. are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck.theorems.protocol import TheoremExample

FIRST: Final = """
  - affine: {out: m, bias: false}
  - ACT
  - scale: {factor: sqrt(c_sigma(ACT)/m)}
"""
BRANCH: Final = """  - residual:
      - affine: {out: m, bias: false}
      - ACT
      - scale: {factor: 1/(2*sqrt(m))}
"""
LAST: Final = "  - affine: {out: 1, bias: false}\n"
FC: Final = FIRST + LAST
RESNET: Final = FIRST + BRANCH + LAST
IMAGE: Final = (
    (FIRST + BRANCH).replace("affine: {out: m,", "conv: {out: m, kernel: 3, padding: same,")
    + "  - flatten\n"
    + LAST
)
HEAD: Final = """govcheck: 1
name: tiny network
symbols: {m: WIDTH}
input: [SIZE]
layers:"""
TAIL: Final = """cost: summed_square
data: {DATA}
domain: {ball: 1}
theorems: [NAME: {OPTIONS}]
"""


def examples(
    name: str, layers: str, constants: str = "", channels: str = ""
) -> Sequence[TheoremExample]:
    """Valid networks, and for each hypothesis one that violates it.

    Args:
        name: of the theorem.
        layers: of a valid network.
        constants: hidden constants as options, if the theorem needs them.
        channels: ``1, `` for images.
    """

    def text(
        width: str = "1e60",
        size: int = 3,
        data: str = "orthonormal: {n: 2}",
        act: str = "softplus",
        body: str = layers,
        extra: str = "",
        cost: str = "cost: summed_square\n",
    ) -> str:
        whole = HEAD + body.replace("ACT", act) + TAIL.replace("cost: summed_square\n", cost)
        found = whole.replace("WIDTH", width).replace("DATA", data)
        found = found.replace("SIZE", f"{channels}{size}")
        options = f"delta: 1/100{constants}"
        return found.replace("NAME", name).replace("OPTIONS", options) + extra

    # these two points of a line are antiparallel; many of a plane are near to each other
    line, crowd = "sphere: {n: 2}", "sphere: {n: 40}"
    both = ("width", "step")
    # with given constants width and step are decided whatever the activation is
    lost = () if constants else both
    biased = layers.replace("bias: false", "bias: true", 1)
    return (
        TheoremExample(text(), measured=_measured),
        TheoremExample(text(act="tanh", extra="train: {method: gd, step_size: 1e-9}\n")),
        TheoremExample(text(body=biased), "network"),
        TheoremExample(text(cost=""), "cost"),
        TheoremExample(text(data="orthonormal: {n: 1}"), "samples"),
        TheoremExample(text(size=64, data="digits: {n: 2}"), "unit"),
        TheoremExample(text(size=1, data=line), "directions"),
        TheoremExample(text(act="identity"), "analytic"),
        TheoremExample(text(act="relu"), "smooth", also=("analytic", *lost)),
        TheoremExample(text(size=2, data=crowd), "lambda_0", also=both),
        TheoremExample(text(width="512"), "width"),
        TheoremExample(text(extra="train: {method: gd, step_size: 1}\n"), "step"),
        TheoremExample(text(), "statement", "as_printed", also=lost),
    )


def _measured(analysis: Analysis) -> Mapping[str, float]:
    """lambda_0 by the recursion of the paper, not by the walk over the layers."""
    import numpy as np

    from govcheck.kernels.family import recognise
    from govcheck.kernels.printed import definition

    family = recognise(analysis.architecture)
    assert not isinstance(family, Unknown) and analysis.data is not None
    found = definition(family, analysis.env)
    assert not isinstance(found, Unknown)
    kernel = found.last(np.asarray(analysis.data.dataset.x))
    return {"lambda_0": float(np.linalg.eigvalsh(kernel)[0])}
