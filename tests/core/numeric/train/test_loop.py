"""The loop: its iterates against a few lines of torch, why it stops, how it goes on."""

from __future__ import annotations

import json
import math

import pytest
import torch

from govcheck.analysis import analyze
from govcheck.errors import InputError
from govcheck.loading import loads
from govcheck.numeric.initial import initialised, whole_batch
from govcheck.numeric.train import Callback, read_settings, train
from govcheck.numeric.train.files import load_checkpoint, read_results
from govcheck.numeric.train.state import Saving

torch.set_num_threads(1)

NET = """
govcheck: 1
name: small
input: [3]
layers: [{affine: {out: 4}}, tanh, {affine: {out: 2, scale: 1/2}}]
cost: COST
data: {sphere: {n: 5}}
init: {normal: {seed: 3}}
domain: {ball: 8}
"""


@pytest.fixture(scope="module")
def analysed(registry):
    known = {}

    def of(text):
        if text not in known:
            known[text] = analyze(loads(text, registry=registry), registry=registry)
        return known[text]

    return of


@pytest.fixture
def go(analysed):
    def run(folder=None, cost="square", net=NET, **options):
        more = {k: options.pop(k) for k in
                ("resume", "callbacks", "interrupted", "saving", "progress") if k in options}
        analysis = analysed(net.replace("COST", cost))
        settings = read_settings(analysis.architecture, {"step_size": "1/20"} | options)
        return train(analysis, settings, folder, **more)

    return run


def by_hand(analysis, optimiser, steps, batches=None):
    """Losses of all samples along the way, by torch alone."""
    module = initialised(analysis)
    batch = whole_batch(analysis, module)
    opt = optimiser(module.parameters())
    losses = []
    for k in range(steps + 1):
        index = slice(None) if batches is None else batches[k]
        opt.zero_grad()
        with torch.no_grad():
            losses.append(float(((module(batch.x) - batch.y) ** 2).sum() / 5))
        out = module(batch.x[index])
        ((out - batch.y[index]) ** 2).sum().div(len(out)).backward()
        opt.step()
    return losses


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({}, {}),
        ({"method": "sgd", "momentum": "9/10"}, {"momentum": 0.9}),
        ({"method": "sgd", "momentum": "1/2", "nesterov": True},
         {"momentum": 0.5, "nesterov": True}),
        ({"weight_decay": "1/10"}, {"weight_decay": 0.1}),
    ],
)
def test_losses_are_those_of_torch(go, analysed, tmp_path, options, keywords):
    outcome = go(tmp_path / "r", steps=12, **options)
    expected = by_hand(analysed(NET.replace("COST", "square")),
                       lambda p: torch.optim.SGD(p, lr=0.05, **keywords), 12)
    found = [r["loss"] for r in read_results(tmp_path / "r" / "results.jsonl")]
    assert found == pytest.approx(expected, rel=1e-13)
    assert (outcome.reason, outcome.step, outcome.loss) == ("steps", 12, found[-1])
    assert outcome.first_loss == found[0] > found[-1]


