"""A run's state on disk: complete at every moment, or the one before it."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch

from ros_sam_core.errors import CheckpointNotSaved, CheckpointUnreadable, ConfigInvalid, OutputFailed
from training.config import TrainConfig
from training.configfile import build

FREE = frozenset(
    {
        "output",
        "steps",
        "epochs",
        "accumulate",
        "gradient_checkpointing",
        "save_every",
        "validate_every",
        "log_every",
        "not_finite",
        "export",
        "data.workers",
        "data.cache",
        "data.sets.in_memory",
        "data.sets.verify",
    }
)
"""Fields that may change when a run goes on; every other one would make it another run."""


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
    if changed := changes(told, config):
        raise ConfigInvalid(
            f"{path} is the state of another configuration: {'; '.join(changed)}. Choose another output "
            f"folder, or go on with {path.parent / 'config.json'}"
        )
    return state


def changes(told: dict[str, Any], config: TrainConfig, free: Collection[str] = FREE) -> list[str]:
    """Say how a configuration differs from an earlier one.

    Args:
        told: The earlier one, as `config_json` wrote it; fields that there were not yet have their defaults.
        config: The present one.
        free: Fields that may differ.

    Returns:
        "FIELD was VALUE and is VALUE" of each other field that differs.
    """
    earlier = build(TrainConfig, told, "", [])
    before = told if earlier is None else json.loads(config_json(earlier))
    return list(_changes(before, json.loads(config_json(config)), free))


def _changes(old: Any, new: Any, free: Collection[str], name: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**new, **old}:
            yield from _changes(old.get(key), new.get(key), free, f"{name}.{key}" if name else key)
    elif _tables(old) and _tables(new) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from _changes(*pair, free, f"{name}[{i}]")
    elif old != new and re.sub(r"\[\d+\]", "", name) not in free:
        yield f"{name} was {old!r} and is {new!r}"


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def config_json(config: TrainConfig) -> str:
    """Write a configuration as JSON that `training.configfile` reads."""
    return json.dumps(dataclasses.asdict(config), indent=1)


def make_folder(folder: Path, what: str) -> None:
    """Make a folder, and those above it, where they are not there.

    Args:
        folder: Its path.
        what: The field or the option that names it, for the message.

    Raises:
        OutputFailed: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{what} is {folder}, which cannot be made: {error}; name another") from error


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
