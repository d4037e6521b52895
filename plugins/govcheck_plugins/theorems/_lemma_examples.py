"""Tiny networks on which the lemmas about wide networks are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from govcheck.analysis import Analysis
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._du_examples import FIRST, LAST

FC: Final = FIRST + FIRST + LAST
BRANCH: Final = """  - residual:
      - affine: {out: m, bias: false}
      - ACT
      - scale: {factor: 1/(2*m), trainable: true, initial: sqrt(m)}
"""
NF: Final = FIRST + BRANCH + LAST
COMMON: Final = NF.replace("1/(2*m)", "1/(2*sqrt(m))").replace("initial: sqrt(m)", "initial: 1")
HEAD: Final = """govcheck: 1
name: tiny network
symbols: {m: WIDTH}
input: [SIZE]
layers:"""
TAIL: Final = """COSTdata: {DATA}
init: {normal: {seed: SEED}}
domain: {around_init: RADIUS}
theorems: [NAME: {OPTIONS}]
"""
SEEDS: Final = {FC: 112, NF: 2086}
"""Seeds that draw weights with ``|y - u(0)|`` near 0 for one sample and m = 400."""


def text(
    name: str,
    layers: str,
    *,
    width: str = "400",
    size: int = 3,
    data: str = "orthonormal: {n: 1}",
    act: str = "tanh",
    cost: str = "cost: summed_square\n",
    radius: str = "1/2",
    seed: int = 0,
    options: str = "delta: 1/100",
    extra: str = "",
) -> str:
    """An architecture file."""
    whole = HEAD + layers + TAIL
    for mark, own in (
        ("WIDTH", width), ("SIZE", str(size)), ("DATA", data), ("ACT", act), ("COST", cost),
        ("RADIUS", radius), ("SEED", str(seed)), ("NAME", name), ("OPTIONS", options),
    ):
        whole = whole.replace(mark, own)
    return whole + extra


def region_examples(
    name: str,
    layers: str,
    measured: Callable[[Analysis], Mapping[str, float]],
    *,
    smooth: bool = True,
    small: bool = False,
    trained: bool = False,
    step: bool = False,
) -> Sequence[TheoremExample]:
    """Valid networks, and for each hypothesis one that violates it.

    Args:
        name: of the lemma.
        layers: of a valid network.
        measured: what it attains.
        smooth: whether derivatives of sigma' are needed, and with them a slack.
        small: whether the region must be small against lambda_0.
        trained: whether the region must hold gradient descent.
        step: whether steps must be small.
    """
    factors = layers is NF
    usual = "1/1000" if small else "1/4"

    def make(body: str = layers, *, radius: str = usual, **changes: Any) -> str:
        return text(name, body, radius=radius, seed=SEEDS[layers], **changes)

    slack = ("slack",) if smooth or factors else ()
    radius = ("radius",) if small or trained else ()
    after = (*slack, *radius, *(("step",) if step else ()))
    weak = "smooth" if smooth else "lipschitz"
    biased = layers.replace("bias: false", "bias: true", 1)
    yes = [
        TheoremExample(make(), measured=measured),
        TheoremExample(make(act="softplus", radius="1/2000"), measured=measured)
        if not trained else TheoremExample(make(extra="train: {method: gd, step_size: 1e-9}\n")),
    ]
    no = [
        TheoremExample(make(biased), "network"),
        TheoremExample(make(act="relu_squared"), weak, also=("norms", *after)),
        TheoremExample(make(act="silu"), "norms", also=after),
        TheoremExample(make().replace("around_init", "ball"), "region", also=after),
    ]
    if factors:
        no.append(TheoremExample(make(COMMON), "factors"))
    if slack:
        given = "delta: 1/100, lambda_0: 1e9" if small else "delta: 1/100"
        no.append(TheoremExample(make(radius="50", options=given), "slack"))
    if small or trained:
        line = make(size=1, data="sphere: {n: 2}")
        no.append(TheoremExample(line, "lambda_0", also=after[len(slack):]))
    if small:
        tiny = make(options="delta: 1/100, lambda_0: 1e-9")
        no.append(TheoremExample(tiny, "radius"))
    if trained:
        no.append(TheoremExample(make(cost=""), "cost"))
        no.append(TheoremExample(make(radius="1e-9"), "radius"))
    if step:
        fast = make(extra="train: {method: gd, step_size: 1e6}\n")
        no.append(TheoremExample(fast, "step"))
    return (*yes, *no)

