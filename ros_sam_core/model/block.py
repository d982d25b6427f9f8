"""The transformer block of SAM's ViT, and of the small encoder."""

from __future__ import annotations

from torch import Tensor, nn

from ros_sam_core.model.attention import Attention
from ros_sam_core.model.sam_modules import MLPBlock


class Block(nn.Module):
    """A pre-norm transformer block on a grid of tokens.

    Args:
        dim: Channels of a token.
        num_heads: Attention heads.
        use_rel_pos: See `Attention`.
        input_size: Rows and columns of the grid; needed with `use_rel_pos`.
        window_size: Side of the windows that attention stays within, tokens; 0 attends to all.
        mlp_ratio: Hidden width of the feed-forward layer over `dim`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        use_rel_pos: bool = False,
        input_size: tuple[int, int] | None = None,
        window_size: int = 0,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(
            dim, num_heads, use_rel_pos=use_rel_pos, input_size=input_size, window_size=window_size
        )
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLPBlock(embedding_dim=dim, mlp_dim=int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, H, W, C] to the same shape."""
        x = x + self.attn(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result
