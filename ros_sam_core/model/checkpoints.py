"""Checkpoints in and out: SAM, HQ-SAM, ROS-SAM's release, this project's own, and LoRA adapters on them.

Ours is one ``.safetensors`` with the configuration as JSON in its metadata. Files are untrusted: a
``.pth`` is read with ``weights_only=True``, and every tensor must have the name and the shape that the
model expects.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ros_sam_core.errors import (
    CheckpointLayoutUnknown,
    CheckpointNotFound,
    CheckpointNotSaved,
    CheckpointUnreadable,
    LoraStateInvalid,
)
from ros_sam_core.model.adapters import ADAPTER_FILES, apply_adapter, find_base, is_adapter
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.graphs import CONFIG_KEY, sha256_of, shorten
from ros_sam_core.model.layouts import (
    Tensors,
    blueprint,
    check_shapes,
    expected_shapes,
    not_finite,
    read_release,
    read_sam,
    shapes_of,
)
from ros_sam_core.model.lora import has_lora
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.weight_files import save_weights

RELEASE_FILES = ("model.safetensors", "model_1.safetensors")


@dataclass(frozen=True)
class LoadedModel:
    """A model and where it comes from.

    Attributes:
        model: In evaluation mode, float32, on the CPU, LoRA merged.
        layout: What the file was: "SAM", "HQ-SAM", "ROS-SAM release", "ros-sam" or "LoRA adapter".
        sha256: Hexadecimal, of the file; of the release's two files one after the other, and of an adapter's
            files, whose metadata holds the hash of the base.
        metadata: What else the file says of itself (ours only).
    """

    model: RosSam
    layout: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def load_checkpoint(path: str | os.PathLike[str]) -> LoadedModel:
    """Read a checkpoint of any of the layouts.

    Args:
        path: A ``.pth`` of SAM or HQ-SAM, a folder of ROS-SAM's release, a ``.safetensors`` of ours, or the
            folder of a LoRA adapter, whose base weights are then read as well.

    Raises:
        CheckpointNotFound: There is nothing at the path, or the folder holds no release.
        CheckpointUnreadable: The file is empty, cut off or no checkpoint, or weights are not finite.
        CheckpointLayoutUnknown: The tensors are those of another model.
        CheckpointMismatch: Tensors are missing, too many or of the wrong shape.
        ConfigInvalid: The configuration in our file makes no sense.
        AdapterInvalid: An adapter is incomplete, or its base weights are missing or others.
    """
    path = Path(path)
    if path.is_dir():
        return _load_adapter(path) if is_adapter(path) else _load_release(path)
    if not path.exists():
        raise CheckpointNotFound(
            f"there is no checkpoint at {path}; `ros-sam models list` shows the known models"
        )
    tensors, metadata = _read(path)
    if CONFIG_KEY in metadata:
        config, layout = ModelConfig.from_json(metadata.pop(CONFIG_KEY)), "ros-sam"
        check_shapes(shapes_of(tensors), expected_shapes(config), path.name)
    else:
        _refuse_part_of_release(tensors, path)
        config, tensors, layout = read_sam(tensors, path.stem)
    return LoadedModel(_build(config, tensors, path), layout, sha256_of(path), metadata)


def save_checkpoint(
    model: RosSam,
    path: str | os.PathLike[str],
    dtype: torch.dtype = torch.float32,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model as one ``.safetensors`` of our layout; an existing file is replaced in one step.

    Args:
        model: LoRA merged.
        path: Where to; its folder exists.
        dtype: Precision of the stored weights, float32 or float16. Reading gives float32 again.
        metadata: What else the file should say of itself.

    Raises:
        LoraStateInvalid: The model carries LoRA that is not merged.
        CheckpointNotSaved: The file cannot be written, or a weight is not finite in this precision.
    """
    path = Path(path)
    if has_lora(model):
        raise LoraStateInvalid("the model carries LoRA that is not merged; call merge_lora(model) first")
    tensors = {
        name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()
    }
    if broken := not_finite(tensors):
        raise CheckpointNotSaved(
            f"weights are not finite as {dtype}, so {path} is not written: {shorten(broken)}"
        )
    told = {**(metadata or {}), CONFIG_KEY: model.config.to_json()}
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            unfinished = Path(folder) / path.name
            save_weights(tensors, unfinished, told)
            unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointNotSaved(
            f"cannot write {path}: {error}; is the folder there and writable?"
        ) from error


def _load_release(folder: Path) -> LoadedModel:
    paths = [folder / name for name in RELEASE_FILES]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise CheckpointNotFound(
            f"the folder {folder} holds no {' and no '.join(absent)}; "
            f"a ROS-SAM release has {' and '.join(RELEASE_FILES)}"
        )
    (decoder, _), (sam, _) = (_read(path) for path in paths)
    config, state = read_release(decoder, sam, folder.resolve().name)
    return LoadedModel(_build(config, state, folder), "ROS-SAM release", sha256_of(*paths))


def _load_adapter(folder: Path) -> LoadedModel:
    base = load_checkpoint(find_base(folder))
    model, metadata = apply_adapter(folder, base.model, base.sha256)
    digest = sha256_of(*(folder / name for name in ADAPTER_FILES))
    return LoadedModel(model, "LoRA adapter", digest, metadata)


def _build(config: ModelConfig, state: Tensors, source: Path) -> RosSam:
    """Make the model around tensors whose names and shapes were checked."""
    model = blueprint(config)
    state = {name: value.float().contiguous() for name, value in state.items()}
    if broken := not_finite(state):
        raise CheckpointUnreadable(
            f"{source} holds weights that are not finite: {shorten(broken)}; get it anew"
        )
    model.load_state_dict(state, strict=True, assign=True)
    return model.requires_grad_(True).eval()


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Read all tensors of a file and its metadata, which only safetensors has."""
    if path.stat().st_size == 0:
        raise CheckpointUnreadable(f"{path} is empty (0 bytes); was its download broken off? Get it anew.")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointUnreadable(
            f"{path} is no checkpoint, or holds more than weights; only weights are read, since other "
            "content could run code. Get the file from its publisher."
        ) from error
    except OSError as error:
        raise CheckpointUnreadable(f"cannot read {path}: {error}") from error
    except (
        SafetensorError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
    ) as error:
        raise CheckpointUnreadable(f"{path} is cut off or no checkpoint ({error}); get it anew.") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise CheckpointLayoutUnknown(
            f"{path} holds a {type(loaded).__name__} of other things than tensors; "
            "a SAM or HQ-SAM file is a plain dictionary of tensors"
        )
    return loaded, {}


def _refuse_part_of_release(tensors: Tensors, path: Path) -> None:
    if "hf_token.weight" in tensors or any(".attn.qkv.linear_a_q." in key for key in tensors):
        raise CheckpointLayoutUnknown(
            f"{path} is one of the two files of a ROS-SAM release; "
            f"give the folder that holds {' and '.join(RELEASE_FILES)}"
        )
