"""Run methods over labelled scenes and collect one result an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.errors import Cancelled
from training.evaluation.methods import Method
from training.evaluation.metrics import boundary_iou, boundary_width, mask_iou
from training.evaluation.prompting import TARGETS, Clicks, PromptKind, box_prompt
from training.evaluation.windows import NOTHING, Answer, compare, truth_of
from training.scenes import Scene


@dataclass(frozen=True)
class Result:
    """One object's outcome.

    Attributes:
        scene: Number of its scene.
        number: Of the object in the scene.
        class_name: Its label.
        longer_px: Longer side of its box.
        iou: With the label.
        boundary: Boundary IoU with the label.
        score: IoU that the model expects.
    """

    scene: int
    number: int
    class_name: str
    longer_px: float
    iou: float
    boundary: float
    score: float


@dataclass(frozen=True)
class FrameResult:
    """One frame's outcome: the union of its masks against the union of its labels."""

    scene: int
    iou: float
    boundary: float


@dataclass
class Column:
    """All that one method does with one kind of prompt.

    Attributes:
        method: Name.
        kind: Name of the kind of prompt.
        results: One an object.
        frames: One a frame that has an object.
        answers: The answers by scene and object, where they are kept.
    """

    method: str
    kind: str
    results: list[Result] = field(default_factory=list)
    frames: list[FrameResult] = field(default_factory=list)
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class ClickCount:
    """Clicks that one object took to reach each of `TARGETS`; the most allowed where it did not.

    Attributes:
        scene: Number of its scene.
        class_name: Its label.
        clicks: One a target.
        reached: Whether it was, one a target.
    """

    scene: int
    class_name: str
    clicks: tuple[int, ...]
    reached: tuple[bool, ...]


@dataclass
class Measured:
    """The outcome of an evaluation.

    Attributes:
        columns: One a method and kind of prompt.
        counts: Clicks to targets by method.
        most_clicks: Where counting stopped.
        videos: Of each scene the number of the first one of its video; its own where it belongs to none.
    """

    columns: list[Column] = field(default_factory=list)
    counts: dict[str, list[ClickCount]] = field(default_factory=dict)
    most_clicks: int = 0
    videos: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What is asked of each method.

    Attributes:
        kinds: Kinds of prompts.
        most_clicks: Clicks after which counting stops; 0 counts none.
        count_for: Names of the methods whose clicks are counted.
        count_share: Share of the scenes on which they are, for a first impression.
        keep: Name of the method whose answers to the first kind are kept for pictures.
        seed: Of the boxes' noise.
    """

    kinds: tuple[PromptKind, ...]
    most_clicks: int = 0
    count_for: tuple[str, ...] = ()
    count_share: float = 1.0
    keep: str = ""
    seed: int = 0


def measure(
    methods: Sequence[Method],
    scenes: Sequence[Scene],
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Measured:
    """Ask every method every kind of prompt on every object.

    Raises:
        Cancelled: `cancel` said so, between scenes.
    """
    first = {scene.video: index for index, scene in reversed(list(enumerate(scenes)))}
    videos = [first[scene.video] if scene.video else index for index, scene in enumerate(scenes)]
    measured = Measured(most_clicks=plan.most_clicks, videos=videos)
    columns = {
        (method.name, kind.name): Column(method.name, kind.name)
        for method in methods
        for kind in plan.kinds
        if not (method.boxes_only and kind.clicks)
    }
    measured.columns = list(columns.values())
    counted = np.random.default_rng(plan.seed).random(len(scenes)) < plan.count_share
    for index, scene in enumerate(scenes):
        if cancel is not None and cancel():
            raise Cancelled(f"stopped after {index} of {len(scenes)} images, as asked")
        truths = [truth_of(obj, scene.shape) for obj in scene.objects]
        for method in methods:
            method.look_at(scene)
            counts = plan.most_clicks if method.name in plan.count_for and counted[index] else 0
            for kind, answers in _answers(method, scene, truths, plan, counts, index, measured):
                column = columns[method.name, kind.name]
                _note(column, scene, index, truths, answers)
                if method.name == plan.keep and kind is plan.kinds[0]:
                    column.answers |= {(index, number): a for number, a in enumerate(answers)}
        if progress is not None:
            progress(index + 1, len(scenes))
    return measured


def _answers(
    method: Method,
    scene: Scene,
    truths: Sequence[Answer],
    plan: Plan,
    most_clicks: int,
    index: int,
    measured: Measured,
) -> Iterator[tuple[PromptKind, list[Answer]]]:
    """Yield a method's answers to each kind of prompt; clicks are made once for all kinds."""
    there = [number for number, truth in enumerate(truths) if truth.mask.any()]
    if not there:
        return
    for kind in plan.kinds:
        if not kind.clicks:
            frame = scene.name if scene.video else ""
            prompts = [box_prompt(scene.objects[n], n, kind.noise, plan.seed, frame) for n in there]
            yield kind, _placed(method.answer(prompts), there, len(truths))
    wanted = {kind.clicks: kind for kind in plan.kinds if kind.clicks}
    if method.boxes_only or not wanted:
        return
    ious = np.zeros((len(truths), max(*wanted, most_clicks)))
    state = {n: Clicks() for n in there}
    answers = [NOTHING] * len(truths)
    for click in range(1, ious.shape[1] + 1):
        # Beyond the last kind of prompt only objects are clicked on that have not reached the last target.
        active = [n for n in there if click <= max(wanted) or ious[n].max() < TARGETS[-1]]
        if not active:
            break
        state |= {n: state[n].and_next(answers[n], truths[n]) for n in active}
        for n, answer in zip(active, method.answer([state[n].prompt(n) for n in active]), strict=True):
            answers[n] = answer
            ious[n, click - 1] = compare(answer, truths[n])[0]
        if click in wanted:
            yield wanted[click], list(answers)
    if most_clicks:
        found = measured.counts.setdefault(method.name, [])
        found += [_count(ious[n, :most_clicks], index, scene.objects[n].class_name) for n in there]


def _count(ious: NDArray[np.float64], index: int, class_name: str) -> ClickCount:
    reached = [ious >= target for target in TARGETS]
    clicks = tuple(int(r.argmax()) + 1 if r.any() else len(ious) for r in reached)
    return ClickCount(index, class_name, clicks, tuple(bool(r.any()) for r in reached))


def _placed(answers: Sequence[Answer], there: Sequence[int], count: int) -> list[Answer]:
    placed = [NOTHING] * count
    for number, answer in zip(there, answers, strict=True):
        placed[number] = answer
    return placed


def _note(
    column: Column, scene: Scene, index: int, truths: Sequence[Answer], answers: Sequence[Answer]
) -> None:
    """Add a scene's answers to a column: each object's, and the frame's."""
    shape = scene.shape
    given, true = np.zeros(shape, bool), np.zeros(shape, bool)
    for number, (obj, truth, answer) in enumerate(zip(scene.objects, truths, answers, strict=True)):
        if not truth.mask.any():
            continue
        answer.paste(given)
        truth.paste(true)
        longer = max(obj.box[2] - obj.box[0], obj.box[3] - obj.box[1])
        iou, boundary = compare(answer, truth)
        column.results.append(Result(index, number, obj.class_name, longer, iou, boundary, answer.score))
    width = boundary_width(*shape)
    column.frames.append(FrameResult(index, mask_iou(given, true), boundary_iou(given, true, width)))
