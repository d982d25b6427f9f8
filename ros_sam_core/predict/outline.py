"""The order in which a model looks at a prompt: a click first at several scales, then at the object's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box, PixelPrompt
from ros_sam_core.geo.raster import Frame
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import (
    BEYOND,
    Crop,
    box_of,
    crop_around,
    crop_at,
    crops_beyond,
    crops_for_click,
    longer_side,
    union_box,
)
from ros_sam_core.predict.predictor import Look, Predictor, leave_nodata

SHARE = (0.2, 0.7)
"""An object's longer side over its crop's, between which a first look can be trusted."""
FITS = (0.4, 0.7)
"""The same share of a first look that needs no second one: that one's crop would be much the same."""
FAR = 0.1
"""How much surer the model must be of a look from further away."""
ENLARGED = 2.0
"""Factor by which a crop grows when the object turns out to reach its edge."""
ENLARGEMENTS = 3


def outline(predictor: Predictor, frame: Frame, prompts: Sequence[PixelPrompt]) -> list[Look]:
    """Return the mask of each prompt (frame pixels).

    Under a scaled crop policy a click has no size yet: a first look at the policy's click crops gives it
    one; where the model thinks little of the best of them, the click is looked at from closer and from
    further away too. Where the object fills about the share of that crop that the policy gives it, this look
    is the answer; else its box gives the crop of a second look. Whenever a mask reaches the edge of its crop,
    it is looked at again in a larger one.
    """
    policy = predictor.model.config.crop
    done = _first_looks(predictor, frame, prompts) if policy.kind == "scaled" else {}
    sized = list(prompts)
    for index, look in list(done.items()):
        if not _fits(look):
            del done[index]
            sized[index] = replace(prompts[index], box=look.box)
    left = [index for index in range(len(prompts)) if index not in done]
    requests = [(_crop_for(sized[i], policy, frame.grid), sized[i]) for i in left]
    looks = _uncut(predictor, frame, [sized[i] for i in left], predictor.look(frame, requests))
    done.update(zip(left, looks, strict=True))
    return [leave_nodata(frame, done[index]) for index in range(len(prompts))]


def _uncut(
    predictor: Predictor, frame: Frame, prompts: Sequence[PixelPrompt], looks: Sequence[Look]
) -> list[Look]:
    """Look again in larger crops while masks reach the edges of theirs."""
    policy, whole = predictor.model.config.crop, list(looks)
    for _ in range(ENLARGEMENTS):
        cut = [i for i, look in enumerate(whole) if look.is_cut(frame.grid.width, frame.grid.height)]
        if not cut:
            break
        larger = [(_enlarge(whole[i].crop, policy), prompts[i]) for i in cut]
        for i, look in zip(cut, predictor.look(frame, larger), strict=True):
            whole[i] = look
    return whole


def _first_looks(predictor: Predictor, frame: Frame, prompts: Sequence[PixelPrompt]) -> dict[int, Look]:
    """Return the best first look, by number, of each prompt without a box."""
    policy = predictor.model.config.crop
    clicks = [index for index, prompt in enumerate(prompts) if prompt.box is None]
    first = [(i, crop) for i in clicks for crop in _first_crops(prompts[i], policy, frame.grid)]
    best: dict[int, Look] = {}
    _keep_best(best, predictor, frame, prompts, first)
    unsure = [i for i in clicks if best[i].iou < policy.sure or best[i].box is None]
    further = [(i, crop) for i in unsure for crop in _further_crops(prompts[i], policy, frame.grid)]
    _keep_best(best, predictor, frame, prompts, further)
    looks = _uncut(predictor, frame, [prompts[index] for index in best], list(best.values()))
    return dict(zip(best, looks, strict=True))


def _keep_best(
    best: dict[int, Look],
    predictor: Predictor,
    frame: Frame,
    prompts: Sequence[PixelPrompt],
    crops: Sequence[tuple[int, Crop]],
) -> None:
    """Look at prompts, by number, in crops, all at once; put what is better into `best`."""
    policy = predictor.model.config.crop
    looks = predictor.look(frame, [(crop, _within(prompts[index], crop)) for index, crop in crops])
    for (index, _), look in zip(crops, looks, strict=True):
        known = best.get(index)
        if known is None or worth(look, policy, frame.grid) > worth(known, policy, frame.grid):
            best[index] = look


def _fits(look: Look) -> bool:
    """Say whether an object fills the share of its crop that a second look would give it."""
    box = look.box
    return box is not None and FITS[0] <= longer_side(box) / look.crop.side <= FITS[1]


def _first_crops(prompt: PixelPrompt, policy: CropPolicy, frame: Grid) -> list[Crop]:
    """Return the crops of the first look, around the first positive click: those that show all of them."""
    positive = _positive(prompt)
    crops = crops_for_click(positive[0], policy, frame)
    return [crop for crop in crops if _shows(crop, positive)] or [
        crop_around(box_of(positive), policy, frame)
    ]


def _further_crops(prompt: PixelPrompt, policy: CropPolicy, frame: Grid) -> list[Crop]:
    """Return the crops of a click that none of the first ones shows well: those that show all of them."""
    positive = _positive(prompt)
    return [crop for crop in crops_beyond(positive[0], policy, frame) if _shows(crop, positive)]


def _shows(crop: Crop, points: Sequence[tuple[float, float]]) -> bool:
    """Say whether a crop shows all points, frame pixels."""
    x0, y0, x1, y1 = box_of(points)
    return crop.x0 < x0 and crop.y0 < y0 and crop.x0 + crop.side > x1 and crop.y0 + crop.side > y1


def worth(look: Look, policy: CropPolicy, frame: Grid) -> float:
    """Rank first looks: the predicted IoU, less where the object is cut, or too small or too large.

    A look from further away (`crops_beyond`) is worth less too: it sees wholes of which the object may be a
    part.
    """
    box = look.box
    if box is None:
        return -math.inf
    share = longer_side(box) / look.crop.side
    octaves = max(0.0, math.log2(SHARE[0] / share), math.log2(share / SHARE[1]))
    far = bool(policy.click_px) and look.crop.side == BEYOND * max(policy.click_px)
    return look.iou - 0.2 * octaves - 0.2 * look.is_cut(frame.width, frame.height) - FAR * far


def _within(prompt: PixelPrompt, crop: Crop) -> PixelPrompt:
    """Leave out the clicks that a crop does not show."""
    x0, y0, x1, y1 = crop.bounds
    kept = [i for i, (x, y) in enumerate(prompt.points) if x0 <= x < x1 and y0 <= y < y1]
    points = tuple(prompt.points[i] for i in kept)
    return replace(prompt, points=points, labels=tuple(prompt.labels[i] for i in kept))


def _crop_for(prompt: PixelPrompt, policy: CropPolicy, frame: Grid) -> Crop:
    positive = _positive(prompt)
    if prompt.box is None:
        return crop_around(box_of(positive), policy, frame)
    extent: Box = union_box(prompt.box, box_of(positive)) if positive else prompt.box
    return crop_around(extent, policy, frame)


def _enlarge(crop: Crop, policy: CropPolicy) -> Crop:
    half = crop.side / 2
    return crop_at((crop.x0 + half, crop.y0 + half), math.ceil(crop.side * ENLARGED), policy.snap)


def _positive(prompt: PixelPrompt) -> list[tuple[float, float]]:
    return [xy for xy, sign in zip(prompt.points, prompt.labels, strict=True) if sign]
