"""A training step of ROS-SAM beside the same step on segment_anything's own attention.

`python -m benchmarks.training_step` builds SAM's ViT-B at 1024 px with random weights, LoRA of rank 512 on
q and v, the last block in full and the HQ head, and does the same step twice: through this project's encoder,
and through segment_anything's encoder with its own attention, into which the same q, k and v are put. Each
runs in a process of its own, so that the peak of its memory is its own; both must give the same loss.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ros_sam_core.model.config import sam_config
from ros_sam_core.model.image_encoder import VIT_SIZES, SamEncoder
from ros_sam_core.model.lora import add_lora
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.sam_modules import ImageEncoderViT
from training.config import LossConfig
from training.datasets import Batch
from training.objective import Objective

OBJECTS = 8
"""Boxes in the image."""


class SplitQkv(nn.Module):
    """segment_anything's fused projection out of this project's three."""

    def __init__(self, q: nn.Module, k: nn.Module, v: nn.Module) -> None:
        super().__init__()
        self.q, self.k, self.v = q, k, v

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [..., C] to [..., 3C]."""
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)


class PeerEncoder(nn.Module):
    """segment_anything's encoder with our weights, giving the early feature too.

    Args:
        ours: The encoder whose weights it takes; LoRA among them.
        input_px: Side of the input.
        recompute: Recompute each block in the backward pass.
    """

    def __init__(self, ours: nn.Module, size: str, input_px: int, recompute: bool) -> None:
        super().__init__()
        vit = VIT_SIZES[size]  # type: ignore[index]
        with torch.device("meta"):
            peer = ImageEncoderViT(
                depth=vit.depth,
                embed_dim=vit.width,
                img_size=input_px,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                num_heads=vit.heads,
                use_rel_pos=True,
                global_attn_indexes=vit.global_blocks,
                window_size=14,
            )
        for theirs, mine in zip(peer.blocks, ours.blocks, strict=True):
            mine = getattr(mine, "modules_to_save", {"default": mine})["default"]
            theirs.norm1, theirs.norm2, theirs.mlp = mine.norm1, mine.norm2, mine.mlp
            attention = mine.attn
            theirs.attn.qkv = SplitQkv(attention.q, attention.k, attention.v)
            theirs.attn.proj = attention.proj
            theirs.attn.rel_pos_h, theirs.attn.rel_pos_w = attention.rel_pos_h, attention.rel_pos_w
        peer.patch_embed, peer.pos_embed, peer.neck = ours.patch_embed, ours.pos_embed, ours.neck
        self.peer, self.early, self.recompute = peer, vit.early_block, recompute

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encode as `SamEncoder` does."""
        tokens = self.peer.patch_embed(images) + self.peer.pos_embed
        early = tokens
        for index, block in enumerate(self.peer.blocks):
            tokens = checkpoint(block, tokens, use_reentrant=False) if self.recompute else block(tokens)
            early = tokens if index == self.early else early
        return self.peer.neck(tokens.permute(0, 3, 1, 2)), (early.permute(0, 3, 1, 2),)


def build(options: argparse.Namespace) -> RosSam:
    """Build the model with the encoder that is asked for."""
    torch.manual_seed(0)
    config = replace(sam_config(options.size, hq=True), input_px=options.input_px)
    model = RosSam(config)
    encoder = model.image_encoder
    assert isinstance(encoder, SamEncoder)
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            nn.init.normal_(parameter, std=0.1)
    encoder.gradient_checkpointing = not options.keep_activations
    add_lora(model, options.rank)
    for name, parameter in model.mask_decoder.named_parameters():
        parameter.requires_grad_(name.startswith(("hf_", "compress", "embedding_")))
    if options.peer:
        model.image_encoder = PeerEncoder(
            encoder, options.size, options.input_px, not options.keep_activations
        )
    return model.train()


def batch_of(input_px: int) -> Batch:
    """Make up one image with a few boxes."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (1, 3, input_px, input_px), generator=generator, dtype=torch.uint8)
    targets = torch.zeros(OBJECTS, input_px, input_px, dtype=torch.uint8)
    boxes = torch.empty(OBJECTS, 4)
    for i in range(OBJECTS):
        x, y = (int(v) for v in torch.randint(0, input_px * 3 // 4, (2,), generator=generator))
        side = input_px // 8
        targets[i, y : y + side, x : x + side] = 255
        boxes[i] = torch.tensor([x, y, x + side, y + side])
    return Batch(
        image,
        targets,
        boxes,
        torch.zeros(OBJECTS, 0, 2),
        torch.zeros(OBJECTS, 0, dtype=torch.long),
        (OBJECTS,),
        (0,),
        ("made up",),
    )


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Do the steps in this process; returns the fastest one's seconds, peak memory and losses."""
    import resource

    model = build(options)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    loss_config = LossConfig(sam=0.0, multimask=0.0, iou=0.0, rounds=1)
    objective, batch = Objective(model, loss_config, 0), batch_of(options.input_px)
    losses, seconds, cpu = [], [], []
    for _ in range(options.steps):
        start, used = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16):
            loss = objective(batch, 1)["loss"].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
        losses.append(float(loss.detach()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": min(seconds),
        "cpu": min(cpu),
        "gib": peak,
        "loss": losses[0],
        "last_loss": losses[-1],
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=__doc__)
    parser.add_argument("--size", default="vit_b", choices=("vit_b", "vit_l", "vit_h"))
    parser.add_argument("--input-px", type=int, default=1024)
    parser.add_argument("--rank", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2, help="the fastest counts")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16 where it is safe")
    parser.add_argument("--keep-activations", action="store_true", help="no gradient checkpointing")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        sys.stdout.write(json.dumps(measure(options)))
        return 0
    given = sys.argv[1:] if arguments is None else arguments
    results = {}
    for name, extra in (("segment_anything's attention", ["--peer"]), ("ros_sam_core", [])):
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.training_step", *given, *extra, "--child"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ,
        )
        results[name] = json.loads(told.stdout)
    peer, ours = results.values()
    for name, row in results.items():
        sys.stdout.write(
            f"{name:30s} {row['seconds']:7.1f} s a step, {row['cpu']:6.1f} s of CPU   "
            f"{row['gib']:5.1f} GiB peak   "
            f"loss {row['loss']:.5f}, {row['last_loss']:.5f}\n"
        )
    time_share, memory_share = (ours[key] / peer[key] for key in ("cpu", "gib"))
    sys.stdout.write(
        f"{options.size} at {options.input_px} px, rank {options.rank}, {torch.get_num_threads()} threads: "
        f"{time_share:.2f} of the CPU time, {memory_share:.2f} of the memory\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
