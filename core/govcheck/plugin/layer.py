"""What a layer plugin is: one small class that speaks only about itself.

A layer answers questions (`@bound` methods) about its own map ``f(theta, X)`` on an input
set; composing answers over a network is the core's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from govcheck.bounds.answer import CARRIED, LOCAL, Ref, Sense, Unknown, Value, sense_of
from govcheck.bounds.domain import Domain, Everything, FloorKind, NormKind
from govcheck.bounds.expr import ONE, ZERO, Expr, ExprLike, mul
from govcheck.plugin.guard import ask
from govcheck.plugin.matrix import MatrixForm

if TYPE_CHECKING:
    from flint import arb
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState
    from govcheck.plugin.example import Example
    from govcheck.plugin.importing import Claim

API_VERSION = 1

Shape = tuple[Expr, ...]


@dataclass(frozen=True)
class Parameter:
    """A trained array of a layer.

    Args:
        name: unique in the layer.
        shape: symbolic.
        initial: what every entry is at first; drawn as the architecture says when omitted.
    """

    name: str
    shape: Shape
    initial: Expr | None = None


@dataclass(frozen=True)
class At:
    """The place at which a layer is asked: its input set and its parameter set.

    The input is a batch of N samples; as a matrix X it has one column for each sample.

    Args:
        node: name of the layer in the network.
        shape: shape of one sample.
        samples: N.
        frobenius: upper bound of the Frobenius norm of X.
        spectral: upper bound of the operator norm of X.
        injective: lower bound of ``min |X v|`` over unit vectors v.
        injective_ones: the same for X with a row of ones below it.
        domain: the parameter set.
        largest: upper bound of the Euclidean norm of one sample; `spectral` when omitted.
    """

    node: str
    shape: Shape
    samples: Expr
    frobenius: Value
    spectral: Value
    injective: Expr = ZERO
    injective_ones: Expr = ZERO
    domain: Domain = field(default_factory=Everything)
    largest: Value | None = None

    @property
    def sample(self) -> Value:
        """Upper bound of the Euclidean norm of one sample."""
        return self.spectral if self.largest is None else self.largest

    @property
    def features(self) -> Expr:
        """Number of entries of one sample."""
        return mul(*self.shape) if self.shape else ONE

    @property
    def entries(self) -> Expr:
        """Number of entries of the whole batch."""
        return mul(self.features, self.samples)

    def norm(self, parameter: str, kind: NormKind = "spectral", slope: Expr = ONE) -> Value:
        """Supremum over the parameter set of a norm of one of the layer's parameters.

        Args:
            parameter: its name.
            kind: ``spectral``, ``frobenius``, ``max``, or a kind of the layer's own, which
                `Layer.parameter_norm` computes.
            slope: the norm is at most this times the Frobenius norm.
        """
        return self.domain.norm(self.node, parameter, kind, slope)

    def floor(self, parameter: str, kind: FloorKind) -> Expr:
        """Infimum over the parameter set; 0 where nothing better is known."""
        return self.domain.floor(self.node, parameter, kind)


Answerer = Callable[[Any, At], "Value | ExprLike"]
F = TypeVar("F", bound=Answerer)


@dataclass(frozen=True)
class BoundSpec:
    """What `@bound` records about a method."""

    quantity: str
    sense: Sense
    reference: Ref
    tight: str = ""
    uses: frozenset[str] = frozenset()
    reading: str = "as_corrected"


def bound(
    quantity: str,
    sense: Sense,
    reference: Ref,
    *,
    tight: str = "",
    uses: tuple[str, ...] = (),
    reading: str = "as_corrected",
) -> Callable[[F], F]:
    """Declare that a method bounds a quantity of the layer.

    Several methods may bound the same quantity; the core takes the best answer.

    Args:
        quantity: one of ``out out_spec J D xx xt tt`` (upper) or ``sigma_J sigma_D
            out_inj`` (lower), or one that makes others sharper: ``out_max J_rows D_rows
            J_inf xx_inf`` (upper), ``sigma_skip`` (lower); see
            `govcheck.bounds.answer.MEANING`.
        sense: "upper" or "lower".
        reference: where it is proved.
        tight: where equality holds, in words; empty when that is not known. Where the words
            are ``exact`` or ``attained``, alone or before a colon, the conformance kit
            refuses a bound that its search does not come near.
        uses: what a coarser mode leaves out: "boundedness" (a bounded activation),
            "spectral" (the operator norm of the data), "rows" (norms of single rows and
            samples)
        reading: "as_corrected", or "as_printed" for the constant as a paper prints it,
            used only in the mode `paper` and possibly unsound.

    Raises:
        ValueError: for a quantity or sense that does not exist.
    """
    known = CARRIED + LOCAL
    if quantity not in known:
        raise ValueError(f"no quantity {quantity!r}; there are {', '.join(known)}")
    if sense != sense_of(quantity):
        raise ValueError(f"{quantity} is not bounded from {sense}")

    def mark(method: F) -> F:
        spec = BoundSpec(quantity, sense, reference, tight, frozenset(uses), reading)
        method.__govcheck_bound__ = spec  # type: ignore[attr-defined]
        return method

    return mark


class Layer(ABC):
    """A layer; subclasses are frozen dataclasses whose fields are the YAML parameters.

    Fields annotated `Expr` take formulas, `bool`, `int` and `str` take those; a default
    makes the key optional. ``parameters`` lists what is trained.
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION

    def shape(self, shape: Shape) -> Shape:
        """Shape of one output sample; the input's by default.

        Raises:
            ShapeError: if the layer cannot take this input; the text says why.
        """
        return shape

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Trained arrays, for inputs of this shape."""
        return ()

    @abstractmethod
    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        """The map in torch on batches ``(N, *shape)``; parameters named as `parameters`.

        Args:
            shape: concrete shape of one input sample.
            values: turns the layer's formulas into floats.
        """

    kernel_pixels: ClassVar[int] = 0
    """What `kernel_step` needs of images: 0 nothing of single pixels, 1 moments of equal pixels
    (a convolution), 2 moments of all pairs of pixels (pooling)."""

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState | Unknown:
        """The layer's step in the limit of infinite width, see `govcheck.kernels`.

        Args:
            state: the limit of what the layers before put out.
            ctx: where the layer stands.

        Raises:
            NoKernelError: if there is no limit.
        """
        return Unknown.because(f"{self.name} declares no kernel step", kind="undeclared")

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        """The layer as operations of a certificate, applied in turn; none is the identity.

        Only what `govcheck.certify.operations` offers can be proved; a layer that says nothing
        is not covered by ``govcheck certify``.

        Args:
            shape: concrete shape of one input sample.
            values: turns the layer's formulas into floats.
        """
        return Unknown.because(f"{self.name} declares no operations of certificates",
                               kind="undeclared")

    def parameter_norm(
        self,
        parameter: str,
        kind: str,
        array: NDArray[Any],
        shape: tuple[int, ...],
        values: Values,
    ) -> arb:
        """A norm (or floor) of a given parameter: what `At.norm` and `At.floor` ask for.

        A layer that asks for a kind of its own overrides this and leaves the other kinds
        to this method, see `govcheck.certify.weight_facts`.

        Args:
            parameter: its name.
            kind: which norm or floor.
            array: the parameter.
            shape: concrete shape of one input sample.
            values: turns the layer's formulas into floats.

        Returns:
            A ball whose upper end is a proven upper bound of a norm, whose lower end is a
            proven lower bound of a floor.
        """
        from govcheck.certify.weight_facts import weight_facts

        return weight_facts(array, kind)

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        """How the derivative in one sample is one matrix for all inputs; None if it is not.

        Layers that say so are looked at together with their neighbours: the norm of a product
        can be far below the product of the norms. See `govcheck.plugin.matrix`.
        """
        return None

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        """The matrix that `matrix_form` tells of, entries exact in float64.

        Args:
            array: the parameter it names; None if it names none.
            shape: concrete shape of one input sample.
            values: turns the layer's formulas into floats.
        """
        raise NotImplementedError(f"{self.name} has no matrix")

    @classmethod
    def from_module(cls, module: nn.Module) -> Claim | None:
        """The settings and weights with which this layer computes a torch module.

        None, the default, for modules that are not this layer's own. Where a layer claims a
        module, ``govcheck import`` does not look inside it.

        Args:
            module: any module of the network that is imported.

        Raises:
            UnclaimedError: if the module is this layer's own but this one cannot be expressed.
        """
        return None

    @classmethod
    def examples(cls) -> Sequence[Example]:
        """Small instances with shapes, which the conformance kit attacks.

        By default an instance made of the fields' defaults, with 2 for what is required, and
        variations of it in one field each, on the first of some small shapes that fits.
        """
        from govcheck.plugin.example import default_examples

        return default_examples(cls)

    def check(self) -> None:  # noqa: B027 - overriding it is optional
        """Raise `ValueError` if the YAML parameters make no sense together."""


Values = Callable[[ExprLike], float]


class ShapeError(ValueError):
    """A layer cannot take an input of this shape."""


def declared_bounds(layer: type[Layer]) -> list[tuple[str, BoundSpec]]:
    """Method names and records of all `@bound` methods of a layer class."""
    found = []
    for attribute in dir(layer):
        spec = getattr(getattr(layer, attribute, None), "__govcheck_bound__", None)
        if isinstance(spec, BoundSpec):
            found.append((attribute, spec))
    return found


def answer(layer: Layer, attribute: str, at: At) -> Value:
    """Ask one question; what goes wrong in the layer becomes Unknown, see `guard.ask`."""
    return ask(layer, attribute, at)


def same_dimension(a: Expr, b: Expr) -> bool:
    """Whether two dimensions are equal as formulas."""
    return (a - b) is ZERO
