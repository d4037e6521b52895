r"""Constants of attention on bounded inputs, for one head or several.

A sample X has n rows, its tokens, and ``|X|_F <= b``. Up to biases ``Q = X W_q^T``,
``K = X W_k^T``, ``V = X W_v^T``, ``P = softmax(s Q K^T)`` row by row, ``F = P V``; several
heads stand side by side in the columns. With q, k, v the norms of the three matrices:

Spread. For a probability vector p over the tokens and a unit vector u, ``u.k_j`` has a range
of at most ``max |k_i - k_j| <= k max |x_i - x_j| <= sqrt2 k b``, since
``|x_i - x_j|^2 <= 2 (|x_i|^2 + |x_j|^2) <= 2 b^2``. Its standard deviation is at most half
of that, ``k b / sqrt2``, and no value differs from the mean of the ``v_j`` by more than
``sqrt2 v b``. Biases drop out of all three.

First order. Along changes Q', K', V' the row i of F changes by
``s Cov_i(q'_i.k_j, v_j) + s Cov_i(q_i.k'_j, v_j) + sum_j P_ij v'_j``, the covariance taken
under row i of P. The Frobenius norms are at most

* ``s (k b/sqrt2) (v b/sqrt2) |Q'|``;
* ``s (v b/sqrt2) |Q|_F |K'|``: row i gives ``|q_i| (sum_j P_ij |k'_j|^2)^(1/2)``, and
  ``sum_ij |q_i|^2 P_ij |k'_j|^2 <= |Q|_F^2 |K'|^2``;
* ``sqrt(n) |V'|``: a matrix with rows of sum 1 has operator norm at most sqrt(n).

Second order. With ``y_j = q'_i.k_j`` and ``g_j = q_i.k'_j`` row i of ``D2F`` is
``s^2 E[(y~ + g~)^2 v~] + 2 s Cov(q'_i.k'_j, v) + 2 s Cov(y + g, v')``, with ~ for centred,
and

* ``|E[y~^2 z~]| <= sd(y~^2) sd(z~) <= (r_y^2/4) (r_z/2)`` for ranges r: let y~ lie in
  ``[-a, c]``, a <= c, with variance w. Then ``E y~^3 <= c w - w^2/c`` from
  ``E (c - y~)(y~ + w/c)^2 >= 0`` and ``y~^2 <= (c - a) y~ + a c`` give
  ``Var(y~^2) <= c^2 w - w^2 (2 - a/c)`` with ``w <= a c``, whose largest value over w is at
  most ``(a + c)^4/16`` for each ratio ``t = a/c``: it is ``t (1 - t)^2/(1 + t)^4`` times
  ``(a + c)^4`` for ``t <= 1 - 1/sqrt2``, else ``1/(4 (2 - t) (1 + t)^4)`` times it.
* ``|E[y~ g~ v~]| <= sqrt2 v b sd(y) sd(g)`` and ``|E[g~^2 v~]| <= sqrt2 v b Var(g)``;
* the covariances by Cauchy-Schwarz, summed over rows as above.

Between heads each term is a sum of squares of products, so that norms of all heads
together bound it. Over the samples of a batch J and the mixed derivatives are maxima;
D and the second derivative in the parameters are roots of sums of squares over samples,
and ``(sum_m |X_m|^(2p))^(1/2) <= b^(p-1) |X|_F`` for p >= 1.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from govcheck.bounds.answer import Unknown, merge_unknown, v_eigenvalue
from govcheck.bounds.expr import ZERO, Expr, root_sum_square, sqrt
from govcheck.plugin import At, Layer, Ref, Shape, ShapeError, Value, bound

PROOF: Final = Ref("govcheck theory", "layer constants, section 4, with |X|_F <= b by sample")
UNBOUNDED: Final = Unknown.because(
    "self-attention is not Lipschitz on unbounded inputs: its derivative grows with the "
    "square of the tokens, and no bound of the input is known",
    kind="unbounded",
)
HALF: Final = Fraction(1, 2)


@dataclass(frozen=True)
class Norms:
    """What the constants depend on.

    Args:
        tokens: n.
        samples: N.
        scale: s >= 0.
        sample: b, a bound of ``|X|_F`` of each sample.
        batch: a bound of the Frobenius norm of the whole batch.
        query: bound of ``|W_q|_2``.
        key: bound of ``|W_k|_2``.
        value: bound of ``|W_v|_2``.
        output: bound of the operator norm of the matrix applied to F.
        query_bias: Euclidean norm.
        value_bias: Euclidean norm.
        output_bias: Euclidean norm.
        key_trained: whether W_k is a parameter.
        output_trained: whether the matrix applied to F is one.
        bias_trained: whether there are biases.
    """

    tokens: Expr
    samples: Expr
    scale: Expr
    sample: Expr
    batch: Expr
    query: Expr
    key: Expr
    value: Expr
    output: Expr
    query_bias: Expr = ZERO
    value_bias: Expr = ZERO
    output_bias: Expr = ZERO
    key_trained: bool = False
    output_trained: bool = False
    bias_trained: bool = False


def input_norms(at: At) -> tuple[Expr, Expr] | Unknown:
    """Bounds of the norm of each sample and of the batch; Unknown with the reason."""
    sample = at.frobenius if isinstance(at.spectral, Unknown) else at.spectral
    if isinstance(sample, Unknown):
        return merge_unknown((UNBOUNDED, sample)) or UNBOUNDED
    batch = at.frobenius if isinstance(at.frobenius, Expr) else sqrt(at.samples) * sample
    return sample, batch


class Attention:
    """The constants, by the proof at the top of this file."""

    def __init__(self, norms: Norms) -> None:
        self.n = norms
        self.root = sqrt(norms.tokens)
        self.spread = norms.sample / sqrt(2)
        # |Q|_F of one sample
        self.reach = norms.query * norms.sample + norms.query_bias * self.root

    def _by_query(self, last: Expr) -> Expr:
        """Factor of ``|Q'|``; `last` stands for one of the two factors b."""
        return HALF * self.n.scale * self.n.key * self.n.value * self.n.sample * last

    @property
    def _by_key(self) -> Expr:
        return self.n.scale * self.n.value * self.spread * self.reach

    def _query_query(self, last: Expr) -> Expr:
        """Factor of ``|Q'|^2``; `last` stands for one of the three factors b."""
        n = self.n
        shape = n.key**2 * n.value * n.sample**2 * last
        return Fraction(1, 4) * sqrt(2) * n.scale**2 * shape

    @property
    def _query_key(self) -> Expr:
        n = self.n
        third = n.scale**2 * n.key * n.value * n.sample**2 * self.reach
        return third + n.scale * n.value * self.spread

    @property
    def _key_key(self) -> Expr:
        return sqrt(2) * self.n.scale**2 * self.n.value * self.n.sample * self.reach**2

    @property
    def _query_value(self) -> Expr:
        return self.n.scale * self.n.key * self.spread

    @property
    def _key_value(self) -> Expr:
        return self.n.scale * self.reach

    def heads_norm(self) -> Expr:
        """Of F over the batch."""
        n = self.n
        return self.root * (n.value * n.batch + n.value_bias * sqrt(n.samples))

    def out(self) -> Expr:
        """Frobenius norm of the output."""
        n = self.n
        return n.output * self.heads_norm() + n.output_bias * self.root * sqrt(n.samples)

    def _core_jacobian(self) -> Expr:
        n = self.n
        by_scores = self._by_query(n.sample) * n.query + self._by_key * n.key
        return self.root * n.value + by_scores

    def jacobian(self) -> Expr:
        """``|O| (sqrt(n) v + s q k v b^2 (1 + sqrt2)/2)`` without biases."""
        return self.n.output * self._core_jacobian()

    def _core_parameter(self) -> Expr:
        """Of F in the parameters of the projections."""
        n = self.n
        parts = [self._by_query(n.sample) * n.batch, self.root * n.batch]
        if n.key_trained:
            parts.append(self._by_key * n.batch)
        if n.bias_trained:
            # a bias of the keys shifts a row of scores, which softmax does not see
            parts.append(self._by_query(n.batch) * self.root)
            parts.append(self.root * sqrt(n.samples))
        return root_sum_square(*parts)

    def parameter(self) -> Expr:
        """D."""
        n = self.n
        parts = [n.output * self._core_parameter()]
        if n.output_trained:
            parts.append(self.heads_norm())
        if n.bias_trained:
            parts.append(self.root * sqrt(n.samples))
        return root_sum_square(*parts)

    def second(self) -> Expr:
        """Second derivative in X, at ``|Q'| <= q``, ``|K'| <= k``, ``|V'| <= v``."""
        n = self.n
        squares = self._query_query(n.sample) * n.query**2 + self._key_key * n.key**2
        mixed = n.query * (self._query_key * n.key + self._query_value * n.value)
        return n.output * (squares + 2 * (mixed + self._key_value * n.key * n.value))

    def mixed(self) -> Expr:
        """Second derivative in X and the parameters."""
        n = self.n
        query = (
            self._query_query(n.sample) * n.query
            + self._query_key * n.key
            + self._query_value * n.value
        )
        parts = [
            query * n.sample + self._by_query(n.sample),
            (self._query_value * n.query + self._key_value * n.key) * n.sample + self.root,
        ]
        if n.key_trained:
            key = (
                self._query_key * n.query + self._key_key * n.key + self._key_value * n.value
            )
            parts.append(key * n.sample + self._by_key)
        if n.bias_trained:
            # adding one vector to all values adds it to F, whatever X is
            parts.append(query * self.root)
        core = n.output * root_sum_square(*parts)
        return root_sum_square(core, self._core_jacobian()) if n.output_trained else core

    def parameter_second(self) -> Value:
        """Second derivative in the parameters; F is linear in values and output."""
        n = self.n
        far, near = n.sample * n.batch, self.root * n.batch
        blocks = [(self._query_query(n.sample) * far, 1), (self._query_value * far, 2)]
        if n.key_trained:
            blocks += [
                (self._query_key * far, 2),
                (self._key_key * far, 1),
                (self._key_value * far, 2),
            ]
        if n.bias_trained:
            blocks += [
                (self._query_query(n.sample) * near, 2),
                (self._query_query(n.batch) * n.tokens, 1),
                (self._query_key * near, 2),
                (self._query_value * near, 2),
            ]
        # the Frobenius norm of the matrix of block norms is above its largest eigenvalue
        core = n.output * root_sum_square(*(sqrt(k) * e for e, k in blocks))
        if not n.output_trained:
            return core
        return v_eigenvalue(core, self._core_parameter(), ZERO)


