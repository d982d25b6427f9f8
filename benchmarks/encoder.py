"""ViT-B's image encoder beside segment_anything's own, same weights: `python -m benchmarks.encoder`.

The three take turns, so that all see the machine in the same moods; medians and their ratios are printed.
Peak memory is that of one process each, weights and libraries included. The limit is what this machine's
matrix products reach, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parts import sam_vit_b_encoder
from ros_sam_core.model.config import sam_config
from ros_sam_core.model.image_encoder import build_sam_encoder
from ros_sam_core.model.layouts import split_qkv
from ros_sam_core.model.ros_sam import Embedding, PromptBatch, RosSam

INPUT_PX = 1024
PEER = "segment_anything"
GFLOP = 942
"""Of ViT-B at 1024, counted: 12 blocks of linear layers and attention, patches and neck."""


def same_weights(seed: int = 0) -> tuple[nn.Module, RosSam]:
    """Build segment_anything's encoder with random weights, and our model with the same in its encoder."""
    torch.manual_seed(seed)
    peer = sam_vit_b_encoder()
    for name, parameter in peer.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            nn.init.normal_(parameter, std=0.05)  # zeros at first, and then they would not be tested
    ours = RosSam(sam_config("vit_b", hq=True)).eval()
    ours.image_encoder.load_state_dict(split_qkv(peer.state_dict()))
    return peer, ours


def image() -> Tensor:
    """Return a smooth random picture `[1, 3, S, S]` in 0..255."""
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 64, 64, generator=generator)
    return 255 * nn.functional.interpolate(small, (INPUT_PX, INPUT_PX), mode="bicubic").clamp(0, 1)


def encoders() -> tuple[RosSam, dict[str, Callable[[], Any]]]:
    """Return our float32 model, and what encodes by name, all with the same weights."""
    peer, ours = same_weights()
    half = same_weights()[1].use_encoder_dtype(torch.bfloat16)
    picture = image()
    normal = (picture - ours.pixel_mean) / ours.pixel_std
    return ours, {
        PEER: lambda: peer(normal),
        "float32": lambda: ours.encode(picture),
        "bfloat16": lambda: half.encode(picture),
    }


def peak_mb(kind: str) -> float:
    """Return the peak memory of a process that holds one encoder and encodes once, MB."""
    command = [sys.executable, "-m", "benchmarks.encoder", "--memory", kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def own_peak_mb(kind: str) -> float:
    """Encode once with one encoder alone in memory; returns this process's peak meanwhile, MB (Linux)."""
    picture = image()
    if kind == PEER:
        peer = sam_vit_b_encoder()
        encode: Callable[[], Any] = lambda: peer(picture)  # noqa: E731
    else:
        encoder = build_sam_encoder(sam_config("vit_b")).eval().to(getattr(torch, kind))
        encode = lambda: encoder(picture)  # noqa: E731
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of building it
    with torch.inference_mode():
        encode()
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def matmul_gflops(dtype: torch.dtype) -> float:
    """Return the best of several products of the encoder's own shape, by either of two libraries, GFLOP/s."""
    a, b = torch.randn(4096, 768).to(dtype), torch.randn(3072, 768).to(dtype)
    work = 2 * 4096 * 768 * 3072 / 1e9
    ways: list[Callable[[], Any]] = [lambda: torch.matmul(a, b.T)]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    best = 0.0
    for way in 20 * ways:
        start = time.perf_counter()
        way()
        best = max(best, work / (time.perf_counter() - start))
    return best


def masks(model: RosSam, embedding: Embedding) -> Tensor:
    """Return the HQ logits `[16, 1, m, m]` of a grid of clicks."""
    places = torch.arange(4) * 256.0 + 128
    points = torch.cartesian_prod(places, places)[:, None]
    return model.decode(embedding, PromptBatch(points=points, labels=torch.ones(16, 1))).best("hq")[0]


def iou(a: Tensor, b: Tensor) -> float:
    """Return the least IoU of the masks of two sets of logits."""
    both, either = ((a > 0) & (b > 0)).sum((1, 2, 3)), ((a > 0) | (b > 0)).sum((1, 2, 3))
    return float((both / either.clamp(min=1)).min())


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Time the three in turns; returns the figures of each by name."""
    model, kinds = encoders()
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    results: dict[str, Any] = {}
    with torch.inference_mode():
        peaks = {PEER: matmul_gflops(torch.float32), "bfloat16": matmul_gflops(torch.bfloat16)}
        for _ in range(rounds):
            for kind, encode in kinds.items():
                start = time.perf_counter()
                results[kind] = encode()
                times[kind].append(time.perf_counter() - start)
        early = results["float32"].early
        logits = {
            kind: masks(model, Embedding(result, early) if kind == PEER else result)
            for kind, result in results.items()
        }
    figures: dict[str, dict[str, float]] = {}
    for kind in kinds:
        seconds = statistics.median(times[kind])
        limit = GFLOP / peaks.get(kind, peaks[PEER])
        figures[kind] = {
            "seconds": seconds,
            "faster": statistics.median(p / t for p, t in zip(times[PEER], times[kind], strict=True)),
            "peak_mb": peak_mb(kind),
            "share_of_peak": limit / seconds,
            "logit_error": float((logits[kind] - logits[PEER]).abs().max()),
            "mask_iou": iou(logits[kind], logits["float32"]),
            "matmul_gflops": peaks.get(kind, peaks[PEER]),
        }
    return figures


def as_markdown(figures: dict[str, dict[str, float]]) -> str:
    """Write the figures as a table, a row an encoder."""
    lines = [
        "| encoder | time | times faster | peak memory | of the peer's | share of the matmul peak "
        "| largest logit error | least mask IoU with float32 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind, row in figures.items():
        lines.append(
            f"| {kind} | {row['seconds']:.2f} s | {row['faster']:.2f} | {row['peak_mb']:.0f} MB "
            f"| {row['peak_mb'] / figures[PEER]['peak_mb']:.2f} | {row['share_of_peak']:.0%} "
            f"of {row['matmul_gflops']:.0f} GFLOP/s | {row['logit_error']:.1e} | {row['mask_iou']:.3f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--memory", metavar="KIND", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory:
        sys.stdout.write(f"{own_peak_mb(options.memory):.1f}\n")
        return 0
    figures = measure(options.rounds)
    sys.stdout.write(
        f"ViT-B at {INPUT_PX} px, {torch.get_num_threads()} threads, medians of {options.rounds} turns\n\n"
        f"{as_markdown(figures)}\n"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
