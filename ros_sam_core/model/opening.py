"""Open a model by name or path with the library that suits it; torch is imported only where it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from ros_sam_core.errors import CheckpointUnreadable, DeviceUnavailable, InvalidParameter, LibraryMissing
from ros_sam_core.model.backend import Backend
from ros_sam_core.model.zoo import resolve

Runtime = Literal["auto", "onnx", "torch"]
"""Which library computes: "auto" is ONNX Runtime where the model has graphs and the device is the CPU."""


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


def open_model(
    model: str | os.PathLike[str], device: str = "cpu", threads: int = 0, runtime: Runtime = "auto"
) -> OpenedModel:
    """Open a model.

    SAM's sizes compute their encoder in bfloat16 on processors that multiply it natively: about twice as
    fast, with the same outlines (`docs/benchmarks.md`).

    Args:
        model: A name of `ros_sam_core.model.zoo`, or the path of a checkpoint or of an export's folder.
        device: "cpu", "cuda" or "mps".
        threads: Processor threads that compute; 0 leaves it to the library.
        runtime: Which library computes.

    Raises:
        DeviceUnavailable: There is no such device here.
        LibraryMissing: The library that the model needs is not installed.
        RosSamError: The weights are not there, or cannot be read.
    """
    if runtime not in get_args(Runtime):
        raise InvalidParameter(f"runtime is {runtime!r}; use one of {', '.join(get_args(Runtime))}")
    path = resolve(model)
    if runtime == "onnx" and device != "cpu":
        raise DeviceUnavailable(f"device {device!r} needs the runtime 'torch'; 'onnx' computes on the CPU")
    if runtime == "onnx" or (runtime == "auto" and device == "cpu"):
        opened = _open_with_onnx(path, threads, required=runtime == "onnx")
        if opened is not None:
            return opened
    return _open_with_torch(path, device, threads)


def _open_with_onnx(path: Path, threads: int, required: bool) -> OpenedModel | None:
    from ros_sam_core.model.graphs import find_graphs, sha256_of

    files = find_graphs(path)
    if files is None:
        if required:
            raise InvalidParameter(f"{path} has no ONNX graphs; use runtime 'torch', or export it first")
        return None
    if find_spec("onnxruntime") is None:
        if required:
            raise LibraryMissing("ONNX Runtime is not installed here; pip install onnxruntime")
        return None
    from ros_sam_core.model.onnx_backend import OnnxBackend

    name = files.config.name or path.stem
    return OpenedModel(OnnxBackend(files, threads), name, sha256_of(files.weights)[:12])


def _open_with_torch(path: Path, device: str, threads: int) -> OpenedModel:
    if not has_torch():
        _require_readable(path)
    require_torch(f"{path.name} on {device!r}")
    import torch

    from ros_sam_core.model.checkpoints import load_checkpoint
    from ros_sam_core.model.graphs import WEIGHTS, is_export
    from ros_sam_core.model.torch_backend import TorchBackend

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceUnavailable(f"device {device!r} is not available here: {error}; use 'cpu'") from error
    if threads:
        torch.set_num_threads(threads)
    loaded = load_checkpoint(path / WEIGHTS if is_export(path) else path)
    name = loaded.model.config.name or path.stem
    opened = loaded.model.to(device)
    if device == "cpu" and opened.config.arch != "tiny" and _has_bfloat16():
        opened.use_encoder_dtype(torch.bfloat16)
    return OpenedModel(TorchBackend(opened), name, loaded.sha256[:12])


def _has_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 natively; elsewhere it is slower than float32."""
    import torch

    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("sve_bf16"))


def has_torch() -> bool:
    """Say whether what PyTorch models need is installed."""
    return find_spec("torch") is not None and find_spec("segment_anything") is not None


def require_torch(what: str) -> None:
    """Raise where PyTorch is missing.

    Raises:
        LibraryMissing: It is; `what` needs it.
    """
    if not has_torch():
        raise LibraryMissing(
            f"{what} needs PyTorch, which is not installed here; pip install 'ros-sam[torch]', or in QGIS "
            "set the engine up anew with PyTorch"
        )


def _require_readable(path: Path) -> None:
    """Raise where it is the file that is at fault, and not the missing library.

    Raises:
        CheckpointUnreadable: A safetensors file is cut off or none.
        ConfigInvalid: The configuration in it makes no sense.
    """
    from safetensors import SafetensorError, safe_open

    from ros_sam_core.model.config import ModelConfig
    from ros_sam_core.model.graphs import CONFIG_KEY

    if path.suffix != ".safetensors" or not path.is_file():
        return
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointUnreadable(f"{path} is cut off or no checkpoint ({error}); get it anew.") from error
    if CONFIG_KEY in metadata:
        ModelConfig.from_json(metadata[CONFIG_KEY])
