"""What `govcheck.watch` costs a training loop at its default cadence, CPU time side by side.

The same ResNet-18 on random pictures of 3 x 32 x 32 takes the same steps with and without the
watch, a block of steps of each in turn, in one process.

    python benchmarks/watch.py [--steps N] [--batch B] [--probe P]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import govcheck as gc
from govcheck.numeric.watch import Watch

ROOT = Path(__file__).parent.parent
BLOCK = 8


def trainer(batch: int, seed: int) -> tuple[nn.Module, torch.optim.SGD, Tensor, Tensor]:
    """A fresh network, its optimiser and a batch."""
    torch.manual_seed(seed)
    model = gc.to_torch(gc.load(ROOT / "examples" / "resnet18.yaml")).float()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return model, optimizer, torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))


def steps(
    model: nn.Module, optimizer: torch.optim.SGD, x: Tensor, y: Tensor, count: int
) -> float:
    """CPU seconds of so many steps."""
    began = time.process_time()
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return time.process_time() - began


def compare(count: int, batch: int, probes: int) -> tuple[float, float, Watch]:
    """CPU seconds without and with the watch, and the watch."""
    torch.set_num_threads(1)
    plain, watched = trainer(batch, 0), trainer(batch, 0)
    steps(*plain, 1)
    steps(*watched, 1)
    model, optimizer, x, y = watched
    probe = (x[: probes], y[: probes])
    without = within = 0.0
    with gc.watch(model, nn.functional.cross_entropy, probe, optimizer=optimizer) as w:
        for _ in range(count // BLOCK):
            # the pause while the other network trains is not this one's training time
            paused = time.perf_counter()
            without += steps(*plain, BLOCK)
            w.pause(time.perf_counter() - paused)
            within += steps(*watched, BLOCK)
    return without, within, w


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--probe", type=int, default=8)
    options = parser.parse_args()
    without, within, w = compare(options.steps, options.batch, options.probe)
    print(f"ResNet-18, 3 x 32 x 32, batch {options.batch}, probe {options.probe}, "
          f"{options.steps} steps, one thread, CPU seconds")
    print(f"{'':<28}{'seconds':>10}{'ratio':>9}")
    print(f"{'training':<28}{without:>10.2f}{1:>9.3f}")
    print(f"{'training with the watch':<28}{within:>10.2f}{within / without:>9.3f}")
    print(f"{len(w.records)} records, {w.spent:.2f} s in them")
    print(w.table())


if __name__ == "__main__":
    main()
