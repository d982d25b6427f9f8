"""Files that are no checkpoint, or not this one, are refused by one clear error."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_files import (
    Tensors,
    random_hq_sam,
    random_release,
    write_release,
)
from sam_models import golden

from ros_sam_core.errors import (
    CheckpointLayoutUnknown,
    CheckpointMismatch,
    CheckpointNotFound,
    CheckpointUnreadable,
)
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import tiny_config
from ros_sam_core.model.ros_sam import RosSam

pytestmark = pytest.mark.usefixtures("small_vit_b")


# Refusals when loading: tensors


def drop(key: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.pop(key)


def add(key: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({key: torch.zeros(3)})


def reshape(key: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({key: torch.zeros(2, 3)})


MISMATCHES = {
    "missing": (
        drop("image_encoder.blocks.1.attn.qkv.bias"),
        r"1 missing: image_encoder\.blocks\.1\.attn\.qkv\.bias",
    ),
    "missing-position": (drop("image_encoder.pos_embed"), r"1 missing: image_encoder\.pos_embed"),
    "extra": (
        add("image_encoder.blocks.9.attn.qkv.bias"),
        r"1 not expected: image_encoder\.blocks\.9\.attn\.qkv\.bias",
    ),
    "shape": (reshape("mask_decoder.iou_token.weight"), r"iou_token\.weight \[2, 3\], expected \[1, 256\]"),
    "fused-shape": (
        reshape("image_encoder.blocks.0.attn.qkv.weight"),
        r"qkv\.weight \[2, 3\], expected \[144, 48\]",
    ),
    "hq-missing": (
        drop("mask_decoder.hf_mlp.layers.1.bias"),
        r"1 missing: mask_decoder\.hf_mlp\.layers\.1\.bias",
    ),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, case: str) -> None:
    change, message = MISMATCHES[case]
    tensors = random_hq_sam()
    change(tensors)
    torch.save(tensors, tmp_path / "bad.pth")
    with pytest.raises(CheckpointMismatch, match=message):
        load_checkpoint(tmp_path / "bad.pth")


RELEASE_MISMATCHES = {
    "lora-missing": (
        drop("image_encoder.blocks.0.attn.qkv.linear_b_v.weight"),
        r"model_1\.safetensors .* 1 missing: image_encoder\.blocks\.0\.attn\.qkv\.linear_b_v\.weight",
    ),
    "lora-a-missing": (
        drop("image_encoder.blocks.0.attn.qkv.linear_a_v.weight"),
        r"1 missing: image_encoder\.blocks\.0\.attn\.qkv\.linear_a_v\.weight",
    ),
    "lora-shape": (
        reshape("image_encoder.blocks.2.attn.qkv.linear_b_q.weight"),
        r"linear_b_q\.weight \[2, 3\], expected \[48, 4\]",
    ),
    "sams-decoder-missing": (
        drop("mask_decoder.iou_token.weight"),
        r"1 missing: mask_decoder\.iou_token\.weight",
    ),
}


@pytest.mark.parametrize("case", RELEASE_MISMATCHES)
def test_release_tensors_that_do_not_fit_are_named(tmp_path: Path, case: str) -> None:
    change, message = RELEASE_MISMATCHES[case]
    decoder, sam = random_release()
    change(sam)
    with pytest.raises(CheckpointMismatch, match=message):
        load_checkpoint(write_release(tmp_path / "run", decoder, sam))


def test_release_decoder_that_does_not_fit_is_named(tmp_path: Path) -> None:
    decoder, sam = random_release()
    del decoder["hf_token.weight"]
    with pytest.raises(CheckpointMismatch, match=r"^model\.safetensors .* 1 missing: hf_token\.weight"):
        load_checkpoint(write_release(tmp_path / "run", decoder, sam))


# Refusals when loading: files


class Harmful:
    """Unpickling this would run a command."""

    def __reduce__(self):
        return print, ("code ran",)


def write_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


FOREIGN: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "empty": (write_bytes(b""), CheckpointUnreadable, "0 bytes"),
    "text": (write_bytes(b"hello\n" * 100), CheckpointUnreadable, "no checkpoint"),
    "web-page": (write_bytes(b"<!DOCTYPE html><html>404</html>"), CheckpointUnreadable, "no checkpoint"),
    "zeros": (write_bytes(bytes(4096)), CheckpointUnreadable, "no checkpoint"),
    "zip": (write_bytes(b"PK\x05\x06" + bytes(18)), CheckpointUnreadable, "no checkpoint"),
    "code": (
        lambda path: path.write_bytes(pickle.dumps(Harmful(), protocol=2)),
        CheckpointUnreadable,
        "only weights are read",
    ),
    "code-in-torch": (
        lambda path: torch.save(Harmful(), path),
        CheckpointUnreadable,
        "only weights are read",
    ),
    "module": (
        lambda path: torch.save(torch.nn.Linear(1, 1), path),
        CheckpointUnreadable,
        "only weights are read",
    ),
    "list": (lambda path: torch.save([torch.zeros(1)], path), CheckpointLayoutUnknown, "holds a list"),
    "nested": (
        lambda path: torch.save({"model": {}}, path),
        CheckpointLayoutUnknown,
        "other things than tensors",
    ),
    "no-tensor": (lambda path: torch.save({}, path), CheckpointLayoutUnknown, "none at all"),
    "other-model": (
        lambda path: torch.save({"fc.weight": torch.zeros(1)}, path),
        CheckpointLayoutUnknown,
        r"fc\.weight",
    ),
    "tiny-vit": (
        lambda path: torch.save({"image_encoder.layers.0.blocks.0.conv1.c.weight": torch.zeros(1)}, path),
        CheckpointLayoutUnknown,
        "TinyViT",
    ),
    "other-width": (
        lambda path: torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 384)}, path),
        CheckpointLayoutUnknown,
        "no model known here",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_file_is_one_clear_error(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write, error, message = FOREIGN[case]
    path = tmp_path / "model.pth"
    write(path)
    with pytest.raises(error, match=message) as raised:
        load_checkpoint(path)
    assert "\n" not in str(raised.value)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("case", ["empty", "text", "web-page", "zeros", "zip", "code"])
def test_foreign_safetensors_is_one_clear_error(tmp_path: Path, case: str) -> None:
    path = tmp_path / "model.safetensors"
    FOREIGN[case][0](path)
    with pytest.raises(CheckpointUnreadable, match=re.escape(str(path))):
        load_checkpoint(path)


@pytest.mark.parametrize("kind", ["new.pth", "old.pth", "ours.safetensors"])
def test_truncated_file_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / kind
    if kind == "ours.safetensors":
        save_checkpoint(RosSam(tiny_config()), whole)
    else:
        torch.save(random_hq_sam(), whole, _use_new_zipfile_serialization=kind == "new.pth")
    content = whole.read_bytes()
    cut = tmp_path / f"cut{whole.suffix}"
    for kept in (1, 2, 7, 8, 9, 50, 1000, len(content) // 2, len(content) - 1000, len(content) - 1):
        cut.write_bytes(content[:kept])
        with pytest.raises((CheckpointUnreadable, CheckpointMismatch)):
            load_checkpoint(cut)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFound, match=r"no checkpoint at .*absent\.pth"):
        load_checkpoint(tmp_path / "absent.pth")


def test_golden_key_lists_are_the_expected_ones() -> None:
    """The lists of the published files have these names; the golden runs (slow) hold their shapes."""
    hq = json.loads(golden("hq_sam_vit_b_keys.json").read_text())
    release = json.loads(golden("ros_sam_vit_b_keys.json").read_text())
    few = {"blocks.0.", "blocks.1.", "blocks.2."}

    def small(names: list[str]) -> set[str]:
        return {n for n in names if ".blocks." not in n or any(part in n for part in few)}

    decoder, sam = random_release()
    assert set(random_hq_sam()) == small(list(hq))
    assert set(decoder) == small(list(release["model.safetensors"]))
    assert set(sam) == small(list(release["model_1.safetensors"]))
