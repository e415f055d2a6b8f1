"""MultiheadAttention, and the encoder of transformers made of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .argument import tensor, whole
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .norm import LayerNorm

Activation = Callable[[rl.Tensor], rl.Tensor]


class MultiheadAttention(Module):
    """Attention of num_heads heads, each over embed_dim / num_heads numbers of a projection.

    [l, b, e], [s, b, kdim], [s, b, vdim] -> [l, b, e], [b, l, s]; without b for one sample.

    dropout: of the weights, in training mode.
    kdim, vdim: lengths of keys and values, if not embed_dim.
    batch_first: the batch is axis 0: [b, l, e].
    in_proj_weight: [3 e, e], the projections of queries, keys and values; q_proj_weight,
        k_proj_weight and v_proj_weight if kdim or vdim differ.  in_proj_bias: [3 e].

    Raises: ContractError unless num_heads divides embed_dim, and for add_bias_kv and
    add_zero_attn, which are not supported.
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
        if add_bias_kv or add_zero_attn:
            raise rl.ContractError(
                "MultiheadAttention: add_bias_kv and add_zero_attn are not supported; "
                "leave them out"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        together = self.kdim == self.vdim == embed_dim

        def make(*shape: int) -> Parameter:
            return Parameter(rl.empty(shape, device=device, dtype=dtype))

        e = embed_dim
        self.register_parameter("in_proj_weight", make(3 * e, e) if together else None)
        for name, n in (("q", e), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{name}_proj_weight", None if together else make(e, n))
        self.register_parameter("in_proj_bias", make(3 * e) if bias else None)
        self.out_proj = Linear(e, e, bias, device, dtype)
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
        q, k, v = (self._heads(x) for x in self._projected(query, key, value))
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
            total = _added(mask, query.dtype)
            total = total if mask.ndim == 2 else total.reshape(b, self.num_heads, t, s)
        if padding is not None:
            if padding.shape != (b, s):
                raise rl.ContractError(
                    f"MultiheadAttention: key_padding_mask {list(padding.shape)}; give {[b, s]}"
                )
            hidden = _added(padding, query.dtype).reshape(b, 1, 1, s)
            total = hidden if total is None else total + hidden
        return total

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


def _added(mask: rl.Tensor, dtype: Any) -> rl.Tensor:
    """A mask as what is added to scores: -inf where bools are True."""
    if mask.dtype != rl.dtype("bool"):
        return mask
    return rl.where(mask, -math.inf, 0.0).to(dtype)


class TransformerEncoderLayer(Module):
    """Attention to oneself, then a network of two layers, each added to its input and normalised.

    [s, b, d_model] -> [s, b, d_model].

    activation: "relu", "gelu", or a function.
    batch_first: the batch is axis 0.
    norm_first: normalise before each of the two, instead of after.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.1.

    >>> TransformerEncoderLayer(8, 2, 16)(rl.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        known: dict[str, Activation] = {"relu": F.relu, "gelu": F.gelu}
        if isinstance(activation, str) and activation not in known:
            raise rl.ContractError(
                f"TransformerEncoderLayer: activation {activation!r}; give 'relu', 'gelu' or a "
                "function"
            )
        place: Any = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **place
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **place)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = known[activation] if isinstance(activation, str) else activation

    def forward(
        self,
        src: rl.Tensor,
        src_mask: rl.Tensor | None = None,
        src_key_padding_mask: rl.Tensor | None = None,
        is_causal: bool = False,
    ) -> rl.Tensor:
        """The encoded sequence.  Masks: as in `MultiheadAttention`."""

        def attend(x: rl.Tensor) -> rl.Tensor:
            z, _ = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )
            dropped: rl.Tensor = self.dropout1(z)
            return dropped

        def feed(x: rl.Tensor) -> rl.Tensor:
            hidden = self.activation(self.linear1(x))
            fed: rl.Tensor = self.dropout2(self.linear2(self.dropout(hidden)))
            return fed

        if self.norm_first:
            x = src + attend(self.norm1(src))
            return x + feed(self.norm2(x))
        x = self.norm1(src + attend(src))
        z: rl.Tensor = self.norm2(x + feed(x))
        return z


class TransformerEncoder(Module):
    """num_layers copies of an encoder layer, one after another.  [s, b, e] -> [s, b, e].

    norm: a layer after the last.

    >>> TransformerEncoder(TransformerEncoderLayer(8, 2, 16), 2)(rl.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        whole("TransformerEncoder", num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: rl.Tensor,
        mask: rl.Tensor | None = None,
        src_key_padding_mask: rl.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> rl.Tensor:
        """The sequence, encoded by each layer in turn."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)
