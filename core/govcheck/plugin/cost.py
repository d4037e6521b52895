"""What a cost plugin is: gamma on network outputs, its curvature, slope and regularity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import Expr
from govcheck.plugin.layer import API_VERSION

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CostAt:
    """Where a cost is asked: N samples of `outputs` numbers, sublevel set ``gamma <= alpha``.

    Args:
        samples: N.
        outputs: number of outputs for one sample.
        target_norm: Frobenius norm of the targets Y.
        alpha: the level.
    """

    samples: Expr
    outputs: Expr
    target_norm: Expr
    alpha: Value


class Cost(ABC):
    """A cost ``gamma(Z)`` of all N outputs together, with minimum 0 (or infimum 0)."""

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    reference: ClassVar[Ref] = Ref("govcheck theory", "bound calculus, section 5")
    classification: ClassVar[bool] = False

    @abstractmethod
    def gradient(self, at: CostAt) -> Value:
        """Gamma_1: supremum of ``|grad gamma|`` on the sublevel set."""

    @abstractmethod
    def curvature(self, at: CostAt) -> Value:
        """Gamma_2: supremum of the operator norm of the Hessian of gamma."""

    @abstractmethod
    def pl(self, at: CostAt) -> Value:
        """mu_gamma in ``|grad gamma|^2 >= mu_gamma (gamma - inf gamma)``, or why not."""

    def slope(self, at: CostAt) -> Value:
        """kappa_gamma in ``|grad gamma| >= kappa_gamma gamma`` on the sublevel set."""
        return Unknown.because(f"{self.name} declares no bound |grad gamma| >= kappa gamma")

    @abstractmethod
    def level(self, at: CostAt, output_norm: Value) -> Value:
        """Supremum of gamma over outputs with Frobenius norm at most `output_norm`."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """gamma in torch; `targets` are as `DataSource` gives them for this cost."""
