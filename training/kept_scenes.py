"""Scenes that are made once and kept on disk."""

from __future__ import annotations

import logging
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ros_sam_core.errors import OutputFailed
from training.scenes import Scene

log = logging.getLogger(__name__)
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading an `.npz` raises that is cut off or holds something else."""


def keep(file: Path, compressed: bool, **arrays: Any) -> None:
    """Write arrays as an `.npz` in one step.

    Raises:
        OutputFailed: The disk is full or refuses.
    """
    partial = file.with_suffix(f".{os.getpid()}.partial.npz")  # several trainings may make the same scene
    try:
        (np.savez_compressed if compressed else np.savez)(partial, **arrays)
        os.replace(partial, file)
    except (OSError, ValueError) as error:  # an archive that cannot be ended is a ValueError
        partial.unlink(missing_ok=True)
        raise OutputFailed(
            f"cannot keep a scene in {file}: {error}; make room, or name another folder in data.cache"
        ) from error


def kept(file: Path, load: Callable[[], Scene], make: Callable[[], object]) -> Scene:
    """Load a scene that was kept; one that is damaged is named and made again.

    Raises:
        OutputFailed: It cannot be written again.
    """
    try:
        return load()
    except DAMAGED as error:
        log.warning("%s is damaged (%s) and is made again", file, error)
        file.unlink(missing_ok=True)
        make()
        return load()
