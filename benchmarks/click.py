"""A click on the bundled model beside one encode of segment_anything's ViT-B: `python -m benchmarks.click`.

A click is all of it: read the raster's windows, encode, decode, second look, polygon on the map; through
the Segmenter, and through the engine's HTTP. A cold click lands where nothing was encoded yet, a warm one
corrects it with a second point. They take turns, so that all see the machine in the same moods; medians
and their ratios are printed, and where the time of a cold click goes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.parts import Engine, sam_vit_b_encoder, write_scene
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter

CLICKS = 4
"""Places clicked for each encode of the peer."""


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Stopwatch:
    """Adds up the time that methods take, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Have an object's method timed from now on."""
        inner = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent[name] += time.perf_counter() - start

        setattr(owner, method, timed)


def measure(model: str, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the peer, the Segmenter and the engine in turns.

    Returns:
        Seconds of each kind of work, and the seconds of all cold clicks by part.
    """
    peer, image = sam_vit_b_encoder(), torch.zeros(1, 3, 1024, 1024)
    segmenter = Segmenter.from_pretrained(model, cache=CacheOptions(disk_mb=0))
    times: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, float] = defaultdict(float)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path, places = write_scene(Path(folder))
        engine = Engine(Path(sys.executable), folder, "--model", model)
        try:
            known = engine.ask("frames", {"source": str(path)})["frame_id"]
            engine.click(known, [places[-1]])
            with RasterFrame.open(path) as frame:
                segmenter.segment(frame, [Prompt("first", points=(places[-1],))])
                watch.watch(frame, "read", "read the raster")
                watch.watch(segmenter.predictor.model, "encode", "encode")
                watch.watch(segmenter.predictor.model, "decode", "decode")
                for index in range(rounds):
                    times["peer"].append(seconds(lambda: peer(image)))
                    for x, y in places[CLICKS * index : CLICKS * (index + 1)]:
                        once = Prompt("once", points=((x, y),))
                        twice = Prompt("twice", points=((x, y), (x + 0.5, y + 0.5)))
                        watch.spent.clear()
                        times["cold"].append(seconds(lambda p=once: segmenter.segment(frame, [p])))  # type: ignore[misc]
                        for name, spent in watch.spent.items():
                            parts[name] += spent
                        times["warm"].append(seconds(lambda p=twice: segmenter.segment(frame, [p])))  # type: ignore[misc]
                        times["http cold"].append(engine.click(known, [(x, y)]))
                        times["http warm"].append(engine.click(known, [(x, y), (x + 0.5, y + 0.5)]))
        finally:
            engine.end()
    parts["polygon, measures and the rest"] = sum(times["cold"]) - sum(parts.values())
    return times, parts


def as_markdown(times: dict[str, list[float]], parts: dict[str, float]) -> str:
    """Write the medians as a table, and the parts of a cold click as another."""
    middle = {name: statistics.median(values) for name, values in times.items()}
    rows = (
        ("segment_anything ViT-B, image encoder alone", "peer"),
        ("cold click to polygon, Segmenter", "cold"),
        ("second click, Segmenter", "warm"),
        ("cold click to polygon, engine over HTTP", "http cold"),
        ("second click, engine over HTTP", "http warm"),
    )
    lines = ["| | median | of the peer's encode |", "| --- | ---: | ---: |"]
    for text, name in rows:
        share = "1" if name == "peer" else f"1/{middle['peer'] / middle[name]:.0f}"
        lines.append(f"| {text} | {middle[name] * 1e3:.0f} ms | {share} |")
    lines += ["", "| part of a cold click | share |", "| --- | ---: |"]
    whole = sum(parts.values())
    lines += [f"| {name} | {spent / whole:.0%} |" for name, spent in parts.items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.click", description=__doc__)
    parser.add_argument("--model", default="ros-sam-tiny")
    parser.add_argument(
        "--rounds", type=int, default=3, help=f"encodes of the peer; {CLICKS} places for each"
    )
    options = parser.parse_args(arguments)
    times, parts = measure(options.model, options.rounds)
    sys.stdout.write(
        f"{options.model}, {torch.get_num_threads()} threads, medians of {len(times['peer'])} encodes and "
        f"{len(times['cold'])} places\n\n{as_markdown(times, parts)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
