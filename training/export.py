"""What a run ends in: weights that `ros-sam segment --model` takes."""

from __future__ import annotations

from pathlib import Path

import torch

from ros_sam_core.model.adapters import save_adapter
from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.lora import merge_lora
from training.run import Run
from training.tuning import base_name


def export(run: Run) -> list[Path]:
    """Write the averaged weights as the configuration says; the run ends with it, since LoRA is merged.

    Returns:
        One `.safetensors` in half precision, the folder of an adapter, or both.

    Raises:
        CheckpointNotSaved: They cannot be written, or are not finite in half precision.
    """
    config = run.config
    name = config.model.name or config.model.arch
    metadata = {"steps": str(run.step), "base": config.base, "seed": str(config.seed)}
    if run.teacher_hash:
        metadata["teacher"] = f"{config.distil.teacher} ({run.teacher_hash[:12]})"
    written = []
    with run.average.applied():
        if config.export in ("adapter", "both"):
            folder = run.folder / f"{name}-lora"
            save_adapter(run.model, folder, base_name(config), run.base_hash, metadata)
            written.append(folder)
        if config.export in ("merged", "both"):
            merged = merge_lora(run.model)
            path = run.folder / f"{name}.safetensors"
            save_checkpoint(merged, path, dtype=torch.float16, metadata=metadata)
            written.append(path)
    return written
