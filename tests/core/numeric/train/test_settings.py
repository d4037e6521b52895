"""Settings: what the file says, what replaces it, what does not go together."""

from __future__ import annotations

import pytest

from govcheck.errors import InputError
from govcheck.loading import loads
from govcheck.numeric.train.settings import STEPS, Settings, read_settings

HEAD = "govcheck: 1\nsymbols: {m: 8, k: null}\ninput: [2]\nlayers: [tanh]\n"


@pytest.fixture
def read(registry):
    def of(train="", **overrides):
        text = HEAD + (f"train: {{{train}}}\n" if train else "")
        return read_settings(loads(text, registry=registry), overrides)

    return of


def test_defaults(read):
    assert read() == Settings()
    assert (read().method, read().steps, read().step_size) == ("gd", STEPS, "auto")


def test_the_file_and_what_replaces_it(read):
    s = read("method: sgd, steps: 7, batch: 4, momentum: 1/2, nesterov: true, step_size: 1/m, "
             "weight_decay: 1e-3, schedule: {step: {every: 5, factor: 1/m}}, "
             "stop: {loss: 1e-6, seconds: 60}, dtype: float32, seed: 3")
    assert s == Settings("sgd", 7, 0.125, 3, 4, 0.5, True, 0.001, "step", 0.0, 5, 0.125, 1e-6,
                         None, 60.0, "float32")
    t = read("steps: 7, step_size: lambda_max", steps=9, step_size="2/m", device="cuda")
    assert (t.steps, t.step_size, t.device) == (9, 0.25, "cuda")
    assert read("step_size: 1/2", step_size="auto").step_size == "auto"


@pytest.mark.parametrize(
    ("train", "overrides", "part"),
    [
        ("batch: 3", {}, "setting of sgd"),
        ("momentum: 1/2", {"method": "gd"}, "setting of sgd"),
        ("method: sgd, nesterov: true", {}, "needs momentum"),
        ("step_size: 1/k", {}, "no value"),
        ("", {"step_size": "1/q"}, "q"),
        ("", {"step_size": "-1"}, "positive"),
        ("", {"step_size": "import os"}, ""),
        ("method: sgd", {"momentum": "1"}, "less than 1"),
        ("", {"stop_loss": "-1"}, "0 or more"),
    ],
)
def test_what_does_not_go_together(read, train, overrides, part):
    with pytest.raises(InputError) as caught:
        read(train, **overrides)
    assert part in str(caught.value)


def test_what_makes_another_run():
    plain = Settings()
    assert plain.identity() == Settings(steps=7, stop_loss=1.0, device="cuda").identity()
    assert plain.identity() != Settings(weight_decay=0.1).identity()
    cosine = Settings(schedule="cosine")
    assert cosine.identity() != Settings(schedule="cosine", steps=7).identity()
