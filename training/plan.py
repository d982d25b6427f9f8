"""Which frames of a video data set are kept, and on which side: seeded, and told."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ros_sam_core.errors import ConfigInvalid
from training.readers import DatasetSpec, Ledger
from training.scenes import DatasetError, Scene

MOSTLY = 0.9
"""Share of a class's masks that are filled boxes, from which the class counts as one without masks."""


@dataclass(frozen=True)
class PrepareConfig:
    """What is kept of a video data set.

    Attributes:
        share: Share of each video's frames.
        val: Share of the videos that goes to val, of each main class by itself.
        seed: Of both choices. A video's frames depend on the seed and on the video alone.
        drop_boxes: Leave out classes whose masks are nothing but filled boxes.

    Raises:
        ConfigInvalid: A field is out of range.
    """

    share: float = 0.25
    val: float = 0.2
    seed: int = 0
    drop_boxes: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigInvalid(f"share is {self.share}; it must be more than 0, and 1 at most")
        if not 0 <= self.val < 1:
            raise ConfigInvalid(f"val is {self.val}; it must be at least 0 and less than 1")
        if self.seed < 0:
            raise ConfigInvalid(f"seed is {self.seed}; it must be 0 or more")


@dataclass
class Video:
    """What became of a video.

    Attributes:
        name: Its name; that of the image for an image that belongs to none.
        frames: Frames in all.
        drawn: Frames that the draw took.
        kept: Of these, the ones that have an object left.
        objects: Objects kept, by class.
        split: "train" or "val"; "" where nothing of it is kept.
    """

    name: str
    frames: int
    drawn: int = 0
    kept: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    split: str = ""


@dataclass
class Plan:
    """What is written, and what the report tells.

    Attributes:
        splits: Frames by split and by the stem of their files.
        videos: Every video.
        dropped: Classes that are left out, and why.
    """

    splits: dict[str, dict[str, Scene]]
    videos: list[Video]
    dropped: dict[str, str]

    def digest(self) -> str:
        """Return a digest of what is written, pixels left aside."""
        digest = hashlib.sha256()
        for split, frames in self.splits.items():
            for stem, scene in frames.items():
                told = [(o.class_name, o.id, o.track, o.x0, o.y0, o.size) for o in scene.objects]
                digest.update(repr((split, stem, scene.name, told)).encode())
                for obj in scene.objects:
                    digest.update(obj.packed)
        return digest.hexdigest()

    def report(self, ledger: Ledger) -> dict[str, Any]:
        """Return everything as plain values."""
        videos = [vars(v) | {"objects": dict(sorted(v.objects.items()))} for v in self.videos]
        return {
            "splits": {
                split: {
                    "videos": sum(v.split == split for v in self.videos),
                    "frames": len(frames),
                    "objects": dict(sorted(_classes(frames.values()).items())),
                }
                for split, frames in self.splits.items()
            },
            "dropped_classes": self.dropped,
            "videos": videos,
            **ledger.as_dict(),
        }

    def text(self, spec: DatasetSpec, config: PrepareConfig, ledger: Ledger) -> str:
        """Return the same for people."""
        total = sum(v.frames for v in self.videos)
        drawn = sum(v.drawn for v in self.videos)
        kept = sum(v.kept for v in self.videos)
        lines = [
            f"{spec.path}: {len(self.videos)} videos, {total} frames",
            f"{drawn} frames drawn, a share of {config.share:g} of each video, seed {config.seed}",
            f"{kept} kept; {drawn - kept} have no object with a mask",
        ]
        for split, frames in self.splits.items():
            videos = sum(v.split == split for v in self.videos)
            objects = ", ".join(f"{n} {name}" for name, n in _classes(frames.values()).most_common())
            lines.append(f"{split}: {videos} videos, {len(frames)} frames; {objects or 'nothing'}")
        lines += [f"class {name} left out: {reason}" for name, reason in sorted(self.dropped.items())]
        lines += filter(None, [ledger.summary()])
        rows = [("video", "split", "frames", "drawn", "kept", "objects")]
        for v in self.videos:
            objects = ", ".join(f"{n} {name}" for name, n in v.objects.most_common())
            rows.append((v.name, v.split or "none", str(v.frames), str(v.drawn), str(v.kept), objects or "-"))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines.append("")
        lines += [
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[5]]) for row in rows
        ]
        return "\n".join(lines) + "\n"