def test_mini_batches_visit_every_sample_once_in_an_epoch(go, tmp_path):
    from govcheck.numeric.train.samples import Order

    order = Order(5, 2, seed=1)
    epochs = [[list(order.of_step(3 * e + i)) for i in range(3)] for e in range(3)]
    assert all(sorted(i for b in e for i in b) == [0, 1, 2, 3, 4] for e in epochs)
    assert all([len(b) for b in e] == [2, 2, 1] for e in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [list(Order(5, 2, seed=1).of_step(4))] == [epochs[1][1]]
    assert list(Order(5, 2, seed=2).of_step(4)) + list(Order(5, 2, seed=2).of_step(3)) != (
        epochs[1][1] + epochs[1][0])
    go(tmp_path / "r", steps=4, method="sgd", batch=2)
    records = read_results(tmp_path / "r" / "results.jsonl")
    # the loss of all samples at the beginning of each epoch and at the end
    assert [r["step"] for r in records if "loss" in r] == [0, 3, 4]
    assert all("batch_loss" in r for r in records)


def test_schedules(go, tmp_path):
    def sizes(text, folder):
        go(tmp_path / folder, net=NET + f"train: {{schedule: {text}, steps: 4}}\n")
        return [r["step_size"] for r in read_results(tmp_path / folder / "results.jsonl")]

    cosine = [0.05 * (0.1 + 0.9 * (1 + math.cos(math.pi * k / 4)) / 2) for k in range(5)]
    assert sizes("{cosine: {final: 1/10}}", "c") == pytest.approx(cosine)
    halves = [0.05, 0.05, 0.025, 0.025, 0.0125]
    assert sizes("{step: {every: 2, factor: 1/2}}", "s") == halves
    assert sizes("constant", "k") == [0.05] * 5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stop_loss": "2"}, "loss"),
        ({"stop_gradient": "1"}, "gradient"),
        ({"stop_seconds": "0"}, "time"),
        ({"step_size": "1000"}, "diverged"),
        ({"step_size": "1e300"}, "not finite"),
        ({"steps": 0}, "steps"),
    ],
)
def test_why_it_stops(go, tmp_path, options, reason):
    net = NET.replace("tanh", "relu") if reason == "diverged" else NET
    outcome = go(tmp_path / "r", net=net, **({"steps": 400} | options))
    assert outcome.reason == reason
    records = read_results(tmp_path / "r" / "results.jsonl")
    assert len(records) == outcome.step + 1
    assert outcome.failed == (reason in ("diverged", "not finite"))
    if reason == "loss":
        assert outcome.loss <= 2 < records[-2]["loss"]
    if reason == "gradient":
        assert outcome.gradient_norm <= 1 < records[-2]["gradient_norm"]
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert (summary["reason"], summary["step"]) == (reason, outcome.step)
    if outcome.failed:
        # what is kept is the last point at which all was well
        kept = load_checkpoint(tmp_path / "r")
        assert all(t.isfinite().all() for t in kept.part("model").values())


SGD = {"method": "sgd", "batch": 2, "momentum": "9/10"}


@pytest.mark.parametrize("options", [{}, SGD], ids=["gd", "sgd"])
@pytest.mark.parametrize("saving", [Saving(1), Saving(4), Saving(None, 1e9)])
def test_resumed_runs_end_at_the_same_bits(go, tmp_path, options, saving):
    go(tmp_path / "whole", steps=17, saving=saving, **options)
    asked = iter([False] * 6 + [True])
    first = go(tmp_path / "parts", steps=17, saving=saving, interrupted=lambda: next(asked),
               **options)
    assert (first.reason, first.step) == ("interrupted", 6)
    # a line that a kill has torn, after records that no checkpoint stands for
    with (tmp_path / "parts" / "results.jsonl").open("a") as stream:
        stream.write('{"step": 7, "loss": 1.0}\n{"step": 8, "lo')
    torch.manual_seed(99)
    second = go(tmp_path / "parts", steps=17, saving=saving, resume=True, **options)
    assert (second.resumed, second.step) == (6, 17)
    for name in ("results.jsonl", "checkpoint-000000017.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_finished_run_can_be_made_longer(go, tmp_path):
    go(tmp_path / "long", steps=9)
    go(tmp_path / "r", steps=4)
    assert go(tmp_path / "r", steps=4, resume=True).step == 4
    go(tmp_path / "r", steps=9, resume=True)
    results = [(tmp_path / d / "results.jsonl").read_bytes() for d in ("long", "r")]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({}, "exists"),
        ({"resume": True, "step_size": "1/30"}, "other-run"),
        ({"resume": True, "cost": "half_square"}, "other-run"),
        ({"resume": True, "net": NET.replace("seed: 3", "seed: 4")}, "other-run"),
    ],
)
def test_other_runs_are_left_alone(go, tmp_path, second, code):
    go(tmp_path / "r", steps=2)
    before = {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir()}
    with pytest.raises(InputError) as caught:
        go(tmp_path / "r", **({"steps": 3} | second))
    assert [p.code for p in caught.value.problems] == [code]
    assert {p.name: p.read_bytes() for p in (tmp_path / "r").iterdir()} == before


