"""Evaluation: metrics against values worked out by hand, and whole runs on labels that are known."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import write_labels
from shapely.geometry import box

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.evaluate import _parser, main
from training.evaluation import methods
from training.evaluation.data import guess_spec, open_scenes, reduce_scene
from training.evaluation.measure import Plan, measure
from training.evaluation.methods import FilledBox, GrabCut, PipelineMethod, whole_frames
from training.evaluation.metrics import boundary_iou, boundary_of, boundary_width, interval, mask_iou
from training.evaluation.prompting import Clicks, PromptKind, box_prompt
from training.evaluation.report import as_markdown, report
from training.evaluation.sheet import contact_sheet, edges
from training.evaluation.windows import NOTHING, Answer, answer_of, compare, truth_of
from training.prepare import spec_fields
from training.prompts import jitter_box
from training.readers import DatasetSpec
from training.scenes import Scene, SceneObject, build_pyramid
from training.simulate import SimulatedVideo, SimulateOptions, procedural_ground
from training.simulate.files import write_video


def square(size: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_iou_by_hand() -> None:
    a, b = square(10, 0, 0, 4, 4), square(10, 2, 0, 6, 4)
    assert mask_iou(a, b) == 8 / 24
    assert mask_iou(a, a) == 1 and mask_iou(a, ~a) == 0
    assert mask_iou(np.zeros((3, 3), bool), np.zeros((3, 3), bool)) == 1


def test_boundary_iou_by_hand() -> None:
    """Two 6 x 6 squares, one shifted by a pixel; rims of one pixel have 20 pixels and share 10."""
    a, b = square(12, 2, 2, 8, 8), square(12, 3, 2, 9, 8)
    assert boundary_of(a, 1).sum() == 20
    # Shared: top and bottom rows 5 pixels each; left rims at x=2 and 3, right at 7 and 8 do not meet,
    # but a's right rim lies on no rim of b, and b's left on none of a.
    assert boundary_iou(a, b, 1) == 10 / 30
    assert boundary_iou(a, a, 2) == 1


def test_the_edge_of_a_frame_is_a_boundary() -> None:
    assert boundary_of(np.ones((5, 5), bool), 1).sum() == 16


def test_width_of_the_boundary() -> None:
    assert boundary_width(30, 40) == 1  # 2 % of 50
    assert boundary_width(300, 400) == 10
    assert boundary_width(2, 2) == 1


def slow_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """The definition, pixel by pixel: background, or the outside, within `width` steps of a king."""
    height, columns = mask.shape
    near = np.zeros_like(mask)
    for y in range(height):
        for x in range(columns):
            for v in range(y - width, y + width + 1):
                for u in range(x - width, x + width + 1):
                    if not (0 <= v < height and 0 <= u < columns and mask[v, u]):
                        near[y, x] = True
    return mask & near


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_boundary_iou_is_the_slow_definition(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.kron(rng.random((4, 5)) < 0.6, np.ones((3, 2))) > 0 for _ in range(2))
    for mask in (a, b):
        assert np.array_equal(boundary_of(mask, width), slow_boundary(mask, width))
    sa, sb = slow_boundary(a, width), slow_boundary(b, width)
    expected = (sa & sb).sum() / (sa | sb).sum() if (sa | sb).any() else 1.0
    assert boundary_iou(a, b, width) == expected


def test_windows_change_no_figure() -> None:
    """Compared in small windows, masks have the figures that they have in the whole frame."""
    rng = np.random.default_rng(0)
    shape = (40, 50)
    for _ in range(20):
        x, y = rng.integers(0, 30, 2)
        obj = SceneObject(rng.random((9, 11)) < 0.7, int(x), int(y), (x, y, x + 11.0, y + 9.0), "ship")
        truth = truth_of(obj, shape)
        outline = box(*(rng.uniform(0, 20, 2)), *(rng.uniform(21, 60, 2)))
        answer = answer_of(outline, shape, 0.5)
        full = np.zeros(shape, bool)
        answer.paste(full)
        centres = np.mgrid[0:40, 0:50] + 0.5
        x0, y0, x1, y1 = outline.bounds
        inside = (centres[1] > x0) & (centres[1] < x1) & (centres[0] > y0) & (centres[0] < y1)
        assert np.array_equal(full, inside)
        true = obj.frame_mask(shape)
        rows, columns = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
        width = boundary_width(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
        assert compare(answer, truth) == (mask_iou(full, true), boundary_iou(full, true, width))
        assert compare(NOTHING, truth) == (0, 0)
        assert compare(truth, truth) == (1, 1)


def test_the_interval_draws_images_not_objects() -> None:
    """Ten objects of each of two images that differ: nearly all that is uncertain is which image is drawn."""
    values = np.array([0.2] * 10 + [0.8] * 10)
    groups = np.array([0] * 10 + [1] * 10)
    assert interval(values, groups) == pytest.approx((0.2, 0.8))
    low, high = interval(values)
    assert 0.3 < low < 0.5 < high < 0.7
    spread = 0.3 / math.sqrt(20)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert interval(np.array([0.5])) == (0.5, 0.5)


def test_kinds_of_prompts() -> None:
    assert PromptKind.parse("box") == PromptKind("box")
    assert PromptKind.parse("box+20%").noise == 0.2
    assert [PromptKind.parse(t).clicks for t in ("click", "1click", "3clicks")] == [1, 1, 3]
    for text in ("boxes", "box+x%", "0clicks", "scribble"):
        with pytest.raises(ConfigInvalid, match="no kind of prompt"):
            PromptKind.parse(text)


def test_noise_of_boxes_is_within_its_share_and_repeats() -> None:
    obj = SceneObject(np.ones((20, 40)), 10, 10, (10, 10, 50, 30), "ship", 7)
    boxes = np.array([box_prompt(obj, 0, 0.2, seed).box for seed in range(200)])
    off = (boxes - obj.box) / [40, 20, 40, 20]
    assert np.abs(off).max() <= 0.2 and np.abs(off).max(axis=0).min() > 0.19
    assert box_prompt(obj, 0, 0.2, 3) == box_prompt(obj, 5, 0.2, 3).__class__(
        "0", box=box_prompt(obj, 5, 0.2, 3).box
    )


def frames_of(video, count):
    """Return one scene again and again, as frames of a video; "" makes single images of it."""
    return [replace(labelled_scene(), name=f"{video}{i}", video=video, frame=i) for i in range(count)]


class Noted(FilledBox):
    """Remembers the boxes that it was asked."""

    def __init__(self):
        self.boxes = []

    def answer(self, prompts):
        self.boxes += [prompt.box for prompt in prompts]
        return super().answer(prompts)


def test_an_object_of_a_video_is_boxed_otherwise_in_each_frame() -> None:
    plan = Plan((PromptKind.parse("box+20%"),))

    def boxes(scenes):
        method = Noted()
        measure([method], scenes, plan)
        return method.boxes

    assert len(set(boxes(frames_of("port", 3)))) == 6 and boxes(frames_of("port", 3)) == boxes(
        frames_of("port", 3)
    )
    # Images that belong to no video keep the boxes of published figures, whatever their names.
    single = boxes(frames_of("", 2))
    assert single[:2] == single[2:]
    wanted = jitter_box(np.array([5.0, 6, 25, 26]), 0.2, np.random.default_rng([0, 1]))
    assert single[0] == tuple(wanted.tolist())


def test_intervals_draw_videos_not_frames() -> None:
    """Frames of a video differ by nothing: all that is uncertain is which video is drawn."""

    def found(scenes, misses):
        measured = measure([Oracle(0)], scenes, Plan((PromptKind.parse("box"),)))
        (column,) = measured.columns
        column.results = [replace(r, iou=1 - misses[r.scene] / 10) for r in column.results]
        return report(measured, {})["methods"]["oracle"]["box"]["instances"]["all"]["iou"]

    misses = [8] * 10 + [2] * 10
    videos = found([*frames_of("a", 10), *frames_of("b", 10)], misses)
    assert (videos["low"], videos["high"]) == pytest.approx((0.2, 0.8))
    images = found(frames_of("", 20), misses)
    assert images["mean"] == videos["mean"] and 0.3 < images["low"] < images["high"] < 0.7
    one = measure([Oracle(0)], frames_of("a", 5), Plan((PromptKind.parse("click"),), 2, ("oracle",)))
    figures = report(one, {})
    assert figures["methods"]["oracle"]["click"]["frames"]["iou"] == {
        "mean": 1,
        "low": None,
        "high": None,
        "n": 5,
    }
    assert "| all | 10 | 1.000 |" in as_markdown(figures, 2) and "| 1.00; 0% not" in as_markdown(figures, 2)


def test_clicks_go_to_the_largest_wrong_region() -> None:
    truth = Answer(square(20, 0, 0, 20, 20)[:, :10], 30, 40)  # x 30..40, y 40..60
    first = Clicks().and_next(NOTHING, truth)
    assert (
        first.labels == (1,) and abs(first.points[0][0] - 35) <= 0.5 and abs(first.points[0][1] - 50) <= 0.5
    )
    # Too much to the right, by 9 columns; a row is missing: the surplus is the larger region.
    answer = Answer(np.ones((19, 19), bool), 30, 41)
    second = first.and_next(answer, truth)
    assert second.labels == (1, 0)
    x, y = second.points[1]
    assert 43 < x < 46 and 44 < y < 57
    # Now the missing half is the larger one.
    third = first.and_next(Answer(np.ones((8, 10), bool), 30, 40), truth)
    assert third.labels == (1, 1) and 48 < third.points[1][1] < 60


class Oracle:
    """Answers with a known mask: the label, less a rim that each click makes thinner."""

    name, boxes_only = "oracle", False

    def __init__(self, misses: int) -> None:
        self.misses = misses

    def look_at(self, scene: Scene) -> None:
        self.scene = scene

    def answer(self, prompts):
        answers = []
        for prompt in prompts:
            truth = truth_of(self.scene.objects[int(prompt.id)], self.scene.shape)
            left = max(self.misses - len(prompt.points), 0)
            mask = truth.mask.copy()
            mask[:left] = False
            answers.append(Answer(mask, truth.x0, truth.y0, 0.9))
        return answers


def labelled_scene() -> Scene:
    rgb = np.full((80, 90, 3), 40, np.uint8)
    objects = []
    for number, (x, y) in enumerate(((5, 6), (50, 40))):
        rgb[y : y + 20, x : x + 20] = 230
        mask = np.ones((20, 20), np.uint8)
        objects.append(SceneObject(mask, x, y, (x, y, x + 20, y + 20), ("ship", "vehicle")[number], number))
    return Scene(build_pyramid(rgb), tuple(objects), "made up")


def test_a_run_by_hand() -> None:
    """Six rows of twenty are missing, one less a click: 0.7 for a box, 0.8 after 2 clicks, 0.9 after 4."""
    kinds = tuple(PromptKind.parse(t) for t in ("box", "click", "3clicks"))
    plan = Plan(kinds, most_clicks=6, count_for=("oracle",), keep="oracle")
    measured = measure([Oracle(6), FilledBox()], [labelled_scene()], plan)
    assert [(c.method, c.kind) for c in measured.columns] == [
        ("oracle", "box"), ("oracle", "click"), ("oracle", "3 clicks"), ("filled box", "box"),
    ]  # fmt: skip
    ious = {(c.method, c.kind): [r.iou for r in c.results] for c in measured.columns}
    assert ious["oracle", "box"] == pytest.approx([0.7, 0.7])
    assert ious["oracle", "click"] == pytest.approx([0.75, 0.75])
    assert ious["oracle", "3 clicks"] == pytest.approx([0.85, 0.85])
    assert ious["filled box", "box"] == [1, 1]
    assert [c.frames[0].iou for c in measured.columns] == pytest.approx([0.7, 0.75, 0.85, 1])
    assert [c.clicks for c in measured.counts["oracle"]] == [(2, 3, 4), (2, 3, 4)]
    figures = report(measured, {"seed": 0})
    assert figures["clicks_to_iou"]["oracle"]["90%"] == {
        "clicks": {"mean": 4.0, "low": None, "high": None, "n": 2}, "failed": 0.0,
    }  # fmt: skip
    groups = figures["methods"]["oracle"]["box"]["instances"]
    assert set(groups) == {"all", "ship", "vehicle", "16-32 px"}
    json.dumps(figures)
    table = as_markdown(figures, 6)
    assert "| all | 2 | 0.700 | 0.750 | 0.850 |" in table and "0% not reached" in table


def test_objects_that_never_reach_the_target_count_as_the_most() -> None:
    plan = Plan((PromptKind.parse("click"),), most_clicks=3, count_for=("oracle",))
    measured = measure([Oracle(30)], [labelled_scene()], plan)
    assert [(c.clicks, c.reached) for c in measured.counts["oracle"]] == [((3, 3, 3), (False,) * 3)] * 2
    assert "counts as 3 clicks" in as_markdown(report(measured, {}), 3)


def test_grabcut_finds_a_bright_square_in_a_loose_box() -> None:
    scene = labelled_scene()
    rng = np.random.default_rng(0)
    rgb = (scene.rgb.astype(int) + rng.integers(-8, 9, scene.rgb.shape)).clip(0, 255).astype(np.uint8)
    cut = GrabCut()
    cut.look_at(Scene(build_pyramid(rgb), scene.objects, ""))
    prompt = box_prompt(scene.objects[1], 1, 0, 0)
    x0, y0, x1, y1 = prompt.box
    loose = type(prompt)("1", box=(x0 - 3, y0 - 3, x1 + 3, y1 + 3))
    (answer,) = cut.answer([loose])
    assert compare(answer, truth_of(scene.objects[1], scene.shape))[0] > 0.95
    assert cut.answer([type(prompt)("1", box=(200, 200, 210, 210))]) == [NOTHING]


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(methods.PeerUnavailable, match="opencv-python-headless"):
        GrabCut()


def test_whole_frames_are_the_same_weights_without_crops() -> None:
    segmenter = Segmenter.from_pretrained("ros-sam-tiny", cache=CacheOptions(disk_mb=0))
    whole = whole_frames(segmenter)
    assert whole.segmenter.predictor.model.config.crop == CropPolicy("fixed", crop_px=0)
    assert segmenter.predictor.model.config.crop != CropPolicy("fixed", crop_px=0)
    assert whole.segmenter.weights == segmenter.weights
    scene = labelled_scene()
    prompts = [box_prompt(o, n, 0, 0) for n, o in enumerate(scene.objects)]
    for method in (PipelineMethod(segmenter), whole):
        method.look_at(scene)
        for answer, obj in zip(method.answer(prompts), scene.objects, strict=True):
            assert compare(answer, truth_of(obj, scene.shape))[0] > 0.6


def test_the_sheet_shows_answers_and_labels() -> None:
    scene = labelled_scene()
    plan = Plan((PromptKind("box"),), keep="oracle")
    column = measure([Oracle(6)], [scene], plan).columns[0]
    assert set(column.answers) == {(0, 0), (0, 1)}
    pixels = np.asarray(contact_sheet(column, [scene]))
    assert ((pixels == (60, 230, 90)).all(-1)).sum() > 500 and ((pixels == (255, 70, 70)).all(-1)).sum() > 500
    ring = edges(Answer(np.ones((2, 3), bool), 5, 7))
    assert len(ring) == 10 and ((5, 7), (6, 7)) in ring and ((8, 7), (8, 8)) in ring


def test_reduced_masks_are_filled_by_half() -> None:
    scene = labelled_scene()
    small = reduce_scene(scene, 2)
    assert small.shape == (40, 45)
    assert small.objects[0].frame_mask((40, 45)).sum() == 10 * 11
    assert small.objects[0].box == (2, 3, 13, 13)  # columns 5 to 25: both outer ones are half filled


def test_the_command_measures_a_simulated_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    options = SimulateOptions(frames=2, fps=1, shape=(64, 72), object_px=(14, 30), objects=(2, 3))
    video = SimulatedVideo(procedural_ground(4, (84, 92), "airport", object_px=(14, 30)), options, 4)
    folder = write_video(video, tmp_path / "video")
    args = ["--data", str(folder), "--prompts", "box", "click", "--most-clicks", "1", "--limit", "1"]
    assert main([*args, "--output", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(figures["methods"]) == {"ros-sam-tiny", "whole frame", "GrabCut", "filled box"}
    assert figures["settings"]["images"] == 1
    assert figures["methods"]["ros-sam-tiny"]["box"]["instances"]["all"]["iou"]["mean"] > 0.5
    assert (tmp_path / "out" / "overlays.png").stat().st_size > 1000
    assert "Mean boundary IoU" in capsys.readouterr().out
    with caplog.at_level(logging.ERROR):
        assert main(["--data", str(tmp_path / "none.json")]) == 2
        assert main([*args, "--count-share", "2"]) == 2
        assert main([*args[:2], "--prompts", "scribble"]) == 2
    assert "is not there" in caplog.text and "count-share" in caplog.text and "scribble" in caplog.text


def test_the_command_is_told_how_labels_are_laid_out(tmp_path: Path) -> None:
    """Frames of two videos by their names, with a class table, polygons of corners: as `training.prepare`."""

    def read_spec(arguments: list[str]) -> DatasetSpec:
        options = _parser().parse_args(arguments)
        return guess_spec(options.data, **spec_fields(options))

    labels = write_labels(tmp_path)
    plain = read_spec(["--data", str(labels)])
    assert plain == DatasetSpec("coco", str(labels))
    told = read_spec(["--data", str(labels), "--vertices", "corners", "--video", "(.)", "--on-error", "skip"])
    assert told == replace(plain, vertices="corners", video="(.)", on_error="skip")
    folder = tmp_path / "masks"
    folder.mkdir()
    more = ["--classes", "t.csv", "--values", "class", "--divisor", "9", "--crs", "EPSG:4326"]
    told = read_spec(["--data", str(folder), *more])
    wanted = DatasetSpec("frames", str(folder), classes="t.csv", values="class", divisor=9, crs="EPSG:4326")
    assert told == wanted
    scenes, _ = open_scenes(read_spec(["--data", str(labels), "--video", "(.)"]))
    assert {scene.video for scene in scenes} == {"0", "1", "2"}


def test_places_that_cannot_be_written_are_named_before_the_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("training.evaluate.open_scenes", too_late)
    labels, file = write_labels(tmp_path), tmp_path / "file"
    file.touch()
    for option, place in (("--output", file), ("--output", file / "x"), ("--json", file / "x.json")):
        assert main(["--data", str(labels), option, str(place)]) == 2
        assert "results cannot be written to" in caplog.text and str(file) in caplog.text
        caplog.clear()
    assert main(["--data", str(labels), "--json", str(tmp_path)]) == 2
    assert "is a folder; name a file" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "images", "labels.json"]


def test_layouts_are_told_by_what_is_there(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    assert guess_spec(labels).layout == "coco"
    (tmp_path / "val" / "onehotmask").mkdir(parents=True)
    assert guess_spec(tmp_path / "val").layout == "release"
    (tmp_path / "labels.gpkg").touch()
    assert guess_spec(tmp_path / "labels.gpkg", images="x.tif").layout == "polygons"
    (tmp_path / "masks").mkdir()
    assert guess_spec(tmp_path / "masks").layout == "frames"
    scenes, told = open_scenes(guess_spec(labels), limit=2)
    assert len(scenes) == 2 and "3 images" in told
    with pytest.raises(ConfigInvalid, match="reduce"):
        open_scenes(guess_spec(labels), reduce=0)
