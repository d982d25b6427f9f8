"""The published systems' numbers at ViT-B, read from files as they publish them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sam_models import golden, reference_weights, segment_anything_model
from torch import Tensor

from ros_sam_core.errors import DecoderIgnored
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.image_encoder import VIT_SIZES
from ros_sam_core.model.layouts import blueprint, merge_release_lora, read_sam
from ros_sam_core.model.ros_sam import Embedding, PromptBatch, RosSam

pytestmark = pytest.mark.slow
SAM_TO_CONTINUOUS = 0.5
"""segment_anything takes whole numbers for pixel centres; RosSam has them at halves."""


def arrays(name: str) -> dict[str, Tensor]:
    with np.load(golden(name)) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def encode(model: RosSam) -> Embedding:
    image = torch.from_numpy(reference_weights().image()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return model.encode(image)


def assert_near(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("release")
    for name, tensors in reference_weights().ros_sam_vit_b().items():
        save_file(tensors, folder / name)
    yield folder
    for path in folder.iterdir():
        path.unlink()  # pytest keeps the folders of three runs; 1.5 GB is too much


def test_ros_sam_release(release: Path) -> None:
    expected = arrays("ros_sam_vit_b.npz")
    with pytest.warns(DecoderIgnored):  # random weights: the two decoders are not copies here
        loaded = load_checkpoint(release)
    assert loaded.layout == "ROS-SAM release"
    embedding = encode(loaded.model)
    boxes = PromptBatch(boxes=expected["boxes"] + SAM_TO_CONTINUOUS)
    with torch.inference_mode():
        decoded = loaded.model.decode(embedding, boxes)
    assert decoded.hq is not None
    assert_near(embedding.final[0, :, ::8, ::8], expected["image_embedding_sample"])
    assert_near(decoded.hq, expected["masks_hq"])
    assert_near(decoded.sam, expected["masks_sam"])

    # SAM's own decoder of the second file, on the same embedding.
    config, state, _ = read_sam(merge_release_lora(load_file(release / "model_1.safetensors")), "sam")
    model = blueprint(config)
    model.load_state_dict(state, assign=True)
    with torch.inference_mode():
        decoded = model.eval().decode(embedding, boxes)
    assert_near(decoded.sam, expected["sam_decoder_low_res_logits"])
    assert_near(decoded.iou, expected["iou_predictions"])


def test_hq_sam(tmp_path: Path) -> None:
    expected = arrays("hq_sam_vit_b.npz")
    path = tmp_path / "sam_hq_vit_b.pth"
    torch.save(reference_weights().hq_sam_vit_b(), path)
    loaded = load_checkpoint(path)
    path.unlink()
    assert loaded.layout == "HQ-SAM"
    embedding = encode(loaded.model)
    with torch.inference_mode():
        decoded = loaded.model.decode(embedding, PromptBatch(boxes=expected["boxes"] + SAM_TO_CONTINUOUS))
        points = PromptBatch(points=expected["points"] + SAM_TO_CONTINUOUS, labels=expected["point_labels"])
        several = loaded.model.decode(embedding, points, multimask=True)
    assert decoded.hq is not None
    assert_near(decoded.hq, expected["masks_hq"])
    assert_near(decoded.iou, expected["iou"])
    assert_near(decoded.best(loaded.model.config.head)[0], expected["masks_sum"])
    best, iou = several.best(loaded.model.config.head)
    assert_near(best, expected["points_multimask_best"])
    assert_near(iou[:, None], expected["points_iou"])


def test_sam_vit_b_equals_segment_anything(tmp_path: Path) -> None:
    theirs = segment_anything_model(VIT_SIZES["vit_b"])
    path = tmp_path / "sam_vit_b.pth"
    torch.save(theirs.state_dict(), path)
    loaded = load_checkpoint(path)
    path.unlink()
    image = torch.from_numpy(reference_weights().image()).permute(2, 0, 1)
    embedding = encode(loaded.model)
    prompt = {
        "boxes": torch.tensor([[100.0, 200.0, 400.0, 300.0]]),
        "point_coords": torch.tensor([[[150.0, 210.0], [390.0, 280.0]]]),
        "point_labels": torch.tensor([[1, 0]]),
        "mask_inputs": torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(5)),
    }
    with torch.inference_mode():
        (expected,) = theirs([{"image": image, "original_size": (1024, 1024), **prompt}], True)
        decoded = loaded.model.decode(
            embedding,
            PromptBatch(
                prompt["point_coords"] + SAM_TO_CONTINUOUS,
                prompt["point_labels"],
                prompt["boxes"] + SAM_TO_CONTINUOUS,
                prompt["mask_inputs"],
            ),
            multimask=True,
        )
    torch.testing.assert_close(decoded.sam, expected["low_res_logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(decoded.iou, expected["iou_predictions"], atol=1e-4, rtol=0)
