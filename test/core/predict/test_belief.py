"""Boxes that may be rough ones: the look without the box, and what decides between both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box, PixelPrompt
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import ModelConfig, tiny_config
from ros_sam_core.model.ros_sam import Embedding, PromptBatch
from ros_sam_core.model.zoo import resolve
from ros_sam_core.predict import belief
from ros_sam_core.predict.belief import deepest_pixel
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import Crop, box_iou, crops_for_click, mask_bounds
from ros_sam_core.predict.outline import outline
from ros_sam_core.predict.predictor import Look, Predictor, keep_prompted
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene
from training.prompts import jitter_box

NEVER, DOUBT, ROUGH = (), (0.5, 0.7), (0.0, 1.0)
"""Bounds by which boxes are believed without a second look, as the bundled weights do, and never."""
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

    def __init__(self, predictor: Predictor, frame: ArrayFrame = FRAME) -> None:
        embedding = predictor.embed(frame, [CROP])[CROP]
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

    def middle(self, box: Box) -> list[float]:
        assert self.logits is not None
        mask = self.logits[0, 0].numpy() > 0
        x0, y0, x1, y1 = np.rint(CROP.to_model(np.reshape(box, (2, 2)), len(mask)).ravel()).astype(int)
        inside = np.zeros_like(mask)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        found = deepest_pixel(mask & inside)
        assert found is not None
        return (found[0] * 192 / len(mask)).tolist()


def same(seen: Look, logits: np.ndarray, prompt: PixelPrompt) -> None:
    expected = keep_prompted(Look(CROP, logits, 0.0), prompt)
    np.testing.assert_allclose(seen.logits, expected.logits, atol=0.02, err_msg=prompt.id)


@pytest.fixture
def held_for_no_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belief, "SLACK", 1.0)


@pytest.mark.parametrize("clicked", [False, True])
@pytest.mark.usefixtures("held_for_no_worse")
def test_a_rough_box_is_left_out(predictor: Predictor, clicked: bool) -> None:
    box = tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist())
    on = (60.0, 21.0)
    prompt = PixelPrompt("box", (on,) if clicked else (), (1,) if clicked else (), box)
    given = CROP.to_model([on], 192).astype(np.float32).tolist()
    hand = ByHand(predictor)
    hand.ask([], [], box)
    middle = hand.middle(box)
    logits = hand.ask([middle], [1], None)
    if clicked:
        logits = hand.ask([middle, *given], [1, 1], None)
    at = tuple(CROP.to_frame([middle], 192)[0].tolist())
    same(
        look(predictor, prompt, ROUGH), logits, PixelPrompt("box", (at, *prompt.points), (1, *prompt.labels))
    )
    hand = ByHand(predictor)
    logits = hand.ask([], [], box)
    if clicked:
        logits = hand.ask(given, [1], box)
    same(look(predictor, prompt, NEVER), logits, prompt)
    assert np.array_equal(
        doubting(predictor, ROUGH).look(FRAME, [(CROP, prompt)])[0].logits,
        look(predictor, prompt, NEVER).logits,
    ), "only boxes that may be rough are doubted"


@pytest.mark.usefixtures("held_for_no_worse")
def test_the_bounds_of_the_outline_without_the_box_decide(predictor: Predictor) -> None:
    box = tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist())
    prompt = PixelPrompt("box", box=box)
    hand = ByHand(predictor)
    hand.ask([], [], box)
    mask = hand.ask([hand.middle(box)], [1], None) > 0
    bounds = mask_bounds(mask)
    assert bounds is not None
    corners = CROP.to_model(np.reshape(box, (2, 2)), len(mask)).ravel()
    agreement = float(box_iou(corners, bounds[None])[0])
    assert 0.3 < agreement < 0.9
    rough, plain = (look(predictor, prompt, doubt).logits for doubt in (ROUGH, NEVER))
    assert not np.allclose(rough, plain, atol=0.1)
    for doubt, expected in (
        ((agreement - 0.02, agreement + 0.02), rough),
        ((0.0, agreement - 0.02), plain),
        ((agreement + 0.02, 1.0), plain),  # it is about something else than the box
    ):
        np.testing.assert_allclose(look(predictor, prompt, doubt).logits, expected, atol=1e-4)


def test_an_outline_that_the_model_holds_for_worse_is_not_taken(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = PixelPrompt("box", box=tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist()))
    plain = look(predictor, prompt, NEVER)
    monkeypatch.setattr(belief, "SLACK", 1.0)
    rough = look(predictor, prompt, ROUGH)
    less = plain.iou - rough.iou
    for slack, expected in ((less - 0.005, plain), (less + 0.005, rough)):
        monkeypatch.setattr(belief, "SLACK", slack)
        np.testing.assert_allclose(look(predictor, prompt, ROUGH).logits, expected.logits, atol=1e-4)


@pytest.mark.usefixtures("held_for_no_worse")
def test_a_click_beside_the_object_where_its_middle_was_taken_ends_the_doubt(predictor: Predictor) -> None:
    hand = ByHand(predictor)
    hand.ask([], [], BOX)
    x, y = CROP.to_frame([hand.middle(BOX)], 192)[0].tolist()
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
    doubting(predictor, DOUBT)
    for alone, together in zip(
        [outline(predictor, frame, [prompt])[0] for prompt in prompts],
        outline(predictor, frame, prompts),
        strict=True,
    ):
        assert alone.crop == together.crop
        np.testing.assert_allclose(alone.logits, together.logits, atol=0.02)
        assert alone.iou == pytest.approx(together.iou, abs=1e-3)


@pytest.mark.usefixtures("held_for_no_worse")
def test_a_box_that_the_model_found_is_not_doubted(predictor: Predictor) -> None:
    scene = make_scene(3, shape=(160, 160), kind="road", object_px=(12, 18))
    frame, policy = ArrayFrame(scene.rgb, Grid((160, 160))), predictor.model.config.crop
    boxes = [one.box for one in scene.instances]
    centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
    clicks = [PixelPrompt(f"click {i}", (on,), (1,)) for i, on in enumerate(centres)]
    prompts = clicks + [PixelPrompt(f"box {i}", box=box) for i, box in enumerate(boxes)]
    doubted = outline(doubting(predictor, ROUGH), frame, prompts)
    found = outline(doubting(predictor, ROUGH), frame, prompts, drawn=False)
    plain = outline(doubting(predictor, NEVER), frame, prompts)
    looks = zip(doubted[: len(clicks)], plain, centres, strict=False)
    sized = [(a, b) for a, b, on in looks if a.crop not in crops_for_click(on, policy, frame.grid)]
    assert sized, "of none the first look found a box for a second one"
    for seen, expected in [*sized, *zip(found, plain, strict=True)]:
        np.testing.assert_array_equal(seen.logits, expected.logits)
    pairs = zip(doubted[len(clicks) :], plain[len(clicks) :], strict=True)
    assert not all(np.array_equal(a.logits, b.logits) for a, b in pairs)


def test_rough_boxes_give_better_outlines(predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    scores: dict[tuple[float, ...], list[float]] = {NEVER: [], DOUBT: []}
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
    assert np.mean(scores[DOUBT]) > np.mean(scores[NEVER]) + 0.005


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_weights_that_doubt_open_by_either_library(tmp_path: Path, runtime: str) -> None:
    model = load_checkpoint(resolve("ros-sam-tiny")).model
    model.config = replace(model.config, doubt=DOUBT)
    path = tmp_path / "doubting.safetensors"
    save_checkpoint(model, path, torch.float16)
    predictor = Segmenter.from_pretrained(path, cache=CacheOptions(disk_mb=0), runtime=runtime).predictor
    assert predictor.model.name == runtime and predictor.model.config.doubt == DOUBT
    box = tuple(np.add(BOX, (3.0, -4.0, 5.0, 2.0)).tolist())
    seen = outline(predictor, FRAME, [PixelPrompt("box", box=box)])[0]
    assert seen.box is not None and box_iou(np.array(seen.box), np.array([BOX]))[0] > 0.75


@pytest.mark.usefixtures("held_for_no_worse")
def test_a_box_beyond_the_frame_is_measured_by_what_can_be_seen_of_it(predictor: Predictor) -> None:
    x0, y0, x1, y1 = BOX
    width = int(x0 + 0.6 * (x1 - x0))
    frame = ArrayFrame(SCENE.rgb[:, :width], Grid((160, width)))
    hand = ByHand(predictor, frame)
    hand.ask([], [], BOX)
    mask = hand.ask([hand.middle(BOX)], [1], None) > 0
    bounds = mask_bounds(mask)
    assert bounds is not None
    whole, shown = (
        float(box_iou(CROP.to_model([(x0, y0), (x, y1)], len(mask)).ravel(), bounds[None])[0])
        for x in (x1, width)
    )
    assert shown > whole + 0.1
    prompt = PixelPrompt("part of it", box=BOX)
    rough, plain, seen = (
        doubting(predictor, doubt).look(frame, [(CROP, prompt)], doubt={0})[0].logits
        for doubt in (ROUGH, NEVER, (0.0, (whole + shown) / 2))
    )
    np.testing.assert_allclose(seen, plain, atol=1e-4)
    assert not np.allclose(rough, plain, atol=0.1)


@pytest.mark.parametrize("doubt", [(0.5,), (0.8, 0.7), (-0.1, 0.5), (0.5, 1.5)])
def test_bounds_that_are_none_are_refused(doubt: tuple[float, ...]) -> None:
    with pytest.raises(ConfigInvalid, match="doubt is"):
        replace(tiny_config(), doubt=doubt)
    kept = replace(tiny_config(), doubt=DOUBT)
    assert ModelConfig.from_json(kept.to_json()) == kept
    told = {key: value for key, value in json.loads(kept.to_json()).items() if key != "doubt"}
    assert ModelConfig.from_json(json.dumps(told)).doubt == (), "weights of before believe boxes"
