"""Write the layout of ROS-SAM's release: `img/*.png`, `boxes/*.npy`, `onehotmask/*.npy`, and `frames.json`.

Each file is written beside its place and then put there, the image last: a frame with an image is complete.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.readers.release import INDEX
from training.scenes import Scene

FOLDERS = ("onehotmask", "boxes", "img")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is whole at every moment."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that it is whole at every moment."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


def is_written(folder: Path, stem: str) -> bool:
    """Say whether a frame is there in full."""
    return (folder / "img" / f"{stem}.png").exists()


def write_frame(folder: Path, stem: str, scene: Scene) -> None:
    """Write a frame: image uint8 RGB, boxes float32 [N, 4] xyxy, masks uint8 [N, H, W] of 0 and 255.

    Args:
        folder: Of the split.
        stem: Name of the frame's files without suffix.
        scene: The frame.

    Raises:
        DatasetError: Its pixels cannot be read.
        OSError: The disk is full, or the folder cannot be written.
    """
    rgb = scene.rgb
    masks = np.zeros((len(scene.objects), *scene.shape), np.uint8)
    for i, obj in enumerate(scene.objects):
        masks[i][obj.frame_mask(scene.shape)] = 255
    boxes = np.array([obj.box for obj in scene.objects], np.float32).reshape(-1, 4)
    for name, array in (("onehotmask", masks), ("boxes", boxes)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, array)
        write_bytes(folder / name / f"{stem}.npy", buffer.getvalue())
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    (folder / "img").mkdir(exist_ok=True)
    write_bytes(folder / "img" / f"{stem}.png", buffer.getvalue())


def index_entry(scene: Scene) -> dict[str, Any]:
    """Return what the layout itself cannot hold of a frame: video, time, classes, ids and tracks."""
    entry: dict[str, Any] = {"video": scene.video, "frame": scene.frame, "name": scene.name}
    if scene.time:
        entry["time"] = scene.time
    return entry | {
        "classes": [obj.class_name for obj in scene.objects],
        "ids": [obj.id for obj in scene.objects],
        "tracks": [obj.track for obj in scene.objects],
    }


def write_index(folder: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Write the index of a split's frames, by stem."""
    write_json(folder / INDEX, {"frames": entries})
