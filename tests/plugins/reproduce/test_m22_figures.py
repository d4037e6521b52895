"""The small forms of figures 1 to 3 and their direction; figures 4 and 5 in `slow` tests."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from govcheck.reproduce.protocol import Claim, Context
from govcheck_plugins.reproduce import _figures, _residual, _small

torch.set_num_threads(1)


def run(number: int, **given: object):
    module = importlib.import_module(f"govcheck_plugins.reproduce.m22_fig{number}")
    cls = getattr(module, f"Figure{number}")
    return cls().run(Context(cls.name, **given))


def claims(outcome) -> dict[str, Claim]:
    return {c.key: c for c in outcome.claims}


def compared(outcome, quantity: str) -> dict[tuple[str, str], dict[str, float]]:
    """Rows of the table of comparisons by models."""
    table = next(t for t in outcome.tables if t.header[0] == "quantity")
    rows = [dict(zip(table.header, r, strict=True)) for r in table.rows]
    return {(r["lower"], r["higher"]): r for r in rows if r["quantity"] == quantity}


@pytest.fixture(scope="module")
def figure1():
    return run(1)


def test_the_shift_shows_with_a_standard_deviation_of_a_hundredth_only(figure1):
    found = claims(figure1)
    assert found["direction"].verdict == "agrees"
    size = found["size"]
    assert size.verdict == "agrees after correction" and not size.correction_fails
    printed, corrected, _ = (p.computed for p in size.pairs)
    assert printed == pytest.approx(0.0032, abs=1e-4)
    assert corrected == pytest.approx(0.236, abs=1e-3)


def test_samples_follow_the_laws(figure1):
    rows = figure1.tables[0].rows
    assert [r[1] for r in rows] == pytest.approx([10, 1])
    assert max(max(r[4:]) for r in rows) < 10 / 400
    assert len(figure1.plot.panels) == 4


@pytest.fixture(scope="module")
def figure2():
    return run(2)


def test_each_skip_raises_the_layer_it_is_added_to(figure2):
    for layer, pair in (("block 2-3", ("Chain", "Res")), ("linear", ("Res", "ResLin")),
                        ("block 5-6", ("ResLin", "ResLinProj"))):
        row = compared(figure2, f"mean, {layer}")[pair]
        assert row["p of higher"] == 1 / 64 and row["mean difference"] > 0
    assert claims(figure2)["bias"].verdict == "agrees"


def test_what_goes_against_the_order_is_told(figure2):
    rows = next(t for t in figure2.tables if t.header[0] == "quantity").rows
    told = next(r for r in claims(figure2)["bias"].remarks if r.startswith("Other"))
    for quantity, low, high, *_, p_low in rows[3:]:
        assert (f"{quantity}: {high} below {low} (p" in told) is (p_low < 0.05)


def test_a_zero_padded_pool_has_singular_values_zero(figure2):
    pool = claims(figure2)["pool"]
    assert pool.verdict == "agrees after correction" and not pool.correction_fails
    assert any("80 of 320" in r for r in pool.remarks)
    assert [e.id for e in _small_errata()] == list(pool.errata)


def _small_errata():
    from govcheck_plugins.reproduce.m22_fig2 import Figure2

    return Figure2.errata


def test_data_and_choices_are_told(figure2):
    text = " ".join((*figure2.data, *figure2.notes))
    for said in ("SHA-256", "not MNIST", "2023", "step size 0.1", "at random (seed 0)"):
        assert said in text


def test_residual_blocks_train_faster_than_the_chain():
    outcome = run(3)
    row = compared(outcome, "minus the mean loss, 10 epochs")["Chain", "Res"]
    assert row["mean difference"] > 0 and row["p of higher"] < 0.01
    first = {r[0]: r[1] for r in outcome.tables[1].rows}
    assert all(2 < v < 3 for v in first.values())


def test_idx_files_of_the_user_are_taken(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    y = np.arange(40, dtype=np.uint8) % 10
    header = b"\0\0\x08"
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        header + b"\x03" + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes())
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        header + b"\x01" + (40).to_bytes(4, "big") + y.tobytes())
    context = Context("m22-fig3", data_root=tmp_path)
    data = _small.pictures(context)
    assert len(data.x) == 40
    pixels, labels, line = _small.points(context, data)
    assert pixels.shape == (32, 28, 28) and pixels.max() <= 1 and len(labels) == 32
    assert "seed 0" in line
    before = _small.inputs(context)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        header + b"\x01" + (40).to_bytes(4, "big") + bytes(40) + b"x")
    assert _small.inputs(context) != before != _small.inputs(Context("m22-fig3"))


def test_other_folders_fall_back_to_what_comes_with_packages(tmp_path):
    context = Context("m22-fig3", data_root=tmp_path)
    assert "not MNIST" in _small.pictures(context).source
    assert not _residual.has_cifar(context, 10)
    assert "photographs" in _residual.inputs(context, 10)


def test_an_interrupted_run_goes_on(tmp_path):
    context = Context("m22-fig3", scratch=tmp_path)
    calls = []

    def compute():
        calls.append(1)
        return {"a": np.arange(3.0)}

    first = _figures.kept(context, "part", compute)
    again = _figures.kept(context, "part", compute)
    assert len(calls) == 1 and np.array_equal(first["a"], again["a"])
    _figures.kept(context, "another part", compute)
    assert len(calls) == 2
    for path in Path(tmp_path).iterdir():
        path.write_bytes(b"damaged")
    assert np.array_equal(_figures.kept(context, "part", compute)["a"], first["a"])
    assert len(calls) == 3


def test_an_undecided_order_is_no_agreement():
    from govcheck.numeric.experiments.statistics import compare

    d = np.array([1.0, -1.1, 0.3, 0.2, -0.5, 0.1])
    told = {}
    for sign, values in ((1, 3 + d), (0, d), (-1, d - 3)):
        told[sign] = _figures.claim("k", "s", (compare("a", "b", 0 * d, values, 0),), "q")
    assert told[1].verdict == "agrees"
    assert told[0].verdict == "not computable"
    assert "6 trials do not decide b against a (p = 0." in told[0].reason
    assert told[-1].verdict == "contradicted"
    steps = compare("a", "b", 0 * d, 3 + d, 0), compare("b", "c", 0 * d, d, 0)
    reason = _figures.claim("k", "s", steps, "q").reason
    assert "decide c against b" in reason and reason.endswith("; b is above a (p = 0.016)")


def test_a_classifier_of_zeros_never_moves():
    from govcheck_plugins.reproduce.m22_fig4 import start_claim

    start = start_claim(Context("m22-fig4"))
    assert start.verdict == "agrees after correction" and not start.correction_fails
    assert start.pairs[0].computed == 0


def test_at_full_length_the_end_is_compared_too():
    runs = _residual.Runs(Context("m22-fig4"), 10)
    runs.published = True
    rng = np.random.default_rng(0)
    curves = {}
    for design, first, last in (("original", 2.0, 0.1), ("kernel", 1.5, 0.2), ("operator", 2.5, 1)):
        level = np.repeat([first, last], _residual.EPOCH)
        curves[design] = level + 0.01 * rng.standard_normal((6, len(level)))
    runs.early = _residual.EPOCH
    found, table = runs.claims(curves)
    assert [c.verdict for c in found] == ["agrees", "contradicted", "agrees"]
    assert len(table.rows) == 3
    panel = runs.panel(curves)
    assert panel.x_label == "epoch" and all(len(c.x) == 2 for c in panel.curves)


def test_cifar_is_taken_where_it_is(tmp_path):
    record = 2 + 3 * 32 * 32
    with (tmp_path / "train.bin").open("wb") as file:
        file.truncate(50_000 * record)
    runs = _residual.Runs(Context("m22-fig5", data_root=tmp_path), 100)
    assert runs.cifar and not runs.published and len(runs.data.x) == _residual.SOME
    assert "CIFAR-100" in runs.data.source and "not CIFAR" not in runs.data.source
    assert _residual.Runs(Context("m22-fig4", data_root=tmp_path), 10).cifar is False


def checked(outcome) -> None:
    found = claims(outcome)
    assert found["end"].verdict == "not computable" and "CIFAR" in found["end"].reason
    curves = outcome.plot.panels[0].curves
    assert len(curves) == 3
    assert all(np.mean(c.y[-4:]) < c.y[0] for c in curves)
    assert any("not CIFAR" in line for line in outcome.data)


@pytest.mark.slow  # a minute of training
def test_modified_networks_are_compared_and_their_spectra_taken():
    outcome = run(4)
    checked(outcome)
    row = compared_layers(outcome)["mean, classifier"]
    assert row["p of higher"] == 1 / 64
    ratios = [r[3] for r in outcome.tables[-1].rows]
    assert all(1 / 3 < r < 3.01 for r in ratios) and max(ratios) > 1.2


def compared_layers(outcome):
    table = next(t for t in outcome.tables if t.title.startswith("Layer Jacobians"))
    return {r[0]: dict(zip(table.header, r, strict=True)) for r in table.rows}


@pytest.mark.slow  # a minute of training
def test_many_labels():
    outcome = run(5)
    checked(outcome)
    assert json.dumps([c.key for c in outcome.claims])
