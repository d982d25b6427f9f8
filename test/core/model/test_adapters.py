"""LoRA adapters: what is saved beside its base is the model that was trained, and nothing else opens."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from ros_sam_core.errors import AdapterInvalid, CheckpointNotSaved, LoraStateInvalid
from ros_sam_core.model.adapters import ADAPTER_FILES, save_adapter
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import TinySize, sam_config, tiny_config
from ros_sam_core.model.lora import add_lora, merge_lora
from ros_sam_core.model.ros_sam import PromptBatch, RosSam

TINY = replace(
    tiny_config(),
    input_px=64,
    name="small",
    tiny=TinySize((16, 16, 32, 32), (1, 1, 1), blocks=3, heads=2, decoder_dim=64, decoder_mlp=64),
)


def changed(model: RosSam) -> RosSam:
    """Move every weight that learns, as training would."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return model.eval()


def masks(model: RosSam) -> torch.Tensor:
    side = model.config.input_px
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        box = PromptBatch(boxes=torch.tensor([[20.0, 10.0, 50.0, 40.0]]))
        decoded = model.decode(model.encode(image), box)
    return decoded.best(model.config.head)[0]


@pytest.fixture(params=["last block too", "LoRA alone"])
def trained(request, tmp_path):
    torch.manual_seed(0)
    base = tmp_path / "base.safetensors"
    save_checkpoint(RosSam(TINY), base)
    loaded = load_checkpoint(base)
    add_lora(loaded.model, 3, last_block=request.param == "last block too")
    model = changed(loaded.model)
    save_adapter(model, tmp_path / "adapter", str(base), loaded.sha256, {"steps": "9"})
    return model


def test_an_adapter_beside_its_base_is_the_trained_model(trained, tmp_path):
    loaded = load_checkpoint(tmp_path / "adapter")
    assert loaded.layout == "LoRA adapter" and loaded.metadata["steps"] == "9"
    assert loaded.model.config == TINY and not loaded.model.training
    torch.testing.assert_close(masks(loaded.model), masks(merge_lora(trained)), atol=1e-5, rtol=1e-5)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "adapter").rename(moved / "adapter")
    with pytest.raises(AdapterInvalid, match=r"put the file base\.safetensors beside the folder"):
        load_checkpoint(moved / "adapter")
    (tmp_path / "base.safetensors").rename(moved / "base.safetensors")
    assert load_checkpoint(moved / "adapter").sha256 == loaded.sha256


def test_peft_reads_the_folder_as_its_own(trained, tmp_path):
    from peft import PeftModel

    base = load_checkpoint(tmp_path / "base.safetensors").model
    encoder = PeftModel.from_pretrained(base.image_encoder, str(tmp_path / "adapter"))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(encoder(image)[0], trained.image_encoder(image)[0])
    told = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert told["r"] == told["lora_alpha"] == 3 and told["base_model_name_or_path"] == "../base.safetensors"


def test_the_folder_holds_what_was_learned_and_no_more(trained, tmp_path):
    lora = load_file(tmp_path / "adapter" / ADAPTER_FILES[1])
    assert all("lora_" in name or ".blocks.2." in name for name in lora)
    heads = load_file(tmp_path / "adapter" / ADAPTER_FILES[2])
    assert {name.split(".")[0] for name in heads} == {"prompt_encoder", "mask_decoder"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_others_may_read_what_is_saved_as_far_as_the_umask_says(trained, tmp_path, umask):
    before = os.umask(umask)
    try:
        save_adapter(trained, tmp_path / "adapter", str(tmp_path / "base.safetensors"), "0")
        save_checkpoint(merge_lora(trained), tmp_path / "whole.safetensors")
    finally:
        os.umask(before)
    made = [tmp_path / "whole.safetensors", *(tmp_path / "adapter").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o666 & ~umask}
    assert stat.S_IMODE((tmp_path / "adapter").stat().st_mode) == 0o777 & ~umask


def test_another_base_is_refused(trained, tmp_path):
    torch.manual_seed(1)
    save_checkpoint(RosSam(TINY), tmp_path / "base.safetensors")
    with pytest.raises(AdapterInvalid, match="was trained on base weights"):
        load_checkpoint(tmp_path / "adapter")


@pytest.mark.parametrize("name", ADAPTER_FILES[1:])
def test_a_file_that_is_missing_or_cut_off_is_named(trained, tmp_path, name):
    path = tmp_path / "adapter" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AdapterInvalid, match="adapter"):
        load_checkpoint(tmp_path / "adapter")
    path.unlink()
    with pytest.raises(AdapterInvalid, match=f"holds no {name}"):
        load_checkpoint(tmp_path / "adapter")