def test_comments_and_theorems_do_not_make_another_run(go, tmp_path):
    go(tmp_path / "r", steps=2)
    go(tmp_path / "r", steps=3, resume=True, net="# text\n" + NET + "theorems: []\n")


def test_callbacks_are_recorded_and_leave_no_trace(go, tmp_path):
    def look(state):
        torch.rand(3)
        return {"norm": float(sum(p.detach().square().sum() for p in state.module.parameters())),
                "at": state.step}

    go(tmp_path / "plain", steps=5)
    go(tmp_path / "seen", steps=5, callbacks=[Callback(look, every=2)])
    seen = read_results(tmp_path / "seen" / "results.jsonl")
    assert [r["measured"]["at"] for r in seen if "measured" in r] == [0, 2, 4]
    plain = read_results(tmp_path / "plain" / "results.jsonl")
    assert [{k: v for k, v in r.items() if k != "measured"} for r in seen] == plain


def test_training_leaves_the_random_state_of_torch_alone(go):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    go(steps=2)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


def test_float32(go, tmp_path):
    single, double = (go(tmp_path / d, steps=20, dtype=d) for d in ("float32", "float64"))
    assert single.loss == pytest.approx(double.loss, rel=1e-5) and single.loss != double.loss
    kept = load_checkpoint(tmp_path / "float32").part("model").values()
    assert {t.dtype for t in kept} == {torch.float32}


def test_lambda_max_is_measured(go, analysed):
    outcome = go(steps=1, step_size="lambda_max")
    analysis = analysed(NET.replace("COST", "square"))
    module = initialised(analysis)
    batch = whole_batch(analysis, module)
    names, values = zip(*module.named_parameters(), strict=True)

    def loss(*parameters):
        out = torch.func.functional_call(module, dict(zip(names, parameters, strict=True)),
                                         (batch.x,))
        return ((out - batch.y) ** 2).sum() / 5

    blocks = torch.autograd.functional.hessian(loss, values)
    hessian = torch.cat([
        torch.cat([b.reshape(v.numel(), -1) for b in row], 1)
        for v, row in zip(values, blocks, strict=True)
    ])
    largest = torch.linalg.eigvalsh(hessian)[-1]
    assert outcome.step_size.value == pytest.approx(1 / float(largest), rel=1e-4)


@pytest.mark.parametrize(
    ("net", "options", "code"),
    [
        (NET.replace("cost: COST\n", ""), {}, "no-cost"),
        (NET.replace("data: {sphere: {n: 5}}\n", ""), {}, "no-data"),
        (NET.replace("domain: {ball: 8}\n", ""), {"step_size": "auto"}, "no-beta"),
        (NET.replace("layers: [{affine: {out: 4}}, tanh, {affine: {out: 2, scale: 1/2}}]",
                     "layers: [tanh, {scale: {factor: 2}}]"), {}, "no-parameters"),
        (NET, {"device": "nothing"}, "device"),
        (NET, {"device": "meta"}, "device"),
    ],
)
def test_what_cannot_be_trained(go, net, options, code):
    with pytest.raises(InputError) as caught:
        go(net=net, steps=1, **options)
    assert code in [p.code for p in caught.value.problems]


def test_progress_is_told(go):
    seen = []
    go(steps=3, progress=seen.append)
    assert [p.step for p in seen] == [0, 1, 2, 3]
    assert all(p.steps == 3 and p.begun == 0 for p in seen)
