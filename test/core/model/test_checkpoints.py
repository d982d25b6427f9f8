"""All four layouts on small models of SAM's classes: equal outputs, and refusals that name the cause."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoint_files import (
    plain_sam,
    random_hq_sam,
    random_release,
    random_sam,
    write_release,
)
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ros_sam_core.errors import (
    CheckpointLayoutUnknown,
    CheckpointMismatch,
    CheckpointNotFound,
    CheckpointNotSaved,
    ConfigInvalid,
    DecoderIgnored,
    LoraStateInvalid,
)
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint, sha256_of
from ros_sam_core.model.config import sam_config, tiny_config
from ros_sam_core.model.lora import add_lora
from ros_sam_core.model.ros_sam import PromptBatch, RosSam

pytestmark = pytest.mark.usefixtures("small_vit_b")


def outputs(model: RosSam) -> Tensor:
    """One vector of all that a model says of one image and one box."""
    image = torch.rand(1, 3, *(model.config.input_px,) * 2, generator=torch.Generator().manual_seed(3)) * 255
    side = float(model.config.input_px)
    with torch.no_grad():
        embedding = model.encode(image)
        box = torch.tensor([[0.2, 0.3, 0.6, 0.8]]) * side
        decoded = model.decode(embedding, PromptBatch(boxes=box), multimask=True)
    masks = [decoded.sam.flatten(), decoded.iou.flatten(), embedding.final.flatten()]
    return torch.cat(masks if decoded.hq is None else [*masks, decoded.hq.flatten()])


def assert_same(model: RosSam, expected: RosSam) -> None:
    """Weights equal to the bit; outputs to rounding, since kernels depend on where tensors lie in memory."""
    weights, others = model.state_dict(), expected.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    torch.testing.assert_close(outputs(model), outputs(expected), atol=1e-5, rtol=1e-4)


# Plain SAM against segment_anything itself


@pytest.fixture(scope="module")
def sam_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam") / "small.pth"
    torch.save(plain_sam().state_dict(), path)
    return path


PROMPTS: dict[str, dict[str, Tensor]] = {
    "box": {"boxes": torch.tensor([[100.0, 200.0, 400.0, 300.0], [10.5, 20.25, 900.0, 1000.0]])},
    "points": {
        "point_coords": torch.tensor([[[100.0, 200.0], [300.5, 400.0]]]),
        "point_labels": torch.tensor([[1, 0]]),
    },
    "mask": {"mask_inputs": torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(4))},
    "everything": {
        "boxes": torch.tensor([[100.0, 200.0, 400.0, 300.0]]),
        "point_coords": torch.tensor([[[150.0, 210.0]]]),
        "point_labels": torch.tensor([[1]]),
        "mask_inputs": torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(5)),
    },
}


def ours_of(prompt: dict[str, Tensor]) -> PromptBatch:
    """The same prompt in continuous coordinates: segment_anything counts pixel centres as whole numbers."""
    boxes, points = prompt.get("boxes"), prompt.get("point_coords")
    return PromptBatch(
        points=None if points is None else points + 0.5,
        labels=prompt.get("point_labels"),
        boxes=None if boxes is None else boxes + 0.5,
        masks=prompt.get("mask_inputs"),
    )


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("kind", PROMPTS)
def test_sam_equals_segment_anything(sam_file: Path, kind: str, multimask: bool) -> None:
    theirs = plain_sam()
    loaded = load_checkpoint(sam_file)
    assert loaded.layout == "SAM"
    assert loaded.model.config.head == "sam"
    image = torch.randint(0, 256, (3, 1024, 1024), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        (expected,) = theirs([{"image": image, "original_size": (1024, 1024), **PROMPTS[kind]}], multimask)
        embedding = loaded.model.encode(image[None])
        decoded = loaded.model.decode(embedding, ours_of(PROMPTS[kind]), multimask=multimask)
    assert decoded.hq is None
    torch.testing.assert_close(decoded.sam, expected["low_res_logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(decoded.iou, expected["iou_predictions"], atol=1e-4, rtol=0)


# Layouts


def test_hq_sam_file_is_told_and_sums_its_heads(tmp_path: Path) -> None:
    torch.save(random_hq_sam(), tmp_path / "hq.pth")
    loaded = load_checkpoint(tmp_path / "hq.pth")
    assert loaded.layout == "HQ-SAM"
    assert loaded.model.config == replace(sam_config("vit_b", hq=True), head="sum", name="hq")
    assert loaded.sha256 == sha256_of(tmp_path / "hq.pth")
    assert not loaded.model.training


def test_legacy_pth_and_plain_safetensors_hold_the_same_model(tmp_path: Path) -> None:
    tensors = random_sam()
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / "new.safetensors")
    old, new = (load_checkpoint(tmp_path / name) for name in ("old.pth", "new.safetensors"))
    assert old.layout == new.layout == "SAM"
    assert_same(old.model, new.model)


@pytest.mark.parametrize("rank", [1, 7])
def test_release_folder_is_read_with_its_lora_merged(tmp_path: Path, rank: int) -> None:
    decoder, sam = random_release(rank)
    loaded = load_checkpoint(write_release(tmp_path / "run", decoder, sam))
    assert loaded.layout == "ROS-SAM release"
    assert loaded.model.config == replace(sam_config("vit_b", hq=True), name="run")
    x = torch.randn(5, 48)
    for index, block in enumerate(loaded.model.image_encoder.blocks):
        stem = f"image_encoder.blocks.{index}.attn.qkv."
        fused = x @ sam[f"{stem}qkv.weight"].T + sam[f"{stem}qkv.bias"]
        q, k, v = fused.chunk(3, dim=1)
        q = q + x @ sam[f"{stem}linear_a_q.weight"].T @ sam[f"{stem}linear_b_q.weight"].T
        v = v + x @ sam[f"{stem}linear_a_v.weight"].T @ sam[f"{stem}linear_b_v.weight"].T
        for layer, expected in ((block.attn.q, q), (block.attn.k, k), (block.attn.v, v)):
            torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-4)


def test_release_with_two_different_decoders_warns(tmp_path: Path) -> None:
    decoder, sam = random_release()
    sam["mask_decoder.iou_token.weight"] = sam["mask_decoder.iou_token.weight"] + 1
    with pytest.warns(DecoderIgnored, match=r"1 tensors of SAM's own decoder in model_1\.safetensors"):
        load_checkpoint(write_release(tmp_path / "run", decoder, sam))


def test_one_file_of_the_release_is_not_a_model(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "run", *random_release())
    for name in ("model.safetensors", "model_1.safetensors"):
        with pytest.raises(CheckpointLayoutUnknown, match="give the folder"):
            load_checkpoint(folder / name)
    (folder / "model_1.safetensors").unlink()
    with pytest.raises(CheckpointNotFound, match=r"holds no model_1\.safetensors"):
        load_checkpoint(folder)


# Ours


@pytest.mark.parametrize("config", [tiny_config(), sam_config("vit_b"), sam_config("vit_b", hq=True)])
def test_saved_model_comes_back_the_same(tmp_path: Path, config) -> None:
    torch.manual_seed(0)
    model = RosSam(config).eval()
    save_checkpoint(model, tmp_path / "ours.safetensors", metadata={"steps": "12"})
    loaded = load_checkpoint(tmp_path / "ours.safetensors")
    assert loaded.layout == "ros-sam"
    assert loaded.model.config == config
    assert loaded.metadata == {"steps": "12"}
    assert_same(loaded.model, model)


def test_half_precision_halves_the_file_and_reads_as_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = RosSam(tiny_config()).eval()
    save_checkpoint(model, tmp_path / "full.safetensors")
    save_checkpoint(model, tmp_path / "half.safetensors", dtype=torch.float16)
    sizes = [(tmp_path / name).stat().st_size for name in ("full.safetensors", "half.safetensors")]
    assert sizes[1] < 0.51 * sizes[0]
    half = load_checkpoint(tmp_path / "half.safetensors").model
    assert {value.dtype for value in half.state_dict().values()} == {torch.float32}
    exact = outputs(model)
    assert (outputs(half) - exact).abs().mean() < 0.01 * exact.abs().mean()


def test_who_reads_the_former_file_reads_on_undisturbed(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    save_checkpoint(RosSam(tiny_config()), path)
    former = path.read_bytes()
    with path.open("rb") as reader:
        save_checkpoint(RosSam(tiny_config()), path)
        assert reader.read() == former
    assert path.read_bytes() != former


def test_loaded_model_trains(tmp_path: Path) -> None:
    save_checkpoint(RosSam(tiny_config()), tmp_path / "ours.safetensors")
    model = load_checkpoint(tmp_path / "ours.safetensors").model.train()
    embedding = model.encode(torch.rand(1, 3, 192, 192))
    decoded = model.decode(embedding, PromptBatch(boxes=torch.tensor([[10.0, 10.0, 90.0, 90.0]])))
    (decoded.sam.sum() + decoded.hq.sum()).backward()
    assert model.image_encoder.blocks[0].attn.q.weight.grad.abs().sum() > 0


def test_configuration_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "bad.safetensors", metadata={"ros_sam_config": '{"arch": 3}'})
    with pytest.raises(ConfigInvalid):
        load_checkpoint(tmp_path / "bad.safetensors")


def test_configuration_of_another_size_is_a_mismatch(tmp_path: Path) -> None:
    save_checkpoint(RosSam(tiny_config()), tmp_path / "ours.safetensors")
    with safe_open(tmp_path / "ours.safetensors", "pt") as file:
        values = json.loads(file.metadata()["ros_sam_config"])
    values["tiny"]["blocks"] += 1
    tensors = load_file(tmp_path / "ours.safetensors")
    save_file(tensors, tmp_path / "other.safetensors", metadata={"ros_sam_config": json.dumps(values)})
    with pytest.raises(CheckpointMismatch, match=r"missing: image_encoder\.blocks\.\d+\.attn\.k\.bias"):
        load_checkpoint(tmp_path / "other.safetensors")


# Refusals when saving


def test_weights_that_half_precision_cannot_hold_are_named(tmp_path: Path) -> None:
    model = RosSam(tiny_config())
    with torch.no_grad():
        model.mask_decoder.iou_token.weight[0, 0] = 1e6
    with pytest.raises(CheckpointNotSaved, match=r"mask_decoder\.iou_token\.weight"):
        save_checkpoint(model, tmp_path / "ours.safetensors", dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_unmerged_lora_is_not_saved(tmp_path: Path) -> None:
    model = RosSam(tiny_config())
    add_lora(model, rank=2)
    with pytest.raises(LoraStateInvalid, match="merge_lora"):
        save_checkpoint(model, tmp_path / "ours.safetensors")


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotSaved, match="nowhere"):
        save_checkpoint(RosSam(tiny_config()), tmp_path / "nowhere" / "ours.safetensors")


def test_full_disk_keeps_the_former_file(tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: the kernel stops the write midway."""
    path = tmp_path / "ours.safetensors"
    save_checkpoint(RosSam(tiny_config()), path)
    former = sha256_of(path)
    code = (
        "import resource, signal, sys\n"
        "from ros_sam_core.model.checkpoints import save_checkpoint\n"
        "from ros_sam_core.model.config import tiny_config\n"
        "from ros_sam_core.model.ros_sam import RosSam\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "save_checkpoint(RosSam(tiny_config()), sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "CheckpointNotSaved" in done.stderr
    assert sha256_of(path) == former
    assert list(tmp_path.iterdir()) == [path]
