"""The mask loss against the published system's numbers and against its own laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sam_models import golden

from ros_sam_core.model.losses import mask_loss, mask_loss_at, sample_points, sample_uncertain_points


@pytest.fixture(scope="module")
def expected() -> dict[str, torch.Tensor]:
    with np.load(golden("mask_loss.npz")) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_sampled_values_equal_golden(expected: dict[str, torch.Tensor]) -> None:
    logits = sample_points(expected["logits"], expected["point_coords"])
    labels = sample_points(expected["targets"].float(), expected["point_coords"])
    torch.testing.assert_close(logits, expected["point_logits"], atol=1e-6, rtol=0)
    torch.testing.assert_close(labels, expected["point_labels"], atol=1e-6, rtol=0)


def test_loss_at_given_points_equals_golden(expected: dict[str, torch.Tensor]) -> None:
    loss = mask_loss_at(expected["logits"], expected["targets"], expected["point_coords"])
    assert loss.ce.item() == pytest.approx(expected["ce"].item(), abs=1e-6)
    assert loss.dice.item() == pytest.approx(expected["dice"].item(), abs=1e-6)
    assert loss.total.item() == pytest.approx((expected["ce"] + expected["dice"]).item(), abs=2e-6)


def test_seeded_loss_equals_golden(expected: dict[str, torch.Tensor]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1234)
        points = sample_uncertain_points(expected["logits"])
        torch.manual_seed(1234)
        loss = mask_loss(expected["logits"], expected["targets"])
    torch.testing.assert_close(points, expected["seeded_coords"], atol=1e-6, rtol=0)
    assert loss.ce.item() == pytest.approx(expected["seeded_ce"].item(), abs=1e-6)
    assert loss.dice.item() == pytest.approx(expected["seeded_dice"].item(), abs=1e-6)


def test_generator_gives_the_global_seeds_points() -> None:
    logits = torch.randn(2, 1, 16, 16)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        expected = sample_uncertain_points(logits, num_points=100)
    got = sample_uncertain_points(logits, num_points=100, generator=torch.Generator().manual_seed(7))
    assert torch.equal(got, expected)


def test_most_points_lie_where_the_logits_are_small() -> None:
    ramp = torch.linspace(-8, 8, 64).expand(1, 1, 64, 64)
    points = sample_uncertain_points(ramp, num_points=1000, generator=torch.Generator().manual_seed(0))
    # Within half a pixel of the border the sampling fades to zero, which counts as uncertain too.
    inside = ((points - 0.5).abs() < 0.5 - 0.5 / 64).all(dim=2)[0]
    distance = (points[0, :, 0] - 0.5).abs()
    near, far = distance[:750][inside[:750]], distance[750:][inside[750:]]
    assert len(near) > 600
    assert near.max() < 0.15  # 750 of 3000 candidates: the middle quarter, +-0.125
    assert far.max() > 0.45


def test_sample_points_follows_the_pixel_convention() -> None:
    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    centre_of_pixel = torch.tensor([[[2.5 / 4, 1.5 / 3]]])
    between_two = torch.tensor([[[2.0 / 4, 0.5 / 3]]])
    assert sample_points(maps, centre_of_pixel).item() == pytest.approx(6.0, abs=1e-5)
    assert sample_points(maps, between_two).item() == pytest.approx(1.5, abs=1e-5)


def test_confident_and_right_costs_nothing_and_wrong_costs_much() -> None:
    targets = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    targets[:, :, 4:28, 4:28] = True
    right = torch.where(targets, 40.0, -40.0)
    generator = torch.Generator().manual_seed(0)
    good = mask_loss(right, targets, num_points=2000, importance=0.0, generator=generator)
    bad = mask_loss(-right, targets, num_points=2000, importance=0.0, generator=generator)
    assert good.ce < 2.0  # the bilinear seam at the outline is all that is left
    assert good.dice < 0.05
    assert bad.ce > 100
    assert bad.dice > 0.9


def test_gradient_reaches_the_logits_alone_and_descends() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.zeros(1, 1, 64, 64)
    targets[:, :, 20:40, 24:50] = 1
    logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    first = None
    for _ in range(60):
        loss = mask_loss(logits, targets, num_points=1024, generator=generator)
        first = first if first is not None else loss.total.item()
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    assert loss.total.item() < 0.5 * first
    assert logits.detach()[0, 0, 7, 9] > 0 > logits.detach()[0, 0, 0, 0]


def test_half_precision_logits_are_raised() -> None:
    logits = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = (logits > 0).float()
    low = mask_loss(logits, targets, generator=torch.Generator().manual_seed(1))
    full = mask_loss(logits.float(), targets, generator=torch.Generator().manual_seed(1))
    assert low.ce.dtype == torch.float32
    assert low.total.item() == full.total.item()


def test_no_mask_is_zero_and_differentiable() -> None:
    logits = torch.zeros(0, 1, 8, 8, requires_grad=True)
    loss = mask_loss(logits, torch.zeros(0, 1, 8, 8))
    loss.total.backward()
    assert loss.total.item() == 0.0
