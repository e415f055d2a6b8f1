"""MultiheadAttention."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from ..parameter import Parameter, undrawn
from .argument import tensor, whole
from .linear import Linear


class MultiheadAttention(Module):
    """Attention of num_heads heads, each over embed_dim / num_heads numbers of a projection.

    [l, b, e], [s, b, kdim], [s, b, vdim] -> [l, b, e], [b, l, s]; without b for one sample.

    dropout: of the weights, in training mode.
    kdim, vdim: lengths of keys and values, if not embed_dim.
    batch_first: the batch is axis 0: [b, l, e].
    in_proj_weight: [3 e, e], the projections of queries, keys and values; q_proj_weight,
        k_proj_weight and v_proj_weight if kdim or vdim differ.  in_proj_bias: [3 e].

    add_bias_kv: a learned key and value, bias_k and bias_v, [1, 1, e], follow those given.
    add_zero_attn: a key and a value of zeros follow them.

    Raises: ContractError unless num_heads divides embed_dim.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.

    >>> x = rl.zeros(5, 2, 8)
    >>> [tuple(z.shape) for z in MultiheadAttention(8, 4)(x, x, x)]
    [(5, 2, 8), (2, 5, 5)]
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        whole("MultiheadAttention", 1, embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise rl.ContractError(
                f"MultiheadAttention: embed_dim {embed_dim} in {num_heads} heads; "
                "give a number of heads that divides it"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn
        self.head_dim = embed_dim // num_heads
        together = self.kdim == self.vdim == embed_dim
        make = partial(undrawn, device=device, dtype=dtype)
        e = embed_dim
        self.register_parameter("in_proj_weight", make(3 * e, e) if together else None)
        for name, n in (("q", e), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{name}_proj_weight", None if together else make(e, n))
        self.register_parameter("in_proj_bias", make(3 * e) if bias else None)
        self.out_proj = Linear(e, e, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, make(1, 1, e) if add_bias_kv else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first values anew; biases are 0."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        for shift in (self.in_proj_bias, self.out_proj.bias):
            if shift is not None:
                init.zeros_(shift)
        for more in (self.bias_k, self.bias_v):
            if more is not None:
                init.xavier_normal_(more)

    def forward(
        self,
        query: rl.Tensor,
        key: rl.Tensor,
        value: rl.Tensor,
        key_padding_mask: rl.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: rl.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[rl.Tensor, rl.Tensor | None]:
        """The attended values, and the weights [b, l, s] ([b, h, l, s] if not averaged) or None.

        key_padding_mask: [b, s]; added to the scores, or of bools: True where a key is not seen.
        attn_mask: [l, s] or [b * num_heads, l, s], of the same kinds.
        is_causal: says that attn_mask is causal; it must be given all the same.
        """
        for x in (query, key, value):
            tensor("MultiheadAttention", x)
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise rl.ContractError(
                f"MultiheadAttention: query {list(query.shape)}, key {list(key.shape)}, value "
                f"{list(value.shape)}; give all 3 axes, or all 2"
            )
        if is_causal and attn_mask is None:
            raise rl.ContractError(
                "MultiheadAttention: is_causal without attn_mask; give the mask too"
            )
        single = query.ndim == 2
        axis = 0 if single or self.batch_first else 1
        if single:
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif axis == 1:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)
        k, v = self._followed(k, self.bias_k), self._followed(v, self.bias_v)
        q, k, v = (self._heads(x) for x in (q, k, v))
        mask = self._mask(query, key, key_padding_mask, attn_mask)
        z, weights = self._attend(q, k, v, mask, need_weights)
        b, t = query.shape[:2]
        z = self.out_proj(z.transpose(1, 2).reshape(b, t, self.embed_dim))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if single:
            return z.squeeze(0), None if weights is None else weights.squeeze(0)
        return z if axis == 0 else z.transpose(0, 1), weights

    def _projected(self, *inputs: rl.Tensor) -> list[rl.Tensor]:
        """Queries, keys and values.  [b, l, e] of each."""
        if self.in_proj_weight is not None:
            weights: Any = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        shifts: Any = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return [F.linear(x, w, b) for x, w, b in zip(inputs, weights, shifts, strict=True)]

    def _followed(self, x: rl.Tensor, more: Parameter | None) -> rl.Tensor:
        """Keys or values, with what is learned and zeros behind them.  [b, s, e] -> [b, s', e]."""
        b, _, e = x.shape
        parts = [x] if more is None else [x, more.expand(b, 1, e)]
        if self.add_zero_attn:
            parts.append(rl.zeros(b, 1, e, dtype=x.dtype, device=x.device))
        return rl.cat(parts, 1) if len(parts) > 1 else x

    def _heads(self, x: rl.Tensor) -> rl.Tensor:
        """[b, l, e] -> [b, h, l, e / h]."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _mask(
        self,
        query: rl.Tensor,
        key: rl.Tensor,
        padding: rl.Tensor | None,
        mask: rl.Tensor | None,
    ) -> rl.Tensor | None:
        """What is added to the scores, [b, h, l, s] or broadcast to it."""
        (b, t), s = query.shape[:2], key.shape[1]
        total = None
        if mask is not None:
            if mask.shape not in {(t, s), (b * self.num_heads, t, s)}:
                raise rl.ContractError(
                    f"MultiheadAttention: attn_mask {list(mask.shape)}; give {[t, s]} or "
                    f"{[b * self.num_heads, t, s]}"
                )
            total = _added("attn_mask", mask, query.dtype)
            total = total if mask.ndim == 2 else total.reshape(b, self.num_heads, t, s)
        if padding is not None:
            if padding.shape != (b, s):
                raise rl.ContractError(
                    f"MultiheadAttention: key_padding_mask {list(padding.shape)}; give {[b, s]}"
                )
            hidden = _added("key_padding_mask", padding, query.dtype).reshape(b, 1, 1, s)
            total = hidden if total is None else total + hidden
        more = (self.bias_k is not None) + self.add_zero_attn
        return rl.pad(total, (0, more)) if total is not None and more else total

    def _attend(
        self, q: rl.Tensor, k: rl.Tensor, v: rl.Tensor, mask: rl.Tensor | None, need_weights: bool
    ) -> tuple[rl.Tensor, rl.Tensor | None]:
        """The attended values of each head, and the weights if they are needed."""
        p = self.dropout if self.training else 0.0
        if not need_weights:
            return F.scaled_dot_product_attention(q, k, v, mask, p), None
        scores = q * math.sqrt(1.0 / self.head_dim) @ k.transpose(-2, -1)
        weights = rl.softmax(scores if mask is None else scores + mask, -1)
        weights = rl.dropout(weights, p)
        return weights @ v, weights


def _added(name: str, mask: rl.Tensor, dtype: Any) -> rl.Tensor:
    """A mask as what is added to scores: -inf where bools are True."""
    if mask.is_floating_point():
        return mask
    if mask.dtype != rl.dtype("bool"):
        raise rl.ContractError(
            f"MultiheadAttention: {name} {mask.spec}; give bools, True where a key is not seen, or "
            "floats, which are added"
        )
    added: rl.Tensor = rl.where(mask, -math.inf, 0.0).to(dtype)
    return added