def _classes(scenes: Any) -> Counter[str]:
    return Counter(obj.class_name for scene in scenes for obj in scene.objects)


def make_plan(scenes: Sequence[Scene], config: PrepareConfig, ledger: Ledger) -> Plan:
    """Choose classes, frames and sides.

    Faults of objects of a class that has no masks at all are taken out of the ledger: they are no faults.

    Raises:
        DatasetError: Nothing is left.
    """
    dropped = _classes_without_masks(scenes, config, ledger)
    ledger.skipped[:] = [s for s in ledger.skipped if s.class_name not in dropped or s.kind != "missing mask"]
    groups: dict[str, list[Scene]] = {}
    for scene in scenes:
        groups.setdefault(scene.video or scene.name, []).append(scene)
    videos, chosen = [], {}
    for name in sorted(groups):
        frames = sorted(groups[name], key=lambda s: (s.frame, s.name))
        video = Video(name, len(frames))
        count = max(1, round(config.share * len(frames)))
        rng = np.random.default_rng([config.seed, zlib.crc32(name.encode())])
        drawn = [frames[i] for i in sorted(rng.permutation(len(frames))[:count])]
        thinned = (_without(scene, dropped) for scene in drawn)
        chosen[name] = [scene for scene in thinned if scene.objects]
        video.drawn, video.kept, video.objects = count, len(chosen[name]), _classes(chosen[name])
        videos.append(video)
    if not any(chosen.values()):
        reasons = "; ".join([f"class {n}: {r}" for n, r in dropped.items()] + [ledger.summary()])
        raise DatasetError(f"no frame with a mask is left: {reasons or 'there are no objects'}")
    _choose_sides(videos, config)
    splits: dict[str, dict[str, Scene]] = {"train": {}, "val": {}}
    taken: set[str] = set()
    for video in videos:
        for scene in chosen[video.name]:
            splits[video.split][_stem(scene, taken)] = scene
    return Plan(splits, videos, dropped)


def _classes_without_masks(scenes: Sequence[Scene], config: PrepareConfig, ledger: Ledger) -> dict[str, str]:
    missing = Counter(s.class_name for s in ledger.skipped if s.kind == "missing mask" and s.class_name)
    masks = _classes(scenes)
    dropped = {name: f"none of its {n} objects has a mask" for name, n in missing.items() if not masks[name]}
    if config.drop_boxes:
        full = Counter(o.class_name for s in scenes for o in s.objects if o.mask.all())
        for name, count in full.items():
            if count >= MOSTLY * masks[name]:
                dropped[name] = f"{count} of its {masks[name]} masks are filled boxes"
    return dropped


def _without(scene: Scene, dropped: dict[str, str]) -> Scene:
    return replace(scene, objects=tuple(o for o in scene.objects if o.class_name not in dropped))


def _choose_sides(videos: Sequence[Video], config: PrepareConfig) -> None:
    """Send whole videos to val, of each main class its share, and at least one of two or more."""
    by_class: dict[str, list[Video]] = {}
    for video in videos:
        if video.kept:
            main = min(video.objects.items(), key=lambda item: (-item[1], item[0]))[0]
            by_class.setdefault(main, []).append(video)
    for name, group in sorted(by_class.items()):
        rng = np.random.default_rng([config.seed, 1, zlib.crc32(name.encode())])
        count = round(config.val * len(group))
        if config.val and len(group) > 1:
            count = min(max(count, 1), len(group) - 1)
        for place, index in enumerate(rng.permutation(len(group))):
            group[index].split = "val" if place < count else "train"


def _stem(scene: Scene, taken: set[str]) -> str:
    """Return a name for a frame's files that no other has."""
    name = f"{scene.video}_{scene.frame:06d}" if scene.video and scene.frame >= 0 else scene.name
    name = re.sub(r"\.\w{1,5}$", "", name) if name == scene.name else name
    base = stem = re.sub(r"[^\w.-]+", "_", name).strip("._") or "frame"
    number = 2
    while stem in taken:
        stem, number = f"{base}-{number}", number + 1
    taken.add(stem)
    return stem
