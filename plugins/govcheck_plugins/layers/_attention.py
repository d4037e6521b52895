"""Constants of attention on bounded inputs, for one head or several.

A sample X has n rows, its tokens, and ``|X|_F <= b``. Up to biases ``Q = X W_q^T``,
``K = X W_k^T``, ``V = X W_v^T``, ``P = softmax(s Q K^T)`` row by row, ``F = P V``; several
heads stand side by side in the columns. The norms of the three matrices are q, k, v.

Row i of F is ``E v`` under row i of P, and derivatives of softmax are moments under it: for
vectors a, c, z over the tokens ``|Cov(a, z)| <= |a| |z|/2`` and, for the third central
moment, ``|T(a, c, z)| <= (sqrt6/9) |a| |c| |z|``, the norms of the first and second
derivative of softmax (see `softmax`; T is symmetric, so that its norm is the one on the
diagonal). None of them changes when constants are added to a, c or z. So with a unit vector
w, z the vector of all ``w.v_j`` has norm at most v b, whatever the bias.

Along changes Q', K', V' let ``y_j = q'_i.k_j`` and ``g_j = q_i.k'_j``: up to constants
``|y| <= |q'_i| k b`` and ``|g| <= |q_i| |K'|``.

First order. Row i changes by ``s Cov(y + g, v) + sum_j P_ij v'_j``. Since ``sum_i |q'_i|^2 =
|Q'|^2``, ``sum_i |q_i|^2 = |Q|_F^2`` and a matrix with rows of sum 1 has norm at most sqrt(n),
the Frobenius norm of F changes by at most ``s k v b^2 |Q'|/2 + s v b |Q|_F |K'|/2 +
sqrt(n) |V'|``. With ``Q' = H W_q^T`` and so on, ``|J| <= v (sqrt(n) + s q k b^2)``.

Second order. Row i of ``D2F`` is
``s^2 T(y + g, y + g, v) + 2 s Cov(q'_i.k'_j, v) + 2 s Cov(y + g, v')``, to which what the
second derivatives of Q, K, V contribute to first order is added. With c = sqrt6/9 the norm
is at most ``s^2 c v b (k b |Q'| + |Q|_F |K'|)^2 + s v b |Q'| |K'| + s (k b |Q'| +
|Q|_F |K'|) |V'|``.

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
from govcheck.bounds.expr import ONE, ZERO, Expr, root_sum_square, sqrt
from govcheck.plugin import At, Layer, Ref, Shape, ShapeError, Value, bound

PROOF: Final = Ref("govcheck theory", "layer constants, section 4, with |X|_F <= b by sample")
UNBOUNDED: Final = Unknown.because(
    "self-attention is not Lipschitz on unbounded inputs: its derivative grows with the "
    "square of the tokens, and no bound of the input is known",
    kind="unbounded",
)
HALF: Final = Fraction(1, 2)
SKEWNESS: Final = Fraction(1, 9) * sqrt(6)
"""Norm of the second derivative of softmax."""


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
    sample = at.frobenius if isinstance(at.sample, Unknown) else at.sample
    if isinstance(sample, Unknown):
        return merge_unknown((UNBOUNDED, sample)) or UNBOUNDED
    batch = at.frobenius if isinstance(at.frobenius, Expr) else sqrt(at.samples) * sample
    return sample, batch


class Attention:
    """The constants, by the proof at the top of this file."""

    def __init__(self, norms: Norms) -> None:
        self.n = norms
        self.root = sqrt(norms.tokens)
        # |Q|_F of one sample
        self.reach = norms.query * norms.sample + norms.query_bias * self.root

    def _by_query(self, last: Expr) -> Expr:
        """Factor of ``|Q'|``; `last` stands for one of the two factors b."""
        return HALF * self.n.scale * self.n.key * self.n.value * self.n.sample * last

    @property
    def _by_key(self) -> Expr:
        return HALF * self.n.scale * self.n.value * self.n.sample * self.reach

    def _third(self, last: Expr) -> Expr:
        """Factor of ``(k b |Q'| + |Q|_F |K'|)^2``; `last` stands for its factor b."""
        return SKEWNESS * self.n.scale**2 * self.n.value * last

    def _query_query(self, last: Expr) -> Expr:
        """Factor of ``|Q'|^2``; `last` stands for one of the three factors b."""
        return self._third(last) * (self.n.key * self.n.sample) ** 2

    @property
    def _query_key(self) -> Expr:
        """Half the factor of ``|Q'| |K'|``."""
        n = self.n
        third = self._third(n.sample) * n.key * n.sample * self.reach
        return third + HALF * n.scale * n.value * n.sample

    @property
    def _key_key(self) -> Expr:
        return self._third(self.n.sample) * self.reach**2

    @property
    def _query_value(self) -> Expr:
        """Half the factor of ``|Q'| |V'|``."""
        return HALF * self.n.scale * self.n.key * self.n.sample

    @property
    def _key_value(self) -> Expr:
        """Half the factor of ``|K'| |V'|``."""
        return HALF * self.n.scale * self.reach

    def _heads_norm(self, norm: Expr, samples: Expr) -> Expr:
        """Of F over as many samples whose Frobenius norm is together at most `norm`."""
        return self.root * (self.n.value * norm + self.n.value_bias * sqrt(samples))

    def _out(self, norm: Expr, samples: Expr) -> Expr:
        heads = self.n.output * self._heads_norm(norm, samples)
        return heads + self.n.output_bias * self.root * sqrt(samples)

    def out(self) -> Expr:
        """Frobenius norm of the output."""
        return self._out(self.n.batch, self.n.samples)

    def out_sample(self) -> Expr:
        """The same for one sample."""
        return self._out(self.n.sample, ONE)

    def _core_jacobian(self) -> Expr:
        n = self.n
        by_scores = self._by_query(n.sample) * n.query + self._by_key * n.key
        return self.root * n.value + by_scores

    def jacobian(self) -> Expr:
        """``|O| v (sqrt(n) + s q k b^2)`` without biases."""
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
            parts.append(self._heads_norm(n.batch, n.samples))
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
        """``|O| |W_v| (sqrt(n) + s |W_q| |W_k| b^2)`` without biases."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.jacobian()

    @bound("out", "upper", PROOF, tight="approached where all tokens attend to one")
    def output(self, at: At) -> Value:
        """``|O| sqrt(n) |W_v| |X|_F`` without biases: the rows of F are means of values."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.out()

    @bound("out_max", "upper", PROOF, tight="approached where all tokens attend to one")
    def output_of_a_sample(self, at: At) -> Value:
        """``|O| sqrt(n) |W_v| b`` without biases."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.out_sample()

    @bound("D", "upper", PROOF)
    def parameter_derivative(self, at: At) -> Value:
        """Block row over the trained matrices."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.parameter()

    @bound("xx", "upper", PROOF)
    def second_derivative(self, at: At) -> Value:
        """Third moments and covariances of keys and values under the attention weights."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.second()

    @bound("xt", "upper", PROOF)
    def mixed_derivative(self, at: At) -> Value:
        """Block row over the trained matrices."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.mixed()

    @bound("tt", "upper", PROOF)
    def parameter_second_derivative(self, at: At) -> Value:
        """Blocks over pairs of trained matrices; linear in W_v and in O by themselves."""
        found = self._ask(at)
        return found if isinstance(found, Unknown) else found.parameter_second()
