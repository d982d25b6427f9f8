"""What several benchmarks need: the peer's encoder, a scene to click on, and an engine to ask."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import rasterio
from rasterio.transform import from_origin
from torch import nn

from ros_sam_core.model.sam_modules import ImageEncoderViT
from ros_sam_core.synthetic import make_scene

TOKEN = "benchmark-" + "0" * 32


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


class Engine:
    """One run of an environment's engine."""

    def __init__(self, python: Path, cache: str, *options: str) -> None:
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [str(python), "-I", "-m", "ros_sam_core.engine", "--disk-cache-mb", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ROS_SAM_CACHE": cache},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"token": TOKEN}).encode() + b"\n")
        self.process.stdin.flush()
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.start_s = time.perf_counter() - began
        while self.ask("health")["model"]["state"] == "loading":
            time.sleep(0.02)
        self.ready_s = time.perf_counter() - began

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        with urlopen(
            Request(f"http://127.0.0.1:{self.port}/v1/{path}", data, headers), timeout=120
        ) as answer:
            return dict(json.loads(answer.read()))

    def click(self, frame: str, points: list[tuple[float, float]]) -> float:
        """Return the seconds from a prompt to its polygon."""
        prompt = {"id": "a", "points": points, "labels": [1] * len(points)}
        began = time.perf_counter()
        answer = self.ask("segment", {"frame": frame, "prompts": [prompt]})
        assert answer["segments"], answer["failures"]
        return time.perf_counter() - began

    def peak_mb(self) -> float:
        """Return the most memory that the process ever had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3  # type: ignore[index]

    def end(self) -> None:
        """End it as its caller would."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
