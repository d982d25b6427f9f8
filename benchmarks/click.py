"""A click on the bundled model beside one encode of segment_anything's ViT-B: `python -m benchmarks.click`.

A click is all of it: read the raster's windows, encode, decode, second look, polygon on the map. A cold click
lands where nothing was encoded yet, a warm one corrects it with a second point. The two programs take turns,
so that both see the machine in the same moods; medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from torch import nn

from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.model.sam_modules import ImageEncoderViT
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene


def sam_vit_b_encoder() -> nn.Module:
    """Build segment_anything's own ViT-B image encoder, as its `build_sam` does, with random weights."""
    return ImageEncoderViT(
        depth=12,
        embed_dim=768,
        img_size=1024,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=12,
        patch_size=16,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=(2, 5, 8, 11),
        window_size=14,
        out_chans=256,
    ).eval()


def write_scene(folder: Path) -> tuple[Path, list[tuple[float, float]]]:
    """Write a procedural airport of 2048 x 2048 px as GeoTIFF; return it and a map point in each airplane."""
    scene = make_scene(0, shape=(2048, 2048), kind="airport")
    path = folder / "airport.tif"
    transform = from_origin(500_000, 4_000_000, 0.5, 0.5)
    profile = {"driver": "GTiff", "width": 2048, "height": 2048, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=transform, tiled=True, **profile) as raster:
        raster.write(np.moveaxis(scene.rgb, -1, 0))
    inside = [i.polygon.representative_point() for i in scene.instances if i.class_name == "airplane"]
    return path, [tuple(transform * (p.x, p.y)) for p in inside]


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.click", description=__doc__)
    parser.add_argument("--model", default="ros-sam-tiny")
    parser.add_argument("--rounds", type=int, default=3, help="encodes of the peer; four clicks for each")
    options = parser.parse_args(arguments)
    peer, image = sam_vit_b_encoder(), torch.zeros(1, 3, 1024, 1024)
    segmenter = Segmenter.from_pretrained(options.model, cache=CacheOptions(disk_mb=0))
    encode: list[float] = []
    cold: list[float] = []
    warm: list[float] = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path, places = write_scene(Path(folder))
        with RasterFrame.open(path) as frame:
            segmenter.segment(frame, [Prompt("first", points=(places[-1],))])
            for index in range(options.rounds):
                encode.append(seconds(lambda: peer(image)))
                for x, y in places[4 * index : 4 * index + 4]:
                    once = Prompt("once", points=((x, y),))
                    twice = Prompt("twice", points=((x, y), (x + 0.5, y + 0.5)))
                    cold.append(seconds(lambda p=once: segmenter.segment(frame, [p])))  # type: ignore[misc]
                    warm.append(seconds(lambda p=twice: segmenter.segment(frame, [p])))  # type: ignore[misc]
    sam, first, second = (statistics.median(times) for times in (encode, cold, warm))
    sys.stdout.write(
        f"{torch.get_num_threads()} threads, medians of {len(encode)} encodes and {len(cold)} clicks\n"
        f"segment_anything ViT-B, image encoder alone   {sam * 1e3:9.0f} ms\n"
        f"{segmenter.name}, cold click to polygon       {first * 1e3:9.0f} ms   1/{sam / first:.0f} of it\n"
        f"{segmenter.name}, second click to polygon     {second * 1e3:9.0f} ms   "
        f"{second / first:.2f} of the cold click\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
