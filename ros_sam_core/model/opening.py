"""Open a model by name or path with the library that suits it; torch is imported only where it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ros_sam_core.errors import DeviceUnavailable
from ros_sam_core.model.backend import Backend
from ros_sam_core.model.zoo import resolve


@dataclass(frozen=True)
class OpenedModel:
    """An open model and what provenance says of it.

    Attributes:
        backend: The model.
        name: Its name.
        weights: Short sha256 of its weights.
    """

    backend: Backend
    name: str
    weights: str


def open_model(model: str | os.PathLike[str], device: str = "cpu", threads: int = 0) -> OpenedModel:
    """Open a model.

    Args:
        model: A name of `ros_sam_core.model.zoo`, or the path of a checkpoint.
        device: "cpu", "cuda" or "mps".
        threads: Processor threads that compute; 0 leaves it to the library.

    Raises:
        DeviceUnavailable: There is no such device here.
        RosSamError: The weights are not there, or cannot be read.
    """
    return _open_with_torch(resolve(model), device, threads)


def _open_with_torch(path: Path, device: str, threads: int) -> OpenedModel:
    import torch

    from ros_sam_core.model.checkpoints import load_checkpoint
    from ros_sam_core.model.torch_backend import TorchBackend

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceUnavailable(f"device {device!r} is not available here: {error}; use 'cpu'") from error
    if threads:
        torch.set_num_threads(threads)
    loaded = load_checkpoint(path)
    name = loaded.model.config.name or path.stem
    return OpenedModel(TorchBackend(loaded.model.to(device)), name, loaded.sha256[:12])
