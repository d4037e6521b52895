"""What is checked, and with how much effort."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

from govcheck.bounds.expr import Expr, num
from govcheck.plugin.example import Example
from govcheck.plugin.layer import Layer, Shape, Values

if TYPE_CHECKING:
    from torch import Tensor, nn

    from govcheck.numeric.places import Place, Set, Setting

RADII: Final = (Fraction(1, 10), Fraction(1), Fraction(30))
FAR: Final = (Fraction(10**6), Fraction(10**12))


@dataclass(frozen=True)
class Effort:
    """How hard the kit tries.

    Args:
        examples: largest number of examples of a layer; the first and the last are among
            them.
        points: number of random points that are looked at before each search.
        starts: number of searches from the best of them, in each setting.
        steps: of each search.
        polish: steps of one more search, in the setting that came nearest to the bound.
        crossed: on so many examples every parameter set comes with every radius, on the
            others with one radius each.
        seed: of everything random.
    """

    examples: int
    points: int
    starts: int
    steps: int
    polish: int
    crossed: int
    seed: int = 0


QUICK: Final = Effort(2, 8, 0, 6, 12, 0)
STANDARD: Final = Effort(12, 12, 2, 20, 120, 2)
THOROUGH: Final = Effort(100, 30, 4, 60, 400, 100)


@dataclass(frozen=True, eq=False)
class Case:
    """One example of a layer, with the effort it is worth.

    Args:
        example: the layer, the shape of a sample, N, and values of symbols.
        effort: how hard to try.
        index: which of the layer's examples it is.
    """

    example: Example
    effort: Effort = STANDARD
    index: int = 0

    @property
    def layer(self) -> Layer:
        """The instance."""
        return self.example.layer

    @property
    def shape(self) -> Shape:
        """Shape of one input sample."""
        return tuple(map(num, self.example.shape))

    @cached_property
    def values(self) -> Values:
        """Formulas of the layer as floats."""
        from govcheck.bounds.evaluate import ball
        from govcheck.numeric.build import values_in

        return values_in({s: ball(v) for s, v in self.example.values.items()})

    def sizes(self, shape: tuple[Expr, ...]) -> tuple[int, ...]:
        """A shape in numbers."""
        return tuple(int(self.values(d)) for d in shape)

    def module(self) -> nn.Module:
        """A new torch module of the layer, in float64, with random parameters."""
        import torch

        module = self.layer.module(self.example.shape, self.values).double()
        generator = torch.Generator().manual_seed(self.effort.seed + 1)
        with torch.no_grad():
            for p in module.parameters():
                p.copy_(0.8 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        return module

    def batch(self, seed: int = 2) -> Tensor:
        """A random batch of the example's shape."""
        import torch

        generator = torch.Generator().manual_seed(self.effort.seed + seed)
        size = (self.example.samples, *self.example.shape)
        return torch.randn(size, generator=generator, dtype=torch.float64)

    @cached_property
    def places(self) -> list[Place]:
        """The sets on which bounds are attacked."""
        from govcheck.numeric.places import Place

        bare = not self.layer.parameters(self.shape)
        crossed = self.index < self.effort.crossed
        return [
            Place(self.example, s, self.effort.points, self.effort.seed + 10 * i)
            for i, s in enumerate(settings(crossed, bare=bare))
        ]


    @cached_property
    def far_places(self) -> list[Place]:
        """Input sets that reach very far out."""
        from govcheck.numeric.places import Place, Setting

        parameters: Set = "ball" if self.layer.parameters(self.shape) else "everything"
        return [
            Place(self.example, Setting(parameters, r), self.effort.points, self.effort.seed + i)
            for i, r in enumerate(FAR)
        ]


def settings(crossed: bool, bare: bool) -> list[Setting]:
    """Input sets near the origin and far from it, with parameter sets of all three kinds."""
    from govcheck.numeric.places import Setting

    near, middle, far = RADII
    flat, full = Fraction(3, 4), Fraction(1, 4)
    sets: tuple[Set, ...] = ("everything",)
    if not bare:
        sets = ("everything", "ball", "around given weights")
    batch = () if bare else (Setting(sets[-1], middle, batch=True),)
    if not crossed:
        return [
            Setting(sets[0], far),
            Setting(sets[0 if bare else 1], middle, flat, full),
            Setting(sets[-1], near if bare else middle),
            *batch,
        ]
    found = [Setting(p, r) for p in sets for r in RADII]
    found += [Setting(p, middle, flat, full) for p in sets]
    return [*found, *batch]
