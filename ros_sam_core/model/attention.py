"""Multi-head attention on a grid of tokens, with windows and decomposed relative positions.

Relative positions (MViTv2, arXiv 2112.01526, equation 4) add a bias of its own to every pair of query
and key. Written out for 64 x 64 tokens and 12 heads it is 800 MB. It is a sum of a part that only
depends on the key's row and one that only depends on its column, so it is written out here for a few
queries at a time. `model/blockwise.py` does the same without gradients on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.errors import InvalidParameter

BIAS_BYTES_CPU = 48 * 2**20
"""Most bytes of bias written out at once on a CPU: near the last cache, where it is read back at once."""
BIAS_BYTES_GPU = 2**30
"""The same elsewhere, where few large kernels are faster than many small ones."""


class Attention(nn.Module):
    """Multi-head self-attention on a grid of tokens, q, k and v being Linears of their own.

    Args:
        dim: Channels of a token.
        num_heads: Attention heads; `dim` is a multiple of it.
        use_rel_pos: Whether to learn decomposed relative positions.
        input_size: Rows and columns of the grid; needed with `use_rel_pos` and without windows.
        window_size: Side of the windows that attention stays within, tokens; 0 attends to all.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        use_rel_pos: bool = False,
        input_size: tuple[int, int] | None = None,
        window_size: int = 0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.use_rel_pos = use_rel_pos
        if use_rel_pos:
            size = (window_size, window_size) if window_size else input_size
            if size is None:
                raise InvalidParameter("relative positions need input_size, the rows and columns of the grid")
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * size[0] - 1, dim // num_heads))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * size[1] - 1, dim // num_heads))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, H, W, C] to the same shape."""
        size = x.shape[1:3]
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.window_size:
            # SAM pads the tokens with zeros before it projects them: what a zero projects to pads here.
            zero = x.new_zeros(1, x.shape[-1])
            q, k, v = (
                to_windows(part, self.window_size, project(zero))
                for part, project in ((q, self.q), (k, self.k), (v, self.v))
            )
        grid = q.shape[1:3]
        q, k, v = (
            part.unflatten(-1, (self.num_heads, -1)).flatten(1, 2).transpose(1, 2) for part in (q, k, v)
        )
        if self.use_rel_pos:
            attended = attend_rel_pos(q, k, v, *self._relative_positions(q, grid))
        else:
            attended = F.scaled_dot_product_attention(q, k, v)
        attended = torch.unflatten(attended.transpose(1, 2).flatten(2), 1, grid)
        if self.window_size:
            attended = from_windows(attended, size)
        result: Tensor = self.proj(attended)
        return result

    def _relative_positions(self, q: Tensor, grid: torch.Size) -> tuple[Tensor, Tensor]:
        """Bias of each query for the keys' rows [B, n, T, H] and for their columns [B, n, T, W]."""
        height, width = grid
        queries = torch.unflatten(q, 2, (height, width))
        rows = _distance_table(self.rel_pos_h.to(q.dtype), height)
        columns = _distance_table(self.rel_pos_w.to(q.dtype), width)
        by_row = torch.einsum("bnhwc,hkc->bnhwk", queries, rows)
        by_column = torch.einsum("bnhwc,wkc->bnhwk", queries, columns)
        return by_row.flatten(2, 3), by_column.flatten(2, 3)


def attend_rel_pos(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """Attend with a bias that is a sum of a part for the key's row and one for its column.

    Args:
        q: Queries [B, n, T, d]; tokens in row-major order of a grid of H rows and W columns, T = H W.
        k: Keys, as `q`.
        v: Values, as `q`.
        by_row: [B, n, T, H], added to the scores of all keys in a row.
        by_column: [B, n, T, W], added to the scores of all keys in a column.

    Returns:
        [B, n, T, d].
    """
    batch, heads, tokens = q.shape[:3]
    budget = BIAS_BYTES_CPU if q.device.type == "cpu" else BIAS_BYTES_GPU
    step = min(tokens, max(1, budget // (batch * heads * tokens * q.element_size())))
    parts = []
    for start in range(0, tokens, step):
        some = slice(start, start + step)
        bias = (by_row[:, :, some, :, None] + by_column[:, :, some, None, :]).flatten(3)
        parts.append(F.scaled_dot_product_attention(q[:, :, some], k, v, attn_mask=bias))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def to_windows(x: Tensor, window: int, pad: Tensor) -> Tensor:
    """Cut a grid of tokens into windows, filled up at the right and the bottom.

    Args:
        x: [B, H, W, C].
        window: Side of a window, tokens.
        pad: [1, C], the token to fill up with.

    Returns:
        [B * windows, window, window, C], windows in row-major order.
    """
    batch, height, width, channels = x.shape
    rows, columns = -(-height // window), -(-width // window)
    if (rows * window, columns * window) != (height, width):
        filled = pad.expand(batch, rows * window, columns * window, channels).clone()
        filled[:, :height, :width] = x
        x = filled
    x = x.reshape(batch, rows, window, columns, window, channels)
    return x.transpose(2, 3).flatten(0, 2)


def from_windows(windows: Tensor, size: torch.Size) -> Tensor:
    """Put the windows of `to_windows` back together and drop what filled them up; [B, H, W, C]."""
    height, width = size
    window = windows.shape[1]
    rows, columns = -(-height // window), -(-width // window)
    x = torch.unflatten(windows, 0, (-1, rows, columns)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)[:, :height, :width]


def _distance_table(table: Tensor, length: int) -> Tensor:
    """Turn embeddings of distances -(L-1) .. L-1, [2L-1, d], into those of all pairs, [L, L, d]."""
    index = torch.arange(length, device=table.device)
    return table[index[:, None] - index[None, :] + length - 1]
