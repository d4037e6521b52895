"""The watch inside Lightning and Hugging Face's Trainer, where they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from govcheck.numeric.watch.callbacks import lightning_callback, trainer_callback

torch.set_num_threads(1)


def test_lightning(tmp_path: Path) -> None:
    pl = pytest.importorskip("pytorch_lightning")

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return nn.functional.mse_loss(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    x, y = torch.randn(12, 4), torch.randn(12, 2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)
    watching = lightning_callback(nn.functional.mse_loss, (x, y), every=2, sigma_rows=3)
    module = Module()
    trainer = pl.Trainer(
        max_epochs=2, callbacks=[watching], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, loader)
    records = watching.watched.records
    assert [r.step for r in records] == [2, 4, 6]
    assert all(r.threshold == pytest.approx(20) for r in records)
    at_end = nn.functional.mse_loss(module(x), y)
    assert records[-1].loss == pytest.approx(float(at_end.detach()), rel=1e-6)


def test_trainer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    config = transformers.BertConfig(
        vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=8, num_labels=2,
    )
    model = transformers.BertForSequenceClassification(config)
    g = torch.Generator().manual_seed(0)
    rows = [
        {"input_ids": torch.randint(11, (5,), generator=g), "labels": torch.tensor(i % 2)}
        for i in range(8)
    ]
    probe = {k: torch.stack([r[k] for r in rows]) for k in rows[0]}
    watching = trainer_callback(probe, every=2, sigma_rows=2)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=4, report_to=[],
        use_cpu=True, save_strategy="no", logging_strategy="no", disable_tqdm=True, optim="sgd",
        learning_rate=0.05, lr_scheduler_type="constant",
    )
    transformers.Trainer(
        model=model, args=arguments, train_dataset=rows, callbacks=[watching]).train()
    records = watching.watched.records
    assert [r.step for r in records] == [2, 4]
    assert records[0].step_size == pytest.approx(0.05) and records[0].edge != "unknown"
    assert records[0].lambda_max > 0 and records[0].rows == 2


@pytest.mark.parametrize("make", [
    lambda: lightning_callback(nn.functional.mse_loss, (torch.ones(1), torch.ones(1))),
    lambda: trainer_callback({}),
])
def test_what_is_not_installed_is_named(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from govcheck.errors import InputError

    for name in ("lightning.pytorch", "lightning", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="is not installed"):
        make()
