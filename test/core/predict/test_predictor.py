"""Sketches: many points on one crop, by the cheap part of the decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.ros_sam import Embedding, PromptBatch
from ros_sam_core.model.zoo import resolve
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.predictor import SKETCH_BATCH
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
