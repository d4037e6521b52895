"""Distribution of the singular values of a convolution with batch norm and ReLU, as it grows.

64 channels, 32 x 32 pixels, 3 x 3 taps, batch norm in train mode, N samples: the derivative
over the whole batch has 65536 N rows and columns, too many for any matrix. Golub-Kahan with
products in float32 goes on until the stated error of the distribution function is at most 0.01,
at 99 % confidence. Seconds are CPU time of the process, so of both threads if there are two;
the last column repeats with another seed and shows the largest difference of the two curves,
which their stated errors must cover.

    python benchmarks/spectra.py [--quick] [--samples 8 32 128]
"""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn

from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.spectra import layer_spectrum

CHANNELS, PIXELS, SEED = 64, 32, 0


def layer() -> nn.Module:
    """As torch initialises it."""
    torch.manual_seed(SEED)
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(CHANNELS)
    return nn.Sequential(convolution, norm, nn.ReLU()).double()


def main() -> int:
    """Print one line for each number of samples; exit code 1 if two seeds disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 samples only")
    parser.add_argument("--samples", type=int, nargs="+", default=[8, 32, 128], metavar="N")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    print(f"{'N':>4} {'side':>9} {'CPU s':>7} {'error':>7} {'zero':>6} {'sigma_max':>9} "
          f"{'difference':>10}  method")
    agree = True
    for n in [8] if options.quick else options.samples:
        torch.manual_seed(SEED + 1)
        x = torch.randn(n, CHANNELS, PIXELS, PIXELS)
        curves = []
        for seed in (SEED, SEED + 1):
            start = time.process_time()
            found = layer_spectrum(layer(), "network", x, method="lanczos", seed=seed,
                                   budget=Budget(2**34))
            seconds = time.process_time() - start
            if not curves:
                first, spent = found, seconds
            curves.append(found.distribution)
        grid = np.linspace(1e-9, 1.01 * first.largest.value, 4001)
        difference = float(np.abs(curves[0].at(grid) - curves[1].at(grid)).max())
        agree &= difference <= curves[0].error + curves[1].error
        print(f"{n:4} {first.rows:9} {spent:7.1f} {curves[0].error:7.4f} "
              f"{first.share.value:6.4f} {first.largest.value:9.5f} {difference:10.4f}  "
              f"{first.share.method}", flush=True)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
