"""Random programs of sums, concatenations and layers: whatever the graph, the function stays."""

import random

import pytest
import torch
from torch import nn


class Program(nn.Module):
    """Instructions on numbered results."""

    def __init__(self, seed):
        super().__init__()
        draw = random.Random(seed)
        self.steps, self.linears, sizes = [], nn.ModuleList(), [4]
        for _ in range(draw.randint(3, 14)):
            kind = draw.choice(["linear", "linear", "tanh", "add", "add", "cat"])
            a = draw.randrange(max(0, len(sizes) - 3), len(sizes))
            b, size = 0, sizes[a]
            if kind == "linear":
                b, size = len(self.linears), draw.choice([4, 4, 6])
                self.linears.append(nn.Linear(sizes[a], size))
            elif kind == "add":
                b = draw.choice([j for j, n in enumerate(sizes) if n == size])
            elif kind == "cat":
                b = draw.randrange(len(sizes))
                size += sizes[b]
            if size <= 40:
                self.steps.append((kind, a, b))
                sizes.append(size)

    def forward(self, x):
        found = [x]
        for kind, a, b in self.steps:
            if kind == "linear":
                found.append(self.linears[b](found[a]))
            elif kind == "tanh":
                found.append(torch.tanh(found[a]))
            elif kind == "add":
                found.append(found[a] + found[b])
            else:
                found.append(torch.cat([found[a], found[b]], 1))
        return found[-1]


@pytest.mark.parametrize("seed", range(30))
def test_the_imported_network_computes_what_the_program_does(seed, imports):
    assert imports(Program(seed), 1, 4).check.passed
