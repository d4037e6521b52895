"""``torch.nn.MultiheadAttention`` of a sequence with itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.plugin import DATA, Call, Claim, Importer, UnclaimedError


class MultiheadAttention(Importer):
    """Self-attention without masks."""

    name: ClassVar[str] = "multihead_attention"
    modules: ClassVar[tuple[str, ...]] = ("torch.nn.MultiheadAttention",)

    def claims(self, call: Call) -> Sequence[Claim]:
        m = call.module
        self._check(call)
        d, own = m.embed_dim, m.in_proj_weight
        settings: dict[str, object] = {"heads": m.num_heads, "head": m.head_dim}
        parts = [own[k * d : (k + 1) * d] for k in range(3)]
        weights = dict(zip(("query", "key", "value"), parts, strict=True))
        weights["output"] = m.out_proj.weight
        if m.in_proj_bias is None:
            return (Claim("multihead_attention", {**settings, "bias": False}, weights),)
        for k, name in enumerate(("query_bias", "key_bias", "value_bias")):
            weights[name] = m.in_proj_bias[k * d : (k + 1) * d]
        weights["output_bias"] = m.out_proj.bias
        return (Claim("multihead_attention", settings, weights),)

    def _check(self, call: Call) -> None:
        m = call.module
        named = {"query", "key", "value"}
        masks = [k for k, v in call.kwargs.items()
                 if k not in named and v is not None and k in ("attn_mask", "key_padding_mask")]
        if masks or (len(call.args) > 3 and call.args[3] is not None):
            raise UnclaimedError("it has a mask")
        if call.kwargs.get("is_causal"):
            raise UnclaimedError("it is causal")
        given = [*call.args[:3], *[v for k, v in call.kwargs.items() if k in named]]
        if call.dependent > 1 or any(a is not DATA for a in given):
            raise UnclaimedError("queries, keys and values are not the same tensor")
        if not m.batch_first:
            raise UnclaimedError("samples are its second dimension; make it with batch_first=True")
        if m.in_proj_weight is None or m.bias_k is not None or m.add_zero_attn:
            raise UnclaimedError("kdim, vdim, add_bias_kv and add_zero_attn are not in the "
                                 "language")
        if m.training and m.dropout > 0:
            raise UnclaimedError("in training it drops attention weights at random; import with "
                                 "--mode eval, or set dropout to 0")
        if getattr(m.out_proj, "parametrizations", None) or getattr(m, "parametrizations", None):
            raise UnclaimedError("its weights are parametrised")
