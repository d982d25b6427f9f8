"""A fine-tuned model as what was learned alone: a LoRA adapter's folder, used beside its base weights.

The folder is peft's own layout for the image encoder, ``adapter_config.json`` and
``adapter_model.safetensors``, so that peft's tools read it, and beside them ``heads.safetensors``: the
prompt encoder and the mask decoder, with the model's configuration and the base's sha256 in its metadata.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from ros_sam_core.errors import AdapterInvalid, CheckpointMismatch, CheckpointNotSaved, LoraStateInvalid
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.graphs import shorten
from ros_sam_core.model.layouts import check_shapes, expected_shapes, not_finite, shapes_of
from ros_sam_core.model.lora import has_lora, merge_lora
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.weight_files import give_usual_mode, save_weights
from ros_sam_core.model.zoo import ZOO, path_of

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "heads.safetensors")
_CONFIG_KEY, _BASE_KEY = "ros_sam_config", "base_sha256"
_ENCODER = "image_encoder."


def is_adapter(folder: Path) -> bool:
    """Say whether a folder is meant as an adapter's."""
    return (folder / ADAPTER_FILES[0]).is_file()


def save_adapter(
    model: RosSam,
    folder: str | os.PathLike[str],
    base: str,
    base_sha256: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write what a model learned beside its base weights; a folder that is there is replaced in one step.

    Args:
        model: With LoRA that is not merged.
        folder: Where to; its parent exists.
        base: The base weights: a name of the zoo, or a path.
        base_sha256: Their hash, as `LoadedModel` has it.
        metadata: What else the files should say of the model.

    Raises:
        LoraStateInvalid: The model carries no LoRA.
        CheckpointNotSaved: The folder cannot be written.
    """
    if not has_lora(model):
        raise LoraStateInvalid("the model carries no LoRA, so there is no adapter to save; save it whole")
    folder = Path(folder)
    told = {**(metadata or {}), _CONFIG_KEY: model.config.to_json(), _BASE_KEY: base_sha256}
    heads = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith(_ENCODER)
    }
    encoder: Any = model.image_encoder
    named = base if base in ZOO else _beside(Path(base).resolve(), folder.resolve())
    encoder.peft_config["default"].base_model_name_or_path = named
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
            unfinished = Path(made) / folder.name
            encoder.save_pretrained(unfinished, save_embedding_layers=False)
            give_usual_mode(unfinished / ADAPTER_FILES[1])
            save_weights(heads, unfinished / ADAPTER_FILES[2], told)
            if folder.exists():
                folder.replace(Path(made) / "before")
            unfinished.replace(folder)
    except (OSError, SafetensorError) as error:
        raise CheckpointNotSaved(
            f"cannot write {folder}: {error}; is its parent there and writable?"
        ) from error


def _beside(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, so that both may move together."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return str(path)


def find_base(folder: Path) -> Path:
    """Return where an adapter's base weights are.

    Raises:
        AdapterInvalid: The folder is incomplete, or the base is nowhere.
        ModelNotDownloaded: The base has a name, but is not on this machine.
    """
    absent = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if absent:
        raise AdapterInvalid(
            f"the adapter {folder} holds no {' and no '.join(absent)}; copy the whole folder, or export anew"
        )
    try:
        base = json.loads((folder / ADAPTER_FILES[0]).read_text())["base_model_name_or_path"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise AdapterInvalid(
            f"{folder / ADAPTER_FILES[0]} cannot be read as peft's configuration: {error!r}"
        ) from error
    if not isinstance(base, str) or not base:
        raise AdapterInvalid(f"{folder / ADAPTER_FILES[0]} does not name its base weights")
    if base in ZOO:
        return path_of(base)
    places = [folder / base, folder / Path(base).name, folder.parent / Path(base).name]
    for place in places:
        if place.exists():
            return place.resolve()
    raise AdapterInvalid(
        f"the adapter {folder} needs its base weights {base!r}, which are not there; put the file "
        f"{Path(base).name} beside the folder"
    )


def apply_adapter(folder: Path, base: RosSam, base_sha256: str) -> tuple[RosSam, dict[str, str]]:
    """Turn base weights into the model that an adapter makes of them, LoRA merged.

    Args:
        folder: The adapter's.
        base: Its base; changed.
        base_sha256: The base's hash.

    Returns:
        The model in evaluation mode, and what its metadata says.

    Raises:
        AdapterInvalid: The files are damaged or incomplete, or the base is another one than the adapter was
            trained on.
        CheckpointMismatch: The heads do not fit the configuration.
        ConfigInvalid: The configuration in the adapter makes no sense.
    """
    from peft import PeftModel

    heads, metadata = _read_heads(folder / ADAPTER_FILES[2])
    learned, _ = _read(folder / ADAPTER_FILES[1])
    config = ModelConfig.from_json(metadata.pop(_CONFIG_KEY))
    trained_on = metadata.pop(_BASE_KEY)
    if trained_on != base_sha256:
        raise AdapterInvalid(
            f"the adapter {folder} was trained on base weights {trained_on[:12]}, but these are "
            f"{base_sha256[:12]}; put the right file beside it"
        )
    expected = expected_shapes(config)
    if {k: v for k, v in expected.items() if k.startswith(_ENCODER)} != {
        k: v for k, v in shapes_of(base.state_dict()).items() if k.startswith(_ENCODER)
    }:
        raise CheckpointMismatch(f"the adapter {folder} is for another image encoder than its base has")
    check_shapes(
        shapes_of(heads),
        {k: v for k, v in expected.items() if not k.startswith(_ENCODER)},
        ADAPTER_FILES[2],
    )
    model = RosSam(config)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # peft's remarks on modules without a config
            encoder = PeftModel.from_pretrained(base.image_encoder, str(folder))
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise AdapterInvalid(
            f"the adapter {folder} does not fit its base: {error}; export it anew"
        ) from error
    _require_all_learned(encoder, learned, folder)
    model.image_encoder = encoder
    model.load_state_dict(heads, strict=False)
    return merge_lora(model).requires_grad_(True).eval(), metadata


def _require_all_learned(encoder: Any, learned: Mapping[str, Tensor], folder: Path) -> None:
    """Raise where a file does not hold just what its adapter learned; peft leaves random what it lacks."""
    from peft import get_peft_model_state_dict

    wanted = get_peft_model_state_dict(encoder, save_embedding_layers=False)
    try:
        check_shapes(shapes_of(learned), shapes_of(wanted), ADAPTER_FILES[1])
    except CheckpointMismatch as error:
        raise AdapterInvalid(f"the adapter {folder} is not whole: {error}") from error


def _read_heads(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    heads, metadata = _read(path)
    absent = [key for key in (_CONFIG_KEY, _BASE_KEY) if key not in metadata]
    if absent:
        raise AdapterInvalid(f"{path} does not say its {' and its '.join(absent)}; export the adapter anew")
    return heads, metadata


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors of a file, as float32, and its metadata."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AdapterInvalid(f"{path} is cut off or no safetensors file ({error}); export it anew") from error
    if broken := not_finite(tensors):
        raise AdapterInvalid(f"{path} holds weights that are not finite: {shorten(broken)}; export it anew")
    return tensors, metadata
