"""A quick look at a model in training: fixed crops of the images set aside, box and centre click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from training.crops import CropJitter, sample_crop
from training.objective import mask_iou
from training.prompts import centre_click, mask_box
from training.scenes import Scene

MOVERS = ("airplane", "ship", "vehicle")
_PLAIN = {"any_angle": 0.0, "stretch": 1.0, "degrade_share": 0.0, "photometric": 0.0}
_VIEWS = {
    "": CropJitter(near=(2.0, 2.0), wide_share=0.0, **_PLAIN),
    "_wide": CropJitter(near=(4.0, 4.0), wide_share=0.0, **_PLAIN),
}


@torch.inference_mode()
def validate(model: RosSam, scenes: Sequence[Scene], seed: int, batch: int = 16) -> dict[str, float]:
    """Return mean IoU by prompt, for all classes and for the movers, on one fixed crop an object."""
    training = model.training
    model.eval()
    size = model.config.input_px
    figures: dict[str, float] = {}
    for suffix, jitter in _VIEWS.items():
        samples = []
        for scene in scenes:
            for obj in scene.objects:
                rng = np.random.default_rng([seed, obj.id + 1])
                image, target = sample_crop(scene, obj, rng, jitter, size)
                mask = (target > 0.5).numpy()
                if mask.sum() >= 12:
                    samples.append(
                        (image, target, mask_box(mask), centre_click(mask), obj.class_name in MOVERS)
                    )
        movers = torch.tensor([sample[4] for sample in samples])
        ious = []
        for start in range(0, len(samples), batch):
            images, targets, boxes, clicks, _ = zip(*samples[start : start + batch], strict=True)
            embedding = model.encode(torch.stack(images))
            target = torch.stack(targets)[:, None]
            box = PromptBatch(boxes=torch.from_numpy(np.stack(boxes)))
            click = PromptBatch(
                points=torch.from_numpy(np.stack(clicks))[:, None], labels=torch.ones(len(boxes), 1).long()
            )
            row = []
            for prompts in (box, click):
                hq = model.decode(embedding, prompts).best("hq")[0].float()
                hq = F.interpolate(hq, (size, size), mode="bilinear", align_corners=False)
                row.append(mask_iou(hq, target)[:, 0])
            ious.append(torch.stack(row, 1))
        iou = torch.cat(ious)
        for column, kind in enumerate(("box", "click")):
            figures[f"{kind}{suffix}"] = round(float(iou[:, column].mean()), 4)
            figures[f"{kind}{suffix}_movers"] = round(float(iou[movers, column].mean()), 4)
    model.train(training)
    return figures
