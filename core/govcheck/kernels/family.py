"""Which network of the width theory an architecture is, read off its layers.

The networks of Du et al. (2019) and Zhang et al. (2022), with ``W^(h)``, a of independent
standard normal entries at first, sigma an activation, ``c = 1/E sigma(Z)^2``, u the output:

    fc           x^(h) = sqrt(c/m) sigma(W^(h) x^(h-1)),  h = 1..H,  u = <a, x^(H)>
    resnet       the same for h = 1, then x^(h) = x^(h-1) + alpha_h/(H sqrt m) sigma(W^(h) x^(h-1))
    nf_resnet    as resnet with trained alpha_h
    conv_resnet  as resnet, W^(h) acting on the patches of an image, zeros outside

Where the prefactor stands is free: after the activation, or before the next ``W``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, Expr, mul, sqrt
from govcheck.bounds.printing import text
from govcheck.bounds.walk import symbols_of
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Leaf
from govcheck.kernels.normalisation import c_sigma
from govcheck.kernels.stages import Cutter, OtherNetError, Stage, kind_of, setting
from govcheck.plugin.activation import Activation
from govcheck.plugin.layer import Layer, Shape, same_dimension

MAX_LAYERS: Final = 10_000

Kind = Literal["fc", "resnet", "nf_resnet", "conv_resnet"]


@dataclass(frozen=True, eq=False)
class Family:
    """A network of the width theory.

    Args:
        kind: see the module.
        inputs: d, the number of features of a sample; of channels for images.
        width: m.
        hidden: H.
        depth: H as a formula of the file's symbols.
        activation: sigma.
        c_sigma: c, as a formula or an enclosed constant.
        alphas: ``alpha_2, ..., alpha_H`` at first; empty for fc.
        speed: ``d alpha_h/d theta`` of the trained array theta that alpha_h is made of: 1 if
            alpha_h is trained itself, ``1/sqrt(m)`` in the parametrisation
            ``alpha_h = alpha_h(0) + gamma_h/sqrt(m)``. A step eta of theta is a step
            ``speed^2 eta`` of alpha_h.
        patch: number of pixels of a patch along each dimension, for images.
        grid: number of pixels along each dimension, for images.
        nodes: the layers with W, copies of a repeat once, then the readout.
    """

    kind: Kind
    inputs: Expr
    width: Expr
    hidden: int
    depth: Expr
    activation: Activation
    c_sigma: Expr
    alphas: tuple[Expr, ...] = ()
    speed: Expr = ONE
    patch: Expr = ONE
    grid: Shape = ()
    nodes: tuple[str, ...] = ()

    @property
    def residual(self) -> bool:
        """Whether there are residual layers."""
        return bool(self.alphas)

    @property
    def trained(self) -> bool:
        """Whether the factors alpha_h are trained."""
        return self.kind == "nf_resnet"

    @property
    def pixels(self) -> Expr:
        """p, the number of pixels of an image; 1 without any."""
        return mul(*self.grid)


def recognise(arch: Architecture) -> Family | Unknown:
    """The network of the width theory that an architecture is.

    Args:
        arch: the architecture; its depth needs a value, its width may be a free symbol.

    Returns:
        Unknown with the first layer that differs, and how.
    """
    try:
        return _Reader(arch).read()
    except OtherNetError as other:
        return Unknown.because(other.reason, node=other.node)


class _Reader:
    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.cutter = Cutter({s: evaluate(v, {}) for s, v in arch.values.items()})

    def read(self) -> Family:
        self._drawn(self.arch.init.method, self.arch.init.std)
        cut = self.cutter.cut(self.arch.body)
        stages, branches, readout = cut.plain, cut.branches, cut.readout
        if not stages:
            raise OtherNetError("", "there is no hidden layer with weights and an activation")
        first = stages[0]
        if not self.cutter.equal(first.before, ONE):
            raise OtherNetError(first.leaf.node, f"the data is multiplied by {text(first.before)}")
        image = kind_of(first.leaf.layer) == "conv"
        inner = [*stages, *branches]
        width = self._width(inner)
        activation = self._activation(inner)
        self._readout(readout, width, image)
        hidden = len(inner)
        constant = self._constant(activation, first)
        kind: Kind = "conv_resnet" if image else "resnet" if branches else "fc"
        alphas: list[Expr] = []
        speed = ONE
        if branches:
            if len(stages) > 1:
                raise OtherNetError(
                    stages[1].leaf.node, "a second layer stands before the residual ones"
                )
            alphas, speed, trained = self._alphas(branches, width, cut.hidden)
            if trained and image:
                raise OtherNetError(
                    branches[0].leaf.node,
                    "its residual factor is trained, which the "
                    "convolutional network of the theory does not have",
                )
            kind = "nf_resnet" if trained else kind
        elif image and hidden > 1:
            raise OtherNetError(
                stages[1].leaf.node,
                "it is not residual, as all convolutions but the first one of the theory are",
            )
        after = [s.after for s in stages]
        ahead = [s.before for s in stages[1:]]
        for stage, factor in zip(stages, _prefactors(after, ahead, cut.pending), strict=True):
            self._prefactor(stage, factor, constant, width)
        for node in (s.leaf.node for s in [*inner, Stage(readout, ONE)]):
            own = self.arch.init.at.get(node)
            if own is not None:
                self._drawn(own.method, own.std, node)
        names = [s.leaf.node for s in inner] + [readout.node]
        return Family(
            kind,
            self.arch.input[0] if image else mul(*self.arch.input),
            width,
            hidden,
            cut.hidden,
            activation,
            constant,
            tuple(alphas),
            speed,
            setting(first.leaf.layer, "kernel") if image else ONE,
            self.arch.input[1:] if image else (),
            tuple(dict.fromkeys(names)),
        )

    def _drawn(self, method: str, std: Expr | None, node: str = "") -> None:
        if method != "normal" or not self.cutter.equal(ONE if std is None else std, ONE):
            how = method if std is None else f"{method} with std {text(std)}"
            raise OtherNetError(
                node, f"initial weights are drawn by the method {how}, not from N(0, 1)"
            )

    def _width(self, stages: list[Stage]) -> Expr:
        first = stages[0].leaf
        kind, width = kind_of(first.layer), setting(first.layer, "out")
        for s in stages[1:]:
            own = setting(s.leaf.layer, "out")
            if kind_of(s.leaf.layer) != kind:
                raise OtherNetError(
                    s.leaf.node,
                    f"it is a {kind_of(s.leaf.layer)} layer, {first.node} a {kind} layer",
                )
            if not same_dimension(own, width):
                raise OtherNetError(
                    s.leaf.node,
                    f"it has {text(own)} units, {first.node} has "
                    f"{text(width)}; the theory has one width",
                )
            if kind == "conv" and setting(s.leaf.layer, "kernel") is not setting(
                first.layer, "kernel"
            ):
                raise OtherNetError(s.leaf.node, f"its patches differ from those of {first.node}")
        assert isinstance(width, Expr)
        return width

    def _activation(self, stages: list[Stage]) -> Activation:
        first = stages[0].activation
        for s in stages:
            if s.activation is None or first is None:
                raise OtherNetError(s.leaf.node, "no activation follows it")
            if s.activation.layer != first.layer:
                raise OtherNetError(
                    s.activation.node, f"it is another activation than {first.node}"
                )
        assert first is not None and isinstance(first.layer, Activation)
        if symbols_of(*_formulas(first.layer)):
            raise OtherNetError(first.node, "a setting of the activation has a symbol in it")
        return first.layer

    def _readout(self, readout: Leaf, width: Expr, image: bool) -> None:
        if kind_of(readout.layer) != "affine":
            raise OtherNetError(readout.node, "the readout is not an affine layer")
        own = setting(readout.layer, "out")
        if own is not ONE:
            raise OtherNetError(
                readout.node, f"the network has {text(own)} outputs; the theory has one"
            )

    def _constant(self, activation: Activation, first: Stage) -> Expr:
        found = c_sigma(activation)
        if isinstance(found, Unknown):
            assert first.activation is not None
            raise OtherNetError(first.activation.node, found.reason)
        return found

    def _prefactor(self, stage: Stage, factor: Expr, constant: Expr, width: Expr) -> None:
        """That a factor is ``sqrt(c/m)``."""
        if stage.trained is not None:
            raise OtherNetError(
                stage.trained.node, "a factor is trained outside of residual layers"
            )
        own = mul(factor**2, width)
        if own is constant:
            return
        wanted = f"sqrt({text(constant)}/{text(width)})"
        why = f"the factor after its activation is {text(factor)}, not {wanted}"
        if not (set(symbols_of(width)) & set(symbols_of(own))):
            value, known = self.cutter.value(own), self.cutter.value(constant)
            if value is not None and known is not None and known.contains(value):
                return
        raise OtherNetError(stage.leaf.node, why)

    def _alphas(
        self, branches: list[Stage], width: Expr, depth: Expr
    ) -> tuple[list[Expr], Expr, bool]:
        alphas: list[Expr] = []
        speeds: list[Expr] = []
        trained = [b.trained is not None for b in branches]
        for b in branches:
            speed = mul(b.after, depth, sqrt(width))
            start = setting(b.trained.layer, "initial") if b.trained else ONE
            alpha = mul(speed, start)
            if (b.trained is not None) != trained[0]:
                raise OtherNetError(
                    b.leaf.node, "some residual factors are trained and some are not"
                )
            if set(symbols_of(width)) & set(symbols_of(alpha)):
                raise OtherNetError(
                    b.leaf.node,
                    f"the residual factor is {text(mul(b.after, start))} at "
                    f"first, not alpha/({text(depth)}*sqrt({text(width)})) with a fixed "
                    "alpha",
                )
            alphas.append(alpha)
            speeds.append(speed)
        if trained[0] and any(s is not speeds[0] for s in speeds):
            raise OtherNetError(
                branches[0].leaf.node, "the residual factors are trained at different speeds"
            )
        return alphas, speeds[0] if trained[0] else ONE, trained[0]


def _prefactors(after: list[Expr], ahead: list[Expr], last: Expr) -> Iterator[Expr]:
    """Factor between each activation and the next layer with weights."""
    for own, following in zip(after, [*ahead, last], strict=True):
        # a factor is counted where it stands: after the activation or in the next layer
        yield mul(own, following)


def _formulas(layer: Layer) -> list[Expr]:
    return [v for v in vars(layer).values() if isinstance(v, Expr)]
