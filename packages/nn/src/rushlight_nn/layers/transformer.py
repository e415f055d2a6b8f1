"""Transformers: encoder, decoder and both."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from .argument import whole
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .norm import LayerNorm

Activation = Callable[[rl.Tensor], rl.Tensor]
Mask = rl.Tensor | None


class TransformerLayer(Module):
    """What the layers of encoder and decoder share: attention, and a network of two layers.

    Each is added to its input and normalised.

    activation: "relu", "gelu", or a function.
    batch_first: the batch is axis 0.
    norm_first: normalise before each of them, instead of after.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.1.
    """

    steps = 2  # of which the last is the network

    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
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
                f"{type(self).__name__}: activation {activation!r}; give 'relu', 'gelu' or a "
                "function"
            )
        place: Any = {"device": device, "dtype": dtype}
        for name in ("self_attn", "multihead_attn")[: self.steps - 1]:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, **place
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **place)
        self.norm_first = norm_first
        for i in range(self.steps):
            setattr(self, f"norm{i + 1}", LayerNorm(d_model, layer_norm_eps, bias=bias, **place))
        for i in range(self.steps):
            setattr(self, f"dropout{i + 1}", Dropout(dropout))
        self.activation = known[activation] if isinstance(activation, str) else activation

    def _step(self, number: int, x: rl.Tensor, change: Activation) -> rl.Tensor:
        """x with its change added, dropped in part, and normalised before or after."""
        norm, drop = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        z: rl.Tensor
        z = x + drop(change(norm(x))) if self.norm_first else norm(x + drop(change(x)))
        return z

    def _feed(self, x: rl.Tensor) -> rl.Tensor:
        """The network of two layers."""
        z: rl.Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return z


class TransformerEncoderLayer(TransformerLayer):
    """Attention to oneself, then a network of two layers, each added to its input and normalised.

    [s, b, d_model] -> [s, b, d_model].
    Options and source: `TransformerLayer`.

    >>> TransformerEncoderLayer(8, 2, 16)(rl.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    self_attn: MultiheadAttention

    def forward(
        self,
        src: rl.Tensor,
        src_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool = False,
    ) -> rl.Tensor:
        """The encoded sequence.  Masks: as in `MultiheadAttention`."""

        def attend(x: rl.Tensor) -> rl.Tensor:
            z: rl.Tensor
            z, _ = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )
            return z

        return self._step(2, self._step(1, src, attend), self._feed)


class TransformerDecoderLayer(TransformerLayer):
    """Attention to oneself, attention to a memory, then a network of two layers.

    Each is added to its input and normalised.
    [t, b, d_model], [s, b, d_model] -> [t, b, d_model].
    Options and source: `TransformerLayer`.

    >>> TransformerDecoderLayer(8, 2, 16)(rl.zeros(5, 3, 8), rl.zeros(4, 3, 8)).shape
    (5, 3, 8)
    """

    steps = 3

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt: rl.Tensor,
        memory: rl.Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> rl.Tensor:
        """The decoded sequence.  Masks: as in `MultiheadAttention`."""

        def attend(x: rl.Tensor) -> rl.Tensor:
            z: rl.Tensor
            z, _ = self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )
            return z

        def look(x: rl.Tensor) -> rl.Tensor:
            z: rl.Tensor
            z, _ = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask,
                is_causal=memory_is_causal,
            )  # fmt: skip
            return z

        return self._step(3, self._step(2, self._step(1, tgt, attend), look), self._feed)


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
        mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool | None = None,
    ) -> rl.Tensor:
        """The sequence, encoded by each layer in turn."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """num_layers copies of a decoder layer, one after another.  [t, b, e], [s, b, e] -> [t, b, e].

    norm: a layer after the last.

    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16), 2)
    >>> decoder(rl.zeros(5, 3, 8), rl.zeros(4, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        whole("TransformerDecoder", num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: rl.Tensor,
        memory: rl.Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> rl.Tensor:
        """The sequence, decoded by each layer in turn."""
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                bool(tgt_is_causal), memory_is_causal,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """A decoder that looks at what an encoder made of another sequence.

    [s, b, d_model], [t, b, d_model] -> [t, b, d_model].

    custom_encoder, custom_decoder: modules in place of the usual ones.
    Other options and source: `TransformerLayer`.  Weights begin by `init.xavier_uniform_`.

    Raises: ContractError for batches or lengths of vectors that do not fit.

    >>> Transformer(8, 2, 1, 1, 16)(rl.zeros(4, 3, 8), rl.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        options: Any = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options), num_decoder_layers, norm()
        )
        self.reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def reset_parameters(self) -> None:
        """Draw the first values of matrices anew."""
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> rl.Tensor:
        """-inf above the diagonal, 0 elsewhere: each sees itself and those before.  -> [sz, sz]."""
        hidden = rl.full((sz, sz), -math.inf, device=device, dtype=dtype)
        return rl.triu(hidden, 1)

    def forward(
        self,
        src: rl.Tensor,
        tgt: rl.Tensor,
        src_mask: Mask = None,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> rl.Tensor:
        """The decoded target.  Masks: as in `MultiheadAttention`."""
        batch = 0 if self.batch_first else 1
        fits = src.ndim == tgt.ndim and src.shape[-1] == tgt.shape[-1] == self.d_model
        if not fits or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise rl.ContractError(
                f"Transformer: src {list(src.shape)}, tgt {list(tgt.shape)}; give both of one "
                f"batch, of vectors of length {self.d_model}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        z: rl.Tensor = self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal,
        )  # fmt: skip
        return z
