"""The transformer blocks of SAM's encoder on a CPU and without gradients, in pieces that stay in its caches.

What they compute is `Block`'s. Between its matrix products a plain block moves tensors of 10 to 50 MB
through memory that the system has to hand out anew each time: scores, biases, windows cut out and put
back, the hidden layer. Here each of these exists for a few hundred tokens at a time, in memory that is
used again and again, and the tokens change in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.model.attention import Attention
from ros_sam_core.model.block import Block

ROWS = 512
"""Tokens that go through linear layers at once."""
ONEDNN_TYPES = (torch.float32, torch.bfloat16)
QUERIES = 512
"""Queries whose scores are written out at once where all tokens are attended to."""


def runs_blockwise(tokens: Tensor) -> bool:
    """Say whether `BlockRunner` may run blocks on these tokens: on a CPU, without gradients or autocast."""
    return (
        tokens.device.type == "cpu" and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    )


class BlockRunner:
    """Runs blocks one after the other on the same tokens, and keeps the memory that they need.

    Args:
        tokens: [B, H, W, C], contiguous; every block changes them in place.
    """

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens
        self._q, self._k, self._v, self._attended = tokens.new_empty(4, *tokens.shape)

    def run(self, block: Block) -> None:
        """Replace the tokens by what `block` returns for them."""
        attn = block.attn
        flat, q, k, v, attended = (
            part.flatten(0, 2).split(ROWS)
            for part in (self.tokens, self._q, self._k, self._v, self._attended)
        )
        for x, *projected in zip(flat, q, k, v, strict=True):
            normed = block.norm1(x)
            for layer, into in zip((attn.q, attn.k, attn.v), projected, strict=True):
                into.copy_(_linear(layer, normed))
        attend = _attend_in_windows if attn.window_size else _attend_to_all
        for q_, k_, v_, out in zip(self._q, self._k, self._v, self._attended, strict=True):
            attend(attn, q_, k_, v_, out)
        for x, part in zip(flat, attended, strict=True):
            x += _linear(attn.proj, part)
            x += _linear(block.mlp.lin2, _linear(block.mlp.lin1, block.norm2(x), gelu=True))


def _linear(layer: nn.Module, x: Tensor, *, gelu: bool = False) -> Tensor:
    """Return a linear layer's result, through GELU if asked, in oneDNN's one kernel where torch has it."""
    result: Tensor
    if type(layer) is nn.Linear and _onednn_takes(x.dtype):
        activation, algorithm = ("gelu", "none") if gelu else ("none", "")
        result = torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, activation, [], algorithm)
        return result
    result = layer(x)  # with an adapter around it
    return F.gelu(result) if gelu else result


@cache
def _onednn_takes(dtype: torch.dtype) -> bool:
    """Say whether oneDNN's own kernel computes a type here: bfloat16 not on processors without AVX-512."""
    if not torch._C._has_mkldnn or dtype not in ONEDNN_TYPES:
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _attend_to_all(attn: Attention, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
    """Attend across a grid of tokens [H, W, C], some rows of it at a time.

    A block of scores is written as the bias, the product of queries and keys is added in place, and softmax
    and values follow while it is in the cache.
    """
    height, width, channels = q.shape
    tokens, heads = height * width, attn.num_heads
    scale = (channels // heads) ** -0.5
    rows = min(height, max(1, QUERIES // width))
    q, out = (torch.unflatten(part, -1, (heads, -1)) for part in (q, out))
    k, v = (part.reshape(tokens, heads, -1) for part in (k, v))
    tables = _distances(attn, q.dtype)
    memory = q.new_empty(rows, width, tokens)
    for head in range(heads):
        keys, values = k[:, head].T.contiguous(), v[:, head].contiguous()
        for first in range(0, height, rows):
            some = q[first : first + rows, :, head].contiguous()
            by_row, by_column = _biases(some, tables, first, height)
            scores = memory[: len(some)]
            grid = torch.unflatten(scores, -1, (height, width))
            torch.add(by_row[..., :, None], by_column[..., None, :], out=grid)
            scores = scores.flatten(0, 1).addmm_(some.flatten(0, 1), keys, alpha=scale)
            torch.softmax(scores, dim=-1, out=scores)
            out[first : first + rows, :, head] = (scores @ values).reshape(some.shape)


def _attend_in_windows(attn: Attention, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
    """Attend within windows of a grid of tokens [H, W, C], one window at a time.

    The bias is part of the product of queries and keys: a query's biases for the rows and columns follow its
    channels, and each key's row and column follow the key's as ones among zeros.
    """
    side, heads = attn.window_size, attn.num_heads
    height, width = q.shape[:2]
    q, k, v, out = (torch.unflatten(part, -1, (heads, -1)) for part in (q, k, v, out))
    channels = q.shape[-1]
    zero = q.new_zeros(1, heads * channels)
    pads = [layer(zero).reshape(heads, 1, 1, channels) for layer in (attn.q, attn.k, attn.v)]
    tables = _distances(attn, q.dtype)
    queries, values = q.new_empty(2, heads, side, side, channels)
    scaled, keys = q.new_empty(2, heads, side, side, channels + 2 * side)
    one = torch.eye(side, dtype=q.dtype)
    keys[..., channels : channels + side] = one[:, None]
    keys[..., channels + side :] = one
    for top, left, bottom, right in _windows(height, width, side):
        rows, columns = bottom - top, right - left
        for part, into, pad in zip((q, k, v), (queries, keys[..., :channels], values), pads, strict=True):
            if rows < side or columns < side:
                into[:] = pad  # SAM pads the tokens with zeros before it projects them
            into[:, :rows, :columns] = part[top:bottom, left:right].permute(2, 0, 1, 3)
        by_row, by_column = _biases(queries, tables, 0, side)
        torch.mul(queries, channels**-0.5, out=scaled[..., :channels])
        scaled[..., channels : channels + side] = by_row
        scaled[..., channels + side :] = by_column
        scores = scaled.flatten(1, 2) @ keys.flatten(1, 2).transpose(1, 2)
        torch.softmax(scores, dim=-1, out=scores)
        attended = (scores @ values.flatten(1, 2)).reshape(queries.shape)
        out[top:bottom, left:right] = attended[:, :rows, :columns].permute(1, 2, 0, 3)


def _windows(height: int, width: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield top, left, bottom and right of the windows in a grid; the last ones may be smaller."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield top, left, min(top + side, height), min(left + side, width)


def _distances(attn: Attention, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the embeddings of distances in rows [2 H - 1, d] and in columns [2 W - 1, d], largest first."""
    return attn.rel_pos_h.to(dtype).flip(0), attn.rel_pos_w.to(dtype).flip(0)


def _biases(q: Tensor, tables: tuple[Tensor, Tensor], first: int, height: int) -> tuple[Tensor, Tensor]:
    """Return the bias of queries for the keys' rows and for their columns.

    It is a product with the embeddings of all distances, of which every query takes its own stretch.

    Args:
        q: Queries of some rows of the grid, [..., h, W, d], contiguous.
        tables: See `_distances`.
        first: The first of the rows.
        height: Rows of the grid, H.

    Returns:
        [..., h, W, H] and [..., h, W, W], views.
    """
    by_row, by_column = (q @ table.T for table in tables)
    # Stretches that start one further to the left for each further row, or column, of the query.
    *lead, row, column, distance = by_row.stride()
    by_row = by_row.as_strided(
        (*q.shape[:-1], height), (*lead, row - 1, column, distance), height - 1 - first
    )
    *lead, row, column, distance = by_column.stride()
    width = q.shape[-2]
    by_column = by_column.as_strided((*q.shape[:-1], width), (*lead, row, column - 1, distance), width - 1)
    return by_row, by_column
