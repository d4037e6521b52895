"""One-liners for notebooks do what the commands do."""

import signal

import pytest
import torch

import govcheck
from govcheck.numeric.measure.spectra_place import names

NET = """
govcheck: 1
name: small
input: [4]
layers:
  - affine: {out: 3, id: first}
  - tanh
  - affine: {out: 2}
cost: square
data: {sphere: {n: 3}}
init: {normal: {seed: 0}}
domain: {ball: 20}
"""


@pytest.fixture(scope="module")
def small(registry):
    torch.set_num_threads(1)
    return govcheck.analyze(govcheck.loads(NET, registry=registry), registry=registry)


def test_measuring_at_trained_weights(small, registry):
    told = []
    run = govcheck.train(small, steps=5, step_size="1/10")
    found = govcheck.measure(small, ["loss", "gram"], at=run.state, registry=registry,
                             progress=lambda *now: told.append(now))
    alpha = next(m for m in found.measured if m.quantity == "alpha")
    assert alpha.value == pytest.approx(run.outcome.loss, rel=1e-12)
    assert told == [("loss", 0, 2), ("gram", 1, 2)] and not found.alarms
    assert {k for k, _ in run.state.items()} == {"first.weight", "first.bias", "affine.weight",
                                                 "affine.bias"}
    with pytest.raises(govcheck.InputError, match="does not fit"):
        govcheck.measure(small, ["loss"], at={}, registry=registry)
    with pytest.raises(govcheck.InputError, match="no group"):
        govcheck.measure(small, ["gramm"], registry=registry)


def test_a_run_leaves_nothing_or_a_folder(small, tmp_path):
    told = []
    passing = govcheck.train(small, steps=4, progress=lambda *now: told.append(now))
    assert passing.outcome.directory is None and [r["step"] for r in passing.records] == [*range(5)]
    assert [t[1:] for t in told] == [(k, 4) for k in range(5)] and told[-1][0].startswith("loss ")
    kept = govcheck.train(small, tmp_path / "run", steps=2)
    assert kept.outcome.directory == tmp_path / "run"
    further = govcheck.train(small, tmp_path / "run", steps=4, resume=True)
    assert further.outcome.resumed == 2
    assert [r["loss"] for r in further.records] == [r["loss"] for r in passing.records]
    assert all(torch.equal(t, passing.state[n]) for n, t in further.state.items())
    with pytest.raises(govcheck.InputError, match=r"no setting 'step_siz'.*step_size"):
        govcheck.train(small, steps=4, step_siz=1)


def test_an_interrupt_ends_a_run_and_keeps_it(small):
    before = signal.getsignal(signal.SIGINT)

    def stop(text, done, of):
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    run = govcheck.train(small, steps=1000, progress=stop)
    assert run.outcome.reason == "interrupted" and len(run.records) in (4, 5)
    assert signal.getsignal(signal.SIGINT) is before


def test_searches(small):
    told = []
    found = govcheck.attack(small, seconds=0, progress=lambda *now: told.append(now))
    assert all(t.holds for t in found) and len(told) == len(found) <= told[0][2]
    (drawing,) = govcheck.plots(found, seed=0)
    assert drawing.plot["kind"] == "bounds" and "search" in drawing.alt


def test_spectra(small):
    found = govcheck.spectra(small)
    network = govcheck.numeric.initial.initialised(small)
    assert [f.place for f in found] == names(network)
    keys = [d.plot["key"] for d in govcheck.plots(found)]
    assert keys[0] == "singular-values" and len(keys) == len(found) + 1
    with pytest.raises(govcheck.InputError):
        govcheck.spectra(small, ["nowhere"])


def test_a_document_is_drawn_too(small):
    doc = govcheck.document(small, {"paper": govcheck.with_mode(small, "paper")})
    assert [d.plot["key"] for d in govcheck.plots(doc)] == ["modes"]


def test_without_data(registry):
    bare = govcheck.analyze(
        govcheck.loads(NET.replace("data: {sphere: {n: 3}}\n", ""), registry=registry),
        registry=registry)
    for work in (govcheck.measure, govcheck.spectra, govcheck.train, govcheck.attack):
        with pytest.raises(govcheck.InputError):
            work(bare)
