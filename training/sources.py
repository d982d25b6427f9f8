"""What a run trains on and looks at, opened as its configuration says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch.utils.data import Dataset

from training.config import DataConfig, TrainConfig
from training.datasets import CropDataset, Sample
from training.frames import FrameDataset
from training.procedural import procedural_scenes
from training.readers import open_dataset, read_coco, warn_of_lone_frames
from training.scenes import DatasetError, Scene, split_scenes, why_undivided
from training.simulated import simulated_scenes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What a run reads.

    Attributes:
        samples: Samples by index, as many as the longest run asks for.
        images: Images of one epoch.
        aside: Labelled scenes set aside, on which every choice is made.
    """

    samples: Dataset[Sample]
    images: int
    aside: Sequence[Scene]


def of_classes(scenes: Sequence[Scene], classes: Sequence[str]) -> list[Scene]:
    """Keep the objects of some classes, and the scenes that have one; no class named keeps all.

    Raises:
        DatasetError: No object is of one of the classes.
    """
    if not classes:
        return list(scenes)
    known = sorted({o.class_name for scene in scenes for o in scene.objects})
    unknown = [name for name in classes if name not in known]
    if unknown and known:
        raise DatasetError(
            f"no object is of class {', '.join(map(repr, unknown))}; the labels have {', '.join(known)}"
        )
    return _filtered(scenes, classes)


def _filtered(scenes: Sequence[Scene], classes: Sequence[str]) -> list[Scene]:
    if not classes:
        return list(scenes)
    kept = (
        replace(scene, objects=tuple(o for o in scene.objects if o.class_name in classes)) for scene in scenes
    )
    return [scene for scene in kept if scene.objects]


def _sides(sets: Sequence[tuple[str, Sequence[Scene]]], data: DataConfig) -> tuple[list[Scene], list[Scene]]:
    """Set a share of each set aside, of each by itself, so that it can be told again from that set alone.

    Args:
        sets: Path and scenes of each.
        data: The share, and the classes that count.

    Returns:
        The scenes that are trained on, and those set aside.

    Raises:
        DatasetError: Nothing is left to train on, although it is to be drawn from.
    """
    kept: list[Scene] = []
    aside: list[Scene] = []
    for path, scenes in sets:
        sides = [_filtered(part, data.classes) for part in split_scenes(scenes, data.aside, seed=0)]
        reason = why_undivided(scenes, data.aside) if 0 < data.aside < 1 else ""
        if reason:
            log.warning("%s: %s is set aside: %s", path, "all of it" if sides[1] else "nothing", reason)
        kept += sides[0]
        aside += sides[1]
    if data.aside and kept and not aside:
        log.warning("nothing is set aside; the run will not be looked at on images that it has not seen")
    if aside and not kept and data.procedural_share + data.simulated_share < 1:
        raise DatasetError(
            f"all {len(aside)} labelled images are set aside (data.aside is {data.aside:g}), none is left to "
            "train on; set less aside, or make data.procedural_share and data.simulated_share 1 together"
        )
    return kept, aside


def open_data(config: TrainConfig) -> TrainingData:
    """Load labelled scenes, those of them set aside, and procedural ones.

    Raises:
        DatasetError: A file cannot be read, or nothing is left to train on.
    """
    data = config.data
    sets = [(path, list(read_coco(Path(path), vertices=data.vertices))) for path in data.coco]
    for spec in data.sets:
        found = open_dataset(spec)
        log.info("%s", found.summary())
        if data.aside:
            warn_of_lone_frames(spec, found.scenes)
        sets.append((spec.path, list(found.scenes)))
    of_classes([s for _, scenes in sets for s in scenes], data.classes)  # names a class that is none
    kept, aside = _sides(sets, data)
    cache = Path(data.cache) if data.cache else Path(config.output).parent / "procedural"
    procedural = procedural_scenes(data.procedural, config.seed, cache) if data.procedural else []
    simulated: list[Scene] = []
    if data.simulated:
        simulated = _filtered(simulated_scenes(data.simulated, config.first_video, cache), data.classes)
    groups = [
        ("labelled", kept, 1 - data.procedural_share - data.simulated_share),
        ("procedural", procedural, data.procedural_share),
        ("simulated", simulated, data.simulated_share),
    ]
    for what, scenes in (*((name, scenes) for name, scenes, _ in groups), ("set aside", aside)):
        log.info("%d scenes %s, %d objects", len(scenes), what, sum(len(s.objects) for s in scenes))
    shares = [(scenes, share) for _, scenes, share in groups]
    if data.pipeline == "frames":
        size = config.model.input_px
        samples: Dataset[Sample] = FrameDataset(shares, config.frames, size, config.box_noise, config.seed)
    else:
        samples = CropDataset(config, shares, length=2**62)
    return TrainingData(samples, len(kept) or len(procedural) + len(simulated), aside)
