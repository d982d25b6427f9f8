"""A quick look at a model in training: the images set aside, seen as the crop policy sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from torch import Tensor
from torch.nn import functional as F

from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from ros_sam_core.predict.crop import crop_around
from training.crops import sample_affine
from training.objective import mask_iou
from training.prompts import centre_click, mask_box
from training.scenes import Scene, SceneObject

MOVERS = ("airplane", "ship", "vehicle")
SHOWN = 8
"""Objects of which overlays are drawn."""
TRUTH, FOUND = (0, 200, 255), (255, 60, 0)
_LEAST_PX = 12


@dataclass(frozen=True)
class View:
    """An object as a model sees it: image [3, S, S] in 0..255, mask [S, S] in 0..1, both float32."""

    image: Tensor
    target: Tensor
    class_name: str

    @property
    def shows_object(self) -> bool:
        """Whether the object fills a few pixels of the input."""
        return int((self.target > 0.5).sum()) >= _LEAST_PX


def view_of(scene: Scene, obj: SceneObject, policy: CropPolicy, size: int) -> View:
    """Cut the crop of an object's box as the crop policy says, at the model's input size."""
    crop = crop_around(obj.box, policy, Grid(scene.shape))
    matrix = np.array([[crop.side, 0, crop.x0], [0, crop.side, crop.y0]], float)
    level = min(max(0, round(np.log2(crop.side / size))), len(scene.pyramid) - 1)
    image = sample_affine(scene.pyramid[level], matrix / 2**level, size)
    own = matrix - [[0, 0, obj.x0], [0, 0, obj.y0]]
    return View(image, sample_affine(obj.mask[..., None], own, size)[0], obj.class_name)


def views(scenes: Sequence[Scene], policy: CropPolicy, size: int) -> Iterator[View]:
    """Yield the view of every object that fills a few pixels of the input."""
    for scene in scenes:
        for obj in scene.objects:
            view = view_of(scene, obj, policy, size)
            if view.shows_object:
                yield view


@torch.inference_mode()
def predict(model: RosSam, some: Sequence[View]) -> tuple[Tensor, Tensor]:
    """Return the logits `[N, 2, S, S]` of box and centre click, and their IoU `[N, 2]`."""
    device = model.pixel_mean.device
    masks = [(view.target > 0.5).numpy() for view in some]
    targets = torch.stack([view.target for view in some])[:, None].to(device)
    embedding = model.encode(torch.stack([view.image for view in some]).to(device))
    boxes = torch.from_numpy(np.stack([mask_box(mask) for mask in masks])).float().to(device)
    clicks = torch.from_numpy(np.stack([centre_click(mask) for mask in masks]))[:, None].float().to(device)
    ones = torch.ones(len(some), 1, dtype=torch.long, device=device)
    logits = []
    for prompts in (PromptBatch(boxes=boxes), PromptBatch(points=clicks, labels=ones)):
        # SAM's single mask of one click is ambiguous: of its three the one it holds best counts.
        multimask = model.config.head != "hq" and prompts.boxes is None
        best = model.decode(embedding, prompts, multimask=multimask).best(model.config.head)[0].float()
        logits.append(F.interpolate(best, targets.shape[-2:], mode="bilinear", align_corners=False))
    both = torch.cat(logits, dim=1)
    return both, mask_iou(both, targets)


def validate(model: RosSam, scenes: Sequence[Scene], batch: int = 16) -> dict[str, float]:
    """Return mean IoU by prompt, for all classes and for those that move, on each object's own crop.

    A model with scaled crops is also shown crops twice as wide ("wide").
    """
    policies = {"": model.config.crop}
    if model.config.crop.kind == "scaled":
        policies["_wide"] = replace(model.config.crop, scale=2 * model.config.crop.scale)
    figures: dict[str, float] = {}
    training = model.training
    model.eval()
    for suffix, policy in policies.items():
        shown = views(scenes, policy, model.config.input_px)
        found, moves = [], []
        while some := list(islice(shown, batch)):  # all at once would not fit into memory
            found.append(predict(model, some)[1])
            moves += [view.class_name in MOVERS for view in some]
        if not found:
            continue
        iou, movers = torch.cat(found), torch.tensor(moves)
        for column, kind in enumerate(("box", "click")):
            figures[f"{kind}{suffix}"] = round(float(iou[:, column].mean()), 4)
            if movers.any():
                figures[f"{kind}{suffix}_movers"] = round(float(iou[movers.to(iou.device), column].mean()), 4)
    model.train(training)
    return figures


def fixed_views(scenes: Sequence[Scene], policy: CropPolicy, size: int) -> list[View]:
    """Choose the objects of which overlays are drawn, always the same, of as many classes as can be."""
    by_class: dict[str, list[tuple[Scene, SceneObject]]] = {}
    for scene in scenes:
        for obj in scene.objects:
            by_class.setdefault(obj.class_name, []).append((scene, obj))
    chosen: list[View] = []
    while len(chosen) < SHOWN and any(by_class.values()):
        for name in sorted(by_class):
            if by_class[name] and len(chosen) < SHOWN:
                group = by_class[name]
                view = view_of(*group.pop(len(group) // 2), policy, size)
                chosen += [view] if view.shows_object else []
    return chosen


def overlay_sheet(model: RosSam, chosen: Sequence[View], tile_px: int = 256) -> NDArray[np.uint8]:
    """Draw the outlines of box prompts, red, over the truth's, blue; uint8 [H, W, 3]."""
    training = model.training
    model.eval()
    tiles = []
    for view in chosen:
        logits = predict(model, [view])[0][:, :1].cpu()
        image = F.interpolate(view.image[None], (tile_px, tile_px), mode="bilinear", align_corners=False)[0]
        tile = image.clamp(0, 255).byte().permute(1, 2, 0).numpy().copy()
        for mask, colour in ((view.target[None, None] - 0.5, TRUTH), (logits, FOUND)):
            large = F.interpolate(mask, (tile_px, tile_px), mode="bilinear", align_corners=False)[0, 0] > 0
            tile[find_boundaries(large.numpy(), mode="inner")] = colour
        tiles.append(tile)
    model.train(training)
    columns = min(4, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.concatenate(
        [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    )
