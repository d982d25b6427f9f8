"""Learning from a trained model beside the labels: what the teacher is asked, and what counts."""

from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from training_runs import write_config

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from training.configfile import load_config
from training.datasets import collate
from training.decoding import Teacher, decode_counted, result_mask
from training.objective import Objective
from training.run import Run
from training.sources import open_data
from training.train import main


@pytest.fixture
def teacher(tmp_path):
    """Weights of twice the student's input and another width."""
    config = load_config(write_config(tmp_path)).model
    torch.manual_seed(5)
    larger = replace(config, input_px=128, tiny=replace(config.tiny, widths=(16, 16, 32, 64), heads=4))
    path = tmp_path / "teacher.safetensors"
    save_checkpoint(RosSam(larger), path)
    return path


@pytest.fixture
def student(tmp_path):
    config = load_config(write_config(tmp_path))
    data = open_data(config)
    return Run(config, data.images), collate([data.samples[i] for i in range(3)])


def prompts_of(batch):
    return PromptBatch(points=batch.points, labels=batch.labels, boxes=batch.boxes)


def test_a_teacher_of_another_size_sees_the_same_prompts_in_its_own_pixels(teacher, student):
    _, batch = student
    model = load_checkpoint(teacher).model.float()
    asked = Teacher(model, 64)
    twice = torch.nn.functional.interpolate(batch.images.float(), (128, 128), mode="bilinear")
    at_its_size = PromptBatch(points=2 * batch.points, labels=batch.labels, boxes=2 * batch.boxes)
    with torch.no_grad():
        own = result_mask(decode_counted(model, model.encode(twice), at_its_size, batch.counts), model)
    told = asked.answer(asked.encode(batch.images), prompts_of(batch), batch.counts, (128, 128))
    shown = torch.nn.functional.interpolate(own, (128, 128), mode="bilinear").sigmoid()
    torch.testing.assert_close(told, shown)
    low = torch.randn(len(told), 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 5
    enlarged = replace(at_its_size, masks=torch.nn.functional.interpolate(low, (32, 32), mode="bilinear"))
    with torch.no_grad():
        own = result_mask(decode_counted(model, model.encode(twice), enlarged, batch.counts), model)
    again = asked.answer(
        asked.encode(batch.images), replace(prompts_of(batch), masks=low), batch.counts, (128, 128)
    )
    shown = torch.nn.functional.interpolate(own, (128, 128), mode="bilinear").sigmoid()
    torch.testing.assert_close(again, shown)
    assert not torch.allclose(again, told)
    assert not [p for p in asked.parameters() if p.requires_grad]


def test_a_teacher_with_sam_s_head_answers_a_single_click_with_the_best_of_its_three_masks(teacher, student):
    _, batch = student
    model = load_checkpoint(teacher).model.float()
    model.config = replace(model.config, head="sam")
    asked = Teacher(model, 128)
    images = torch.nn.functional.interpolate(batch.images.float(), (128, 128), mode="bilinear")
    with torch.no_grad():
        output = decode_counted(model, model.encode(images), prompts_of(batch), batch.counts)
    told = asked.answer(asked.encode(images), prompts_of(batch), batch.counts, output.sam.shape[-2:])
    for i, boxed in enumerate(~batch.boxes.isnan().any(1)):
        mask = 0 if boxed else 1 + int(output.iou[i, 1:].argmax())
        torch.testing.assert_close(told[i, 0], output.sam[i, mask].sigmoid())
    assert len(set(batch.boxes.isnan().any(1).tolist())) == 2
    # With a mask before it, a click is not ambiguous any more.
    low = torch.randn(len(told), 1, *output.sam.shape[-2:], generator=torch.Generator().manual_seed(1))
    again = replace(prompts_of(batch), masks=low)
    with torch.no_grad():
        output = decode_counted(model, model.encode(images), again, batch.counts)
    told = asked.answer(asked.encode(images), again, batch.counts, output.sam.shape[-2:])
    torch.testing.assert_close(told, output.sam[:, :1].sigmoid())


@pytest.mark.parametrize("rounds", [1, 2])
def test_with_the_whole_share_the_teacher_s_masks_count_and_labels_do_not(teacher, student, rounds):
    run, batch = student
    loss = replace(run.config.loss, iou=0.0)
    asked = Teacher(load_checkpoint(teacher).model.float(), 64)
    other = replace(batch, targets=batch.targets.flip(-1))

    def losses(share, of):
        with torch.no_grad():
            return Objective(run.model, loss, 0, asked, share)(of, rounds)["loss"]

    if rounds == 1:  # a correcting click is placed by the labels
        torch.testing.assert_close(losses(1.0, batch), losses(1.0, other))
    assert not torch.allclose(losses(0.0, batch), losses(0.0, other))
    alone = Objective(run.model, loss, 0)
    torch.testing.assert_close(losses(0.0, batch), alone(batch, rounds)["loss"].detach())
    assert not torch.allclose(losses(0.5, batch), losses(0.0, batch))


def test_a_student_comes_to_answer_what_its_teacher_answers(teacher, student):
    """The label is of no account: with the whole share the masks grow alike."""
    run, batch = student
    asked = Teacher(load_checkpoint(teacher).model.float(), 64)
    run.objective = Objective(run.model, run.config.loss, 0, asked, 1.0)
    told = asked.answer(asked.encode(batch.images), prompts_of(batch), batch.counts, (64, 64))

    def distance():
        with torch.no_grad():
            output = run.model.decode_all(run.model.encode(batch.images), prompts_of(batch))
            shown = torch.nn.functional.interpolate(output.hq, (64, 64), mode="bilinear").sigmoid()
        return float((shown - told).abs().mean())

    before = distance()
    for _ in range(40):
        run.train_step([batch])
    assert distance() < 0.5 * before


def test_a_run_with_a_teacher_keeps_the_student_alone_and_knows_its_teacher(teacher, tmp_path, caplog):
    arguments = ["--config", str(write_config(tmp_path, steps=2)), "--set", f"distil.teacher={teacher}"]
    assert main(arguments) == 0
    with safe_open(tmp_path / "run" / "small.safetensors", "pt") as file:
        names = list(file.keys())
        assert str(teacher) in file.metadata()["teacher"]
    assert names and not [name for name in names if "teacher" in name]
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert not [name for name in state["weights"] if "teacher" in name]
    save_checkpoint(load_checkpoint(teacher).model.apply(_other), teacher)
    assert main([*arguments, "--set", "steps=4"]) == 2
    assert "learned from the teacher" in caplog.text and "put the old file back" in caplog.text


def _other(module):
    for parameter in module.parameters(recurse=False):
        parameter.data.add_(0.1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("distil.share=1.5", "distil.share is 1.5; it is a share, 0 to 1"),
        ("distil.techer=a", "distil.techer is no field"),
    ],
)
def test_mistakes_are_named(change, told, tmp_path):
    with pytest.raises(ConfigInvalid, match=told):
        load_config(write_config(tmp_path), [change])


def test_a_teacher_that_is_not_there_is_named(tmp_path, caplog):
    path = tmp_path / "nowhere.safetensors"
    arguments = ["--config", str(write_config(tmp_path)), "--set", f"distil.teacher={path}"]
    assert main(arguments) == 2
    assert str(path) in caplog.text
