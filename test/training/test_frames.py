"""The paper's pipeline: masks stay on their objects, boxes on the masks, and the index decides everything."""

import numpy as np
import pytest
import torch

from ros_sam_core.errors import ConfigInvalid
from training.frames import FrameDataset, sample_frame
from training.jitter import CropJitter, FrameJitter
from training.prompts import mask_box
from training.scenes import Scene, SceneObject, build_pyramid

PLAIN = {"photometric": 0.0}


def scene_of(shape=(200, 300), corners=((40, 60), (120, 200)), name="two bars"):
    """White L-shaped objects on black: any flip, turn or shift of a mask against its image shows."""
    rgb = np.zeros((*shape, 3), np.uint8)
    objects = []
    for i, (y, x) in enumerate(corners):
        mask = np.zeros((50, 60), np.uint8)
        mask[:20] = 1
        mask[20:, :15] = 1
        rgb[y : y + 50, x : x + 60][mask > 0] = 255
        objects.append(SceneObject(mask, x, y, (x, y, x + 60, y + 50), "bar", i))
    return Scene(build_pyramid(rgb), tuple(objects), name)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("whole", [False, True])
def test_masks_lie_on_their_objects(seed, whole):
    jitter = FrameJitter(scale=(0.5, 2.0), whole=whole, pad=0, **PLAIN)
    image, masks = sample_frame(scene_of(), np.random.default_rng(seed), jitter, 128)
    assert image.shape == (3, 128, 128)
    bright = image[0] > 127
    truth = torch.stack(masks).amax(0) > 0.5 if masks else torch.zeros_like(bright)
    wrong = int((bright ^ truth).sum())
    assert wrong <= 0.12 * int(bright.sum()) + 12  # rims, and parts of fewer than least_px pixels


def test_the_scale_is_the_factor_of_the_frame():
    jitter = FrameJitter(scale=(0.5, 0.5), any_angle=0.0, flip=0.0, **PLAIN)
    for seed in range(5):
        image, masks = sample_frame(scene_of(), np.random.default_rng(seed), jitter, 192)
        assert len(masks) == 2  # a crop of 384 px holds the whole frame of 300 x 200
        assert all(abs(float((m > 0.5).sum()) - 1650 / 4) < 40 for m in masks)
        assert int((image[0] != 144).sum()) == pytest.approx(150 * 100, rel=0.03)  # padding is 144


def test_crops_fall_anywhere_or_on_objects():
    lonely = scene_of((2000, 2000), corners=((1000, 1000),))
    for share, low, high in ((0.0, 0, 4), (1.0, 28, 30)):
        jitter = FrameJitter(scale=(1.0, 1.0), object_share=share, **PLAIN)
        held = [bool(sample_frame(lonely, np.random.default_rng(i), jitter, 192)[1]) for i in range(30)]
        assert low <= sum(held) <= high


def test_samples_depend_on_their_index_alone():
    scenes = [scene_of(name=str(i)) for i in range(7)]
    data = FrameDataset([(scenes, 1.0)], FrameJitter(scale=(0.3, 3.0)), 96, 0.1, seed=4)
    first = data[11]
    other = [data[i] for i in range(14)]
    assert torch.equal(first.image, other[11].image) and torch.equal(first.boxes, other[11].boxes)
    assert sorted(s.name for s in other[:7]) == sorted(s.name for s in other[7:]) == list("0123456")


def test_boxes_are_those_of_the_cropped_masks():
    data = FrameDataset([([scene_of()], 1.0)], FrameJitter(scale=(1.0, 2.0)), 96, 0.0, seed=0)
    samples = [data[i] for i in range(12)]
    assert {len(s.targets) for s in samples} > {0}
    for sample in samples:
        assert sample.points.shape == (len(sample.boxes), 0, 2)
        for box, target in zip(sample.boxes, sample.targets, strict=True):
            np.testing.assert_allclose(box, mask_box(target.numpy() > 127), atol=1)


def test_of_many_objects_some_are_prompted():
    jitter = FrameJitter(scale=(0.3, 0.3), most_objects=1, **PLAIN)
    assert len(sample_frame(scene_of(), np.random.default_rng(0), jitter, 128)[1]) == 1


def test_clicks_take_the_place_of_some_boxes():
    jitter = FrameJitter(scale=(0.5, 1.5), object_share=1.0, click_share=0.5)
    data = FrameDataset([([scene_of()], 1.0)], jitter, 96, 0.1, seed=0)
    kinds = set()
    for sample in (data[i] for i in range(12)):
        assert sample.points.shape == (len(sample.targets), 1, 2)
        for box, point, label, target in zip(
            sample.boxes, sample.points[:, 0], sample.labels[:, 0], sample.targets, strict=True
        ):
            clicked = int(label) == 1
            kinds.add(clicked)
            assert bool(box.isnan().all()) == clicked and int(label) in (1, -1)
            if clicked:
                assert target[int(point[1]), int(point[0])] > 127
    assert kinds == {True, False}


def test_noisy_clicks_move_by_a_share_of_the_box():
    plain, moved = (
        FrameDataset(
            [([scene_of()], 1.0)],
            FrameJitter(scale=(1.0, 1.0), object_share=1.0, click_share=1.0, click_noise=noise),
            128,
            0.0,
            seed=0,
        )
        for noise in (0.0, 0.3)
    )
    away = []
    for i in range(10):
        for a, b, target in zip(plain[i].points, moved[i].points, plain[i].targets, strict=True):
            xmin, ymin, xmax, ymax = mask_box(target.numpy() > 127)
            away.append(((b - a)[0].abs() / torch.tensor([xmax - xmin, ymax - ymin])).tolist())
    first = np.array(away[:1])  # later clicks of a sample follow other random numbers
    assert len(away) > 5 and (first <= 0.3 + 1e-6).all() and first.any()


@pytest.mark.parametrize(
    "field",
    [
        {"scale": (2.0, 1.0)},
        {"pad": 300},
        {"flip": 2.0},
        {"most_objects": 0},
        {"click_share": 2.0},
        {"click_noise": -1.0},
    ],
)
def test_a_jitter_out_of_range_is_named(field):
    with pytest.raises(ConfigInvalid, match=next(iter(field))):
        FrameJitter(**field)


@pytest.mark.parametrize(
    "field",
    [
        {"near": (3.0, 1.4)},
        {"wide": (0.0, 9.0)},
        {"degrade_share": 1.5},
        {"stretch": 0.9},
        {"photometric": -1.0},
    ],
)
def test_a_jitter_of_crops_out_of_range_is_named(field):
    with pytest.raises(ConfigInvalid, match=next(iter(field))):
        CropJitter(**field)
