"""How plugins recognise torch code: which layer, with which settings and weights, a call is.

A layer that has a torch module of its own says so in `Layer.from_module`. Everything else,
modules of torch and functions, is claimed by importers from the hook ``govcheck_importers``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from govcheck.plugin.layer import API_VERSION

if TYPE_CHECKING:
    from torch import Tensor

Sizes = tuple[int, ...]


class UnclaimedError(Exception):
    """A call is of a known kind, but no layer computes it; the text says why."""


class _Data:
    """Stands for what comes in from the layer before, among the arguments of a call."""

    def __repr__(self) -> str:
        return "data"


DATA: Final = _Data()


@dataclass(frozen=True, eq=False)
class Claim:
    """A layer that computes a call.

    Args:
        layer: its name; `Layer.from_module` may leave it out.
        settings: its YAML keys, numbers and text.
        weights: its parameters by name. Each is a parameter of the torch module, or a view of
            one (a slice, a reshape, a permutation), made with autograd on: the import checks
            that every entry of every parameter is used exactly once.
        buffers: tensors of its torch module that are not trained, by name.
        notes: what the user should know.
    """

    layer: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a torch module or function on one tensor that depends on the data.

    Args:
        name: full name of the module's class, such as ``torch.nn.Conv2d``, or the plain name
            of a function or method, such as ``relu``.
        args, kwargs: arguments, the data replaced by `DATA`, tensors that do not depend on the
            data as they are. Empty for most modules.
        shape, out: of one sample, before and after.
        module: the module; None for a function.
        training: whether the module is imported as it is in training.
        dependent: how many arguments depend on the data.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: Sizes
    out: Sizes
    module: Any = None
    training: bool = True
    dependent: int = 1

    def arg(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    @property
    def other(self) -> Any:
        """The argument of a product, sum or the like that is not the data.

        Raises:
            UnclaimedError: if both depend on the data.
        """
        if self.dependent > 1:
            raise UnclaimedError("both operands depend on the input")
        return next(a for a in self.args if a is not DATA)


class Importer(ABC):
    """Claims calls of some torch modules and functions.

    ``modules`` are full names of classes, exactly (a subclass may compute something else),
    ``functions`` plain names: ``relu`` is ``F.relu``, ``torch.relu`` and ``x.relu()``.
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    modules: ClassVar[tuple[str, ...]] = ()
    functions: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def claims(self, call: Call) -> Sequence[Claim]:
        """Layers, one after the other, that compute a call; none is the identity.

        Raises:
            UnclaimedError: if there are none, with the reason.
        """




def reshaped(before: Sizes, after: Sizes) -> tuple[Claim, ...]:
    """The layer that gives the entries of a sample another shape; none for the same shape.

    Raises:
        UnclaimedError: if the number of entries differs.
    """
    if before == after:
        return ()
    if prod(before) != prod(after):
        raise UnclaimedError(f"the result has shape {list(after)}, the input {list(before)}")
    if len(after) == 1:
        return (Claim("flatten"),)
    return (Claim("reshape", {"to": list(after)}),)



