"""What a layer says of its derivative where that is one matrix for all inputs."""

from __future__ import annotations

from dataclasses import dataclass

from govcheck.bounds.expr import ONE, Expr


@dataclass(frozen=True)
class MatrixForm:
    """The derivative in one sample is ``scale A``, the same on all inputs.

    Args:
        scale: the number in front.
        size: rows and columns of A; None for the identity, the entries keeping their order.
        parameter: the trained array that A is made from; empty if A is fixed.
        norm: the kind of norm, see `Layer.parameter_norm`, that bounds ``|A|_2``; for a fixed
            A `fixed_norm` instead.
        moves: ``|change of A|_2`` is at most this times the Euclidean norm of the change of
            the parameter.
        copies: sizes of the leading dimensions of samples; A acts on the rest for each of
            their indices alike. Empty if A acts on all entries, in row-major order.
        fixed_norm: an upper bound of ``|A|_2`` for a fixed A.
    """

    scale: Expr = ONE
    size: tuple[Expr, Expr] | None = None
    parameter: str = ""
    norm: str = "spectral"
    moves: Expr = ONE
    copies: tuple[Expr, ...] = ()
    fixed_norm: Expr = ONE
