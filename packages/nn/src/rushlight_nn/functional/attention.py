"""scaled_dot_product_attention."""

from __future__ import annotations

import math

import rushlight as rl
from rushlight.extend import ops

_MASKS = (rl.dtype("bool"), rl.dtype("float32"))  # and the type of the query


def scaled_dot_product_attention(
    query: rl.Tensor, key: rl.Tensor, value: rl.Tensor, attn_mask: rl.Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> rl.Tensor:  # fmt: skip
    """softmax(query key^T scale + attn_mask) value.

    [*b, l, e], [*b, s, e], [*b, s, v] -> [*b, l, v].

    attn_mask: broadcast to [*b, l, s]; added, or of bools: True where a key is seen.  A query that
    sees no key becomes 0.
    dropout_p: of the weights, always: give 0 in evaluation.
    is_causal: query i sees keys 0 to i; there is no other mask then.
    scale: None for 1 / sqrt(e).
    enable_gqa: key and value may have fewer heads, axis -3, each for as many of query's in a row.
    Raises: ContractError if lengths, heads or masks do not fit, without a key, and for masks of
        integers.
    Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 1.
    """
    op = "scaled_dot_product_attention"
    given: tuple[object, ...] = (query, key, value)
    for x in given:
        if not isinstance(x, rl.Tensor) or x.ndim < 2:
            said = getattr(x, "spec", type(x).__name__)
            raise rl.ContractError(f"{op}: {said}; give tensors of at least 2 axes")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise rl.ContractError(
            f"{op}: query {query.spec}, key {key.spec}, value {value.spec}; "
            "give [.., l, e], [.., s, e] and [.., s, v]"
        )
    if not key.shape[-2]:
        raise rl.ContractError(f"{op}: key {key.spec} has no rows; give at least one to attend to")
    if is_causal and attn_mask is not None:
        raise rl.ContractError(f"{op}: attn_mask with is_causal=True; give one of them")
    if attn_mask is not None and attn_mask.dtype not in (*_MASKS, query.dtype):
        raise rl.ContractError(
            f"{op}: attn_mask {attn_mask.spec} for query {query.spec}; give bools, True where a "
            "key is seen, or floats, which are added"
        )
    if enable_gqa:
        key, value = (_for_heads(op, query, x) for x in (key, value))
    if scale is None:
        scale = query.shape[-1] ** -0.5 if query.shape[-1] else 1.0
    if not dropout_p and _is_plain(query, key, value):
        how = {"causal": bool(is_causal), "scale": float(scale)}
        mask, dtype = _for_scores(op, query, key, attn_mask), query.dtype
        if dtype.itemsize >= 4 or rl.is_autocast_enabled():
            return ops.attention(query, key, value, mask, **how)
        wide = [x.float() for x in (query, key, value)]  # its sums are rounded once
        return ops.attention(*wide, mask, **how).to(dtype)
    scores = query * scale @ key.transpose(-2, -1)
    if is_causal:
        rows, columns = (rl.arange(n, device=query.device) for n in scores.shape[-2:])
        attn_mask = rl.ge(rows.unsqueeze(1), columns)
    if attn_mask is None:
        weights = rl.softmax(scores, -1)
    else:
        if attn_mask.dtype == rl.dtype("bool"):
            scores = rl.where(attn_mask, scores, -math.inf)
        else:
            scores = scores + attn_mask.to(scores.dtype)
        blind = rl.eq(rl.amax(scores.detach(), -1, True), -math.inf)
        weights = rl.softmax(rl.where(blind, 0.0, scores), -1)
        weights = rl.where(blind, 0.0, weights)
    return rl.dropout(weights, dropout_p) @ value


def _is_plain(query: rl.Tensor, *others: rl.Tensor) -> bool:
    """Whether nothing is to be promoted or repeated."""
    alike = query.shape[:-2], query.dtype
    return query.is_floating_point() and all((x.shape[:-2], x.dtype) == alike for x in others)


def _for_scores(
    op: str, query: rl.Tensor, key: rl.Tensor, mask: rl.Tensor | None
) -> rl.Tensor | None:
    """The mask for each score.  -> [*b, l, s]."""
    if mask is None:
        return None
    shape = (*query.shape[:-1], key.shape[-2])
    try:
        return mask.expand(shape)
    except rl.ContractError:
        raise rl.ContractError(
            f"{op}: attn_mask {mask.spec} for scores {list(shape)}; expand it to them"
        ) from None


def _for_heads(op: str, query: rl.Tensor, x: rl.Tensor) -> rl.Tensor:
    """Each head of x as often as it serves a head of query.  [.., h, s, e] -> [.., heads, s, e]."""
    if x.ndim < 3 or query.ndim < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise rl.ContractError(
            f"{op}: {x.spec} for query {query.spec}; give heads in axis -3 that divide query's"
        )
    *before, heads, s, e = x.shape
    times = query.shape[-3] // heads
    wide = x.unsqueeze(-3).expand(*before, heads, times, s, e)
    return wide.reshape(*before, heads * times, s, e)
