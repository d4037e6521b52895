import math
from pathlib import Path

import pytest

import govcheck as gc

EXAMPLES = Path(__file__).parents[4] / "examples"
# no values for its symbols, so there is no module
SYMBOLIC = {"symbolic_depth"}
FILES = [f for f in sorted(EXAMPLES.glob("*.yaml")) if f.stem not in SYMBOLIC]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_there_and_back_gives_the_same_bounds(file, registry):
    """The network of each example, built in torch and imported, has the bounds of the file."""
    arch = gc.load(file, registry=registry)
    network = gc.to_torch(arch)
    shape = (2, *(int(n.number) for n in arch.input))
    found = gc.from_torch(network, shape, check=False, registry=registry)
    assert set(found.names.values()) == {(n,) for n, _ in network.named_parameters()}
    values = ", ".join(f"{s}: {arch.values[e]!r}" for s, e in arch.symbols.items())
    head = f"govcheck: 1\nsymbols: {{{values}}}\ninput: {list(shape[1:])}\nlayers:"
    own = file.read_text().split("layers:")[1].split("\ncost:")[0]
    more = "\ndata: {sphere: {n: 3}}\ndomain: {ball: 1/10}\n"
    before = gc.analyze(gc.loads(head + own + more, registry=registry))
    after = gc.analyze(gc.loads(found.text + more, registry=registry))
    for name in ("out", "J", "D", "xx", "tt", "sigma_J"):
        assert number(before, name) == pytest.approx(number(after, name), rel=1e-9), name


def number(analysis, name):
    """Its value, or infinity where it is unknown."""
    value = analysis.value(analysis.bounds[name])
    return math.inf if isinstance(value, gc.Unknown) else float(value.mid())
