"""What small networks attain of the numbers that the lemmas bound, in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck_plugins.theorems._lemma_start import Start, start
from govcheck_plugins.theorems._width_case import width_case

if TYPE_CHECKING:
    from govcheck.kernels.finite import FiniteNetwork
    from govcheck.kernels.trajectory import Trajectory

TRIES: Final = 20
STEPS: Final = 60


def started(analysis: Analysis) -> Start:
    """The network at its initial weights."""
    found = start(width_case(analysis))
    if isinstance(found, Unknown):
        raise ValueError(found.reason)
    return found


def nearby(analysis: Analysis, seed: int = 0) -> Iterator[FiniteNetwork]:
    """Networks on the boundary of the file's region: random, and moved along their features."""
    import numpy as np

    at = started(analysis)
    given, net = at.given, at.network
    domain = analysis.domain.around()
    assert domain is not None
    value = analysis.value(domain.radius)
    assert isinstance(value, arb)
    r = float(value.mid())
    draw = np.random.default_rng(seed)
    for i in range(TRIES):
        moved = []
        for w, x in zip(given.weights, net.features[:-1], strict=True):
            change = draw.standard_normal(w.shape)
            if i % 2:
                # the largest change of W x is along x, one row after the other
                change = np.outer(np.sign(draw.standard_normal(len(w))) if i % 4 == 3
                                  else np.ones(len(w)), x[:, i % x.shape[1]])
            moved.append(w + r * change / np.linalg.norm(change))
        a = given.readout + r * given.readout / np.linalg.norm(given.readout) * (-1) ** i
        alphas = given.alphas
        if alphas is not None and given.multiplier:
            alphas = tuple(b + r * given.multiplier**0.5 * (-1) ** (i // 2) for b in alphas)
        yield given.at(moved, a, alphas)


def features_moved(analysis: Analysis) -> Mapping[str, float]:
    """Largest change of the features that was found."""
    import numpy as np

    first = started(analysis).network.features
    return {"|dx|": max(
        float(np.linalg.norm(x - y, axis=0).max())
        for net in nearby(analysis) for x, y in zip(net.features, first, strict=True)
    )}


def gram_moved(analysis: Analysis) -> Mapping[str, float]:
    """Largest change of the last layer's Gram matrix that was found."""
    import numpy as np

    first = started(analysis).network.last
    changes = [float(np.linalg.norm(net.last - first, 2)) for net in nearby(analysis)]
    return {"|dG|": max(changes)}


def run(analysis: Analysis, eta: float | None = None, steps: int = STEPS) -> Trajectory:
    """Gradient descent from the initial weights, by default with a third of the stable step."""
    import numpy as np

    from govcheck.kernels.trajectory import descend, gram

    given = started(analysis).given
    top = float(np.linalg.eigvalsh(gram(given.start, given.multiplier))[-1])
    return descend(given, eta or 1 / (3 * top), steps, reduction=1e-4)


def ways(analysis: Analysis) -> Mapping[str, float]:
    """How far gradient descent goes."""
    at, found = started(analysis), run(analysis)
    root = at.m**0.5
    size = found.weight_steps / found.residuals * found.residuals[0]
    top = 1 / (3 * _top(at))
    shown = {
        "|dW|": float(found.weights.max()),
        "|da|": float(found.readout.max()),
        "R'": float(max(found.weights.max(), found.readout.max())) / root,
        "Q'(0)": float(size.max()) / top,
    }
    if at.given.multiplier:
        shown["|dalpha|"] = float(found.factors.max())
    return shown


def _top(at: Start) -> float:
    import numpy as np

    from govcheck.kernels.trajectory import gram

    return float(np.linalg.eigvalsh(gram(at.network, at.given.multiplier))[-1])


def second_order(analysis: Analysis) -> Mapping[str, float]:
    """Largest second-order part of a step, against the step and against its square."""
    eta = 1 / (3 * _top(started(analysis)))
    found = run(analysis, eta)
    small = run(analysis, eta / 100, 5)
    moved = eta * found.residuals
    return {
        "|I_2|/(eta |r|)": float((small.second / (eta / 100 * small.residuals)).max()),
        "|I_2|/(eta |r|)^2": float((found.second / moved**2)[found.residuals > 1e-6].max()),
    }


def one_step(analysis: Analysis) -> Mapping[str, float]:
    """Largest change of the outputs in a step."""
    eta = 1 / (3 * _top(started(analysis)))
    found = run(analysis, eta)
    return {"|du|/(eta |r|)": float((found.output_steps / (eta * found.residuals)).max())}
