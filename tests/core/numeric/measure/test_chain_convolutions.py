"""The convolutional networks of MacDonald et al. (2022), section 5, small: printed, derived,
local, measured, in that order.

The others of the papers are the examples that `test_chain` takes. With ReLU as in the paper no
derivative is Lipschitz and there is no beta; with softplus in its place all constants exist
but for the spectrally normalised weights of the modified ResNet.
"""

from dataclasses import replace

import pytest
import torch

from govcheck.analysis import analyze
from govcheck.loading import loads
from govcheck.numeric.measure.chain import QUANTITIES, chains
from govcheck.numeric.measure.subject import subject

torch.set_num_threads(1)

STEM = """
govcheck: 1
symbols: {{R: 1/1000}}
input: [1, 8, 8]
layers:
  - conv: {{out: 3, kernel: 3, padding: same{weight}}}
"""
END = """
cost: cross_entropy
data: {DATA}
init: {torch: {seed: 0}}
domain: {around_init: R}
"""
NORM = "batch_norm: {eps: 1/10}"
SAME = "conv: {out: %d, kernel: 3, padding: same%s}"
SPECTRAL = ", bias: false, weight: spectral, factor: true"


def listed(steps, indent=2):
    """Steps as YAML; a list of lists is a sum of branches, a pair a residual block."""
    pad, text = " " * indent, ""
    for step in steps:
        if isinstance(step, str):
            text += f"{pad}- {step}\n"
        elif step[0] == "residual":
            text += f"{pad}- residual:\n{listed(step[1], indent + 4)}"
        else:
            text += f"{pad}- parallel:\n{pad}    join: sum\n{pad}    branches:\n"
            for first, *rest in step:
                text += f"{pad}      - - {first}\n{listed(rest, indent + 8)}"
    return text


def small(kind):
    """Two blocks and a classifier; Chain has no shortcuts."""
    body = [NORM, "ACT", SAME % (3, ""), NORM, "ACT", SAME % (3, "")]
    down = ["conv: {out: 6, kernel: 3, stride: 2, padding: 1}", NORM, "ACT", SAME % (6, "")]
    first, second = [("residual", body)], [down, ["conv: {out: 6, kernel: 1, stride: 2}"]]
    if kind == "ResLinProj":
        second.append(["orthogonal_avg_pool: {kernel: 2, out: 6}"])
    if kind == "Chain":
        first, second = body, None
    last = ["affine: {out: 10}"]
    if kind.startswith("ResLin"):
        last = [[last, ["reshape: {to: [1, 96]}", "orthogonal_avg_pool: {kernel: 9}", "flatten"]]]
    middle = down if second is None else [second]
    return [*first, NORM, "ACT", *middle, "flatten", NORM, "ACT", *last], ""


def resnet(modified):
    """A block that keeps shape, one that halves it, and the classifier, as in ResNet-18."""
    weight = SPECTRAL if modified else ", bias: false"
    keeps = [SAME % (3, weight), NORM, "ACT", SAME % (3, weight), NORM]
    halves = [f"conv: {{out: 6, kernel: 3, stride: 2, padding: 1{weight}}}", NORM, "ACT",
              SAME % (6, weight), NORM]
    shortcut = (["orthogonal_avg_pool: {kernel: 2, out: 6}"] if modified else
                ["conv: {out: 6, kernel: 1, stride: 2, bias: false}", NORM])
    last = ["affine: {out: 3}"]
    if modified:
        last = [[["affine: {out: 3, weight: spectral, factor: true}"],
                 ["reshape: {to: [1, 6]}", "orthogonal_avg_pool: {kernel: 2}", "flatten"]]]
    return [NORM, "ACT", ("residual", keeps), "ACT", [halves, shortcut], "ACT",
            "global_avg_pool", *last], weight


NETWORKS = {k: small(k) for k in ("Chain", "Res", "ResLin", "ResLinProj")} | {
    "ResNet": resnet(False), "modified ResNet": resnet(True)}


SMOOTH = [name for name in NETWORKS if name != "modified ResNet"]


def text_of(name, activation):
    steps, weight = NETWORKS[name]
    data = "sphere: {n: 4, classes: 3}" if "ResNet" in name else "digits: {n: 4}"
    text = STEM.format(weight=weight) + listed(steps) + END.replace("DATA", data)
    return text.replace("ACT", activation)


def found_for(name, activation, registry):
    arch = replace(loads(text_of(name, activation), registry=registry), theorems=())
    analysis = analyze(arch, "tight", registry)
    s, start = subject(analysis)
    found = chains(analysis, s, start, registry, steps=4)
    assert found.alarms == [] and found.notes == []
    return {c.quantity: c for c in found.chains}


def far_enough(chain):
    """Each bound by itself is on its side of the measurement."""
    for k in chain.links:
        end = float((k.value.upper() if chain.sense == "upper" else k.value.lower()).mid())
        slack = max(k.measured.error, k.measured.floor)
        sign = 1 if chain.sense == "upper" else -1
        assert sign * (end - k.measured.value) >= -slack, (chain.quantity, k.of)


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth(name, registry):
    own = found_for(name, "softplus", registry)
    assert list(own) == [*QUANTITIES, "rate"]
    for c in own.values():
        assert [k.of for k in c.links] == ["printed", "derived", "local"]
        assert all(k.value is not None and k.state == "holds" for k in c.links), c.as_json()
        assert c.ordered
        far_enough(c)
    for q in ("beta", "D"):
        printed, derived, local = (float(k.value.upper()) for k in own[q].links)
        assert printed > 1.2 * derived and derived > local > own[q].measured.value


@pytest.mark.parametrize(("name", "activation", "why"), [
    *((name, "relu", "kink") for name in NETWORKS),
    ("modified ResNet", "softplus", "where the largest singular value of W is multiple"),
])
def test_as_in_the_paper(name, activation, why, registry):
    own = found_for(name, activation, registry)
    for q in ("D", "sigma_D", "mu"):
        assert all(k.state == "holds" for k in own[q].links) and own[q].ordered
        far_enough(own[q])
    # no step size is proven where the gradient jumps, and the reason is said
    for k in own["beta"].links:
        assert k.value is None and k.state == "no bound" and why in k.text
    assert all(k.value is None for k in own["rate"].links)
