"""The symbolic analysis of ResNet-152, all parameters trained: time and memory.

Batch normalisation is in train mode and the parameter set a ball, so every layer is asked for
every bound. Seconds are CPU time beyond imports; the YAML reader alone is what cannot be saved.

    python benchmarks/resnet152.py
"""

from __future__ import annotations

import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

STAGES = ((64, 3, 1), (128, 8, 2), (256, 36, 2), (512, 3, 2))
"""Channels, blocks and stride of the first block."""


def convolution(out: int, kernel: int, stride: int = 1) -> str:
    """One convolution without bias."""
    padding = f", padding: {kernel // 2}" if kernel > 1 else ""
    return f"conv: {{out: {out}, kernel: {kernel}, stride: {stride}{padding}, bias: false}}"


def architecture() -> str:
    """The network for pictures of 3 x 224 x 224 as an architecture file."""
    lines = ["govcheck: 1", "name: ResNet-152", "symbols: {R: 1}", "input: [3, 224, 224]",
             "cost: cross_entropy", "domain: {ball: R}", "layers:",
             f"  - {convolution(64, 7, 2)}", "  - batch_norm",
             "  - relu", "  - max_pool: {kernel: 3, stride: 2, padding: 1}"]
    for channels, blocks, step in STAGES:
        wide = 4 * channels
        for i in range(blocks):
            stride = step if i == 0 else 1
            body = [convolution(channels, 1), "batch_norm", "relu",
                    convolution(channels, 3, stride), "batch_norm", "relu",
                    convolution(wide, 1), "batch_norm"]
            if i:
                lines += ["  - residual:", *[f"      - {layer}" for layer in body]]
            else:
                lines += ["  - parallel:", "      join: sum", "      branches:"]
                for branch in (body, [convolution(wide, 1, stride), "batch_norm"]):
                    lines += [f"        - - {branch[0]}",
                              *[f"          - {layer}" for layer in branch[1:]]]
            lines.append("  - relu")
    return "\n".join([*lines, "  - global_avg_pool", "  - affine: {out: 1000}", ""])


def measure() -> dict[str, float]:
    """Load and analyse in this process; seconds, MiB and the number of layers."""
    import yaml
    from chain import peak_mib

    import govcheck as gc
    from govcheck.plugin.registry import load_registry

    text, registry = architecture(), load_registry()
    gc.analyze(gc.loads("govcheck: 1\ninput: [3]\nlayers: [affine: {out: 2}]"))
    start = time.process_time()
    yaml.safe_load(text)
    read = time.process_time()
    arch = gc.loads(text)
    loaded = time.process_time()
    result = gc.analyze(arch, registry=registry)
    done = time.process_time()
    return {"yaml": read - start, "load": loaded - read, "analyse": done - loaded,
            "seconds": done - read, "peak_mib": peak_mib(), "layers": len(result.leaves())}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