def drop(tensors, name):
    del tensors[name]


def rename(tensors, name):
    tensors[f"{name}.old"] = tensors.pop(name)


def spoil(tensors, name):
    tensors[name].view(-1)[0] = float("nan")


def empty(tensors, _):
    tensors.clear()


@pytest.mark.parametrize(
    ("name", "part", "change", "told"),
    [
        pytest.param(ADAPTER_FILES[1], "blocks.1.attn.q.lora_A", drop, "1 missing: .*lora_A", id="no-A"),
        pytest.param(ADAPTER_FILES[1], "blocks.0.attn.v.lora_B", drop, "1 missing: .*lora_B", id="no-B"),
        pytest.param(ADAPTER_FILES[1], "blocks.2.", drop, r"blocks\.2\.", id="no-last-block"),
        pytest.param(ADAPTER_FILES[1], "lora_A", empty, r"blocks\.\d\.", id="nothing"),
        pytest.param(ADAPTER_FILES[1], "lora_A", rename, "1 not expected: .*old", id="too-much"),
        pytest.param(ADAPTER_FILES[1], "lora_A", spoil, "not finite: .*lora_A", id="no-number"),
        pytest.param(ADAPTER_FILES[2], "hf_token", spoil, "not finite: .*hf_token", id="no-number-in-heads"),
    ],
)
def test_an_adapter_that_is_not_whole_is_refused(trained, tmp_path, name, part, change, told):
    path = tmp_path / "adapter" / name
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    change(tensors, next(name for name in sorted(tensors) if part in name))
    save_file(tensors, path, metadata)
    with pytest.raises(AdapterInvalid, match=told):
        load_checkpoint(tmp_path / "adapter")


def test_without_lora_or_without_room_nothing_is_written(trained, tmp_path):
    with pytest.raises(CheckpointNotSaved):
        save_adapter(trained, tmp_path / "nowhere" / "adapter", "sam_vit_b", "0")
    with pytest.raises(LoraStateInvalid, match="no LoRA"):
        save_adapter(merge_lora(trained), tmp_path / "other", "sam_vit_b", "0")
    assert not (tmp_path / "other").exists()


def test_a_sam_sized_adapter_brings_its_hq_head(small_vit_b, tmp_path):
    """The base is plain SAM; the HQ head is the adapter's."""
    torch.manual_seed(0)
    plain = replace(sam_config("vit_b"), input_px=64)
    save_checkpoint(RosSam(plain), tmp_path / "sam.safetensors")
    loaded = load_checkpoint(tmp_path / "sam.safetensors")
    model = RosSam(replace(sam_config("vit_b", hq=True), input_px=64))
    model.load_state_dict(loaded.model.state_dict(), strict=False)
    add_lora(model, 2)
    nn.init.normal_(model.mask_decoder.hf_token.weight)
    save_adapter(changed(model), tmp_path / "adapter", str(tmp_path / "sam.safetensors"), loaded.sha256)
    again = load_checkpoint(tmp_path / "adapter").model
    assert again.config.head == "hq"
    torch.testing.assert_close(masks(again), masks(merge_lora(model)), atol=1e-5, rtol=1e-5)


def test_the_command_line_takes_an_adapters_folder(trained, tmp_path):
    import numpy as np
    import rasterio

    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", width=96, height=96, count=3, dtype="uint8"
    ) as raster:
        raster.write(np.random.default_rng(0).integers(0, 255, (3, 96, 96), dtype=np.uint8))
    arguments = ["segment", "scene.tif", "--box", "20 20 60 60", "-o", "out.gpkg", "--model", "adapter"]
    done = subprocess.run(
        [sys.executable, "-m", "ros_sam_core", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    # Random weights may see nothing there (3), but the model opens.
    assert done.returncode in (0, 3) or "no object was found" in done.stderr, done.stderr
