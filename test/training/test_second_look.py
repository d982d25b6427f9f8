"""What teaches a model to look at boxes again: exact and rough ones, clicks in the middle of its answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import write_config

from ros_sam_core.errors import ConfigInvalid
from training.configfile import load_config
from training.datasets import collate
from training.decoding import decode_counted
from training.objective import Objective
from training.prompts import deepest_pixel, mask_box
from training.run import Run
from training.sources import open_data


def samples_of(tmp_path, count, **changes):
    data = open_data(replace(load_config(write_config(tmp_path)), **changes))
    return [data.samples[i] for i in range(count)]


@pytest.mark.parametrize("exact", [0.0, 0.5, 1.0])
def test_the_share_of_exact_boxes_is_what_is_asked(tmp_path, exact):
    samples = samples_of(tmp_path, 60, box_exact=exact, box_noise=0.2)
    off = np.array(
        [np.abs(s.boxes[0].numpy() - mask_box((s.targets[0] > 127).numpy())).max() for s in samples]
    )
    assert abs((off < 0.05).mean() - exact) <= (0.17 if exact == 0.5 else 0.02)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("box_exact", 1.5, "box_exact is 1.5; it is a share, 0 to 1"),
        ("loss.confirm", -0.1, "loss.confirm is -0.1; it is a share, 0 to 1"),
        ("loss.rounds=1 loss.confirm", 0.5, "loss.confirm is 0.5, but loss.rounds is 1"),
        ("data.pipeline=frames box_exact", 0.5, "box_exact is 0.5, which pipeline .frames. does not take"),
    ],
)
def test_shares_are_shares(tmp_path, field, value, what):
    with pytest.raises(ConfigInvalid, match=what):
        load_config(write_config(tmp_path), f"{field}={value}".split())


@pytest.fixture
def run(tmp_path):
    config = load_config(write_config(tmp_path))
    data = open_data(config)
    return Run(config, data.images), collate([data.samples[i] for i in range(12)])


def second_prompts(run, batch, monkeypatch, confirm):
    """What is asked in both rounds of a model that answers every prompt with all but an edge of the label."""
    asked = []
    truth = torch.nn.functional.interpolate(batch.targets.float()[:, None] / 255, (32, 32), mode="area")
    columns = torch.arange(32).expand(32, 32)
    middle = (truth * columns).sum((2, 3), keepdim=True) / truth.sum((2, 3), keepdim=True)
    answer = 20 * (truth * (columns > middle - 1) - 0.5)

    def kept(model, embedding, prompts, counts):
        asked.append(prompts)
        return decode_counted(model, embedding, prompts, counts)

    def part(output, model):
        return answer

    monkeypatch.setattr("training.objective.decode_counted", kept)
    monkeypatch.setattr("training.objective.result_mask", part)
    with torch.no_grad():
        Objective(run.model, replace(run.config.loss, confirm=confirm), 0)(batch, 2)
    return asked, answer


def test_boxes_are_looked_at_again_with_a_click_in_the_middle_of_the_answer(run, monkeypatch):
    run, batch = run
    (first, second), answer = second_prompts(run, batch, monkeypatch, 1.0)
    (_, plain), _ = second_prompts(run, batch, monkeypatch, 0.0)
    boxed = ~batch.boxes.isnan().any(1)
    left_out = boxed & second.boxes.isnan().any(1)
    assert 0 < left_out.sum() < boxed.sum()
    assert torch.equal(second.boxes[boxed & ~left_out], batch.boxes[boxed & ~left_out])
    assert torch.equal(first.boxes.nan_to_num(-1), batch.boxes.nan_to_num(-1))
    # Clicks without a box are corrected as ever.
    assert torch.equal(second.points[~boxed], plain.points[~boxed])
    assert torch.equal(plain.boxes.nan_to_num(-1), batch.boxes.nan_to_num(-1))
    scale = batch.targets.shape[-1] / answer.shape[-1]
    moved = 0
    for i in torch.nonzero(boxed)[:, 0]:
        middle = deepest_pixel((answer[i, 0] > 0).numpy()) * scale
        x, y = middle.astype(int)
        if batch.targets[i, y, x] > 127:
            np.testing.assert_allclose(second.points[i, -1], middle)
            assert second.labels[i, -1] == 1
            moved += not torch.equal(second.points[i], plain.points[i])
    assert moved > boxed.sum() / 2
    some = second_prompts(run, batch, monkeypatch, 0.3)[0][1]
    changed = (some.points != plain.points).flatten(1).any(1)
    assert 0 < changed.sum() < moved


def test_a_middle_beside_the_object_is_not_confirmed(run):
    run, batch = run
    objective = Objective(run.model, replace(run.config.loss, confirm=1.0), 0)
    targets = (batch.targets.float() / 255)[:, None]
    wrong = torch.full((len(targets), 1, 16, 16), -1.0)
    wrong[:, :, :2, :2] = 1.0
    targets[:, :, :16, :16] = 0.0
    empty = torch.full_like(wrong, -1.0)
    clicks = torch.full((len(targets), 1, 2), 7.0), torch.zeros(len(targets), 1, dtype=torch.long)
    for logits in (wrong, empty):
        points, labels, boxes = objective._confirm(
            logits, targets, batch.boxes, clicks, torch.zeros(len(targets), 2)
        )
        assert torch.equal(points, clicks[0]) and torch.equal(labels, clicks[1])
        assert torch.equal(boxes.nan_to_num(-1), batch.boxes.nan_to_num(-1))
