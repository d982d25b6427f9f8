"""A run's state on disk: complete at every moment, or the one before it."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from ros_sam_core.errors import CheckpointNotSaved, CheckpointUnreadable, ConfigInvalid
from training.config import TrainConfig

BOUND = ("model", "tune", "base", "seed", "batch", "alternate")
"""Fields that a run cannot change when it goes on."""


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state beside the last one, then put it in its place.

    Raises:
        CheckpointNotSaved: The disk is full or refuses; the state before is kept.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
        free = shutil.disk_usage(path.parent).free / 1e6
        partial.unlink(missing_ok=True)
        reason = str(error) if isinstance(error, OSError) else f"the file was cut off, {free:.0f} MB are free"
        kept = f"the state before it is kept in {path}" if path.exists() else "no earlier state is there"
        raise CheckpointNotSaved(
            f"cannot write the state of step {state['step']} to {path.parent}: {reason}; {kept}. "
            "Make room, then start the same command again: it goes on from there."
        ) from error


def read_state(path: Path, config: TrainConfig) -> dict[str, Any] | None:
    """Read the newest state of a run; None where it has none yet.

    Raises:
        CheckpointUnreadable: The file is damaged.
        ConfigInvalid: It is the state of another configuration.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        told = json.loads(state["config"])
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise CheckpointUnreadable(
            f"{path} cannot be read as a run's state: {error}; move it away to start anew"
        ) from error
    ours = json.loads(config_json(config))
    differing = [name for name in BOUND if told.get(name) != ours[name]]
    if differing:
        pairs = "; ".join(f"{name} was {told.get(name)!r} and is {ours[name]!r}" for name in differing)
        raise ConfigInvalid(
            f"{path} is the state of another configuration: {pairs}. Choose another output folder, or go on "
            f"with {path.parent / 'config.json'}"
        )
    return state


def config_json(config: TrainConfig) -> str:
    """Write a configuration as JSON that `training.configfile` reads."""
    return json.dumps(dataclasses.asdict(config), indent=1)


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step.

    Raises:
        CheckpointNotSaved: It cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CheckpointNotSaved(f"cannot write {path}: {error}; make room and start again") from error
