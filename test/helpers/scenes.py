"""Scenes with many prompts, a quick model, and runs of them in processes that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from cli_files import GSD_M, ORIGIN, UTM
from pyproj import CRS

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.config import CropPolicy, ModelConfig, TinySize
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.predict.scene import segment_scene

GRID = Grid((1200, 1600), Affine(GSD_M, 0, ORIGIN[0], 0, -GSD_M, ORIGIN[1]), CRS(UTM))


def random_model(path: Path) -> Path:
    """Save a small model with random weights: it outlines nonsense, quickly and always the same."""
    torch.manual_seed(3)
    size = TinySize(
        widths=(16, 16, 32, 32), convs=(1, 1, 1), blocks=1, heads=2, decoder_dim=32, decoder_mlp=64
    )
    crop = CropPolicy(kind="scaled", scale=2.0, min_px=24, click_px=(48,))
    config = ModelConfig(arch="tiny", input_px=64, crop=crop, tiny=size, name="random-tiny")
    save_checkpoint(RosSam(config), path)
    return path


def boxes_on(grid: Grid, count: int, seed: int = 0) -> PromptTable:
    """Return boxes of 8 to 14 px anywhere on a grid, and one prompt beside it."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 1, (count, 2)) * (np.array(grid.size) - 50)
    low[count // 2] = -500
    corners = [grid.pixel_to_map(low), grid.pixel_to_map(low + rng.uniform(8, 14, (count, 2)))]
    return PromptTable.of([f"b{i}" for i in range(count)], grid.crs, boxes=np.hstack(corners))


def processes() -> ForkServerContext:
    """Return a maker of processes that start with everything imported and nothing run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ros_sam_core.predict.scene", "ros_sam_core.model.checkpoints", "torch"])
    return context


def start(*arguments: Any) -> ForkServerProcess:
    """Start `segment_scene` in a process of its own."""
    process = processes().Process(target=segment_scene, args=arguments)
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """Kill a process as nothing can prevent."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def peak_mb(*arguments: Any) -> float:
    """Run `segment_scene` in a process of its own and return its largest resident memory."""
    ours, theirs = processes().Pipe(duplex=False)
    process = processes().Process(target=_run_and_tell, args=(theirs, *arguments))
    process.start()
    theirs.close()
    told = float(ours.recv())
    process.join()
    return told


def _run_and_tell(told: Connection, *arguments: Any) -> None:
    segment_scene(*arguments)
    told.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