class AttentionLayer(Layer):
    """A layer whose constants are those of `Attention` at the norms it gives."""

    @abstractmethod
    def norms(self, at: At) -> Norms | Unknown:
        """What the constants depend on; Unknown where inputs or parameters are unbounded."""

    def shape(self, shape: Shape) -> Shape:
        """Shape of one output sample.

        Raises:
            ShapeError: for samples that are no lists of tokens.
        """
        if len(shape) != 2:
            dims = ", ".join(map(repr, shape))
            raise ShapeError(
                f"{self.name} takes samples of shape [tokens, features], not [{dims}]"
            )
        return shape

    def _ask(self, at: At) -> Attention | Unknown:
        found = self.norms(at)
        return found if isinstance(found, Unknown) else Attention(found)

    @bound("J", "upper", PROOF)
    def jacobian(self, at: At) -> Value:
        """``|O| |V| (sqrt(n) + s |Q| |K| b^2 (1 + sqrt2)/2)`` without biases."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.jacobian()

    @bound("out", "upper", PROOF, tight="approached where all tokens attend to one")
    def output(self, at: At) -> Value:
        """``|O| sqrt(n) |V| |X|_F`` without biases: the rows of F are means of values."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.out()

    @bound("D", "upper", PROOF)
    def parameter_derivative(self, at: At) -> Value:
        """Block row over the trained matrices."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.parameter()

    @bound("xx", "upper", PROOF)
    def second_derivative(self, at: At) -> Value:
        """Third central moments and covariances of the tokens."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.second()

    @bound("xt", "upper", PROOF)
    def mixed_derivative(self, at: At) -> Value:
        """Block row over the trained matrices."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.mixed()

    @bound("tt", "upper", PROOF)
    def parameter_second_derivative(self, at: At) -> Value:
        """Blocks over pairs of trained matrices; linear in V and in O by themselves."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.parameter_second()
