"""Ablate ROS-SAM: `python -m training.ablate --config training/configs/ablate-small.toml`.

From one base, each row changes one thing and is trained with the same budget, once a seed. A row's state and
result lie in a folder of its own: the same command goes on wherever it was stopped, so it can run over days.
The table is written anew, as Markdown and JSON, whenever a row is done.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import rasterize
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.model.torch_backend import TorchBackend
from ros_sam_core.model.zoo import resolve
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.ablation import (
    AblationConfig,
    Row,
    Target,
    as_markdown,
    base_path,
    folder_of,
    load_ablation,
    measuring,
    pretrain_config,
    read_result,
    result_path,
    row_config,
    rows_of,
    scene_cache,
    table_of,
)
from training.config import VAL_SEED
from training.readers import DatasetSpec, open_dataset
from training.scenes import Scene
from training.series import Job, keep_table, parser_of, run_jobs, run_series, steps_of, train
from training.simulated import simulated_scenes
from training.sources import of_classes
from training.state import make_folder, write_text
from training.train import StopRequest

log = logging.getLogger(__name__)


def measure(weights: Path, crop: CropPolicy, head: str, scenes: list[Scene], device: str) -> list[float]:
    """Return the IoU of every object of some scenes, prompted by its box; one that is not found scores 0."""
    loaded = load_checkpoint(weights)
    loaded.model.config = replace(loaded.model.config, crop=crop, head=head)  # type: ignore[arg-type]
    segmenter = Segmenter(
        TorchBackend(loaded.model.to(device)), weights.stem, loaded.sha256[:12], CacheOptions(disk_mb=0)
    )
    ious = []
    for scene in scenes:
        frame = ArrayFrame(scene.rgb, Grid(scene.rgb.shape[:2]), source=scene.name)
        prompts = [Prompt(str(i), box=obj.box) for i, obj in enumerate(scene.objects)]
        for obj, found in zip(scene.objects, segmenter.iter_segments(frame, prompts), strict=True):
            truth = obj.frame_mask(frame.grid.shape)
            mask = rasterize(found.geometry, frame.grid) if isinstance(found, Segment) else truth & False
            ious.append(float((mask & truth).sum() / (mask | truth).sum()))
    return ious


def val_scenes(config: AblationConfig, target: Target) -> list[Scene]:
    """Read what a target is measured on.

    Raises:
        DatasetError: It cannot be read.
    """
    specs = [
        DatasetSpec(target.layout, path, in_memory=target.layout == "coco", vertices=target.vertices)
        for path in target.val
    ]
    scenes = [scene for spec in specs for scene in open_dataset(spec).scenes]
    if target.val_videos:
        scenes += simulated_scenes(target.val_videos, VAL_SEED, scene_cache(config))
    return of_classes(scenes, target.classes)


def jobs(config: AblationConfig, only: list[str] | None) -> Iterator[Job]:
    """Yield what is not finished, one seed of all rows after the other.

    A row that is trained, but was measured by other settings, is measured again and not trained.
    """
    scenes: dict[str, list[Scene]] = {}
    for seed in config.seeds:
        for row in rows_of(config):
            if only and row.key not in only:
                continue
            if row.tune is None and seed != config.seeds[0]:
                continue
            if read_result(config, row, seed) is None:
                scenes = scenes or {target.name: val_scenes(config, target) for target in config.targets}
                otherwise = result_path(config, row, seed).is_file()
                trained = not row.tune or (otherwise and _weights(config, row, seed).is_file())
                values = None if trained else row_config(config, row, seed)
                name = f"row {row.key}, seed {seed}" + (", was measured otherwise" if otherwise else "")
                yield Job(name, values, partial(finish, config, row, seed, scenes))


def finish(config: AblationConfig, row: Row, seed: int, scenes: dict[str, list[Scene]]) -> None:
    """Measure a row that is trained, and write its result and the table."""
    folder = folder_of(config, row, seed)
    make_folder(folder, "output")
    weights = _weights(config, row, seed)
    crop = CropPolicy(kind="fixed", crop_px=config.crop_px if row.crop else 0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ious = {name: measure(weights, crop, row.head, some, device) for name, some in scenes.items()}
    result = {
        "row": row.key,
        "seed": seed,
        "measured": measuring(config, row),
        "steps": steps_of(weights) if row.tune else 0,
        "iou": {name: float(np.mean(values)) for name, values in ious.items()},
        "objects": {name: len(values) for name, values in ious.items()},
        "ious": {name: [round(v, 4) for v in values] for name, values in ious.items()},
    }
    write_text(result_path(config, row, seed), json.dumps(result))
    log.info("%s, seed %d: %s", row.title, seed, result["iou"])
    write_table(config)


def _weights(config: AblationConfig, row: Row, seed: int) -> Path:
    return folder_of(config, row, seed) / f"{row.key}.safetensors" if row.tune else resolve(base_path(config))


def write_table(config: AblationConfig) -> str:
    """Write the table of what is finished; returns it as Markdown."""
    table = table_of(config)
    return keep_table(Path(config.output), table, as_markdown(table))


def done(config: AblationConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and training configuration of what is trained: the base, if it is ours, and rows."""
    if not config.base and Path(base_path(config)).is_file():
        yield "the base", pretrain_config(config)
    for row in rows_of(config):
        for seed in config.seeds if row.tune else ():
            if result_path(config, row, seed).is_file():
                yield f"row {row.key}, seed {seed}", row_config(config, row, seed)


def run(config: AblationConfig, options: argparse.Namespace, stop: StopRequest) -> int:
    """Train and measure what is not finished; returns the exit code."""
    if not config.base and not Path(base_path(config)).is_file():
        log.info("training the base")
        code = train(pretrain_config(config), options, stop)
        if code:
            return code
    return run_jobs(jobs(config, options.rows), options, stop)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = parser_of("ablate", __doc__)
    parser.add_argument("--rows", nargs="+", help="only these rows, by the names of their folders")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    return run_series(options, load_ablation, done, run, write_table)


if __name__ == "__main__":
    sys.exit(main())
