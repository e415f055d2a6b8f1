"""Embedding and EmbeddingBag: rows of a table by their numbers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from ..parameter import Parameter
from .argument import whole

QUIET = {"norm_type": 2.0}  # what a repr leaves out, beside None


class Table(Module):
    """A learned table, whose rows are found by number.

    padding_idx: a row that begins as zeros and whose gradient is zero.
    max_norm: rows that are looked up and longer, by their norm_type-norm, are first made so long,
        in weight itself.
    weight: [num_embeddings, embedding_dim]; begins normal, with variance 1.

    Raises: ContractError for a padding_idx that is no row, and for scale_grad_by_freq and sparse,
    which are not supported.
    """

    said: tuple[str, ...] = ("padding_idx", "max_norm", "norm_type")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: rl.Tensor | None = None,
        _freeze: bool = False,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        whole(who, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        for name, value in {"scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}.items():
            if value:
                raise rl.ContractError(f"{who}: {name}={value} is not supported; leave it out")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise rl.ContractError(
                f"{who}: padding_idx {padding_idx} of {num_embeddings} rows; give one of them"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(rl.empty(shape, device=device, dtype=dtype), not _freeze)
            self.reset_parameters()
        elif _weight.shape != shape:
            raise rl.ContractError(f"{who}: weight {list(_weight.shape)}; give {list(shape)}")
        else:
            self.weight = Parameter(_weight, not _freeze)

    def reset_parameters(self) -> None:
        """Draw the first values anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with rl.no_grad():
                self.weight[self.padding_idx] = 0.0

    def extra_repr(self) -> str:
        options = {name: getattr(self, name) for name in self.said}
        said = [f"{name}={x!r}" for name, x in options.items() if x != QUIET.get(name)]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *said])


class Embedding(Table):
    """Row x[i] of a learned table for each i.  int[*s] -> [*s, embedding_dim].

    Options, weight and other errors: `Table`.

    Raises: IndexOutOfRange for a number that is no row.

    >>> Embedding(10, 3)(rl.tensor([[1, 2, 4], [4, 3, 9]])).shape
    (2, 3, 3)
    """

    @classmethod
    def from_pretrained(
        cls,
        embeddings: rl.Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer of a table that there is.  freeze: it is not trained.  [n, d]."""
        n, d = embeddings.shape
        return cls(
            n, d, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            _weight=embeddings, _freeze=freeze,
        )  # fmt: skip

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The rows that the input names."""
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type)


class EmbeddingBag(Table):
    """The sum, mean or max of rows of a learned table, by bag; 0 of none.

    int[b, l] -> [b, embedding_dim], or int[l], int[b] -> [b, embedding_dim].

    mode: "sum", "mean" or "max".
    include_last_offset: the last offset says where the last bag ends.
    padding_idx: a row that counts nothing, and begins as zeros.
    weight: as that of `Table`, with its errors.

    >>> EmbeddingBag(10, 3)(rl.tensor([1, 2, 4, 5]), rl.tensor([0, 3])).shape
    (2, 3)
    """

    said = ("max_norm", "norm_type", "mode", "padding_idx")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: rl.Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
        _freeze: bool = False,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, _freeze, device, dtype,
        )  # fmt: skip
        if mode not in ("sum", "mean", "max"):
            raise rl.ContractError(f"EmbeddingBag: mode {mode!r}; give 'sum', 'mean' or 'max'")
        self.mode = mode
        self.include_last_offset = include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: rl.Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A layer of a table that there is.  freeze: it is not trained.  [n, d]."""
        n, d = embeddings.shape
        return cls(
            n, d, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx, _freeze=freeze,
        )  # fmt: skip

    def forward(
        self,
        input: rl.Tensor,
        offsets: rl.Tensor | None = None,
        per_sample_weights: rl.Tensor | None = None,
    ) -> rl.Tensor:
        """One row for each bag.

        offsets: where in a flat input each bag begins.
        per_sample_weights: a factor for each row, in the shape of input; of sums only.
        """
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset, padding_idx=self.padding_idx,
        )  # fmt: skip
