"""Sketches, many points on one crop by the cheap part of the decoder; and clicks that correct a mask."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import PixelPrompt
from ros_sam_core.model.backend import ArrayEmbedding
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.ros_sam import Embedding, PromptBatch
from ros_sam_core.model.torch_backend import TorchBackend
from ros_sam_core.model.zoo import resolve
from ros_sam_core.predict.cache import CacheOptions, EmbeddingCache, embedding_key
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.predictor import SKETCH_BATCH, Look, Predictor, keep_prompted
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0))


def test_a_sketch_is_sams_head_on_one_encode(segmenter: Segmenter) -> None:
    scene = make_scene(3, shape=(160, 160), kind="airport", object_px=(20, 60))
    frame, crop = ArrayFrame(scene.rgb, Grid((160, 160))), Crop(8, 16, 120)
    xy = np.random.default_rng(0).uniform(20, 120, (SKETCH_BATCH + 3, 2))
    predictor = segmenter.predictor
    before = predictor.encoded
    logits, iou = predictor.sketch(frame, crop, xy)
    assert predictor.encoded == before + 1 and len(predictor.cache) == 0
    assert logits.shape[:2] == iou.shape == (len(xy), 4)
    embedding = predictor.embed(frame, [crop])[crop]
    one = PromptBatch(
        points=torch.from_numpy(crop.to_model(xy[-1:], 192)).float()[None], labels=torch.ones(1, 1).long()
    )
    model = load_checkpoint(resolve("ros-sam-tiny")).model
    final, *early = (torch.from_numpy(e).float() for e in (embedding.final, *embedding.early))
    with torch.inference_mode():
        whole = model.decode_all(Embedding(final, tuple(early)), one)
    np.testing.assert_allclose(logits[-1], whole.sam[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(iou[-1], whole.iou[0].clamp(0, 1).numpy(), atol=1e-4)


def test_embeddings_of_each_library_and_precision_are_kept_apart(segmenter: Segmenter) -> None:
    """Those in float32 on the CPU go by their weights and library alone: what is on disk stays of use."""
    asked: list[str] = []

    class Full(EmbeddingCache):
        def get(self, key: str) -> ArrayEmbedding:
            asked.append(key)
            return ArrayEmbedding(np.zeros((1, 1, 1, 1), np.float16), ())

    frame, crop = ArrayFrame(np.zeros((64, 64, 3), np.uint8), Grid((64, 64))), Crop(0, 0, 64)
    model = load_checkpoint(resolve("ros-sam-tiny")).model
    for backend in (
        segmenter.predictor.model,
        TorchBackend(model),
        TorchBackend(deepcopy(model).use_encoder_dtype(torch.bfloat16)),
    ):
        Predictor(backend, "w", Full(CacheOptions(disk_mb=0))).embed(frame, [crop])
    onnx, plain, bfloat16 = asked
    assert onnx == embedding_key(np.zeros((64, 64, 3), np.uint8), "w onnx", 192)
    assert plain == embedding_key(np.zeros((64, 64, 3), np.uint8), "w", 192)
    assert bfloat16 not in (onnx, plain)


def test_a_further_click_corrects_the_mask_of_those_before_it(segmenter: Segmenter) -> None:
    scene = make_scene(3, shape=(160, 160), kind="airport", object_px=(20, 60))
    frame, crop = ArrayFrame(scene.rgb, Grid((160, 160))), Crop(8, 16, 120)
    box = scene.instances[0].box
    on, off, far = (60.0, 70.0), (75.0, 60.0), (20.0, 30.0)
    steps = {
        PixelPrompt("click", (on,), (1,)): [1],
        PixelPrompt("box", box=box): [0],
        PixelPrompt("two", (on, off), (1, 0)): [1, 2],
        PixelPrompt("box and two", (on, off), (1, 0), box): [0, 1, 2],
        PixelPrompt("begins beside it", (far, on, off), (0, 1, 0)): [2, 3],
    }
    predictor = segmenter.predictor
    looks = predictor.look(frame, [(crop, prompt) for prompt in steps])
    embedding = predictor.embed(frame, [crop])[crop]
    final, *early = (torch.from_numpy(e).float() for e in (embedding.final, *embedding.early))
    model = load_checkpoint(resolve("ros-sam-tiny")).model
    for look, (prompt, counts) in zip(looks, steps.items(), strict=True):
        masks = None
        for count in counts:
            points = labels = boxes = None
            if count:
                points = torch.from_numpy(crop.to_model(prompt.points[:count], 192)).float()[None]
                labels = torch.tensor([prompt.labels[:count]])
            if prompt.box:
                corners = crop.to_model(np.reshape(prompt.box, (2, 2)), 192)
                boxes = torch.from_numpy(corners).float().reshape(1, 4)
            asked = PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)
            with torch.inference_mode():
                logits, iou = model.decode(Embedding(final, tuple(early)), asked).best(model.config.head)
            masks = model.mask_prompt(logits)
        expected = keep_prompted(Look(crop, logits[0, 0].numpy(), float(iou)), prompt)
        np.testing.assert_allclose(look.logits, expected.logits, atol=0.01, err_msg=prompt.id)
        assert look.iou == pytest.approx(expected.iou, abs=1e-3)
