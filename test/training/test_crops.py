"""Training crops: image and mask stay on top of each other through every jitter."""

import numpy as np
import pytest
import torch

from ros_sam_core.model.losses import mask_loss
from training.crops import distort, sample_crop
from training.jitter import CropJitter
from training.prompts import centre_click, correcting_click, inner_click, jitter_box, mask_box
from training.scenes import Scene, SceneObject, build_pyramid


@pytest.fixture
def scene():
    """A white bar with one longer arm on black: any flip, turn or shift of the mask against it shows."""
    mask = np.zeros((200, 300), bool)
    mask[80:100, 100:160] = True
    mask[100:130, 100:115] = True
    rgb = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    part = mask[80:130, 100:160].astype(np.uint8)
    return Scene(build_pyramid(rgb), (SceneObject(part, 100, 80, (100, 80, 160, 130), "bar", 0),), "bar")


@pytest.mark.parametrize("seed", range(25))
def test_the_mask_lies_on_the_object(scene, seed):
    jitter = CropJitter(photometric=0, degrade_share=0.5 if seed % 2 else 0.0, wide=(1.4, 3.0))
    image, mask = sample_crop(scene, scene.objects[0], np.random.default_rng(seed), jitter, 128)
    assert image.shape == (3, 128, 128) and mask.shape == (128, 128)
    bright, truth = image[0] > 127, mask > 0.5
    overlap = (bright & truth).sum() / (bright | truth).sum()
    assert overlap > 0.85


def test_the_same_seed_gives_the_same_crop(scene):
    crops = [
        sample_crop(scene, scene.objects[0], np.random.default_rng(5), CropJitter(), 96) for _ in range(2)
    ]
    assert torch.equal(crops[0][0], crops[1][0]) and torch.equal(crops[0][1], crops[1][1])


def test_distortion_leaves_the_rim_beyond_the_image_black():
    image = torch.full((3, 40, 40), 90.0)
    image[:, :, :10] = 0
    for seed in range(10):
        changed = distort(image, np.random.default_rng(seed), 1.0)
        assert (changed[:, :, :10] == 0).all()
        assert changed.min() >= 0 and changed.max() <= 255


def test_the_centre_click_is_the_objects_own_pixel():
    ring = np.zeros((21, 21), bool)
    ring[2:19, 2:19] = True
    ring[5:16, 5:16] = False
    x, y = centre_click(ring)
    assert ring[int(y), int(x)]
    assert np.hypot(x - 10.5, y - 10.5) == pytest.approx(6.0)


def test_an_inner_click_is_inside():
    mask = np.zeros((30, 30), bool)
    mask[5:9, 3:28] = True
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = inner_click(mask, rng)
        assert mask[int(y), int(x)]


def test_box_noise_moves_each_side_within_its_share():
    box = np.array([10.0, 20.0, 50.0, 40.0])
    moved = np.array([jitter_box(box, 0.2, np.random.default_rng(i)) for i in range(500)]) - box
    assert np.abs(moved[:, [0, 2]]).max() <= 8 and np.abs(moved[:, [1, 3]]).max() <= 4
    assert np.abs(moved[:, [0, 2]]).max() > 7 and np.abs(moved.mean(axis=0)).max() < 1


@pytest.mark.parametrize("missed", [True, False])
def test_a_correcting_click_falls_in_the_middle_of_the_largest_error(missed):
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    predicted = truth.copy()
    wrong = np.s_[10:30, 10:19] if missed else np.s_[10:30, 31:40]
    predicted[wrong] = not missed
    (x, y), label = correcting_click(predicted, truth)
    assert label == int(missed)
    assert predicted[int(y), int(x)] != truth[int(y), int(x)]
    rows, columns = wrong
    assert abs(x - (columns.start + columns.stop) / 2) <= 1 and rows.start + 3 < y < rows.stop - 3


def test_the_box_of_a_mask_is_tight():
    mask = np.zeros((9, 9), bool)
    mask[2:5, 3:8] = True
    assert mask_box(mask).tolist() == [3, 2, 8, 5]


def test_the_loss_falls_when_the_mask_gets_better():
    target = torch.zeros(1, 1, 64, 64)
    target[..., 16:48, 16:48] = 1
    good, bad = (4 * (2 * target - 1)), (4 * (2 * target.roll(12, -1) - 1))
    losses = [float(mask_loss(x, target, num_points=784).total) for x in (good, bad, -good)]
    assert losses[0] < losses[1] < losses[2]
