"""Look at crops through a model: encode what was not seen before, decode prompts, all in frame pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.geometry.base import BaseGeometry
from skimage.measure import label

from ros_sam_core.geo.prompts import Box, PixelPrompt
from ros_sam_core.geo.raster import Frame
from ros_sam_core.model.backend import ArrayEmbedding, ArrayPrompts, Backend
from ros_sam_core.predict.cache import EmbeddingCache, embedding_key
from ros_sam_core.predict.crop import Crop, read_crop
from ros_sam_core.predict.resample import enlarge

ENCODE_BATCH = 8
"""Crops of a small model encoded at once; larger inputs go one by one."""

SKETCH_BATCH = 32
"""Points of one crop that are sketched at once."""

NODATA_PX = 512
"""Nodata is outlined pixel by pixel in crops up to this side, more coarsely in larger ones."""


@dataclass(frozen=True)
class Look:
    """What a model saw of one prompt in one crop.

    Attributes:
        crop: Where it looked.
        logits: float32 `[m, m]` over the crop; object where > 0.
        iou: Predicted IoU of that mask, 0..1.
        nodata: What lies in the nodata around the image, in frame pixels; outlines leave it out.
    """

    crop: Crop
    logits: NDArray[np.float32]
    iou: float
    nodata: BaseGeometry | None = None

    @property
    def box(self) -> Box | None:
        """Bounds of the mask in frame pixels, None where it is empty."""
        mask = self.logits > 0
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return None
        corners = [(columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)]
        (x0, y0), (x1, y1) = self.crop.to_frame(corners, len(mask)).tolist()
        return x0, y0, x1, y1

    def is_cut(self, width: int, height: int) -> bool:
        """Say whether the mask reaches an edge of the crop that is not beyond the frame of this size."""
        mask = self.logits > 0
        x0, y0, x1, y1 = self.crop.bounds
        return bool(
            (x0 > 0 and mask[:, 0].any())
            or (y0 > 0 and mask[0].any())
            or (x1 < width and mask[:, -1].any())
            or (y1 < height and mask[-1].any())
        )


def keep_prompted(look: Look, prompt: PixelPrompt) -> Look:
    """Drop the parts of a mask that the prompt does not point at.

    Of a box's mask the parts that lie in it by half stay, of a click's those under its positive points;
    where none does, the largest part stays.
    """
    parts, count = label(look.logits > 0, connectivity=2, return_num=True)  # type: ignore[no-untyped-call]
    if count <= 1:
        return look
    size = len(look.logits)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    if prompt.box is not None:
        (x0, y0), (x1, y1) = (
            np.rint(look.crop.to_model(np.reshape(prompt.box, (2, 2)), size)).astype(int).clip(0, size)
        )
        kept = np.bincount(parts[y0:y1, x0:x1].ravel(), minlength=count + 1) * 2 > sizes
    else:
        kept = np.zeros(count + 1, bool)
    positive = [xy for xy, sign in zip(prompt.points, prompt.labels, strict=True) if sign]
    if positive:
        x, y = np.floor(look.crop.to_model(positive, size)).astype(int).clip(0, size - 1).T
        kept[parts[y, x]] = True
    if not kept[1:].any():
        kept[1 + sizes[1:].argmax()] = True
    kept[0] = True
    logits = np.where(kept[parts], look.logits, np.float32(-1e-3))
    return Look(look.crop, logits, look.iou)


def leave_nodata(frame: Frame, look: Look) -> Look:
    """Note the nodata around an image, as at the edges of a warped scene, where a mask may reach into it.

    Holes in the data are left alone: a dark part of an object may be taken for nodata.
    """
    valid = read_crop(frame, look.crop, NODATA_PX)[1]
    if valid.all() or look.box is None:
        return look
    regions = label(~valid, connectivity=1)  # type: ignore[no-untyped-call]
    outer = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    centres = look.crop.to_frame(np.repeat(np.arange(len(valid))[:, None] + 0.5, 2, axis=1), len(valid))
    columns, rows = ((centres > 0) & (centres < frame.grid.size)).T
    around = np.isin(regions, outer[outer > 0]) & columns & rows[:, None]
    if not around.any():
        return look
    rings = shapes(around.astype(np.uint8), mask=around)
    region = shapely.union_all([shapely.geometry.shape(ring) for ring, _ in rings])
    return replace(look, nodata=shapely.transform(region, lambda xy: look.crop.to_frame(xy, len(valid))))


def first_points(prompt: PixelPrompt) -> int:
    """Return how many of its points a prompt begins with: none beside a box, else up to a positive one."""
    return 0 if prompt.box is not None else prompt.labels.index(1) + 1


class Predictor:
    """A model that looks at crops of frames.

    Args:
        model: An open model.
        weights: Short hash of its weights, part of the cache's key.
        cache: Embeddings kept between calls.
    """

    def __init__(self, model: Backend, weights: str, cache: EmbeddingCache) -> None:
        self.model, self.weights, self.cache = model, weights, cache
        self.encoded = 0
        self._keys: dict[tuple[str, Crop], str] = {}

    @property
    def input_px(self) -> int:
        """Side of the model's input."""
        return self.model.config.input_px

    def embed(self, frame: Frame, crops: Sequence[Crop]) -> dict[Crop, ArrayEmbedding]:
        """Return the embeddings of crops, encoding once each that is not in the cache.

        While a frame's fingerprint stays, the pixels of a crop are read once.
        """
        mark = frame.fingerprint
        known = {crop: self._keys.get((mark, crop)) for crop in crops}
        found = {crop: self.cache.get(key) for crop, key in known.items() if key is not None}
        done = {crop: embedding for crop, embedding in found.items() if embedding is not None}
        missing = [crop for crop in known if crop not in done]
        step = ENCODE_BATCH if self.input_px < 512 else 1
        for start in range(0, len(missing), step):
            some = missing[start : start + step]
            done |= self._recall_or_encode(mark, {crop: self._read(frame, crop) for crop in some})
        if len(self._keys) > 2 * len(self.cache) + 1024:
            self._keys = {place: key for place, key in self._keys.items() if key in self.cache}
        return done

    def _recall_or_encode(
        self, mark: str, pixels: dict[Crop, NDArray[np.uint8]]
    ) -> dict[Crop, ArrayEmbedding]:
        """Return the embeddings of a few crops by their pixels: from the cache, else made together.

        Args:
            mark: Fingerprint of the frame.
            pixels: Of each crop, from `_read`.
        """
        # Libraries, devices and precisions differ in the last bits, or more: each has embeddings of its own.
        eyes = f"{self.weights} {self.model.arithmetic}".rstrip()
        keys = {crop: embedding_key(rgb, eyes, self.input_px) for crop, rgb in pixels.items()}
        self._keys |= {(mark, crop): key for crop, key in keys.items()}
        kept = {key: self.cache.get(key) for key in keys.values()}
        done = {key: embedding for key, embedding in kept.items() if embedding is not None}
        new = {key: pixels[crop] for crop, key in keys.items() if key not in done}
        for key, embedding in zip(new, self._encode(list(new.values())), strict=True):
            self.cache.put(key, embedding)
            done[key] = embedding
        return {crop: done[key] for crop, key in keys.items()}

    def _encode(self, pixels: Sequence[NDArray[np.uint8]]) -> list[ArrayEmbedding]:
        """Encode crops together; bicubic where they are smaller than the model's input."""
        if not pixels:
            return []
        self.encoded += len(pixels)
        return self.model.encode(np.stack([enlarge(rgb, self.input_px) for rgb in pixels])).split()

    def encoded_crops(self, frame: Frame) -> list[Crop]:
        """Return the crops of a frame whose embeddings are in memory, so that they need not be encoded."""
        places = self._keys.items()
        return [crop for (mark, crop), key in places if mark == frame.fingerprint and key in self.cache]

    def look(self, frame: Frame, requests: Sequence[tuple[Crop, PixelPrompt]]) -> list[Look]:
        """Return what the model sees of each prompt (frame pixels) in its crop, in the same order."""
        embeddings = self.embed(frame, [crop for crop, _ in requests])
        looks: list[Look | None] = [None] * len(requests)

        def kind(index: int) -> tuple[int, bool, int]:
            prompt = requests[index][1]
            return len(prompt.points), prompt.box is not None, first_points(prompt)

        for (_, _, first), group in groupby(sorted(range(len(requests)), key=kind), key=kind):
            indices = list(group)
            for start in range(0, len(indices), ENCODE_BATCH):
                some = indices[start : start + ENCODE_BATCH]
                logits, iou = self._decode([requests[i] for i in some], embeddings, first)
                for i, mask, score in zip(some, logits, iou, strict=True):
                    looks[i] = keep_prompted(Look(requests[i][0], mask, float(score)), requests[i][1])
        return [look for look in looks if look is not None]

    def sketch(
        self, frame: Frame, crop: Crop, xy: NDArray[np.float64], *, keep: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Look at many points of one crop by SAM's head alone: coarser masks, at a fraction of the work.

        Args:
            frame: The image.
            crop: Encoded once for all points.
            xy: `[N, 2]` frame pixels, one click each.
            keep: Whether the embedding goes to the cache. A scan of a scene would drive all others out.

        Returns:
            Logits `[N, K, s, s]` of each click's K masks over the crop, and their predicted IoU `[N, K]`.
        """
        embedding = self.embed(frame, [crop])[crop] if keep else self._encode([self._read(frame, crop)])[0]
        points = crop.to_model(xy, self.input_px).astype(np.float32)[:, None]
        labels = np.ones(points.shape[:2], np.int64)
        parts = []
        for start in range(0, len(points), SKETCH_BATCH):
            some = slice(start, start + SKETCH_BATCH)
            parts.append(self.model.sketch(embedding, ArrayPrompts(points[some], labels[some])))
        return np.concatenate([logits for logits, _ in parts]), np.concatenate([iou for _, iou in parts])

    def _decode(
        self, requests: Sequence[tuple[Crop, PixelPrompt]], embeddings: dict[Crop, ArrayEmbedding], first: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode prompts of one kind: the first points, then each further one with the mask before it.

        That is how the model was trained (as SAM was): a further click corrects the mask that the ones before
        it gave. The answer depends on the prompt alone, its points in their order.

        Args:
            requests: Prompts with equally many points, all with a box or all without.
            embeddings: Of their crops.
            first: Points to begin with.

        Returns:
            Logits `[N, m, m]` and predicted IoU `[N]`.
        """

        def moved(values: list[tuple[Crop, Sequence[float]]]) -> NDArray[np.float32]:
            array = np.stack([crop.to_model(v, self.input_px) for crop, v in values])
            return array.astype(np.float32)

        count, boxed = len(requests[0][1].points), requests[0][1].box is not None
        prompts = ArrayPrompts()
        if boxed:
            boxes = moved([(crop, prompt.box) for crop, prompt in requests if prompt.box])
            prompts = replace(prompts, boxes=boxes.reshape(-1, 4))
        if count:
            points = moved([(crop, prompt.points) for crop, prompt in requests])  # type: ignore[misc]
            labels = np.array([prompt.labels for _, prompt in requests], np.int64)
            prompts = replace(prompts, points=points, labels=labels)
        embedding = ArrayEmbedding.stack([embeddings[crop] for crop, _ in requests])
        # SAM's own masks for one click are ambiguous: it answers with three, and the best one counts.
        ambiguous = self.model.config.head != "hq" and not boxed and first == 1
        answer = self.model.decode(embedding, prompts.begin(first), multimask=ambiguous)
        for given in range(first + 1, count + 1):
            answer = self.model.decode(embedding, replace(prompts.begin(given), masks=answer[0]))
        return answer

    def image(self, frame: Frame, crop: Crop) -> NDArray[np.float32]:
        """Read a crop as `[3, S, S]`; bicubic where it is smaller than the model's input."""
        return enlarge(self._read(frame, crop), self.input_px)

    def _read(self, frame: Frame, crop: Crop) -> NDArray[np.uint8]:
        return read_crop(frame, crop, self.input_px)[0]
