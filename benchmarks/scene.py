"""Many boxes on scenes of many sizes: `python -m benchmarks.scene`.

Each run is a process of its own, with one object in each box, made-up tiles of 1024 px repeated over the
scene, and the bundled model. Three questions, each answered by a ratio of runs that take turns:
the same boxes on a scene of 20 000 x 20 000 px beside 5 000 x 5 000; twice as many boxes beside once; two
workers beside one. Seconds count from the opened model to the last outline on the disk, and not how long
libraries take to load; memory is the peak of the process and of its workers together. On a machine that
others use too, the processor time of an object tells more than the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.windows import Window

from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.predict.scene import SceneOptions, SceneRun
from ros_sam_core.synthetic import make_scene

TILE = 1024
PLACE = Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000)
UTM = CRS.from_epsg(32633)


def write_scene(path: Path, side: int) -> None:
    """Write a scene of `side` x `side` px as a tiled JPEG-compressed GeoTIFF, from one made-up airport."""
    pixels = np.moveaxis(make_scene(0, (TILE, TILE), "airport").rgb, -1, 0)
    layout = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "jpeg", "photometric": "ycbcr"}
    with rasterio.open(path, "w", **layout, **blocks, transform=PLACE, crs=UTM) as file:
        for y in range(0, side, TILE):
            strip = np.tile(pixels, (1, 1, -(-side // TILE)))[:, : side - y, :side]
            file.write(strip, window=Window(0, y, side, strip.shape[1]))


def boxes_on(side: int, count: int) -> PromptTable:
    """Return `count` boxes, each around another object, drawn from all of a scene."""
    things = [o for o in make_scene(0, (TILE, TILE), "airport").instances if o.polygon.area > 60]
    objects = np.array([o.box for o in things if min(o.box) > 2 and max(o.box) < TILE - 2])
    across = side // TILE
    chosen = np.random.default_rng(0).permutation(across * across * len(objects))[:count]
    tile, which = np.divmod(chosen, len(objects))
    pixels = objects[which] + np.tile(np.column_stack(np.divmod(tile, across))[:, ::-1] * TILE, 2)
    x, y = PLACE * (pixels[:, [0, 2]], pixels[:, [1, 3]])
    boxes = np.column_stack([x[:, 0], y[:, 1], x[:, 1], y[:, 0]])
    return PromptTable.of([str(i) for i in range(len(boxes))], UTM, boxes=boxes)


class Watch:
    """Memory and processor time of this process and its children together, looked at ten times a second."""

    def __init__(self) -> None:
        self.peak, self._over = 0, threading.Event()
        self._seconds: dict[int, float] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._over.wait(0.1):
            total = 0
            for process in (here, *here.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                self._seconds[process.pid] = times.user + times.system
            self.peak = max(self.peak, total)

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far."""
        return sum(list(self._seconds.values()))

    def stop(self) -> float:
        """Return the peak of memory in megabytes."""
        self._over.set()
        self._thread.join()
        return self.peak / 1e6


def run_once(scene: str, extent: int, count: int, workers: int | None) -> dict[str, Any]:
    """Outline boxes in this process, or by workers, and tell what it took."""
    watch, marks = Watch(), []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.gpkg"
        run = SceneRun(scene, boxes_on(extent, count), output, SceneOptions(workers=workers))
        run.run(lambda done, total: marks.append((time.perf_counter(), watch.cpu_s)))
        seconds = time.perf_counter() - marks[0][0]
    peak = watch.stop()
    cpu_s = watch.cpu_s - marks[0][1]
    return {"seconds": seconds, "cpu_s": cpu_s, "segments": run.segments, "peak_mb": peak}


def measure(scene: Path, extent: int, count: int, workers: int | None = None) -> dict[str, Any]:
    """Do `run_once` in a process of its own."""
    numbers = [str(scene), str(extent), str(count), str(workers or 0)]
    command = [sys.executable, "-m", "benchmarks.scene", "--once", *numbers]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(told.splitlines()[-1]))


def rounds_of(runs: dict[str, tuple[Any, ...]], rounds: int) -> dict[str, dict[str, Any]]:
    """Measure runs in turn; returns the median seconds and the largest memory of each."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, arguments in runs.items():
            found[name].append(measure(*arguments))
    return {
        name: {
            "boxes": runs[name][2],
            "outlines": some[0]["segments"],
            "seconds": statistics.median(one["seconds"] for one in some),
            "cpu_s": statistics.median(one["cpu_s"] for one in some),
            "objects_per_s": runs[name][2] / statistics.median(one["seconds"] for one in some),
            "peak_mb": max(one["peak_mb"] for one in some),
        }
        for name, some in found.items()
    }


def table(found: dict[str, dict[str, Any]], peers: dict[str, tuple[str, str]]) -> str:
    """Return runs as a Markdown table, each with its ratio to a peer's objects per second."""
    lines = [
        "| run | boxes | seconds | processor ms an object | objects/s | peak memory | ratio of objects/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, one in found.items():
        ratio = "1"
        if name in peers:
            peer, what = peers[name]
            ratio = f"{one['objects_per_s'] / found[peer]['objects_per_s']:.2f} of {what}"
        lines.append(
            f"| {name} | {one['boxes']} | {one['seconds']:.1f} | {1e3 * one['cpu_s'] / one['boxes']:.0f} | "
            f"{one['objects_per_s']:.1f} | "
            f"{one['peak_mb']:.0f} MB | {ratio} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scene", description=__doc__)
    parser.add_argument("--part", choices=["area", "count", "workers"], action="append", help="default: all")
    parser.add_argument("--boxes", type=int, default=1000, help="for the comparisons of area and workers")
    parser.add_argument("--counts", type=int, nargs="+", default=[250, 500, 1000, 2000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    parser.add_argument("--once", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.once:
        scene, extent, count, workers = given.once
        told = run_once(scene, int(extent), int(count), int(workers) or None)
        sys.stdout.write(json.dumps(told) + "\n")
        return 0
    found: dict[str, dict[str, Any]] = {}
    parts = given.part or ["area", "count", "workers"]
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.tif", Path(folder) / "small.tif"
        write_scene(large, 20_000)
        write_scene(small, 5_000)
        runs: dict[str, tuple[Any, ...]] = {}
        if "area" in parts:
            runs["5 000 x 5 000"] = (small, 5_000, given.boxes)
            runs["20 000 x 20 000, the same boxes"] = (large, 5_000, given.boxes)
        if "count" in parts:
            runs |= {f"20 000 x 20 000, {n} boxes": (large, 20_000, n) for n in given.counts}
        if "workers" in parts:
            runs |= {f"workers: {n}": (large, 20_000, given.boxes, n) for n in (1, 2)}
        found = rounds_of(runs, given.rounds)
    first = f"20 000 x 20 000, {given.counts[0]} boxes"
    peers = {f"20 000 x 20 000, {n} boxes": (first, f"{given.counts[0]} boxes") for n in given.counts[1:]}
    peers |= {
        "20 000 x 20 000, the same boxes": ("5 000 x 5 000", "5 000 x 5 000"),
        "workers: 2": ("workers: 1", "one"),
    }
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    sys.stdout.write(table(found, peers) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
