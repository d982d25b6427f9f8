"""Boxes that may be rough ones: the look without the box, and what decides between both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box, PixelPrompt
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.ros_sam import Embedding, PromptBatch
from ros_sam_core.model.zoo import resolve
from ros_sam_core.predict.belief import deepest_pixel
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import Crop, box_iou, mask_bounds
from ros_sam_core.predict.outline import outline
from ros_sam_core.predict.predictor import Look, Predictor, keep_prompted
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene
from training.prompts import jitter_box

NEVER, ROUGH, EXACT = (), (0.0, 1.0), (0.0, 0.0)
"""Bounds by which boxes are believed without a second look, never, and always."""
SCENE = make_scene(3, shape=(160, 160), kind="airport", object_px=(20, 60))
FRAME = ArrayFrame(SCENE.rgb, Grid((160, 160)))
CROP = Crop(32, -6, 57)
BOX = SCENE.instances[0].box


@pytest.fixture(scope="module")
def opened() -> Predictor:
    return Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0)).predictor


@pytest.fixture
def predictor(opened: Predictor) -> Iterator[Predictor]:
    config = opened.model.config
    yield opened
    opened.model.config = config


def doubting(predictor: Predictor, doubt: tuple[float, ...]) -> Predictor:
    predictor.model.config = replace(predictor.model.config, doubt=doubt)
    return predictor


def look(predictor: Predictor, prompt: PixelPrompt, doubt: tuple[float, ...]) -> Look:
    return doubting(predictor, doubt).look(FRAME, [(CROP, prompt)], doubt={0})[0]


class ByHand:
    """The model itself, asked step by step."""

    def __init__(self, predictor: Predictor) -> None:
        embedding = predictor.embed(FRAME, [CROP])[CROP]
        final, *early = (torch.from_numpy(e).float() for e in (embedding.final, *embedding.early))
        self.embedding = Embedding(final, tuple(early))
        self.model = load_checkpoint(resolve("ros-sam-tiny")).model
        self.logits: torch.Tensor | None = None

    def ask(self, points: list[list[float]], labels: list[int], box: Box | None) -> np.ndarray:
        """Decode with the mask of the question before; points in the input's pixels."""
        corners = None
        if box is not None:
            corners = torch.from_numpy(CROP.to_model(np.reshape(box, (2, 2)), 192)).float().reshape(1, 4)
        asked = PromptBatch(
            points=torch.tensor([points]) if points else None,
            labels=torch.tensor([labels]) if points else None,
            boxes=corners,
            masks=None if self.logits is None else self.model.mask_prompt(self.logits),
        )
        with torch.inference_mode():
            self.logits = self.model.decode(self.embedding, asked).best(self.model.config.head)[0]
        return self.logits[0, 0].numpy()

    def middle(self) -> list[float]:
        assert self.logits is not None
        mask = self.logits[0, 0].numpy() > 0
        found = deepest_pixel(mask)
        assert found is not None
        return (found[0] * 192 / len(mask)).tolist()


def same(seen: Look, logits: np.ndarray, prompt: PixelPrompt) -> None:
    expected = keep_prompted(Look(CROP, logits, 0.0), prompt)
    np.testing.assert_allclose(seen.logits, expected.logits, atol=0.02, err_msg=prompt.id)


@pytest.mark.parametrize("clicked", [False, True])
def test_a_rough_box_is_left_out_and_an_exact_one_is_kept(predictor: Predictor, clicked: bool) -> None:
    box = tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist())
    on = (60.0, 21.0)
    prompt = PixelPrompt("box", (on,) if clicked else (), (1,) if clicked else (), box)
    given = CROP.to_model([on], 192).astype(np.float32).tolist()
    for doubt, kept in ((ROUGH, None), (EXACT, box)):
        hand = ByHand(predictor)
        hand.ask([], [], box)
        middle = hand.middle()
        logits = hand.ask([middle], [1], kept)
        if clicked:
            logits = hand.ask([middle, *given], [1, 1], kept)
        same(look(predictor, prompt, doubt), logits, prompt)
    hand = ByHand(predictor)
    logits = hand.ask([], [], box)
    if clicked:
        logits = hand.ask(given, [1], box)
    same(look(predictor, prompt, NEVER), logits, prompt)
    assert np.array_equal(
        doubting(predictor, ROUGH).look(FRAME, [(CROP, prompt)])[0].logits,
        look(predictor, prompt, NEVER).logits,
    ), "only boxes that may be rough are doubted"


