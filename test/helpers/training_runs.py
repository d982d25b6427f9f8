"""Small training configurations, the command that users give, and what it leaves."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

CONFIGS = Path(__file__).resolve().parents[2] / "training" / "configs"
SMALL = """
output = "{output}"
steps = {steps}
batch = 2
warmup = 2
save_every = 2
validate_every = 100
precision = "no"
[data]
procedural = 2
procedural_share = 1.0
cache = "{cache}"
workers = 0
[loss]
num_points = 256
rounds = 2
[model]
input_px = 64
name = "small"
[model.tiny]
widths = [16, 16, 32, 32]
convs = [1, 1, 1]
blocks = 2
heads = 2
decoder_dim = 64
decoder_mlp = 64
"""


@cache
def scene_cache() -> Path:
    """Return a folder in which this session's procedural scenes are rendered once."""
    folder = tempfile.mkdtemp(prefix="ros-sam-scenes-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def write_config(folder: Path, name: str = "run", steps: int = 4, top: str = "") -> Path:
    """Write a configuration whose run takes seconds; `top` adds or replaces top-level fields."""
    path = folder / f"{name}.toml"
    text = SMALL.format(output=folder / name, steps=steps, cache=scene_cache())
    given = {line.split("=")[0].strip() for line in top.splitlines() if "=" in line}
    lines = [line for line in text.splitlines() if line.split("=")[0].strip() not in given]
    path.write_text("\n".join([top, *lines]))
    return path


def command(*arguments: object) -> list[str]:
    """Return the command of a run on one thread."""
    return [sys.executable, "-m", "training.train", *map(str, arguments)]


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment, check=False, **options
    )


def weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights and the averaged weights of a run's newest state."""
    state = torch.load(folder / "state.pt", weights_only=True)
    return state["weights"] | {f"average of {name}": value for name, value in state["average"].items()}


def largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Return the largest difference of any weight."""
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)
