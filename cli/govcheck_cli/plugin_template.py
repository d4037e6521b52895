"""The files of a new plugin; ``@WORD@`` is filled in."""

from __future__ import annotations

from typing import Final

_PYPROJECT: Final = '''\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "@DISTRIBUTION@"
version = "0.1.0"
description = "The layer @NAME@ for govcheck."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["govcheck"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.govcheck]
@NAME@ = "@PACKAGE@"

[tool.hatch.build.targets.wheel]
packages = ["src/@PACKAGE@"]
'''

_README: Final = '''\
# @DISTRIBUTION@

The layer `@NAME@` for govcheck: a trained gain for each entry of a sample.

    pip install -e '.[test]'
    pytest                        # the conformance kit attacks every declared bound
    govcheck plugin check @NAME@  # the same as a table
    govcheck layers @NAME@

Change the map in `src/@PACKAGE@/layer.py` and its bounds together, and let the kit try to
break them.
'''

_PACKAGE: Final = '''\
"""The layer @NAME@ for govcheck."""

from govcheck.plugin import Layer, hookimpl


@hookimpl
def govcheck_layers() -> list[type[Layer]]:
    """Layers of this plugin."""
    from @PACKAGE@.layer import @CLASS@

    return [@CLASS@]
'''

_LAYER: Final = '''\
"""A trained gain for each entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import v_mul
from govcheck.bounds.expr import ONE, ZERO
from govcheck.plugin import At, Layer, Parameter, Ref, Shape, Value, Values, bound

if TYPE_CHECKING:
    from torch import nn

PROOF = Ref("elementary", "a diagonal matrix has the norm of its largest entry")


@dataclass(frozen=True)
class @CLASS@(Layer):
    """@NAME@: x -> gain * x, entrywise, one gain for each entry of a sample."""

    name: ClassVar[str] = "@NAME@"

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("gain", shape, initial=ONE),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        import torch

        class Gain(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.gain = torch.nn.Parameter(torch.ones(shape))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.gain * x

        return Gain()

    @bound("J", "upper", PROOF, tight="exact")
    def jacobian(self, at: At) -> Value:
        """The gains on the diagonal."""
        return at.norm("gain", "max")

    @bound("sigma_J", "lower", PROOF, tight="exact")
    def least_singular_value(self, at: At) -> Value:
        """The smallest of them."""
        return at.floor("gain", "abs_min")

    @bound("out", "upper", PROOF, tight="all of X in the entry with the largest gain")
    def output(self, at: At) -> Value:
        """``|gain * X| <= max|gain| |X|``."""
        return v_mul(at.norm("gain", "max"), at.frobenius)

    @bound("D", "upper", PROOF, tight="all of X in one entry")
    def parameter_derivative(self, at: At) -> Value:
        """A gain multiplies one row of X, which is no longer than its operator norm."""
        return at.spectral

    @bound("xx", "upper", PROOF, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """Linear in X."""
        return ZERO

    @bound("xt", "upper", PROOF, tight="exact")
    def mixed_derivative(self, at: At) -> Value:
        """``|h * K| <= |h| |K|``, with equality where both are in one entry."""
        return ONE

    @bound("tt", "upper", PROOF, tight="exact: linear in the gains")
    def parameter_second_derivative(self, at: At) -> Value:
        """Linear in the gains."""
        return ZERO
'''

_TEST: Final = '''\
"""The conformance kit on the layer of this distribution."""

from govcheck.plugin.testing import parametrize_with_checks
from @PACKAGE@.layer import @CLASS@


@parametrize_with_checks([@CLASS@])
def test_conformance(check):
    check()
'''

FILES: Final = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "src/@PACKAGE@/__init__.py": _PACKAGE,
    "src/@PACKAGE@/layer.py": _LAYER,
    "tests/test_conformance.py": _TEST,
}