def test_the_bounds_of_the_outline_without_the_box_decide(predictor: Predictor) -> None:
    box = tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist())
    prompt = PixelPrompt("box", box=box)
    hand = ByHand(predictor)
    hand.ask([], [], box)
    mask = hand.ask([hand.middle()], [1], None) > 0
    bounds = mask_bounds(mask)
    assert bounds is not None
    corners = CROP.to_model(np.reshape(box, (2, 2)), len(mask)).ravel()
    agreement = float(box_iou(corners, bounds[None])[0])
    assert 0.3 < agreement < 0.9
    rough, exact = look(predictor, prompt, ROUGH).logits, look(predictor, prompt, EXACT).logits
    assert not np.allclose(rough, exact, atol=0.1)
    for doubt, expected in (
        ((agreement - 0.02, agreement + 0.02), rough),
        ((0.0, agreement - 0.02), exact),
        ((agreement + 0.02, 1.0), exact),  # it is about something else than the box
    ):
        np.testing.assert_allclose(look(predictor, prompt, doubt).logits, expected, atol=1e-4)


def test_a_click_beside_the_object_where_its_middle_was_taken_ends_the_doubt(predictor: Predictor) -> None:
    hand = ByHand(predictor)
    hand.ask([], [], BOX)
    x, y = CROP.to_frame([hand.middle()], 192)[0].tolist()
    denied = PixelPrompt("denied", ((x, y),), (0,), BOX)
    np.testing.assert_allclose(
        look(predictor, denied, ROUGH).logits, look(predictor, denied, NEVER).logits, atol=1e-4
    )
    elsewhere = PixelPrompt("elsewhere", ((40.0, 35.0),), (0,), BOX)
    assert not np.allclose(
        look(predictor, elsewhere, ROUGH).logits, look(predictor, elsewhere, NEVER).logits, atol=0.1
    )


def test_prompts_are_read_in_company_as_alone(predictor: Predictor) -> None:
    rng = np.random.default_rng(5)
    scene = make_scene(4, shape=(400, 400), kind="airport", object_px=(24, 60))
    frame = ArrayFrame(scene.rgb, Grid((400, 400)))
    boxes = [tuple(jitter_box(np.array(one.box), 0.25, rng)) for one in scene.instances]
    assert len(boxes) > 4
    prompts = [PixelPrompt(str(i), box=box) for i, box in enumerate(boxes)]
    prompts.append(PixelPrompt("nothing there", box=(1.0, 1.0, 9.0, 9.0)))
    x0, y0, x1, y1 = boxes[0]
    prompts.append(PixelPrompt("denied", (((x0 + x1) / 2, (y0 + y1) / 2),), (0,), boxes[0]))
    doubting(predictor, (0.5, 0.75))
    for alone, together in zip(
        [outline(predictor, frame, [prompt])[0] for prompt in prompts],
        outline(predictor, frame, prompts),
        strict=True,
    ):
        assert alone.crop == together.crop
        np.testing.assert_allclose(alone.logits, together.logits, atol=0.02)
        assert alone.iou == pytest.approx(together.iou, abs=1e-3)


def test_a_box_found_by_a_click_is_not_doubted(predictor: Predictor) -> None:
    on = (60.0, 21.0)
    prompts = [PixelPrompt("click", (on,), (1,)), PixelPrompt("box", box=BOX)]
    click, box = outline(doubting(predictor, ROUGH), FRAME, prompts)
    plain_click, plain_box = outline(doubting(predictor, NEVER), FRAME, prompts)
    np.testing.assert_array_equal(click.logits, plain_click.logits)
    assert not np.array_equal(box.logits, plain_box.logits)


def test_rough_boxes_give_better_outlines(predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    scores: dict[tuple[float, ...], list[float]] = {NEVER: [], (0.5, 0.75): []}
    for seed in (3, 4, 5):
        scene = make_scene(seed, shape=(256, 256), kind="airport", object_px=(24, 60))
        frame = ArrayFrame(scene.rgb, Grid((256, 256)))
        prompts = [
            PixelPrompt(str(i), box=tuple(jitter_box(np.array(one.box), 0.25, rng)))
            for i, one in enumerate(scene.instances)
        ]
        for doubt, found in scores.items():
            looks = outline(doubting(predictor, doubt), frame, prompts)
            for seen, one in zip(looks, scene.instances, strict=True):
                box = np.array(seen.box if seen.box is not None else (0, 0, 0, 0), float)
                found.append(float(box_iou(box, np.array([one.box], float))[0]))
    assert len(scores[NEVER]) > 10
    assert np.mean(scores[0.5, 0.75]) > np.mean(scores[NEVER]) + 0.01
