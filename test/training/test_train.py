"""Training: short real runs from the configurations that users run, what they leave, and bad input."""

import json
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from labelled import write_labels
from PIL import Image
from training_runs import CONFIGS, scene_cache, write_config

from ros_sam_core.errors import ConfigInvalid, LossNotFinite
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import sam_config
from ros_sam_core.model.ros_sam import RosSam
from training import objective
from training.configfile import load_config
from training.datasets import Batch, collate
from training.objective import Objective, SampleNoise
from training.optimise import learning_rates, make_optimizers, parameter_groups
from training.procedural import procedural_scenes
from training.run import Run
from training.sources import open_data
from training.train import batches, fit, main
from training.tuning import build_model, choose_trainable, is_hq, trainable
from training.validate import SHOWN, fixed_views, validate, view_of

PROMPT_FIELDS = ("targets", "boxes", "points", "labels")


def one_run(tmp_path, changes=(), **options):
    config = load_config(write_config(tmp_path, **options), changes)
    data = open_data(config)
    return Run(config, data.images), data


def test_a_run_ends_in_a_model_that_can_be_opened(tmp_path):
    labels = write_labels(tmp_path)
    changes = [f'data.coco=["{labels}"]', "data.aside=0.34", "data.procedural_share=0.5", "validate_every=2"]
    arguments = [part for change in changes for part in ("--set", change)]
    assert main(["--config", str(write_config(tmp_path)), *arguments]) == 0
    folder = tmp_path / "run"
    loaded = load_checkpoint(folder / "small.safetensors")
    assert loaded.model.config.input_px == 64 and loaded.metadata["steps"] == "4"
    assert load_config(folder / "config.json").steps == 4
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert {"loss", "iou_box", "images_per_second", "lr"} <= told[-2].keys() and "box" in told[-1]
    sheets = sorted((folder / "overlays").iterdir())
    assert [sheet.name for sheet in sheets] == ["0000002.png", "0000004.png"]
    assert np.asarray(Image.open(sheets[0])).shape == (256, 256, 3)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload().Tags()
    assert "train/loss" in events["scalars"] and "aside/box" in events["scalars"]
    assert events["images"] == ["outlines"]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("vit-*.toml")), ids=lambda path: path.stem)
def test_the_release_s_recipe_trains_what_it_should_and_exports_both(path, tmp_path, small_vits):
    """Two steps of the shipped configuration, on encoders of three narrow blocks from plain SAM weights."""
    data_changes = [f'data.coco=["{write_labels(tmp_path)}"]', "data.sets=[]"]
    arch = load_config(path, data_changes).model.arch
    base = tmp_path / "sam.safetensors"
    save_checkpoint(RosSam(replace(sam_config(arch), input_px=64)), base)
    changes = [
        *("model.input_px=64", "tune.rank=4", "epochs=0", "steps=2", "precision=no", "data.workers=0"),
        *(*data_changes, "data.aside=0.34", "loss.num_points=64"),
    ]
    config = load_config(path, changes, base=str(base), output=str(tmp_path / "run"))
    data = open_data(config)
    run = Run(config, data.images)
    assert run.model.image_encoder.gradient_checkpointing
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    assert fit(run, data)
    moved = {name for name, p in run.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved and moved <= set(run.parameters)
    for name in run.parameters:
        part = name.split(".")[0]
        inner = "lora_" in name or ".blocks.2." in name
        assert inner if part == "image_encoder" else part == "prompt_encoder" or is_hq(name), name
    rates = {group["part"]: group["lr"] for group in run.optimizers[0].param_groups}
    assert rates == {0: 1e-3, 1: 1e-4}
    assert main(["--config", str(tmp_path / "run" / "config.json"), "--export-only"]) == 0
    name = config.model.name
    adapter = load_checkpoint(tmp_path / "run" / f"{name}-lora").model
    merged = load_checkpoint(tmp_path / "run" / f"{name}.safetensors").model
    for (key, a), b in zip(adapter.state_dict().items(), merged.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3, msg=key)  # half precision
    assert adapter.config.head == "hq"


def test_one_step_on_one_batch_after_another_brings_the_loss_down(tmp_path):
    run, data = one_run(tmp_path, steps=200)
    batch = collate([data.samples[i] for i in range(2)])
    losses = [run.train_step([batch]).loss for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_every_part_of_the_small_model_is_trained(tmp_path):
    run, data = one_run(tmp_path)
    batch = collate([data.samples[i] for i in range(4)])
    run.objective(batch, 2)["loss"].sum().backward()
    idle = [name for name, p in run.model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # The residual blocks start as identities, so what leads into their last convolution waits for it.
    assert not [n for n in idle if not any(part in n for part in (".conv1.", ".norm1.", ".norm2."))]


@pytest.mark.parametrize("confirm", [0.0, 0.7])
def test_the_loss_of_a_sample_does_not_depend_on_its_company(tmp_path, confirm):
    run, data = one_run(tmp_path)
    run.objective.config = replace(run.config.loss, confirm=confirm)
    samples = [data.samples[i] for i in range(3)]
    with torch.no_grad():
        together = run.objective(collate(samples), 2)["loss"]
        alone = torch.cat([run.objective(collate([s]), 2)["loss"] for s in samples])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    other = SampleNoise((1,), (1,), 0, torch.device("cpu")).points(1)(5)
    assert not torch.equal(other, SampleNoise((1,), (2,), 0, torch.device("cpu")).points(1)(5))


def test_images_may_have_any_number_of_prompts_or_none(tmp_path):
    run, data = one_run(tmp_path)
    samples = [data.samples[i] for i in range(3)]

    def cut(sample, count):
        return replace(sample, **{name: getattr(sample, name)[:count] for name in PROMPT_FIELDS})

    mixed = collate([cut(samples[0], 0), cut(samples[1], 1), samples[2]])
    with torch.no_grad():
        whole = run.objective(collate(samples), 1)["loss"]
        some = run.objective(mixed, 1)["loss"]
    torch.testing.assert_close(some[1:], whole[4:], atol=1e-4, rtol=1e-4)
    figures = run.train_step([collate([cut(samples[0], 0), cut(samples[1], 0)])])
    assert figures.prompts == 0 and not figures.skipped and run.step == 1


def test_a_part_without_an_object_is_passed_over_by_a_frozen_encoder_too(tmp_path):
    base = tmp_path / "base.safetensors"
    save_checkpoint(RosSam(load_config(write_config(tmp_path)).model), base)
    changes = [f"base='{base}'", "tune.encoder='frozen'", "tune.last_block=false"]
    run, data = one_run(tmp_path, changes)
    empty = replace(data.samples[0], **{name: getattr(data.samples[0], name)[:0] for name in PROMPT_FIELDS})
    figures = run.train_step([collate([empty])])
    assert figures.prompts == 0 and not figures.skipped and run.step == 1


def spoil(monkeypatch, bad_index):
    """Make the loss of one sample not finite, as a broken image or label would."""
    real = Objective.forward

    def forward(self, batch: Batch, rounds: int):
        result = real(self, batch, rounds)
        factor = torch.ones(len(result["loss"]))
        for i, index in enumerate(batch.indices):
            if index == bad_index:
                factor[2 * i] = float("nan")
        return {**result, "loss": result["loss"] * factor}

    monkeypatch.setattr(objective.Objective, "forward", forward)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_sample(tmp_path, monkeypatch):
    spoil(monkeypatch, 5)
    run, data = one_run(tmp_path)
    name = data.samples[5].name
    with pytest.raises(LossNotFinite) as raised:
        fit(run, data)
    assert f"step 2: the loss is not finite; samples: 5 ({name})" in str(raised.value)
    assert "the last good state is kept" in str(raised.value)
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 2
    assert all(p.isfinite().all() for p in run.model.parameters())
    assert main(["--config", str(tmp_path / "run.toml")]) == 2


def test_a_loss_that_is_not_finite_may_be_skipped(tmp_path, monkeypatch, caplog):
    spoil(monkeypatch, 5)
    run, data = one_run(tmp_path, ["not_finite=skip"])
    assert fit(run, data)
    assert "samples: 5 (" in caplog.text and "the step is skipped" in caplog.text
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_rates_warm_up_fall_to_zero_and_drop(tmp_path):
    config = load_config(write_config(tmp_path), ["steps=100"])
    rates = [learning_rates(step, config, 100, 10)[0] / config.lr for step in range(101)]
    assert rates[0] == 0.5 and rates[1] == rates[60] == 1.0 and rates[100] == 0.0
    assert all(a >= b for a, b in pairwise(rates[60:]))
    config = load_config(
        write_config(tmp_path), ["drop_every=4", "warmup=0", "decay=0", "lr=1e-3", "lr_encoder=1e-4"]
    )
    assert learning_rates(39, config, 100, 10) == (1e-3, 1e-4)
    assert learning_rates(40, config, 100, 10) == (pytest.approx(1e-4), 1e-4)
    assert learning_rates(80, config, 100, 10) == (pytest.approx(1e-5), 1e-4)


def test_parts_take_turns_where_asked(tmp_path):
    run, data = one_run(tmp_path, ["alternate=true", "warmup=0"])
    batch = collate([data.samples[0], data.samples[1]])
    for part in ("mask_decoder", "image_encoder"):
        before = {name: p.detach().clone() for name, p in run.parameters.items()}
        run.train_step([batch])
        moved = {n.split(".")[0] for n, p in run.parameters.items() if not torch.equal(p, before[n])}
        assert part in moved and ("mask_decoder" in moved) != ("image_encoder" in moved)


def test_tables_and_biases_are_not_decayed(tmp_path):
    run, _ = one_run(tmp_path)
    groups = parameter_groups(run.model, 0.1)
    assert all(p.ndim >= 2 for g in groups if g["weight_decay"] for p in g["params"])
    free = [p for g in groups if not g["weight_decay"] for p in g["params"]]
    assert any(p is run.model.image_encoder.pos_embed for p in free)
    named = {id(p): name for name, p in run.model.named_parameters()}
    tables = {named[id(p)] for p in free if p.ndim >= 2}
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in tables if name.endswith("weight")} == {
        *"0123", "not_a_point_embed", "no_mask_embed", "iou_token", "mask_tokens", "hf_token"
    }  # fmt: skip
    assert {name for name in tables if not name.endswith("weight")} == {"image_encoder.pos_embed"}


def test_a_base_of_another_shape_is_named(tmp_path):
    base = tmp_path / "base.safetensors"
    config = load_config(write_config(tmp_path))
    save_checkpoint(RosSam(config.model), base)
    kept = load_config(write_config(tmp_path), ["tune.encoder=frozen"], base=str(base))
    model, _ = build_model(kept)
    choose_trainable(model, kept)
    assert {n for n in trainable(model) if n.startswith("image_")} == {
        n for n, _ in model.named_parameters() if ".blocks.1." in n and n.startswith("image_")
    }
    assert len(make_optimizers(model, kept)) == 1
    other = load_config(write_config(tmp_path), ["model.input_px=96"], base=str(base))
    with pytest.raises(ConfigInvalid, match="is a tiny of 64 px, the configuration's model a tiny of 96 px"):
        build_model(other)


def test_a_batch_that_cannot_be_shared_is_named(tmp_path):
    with pytest.raises(ConfigInvalid, match="batch is 3; it must be a multiple of accumulate, 2"):
        load_config(write_config(tmp_path), ["batch=3", "accumulate=2"])
    run, data = one_run(tmp_path, ["accumulate=2"])
    parts = next(batches(run, data))
    assert [part.indices for part in parts] == [(0,), (1,)]


def test_the_iou_of_masks_is_that_of_their_pixels():
    rng = np.random.default_rng(3)
    logits = torch.from_numpy(rng.normal(size=(5, 3, 16, 16))).float()
    targets = torch.from_numpy(rng.random((5, 1, 16, 16))).float()
    logits[0, 1], targets[0] = -1, 0
    found = objective.mask_iou(logits, targets)
    for n, k in np.ndindex(5, 3):
        given, true = logits[n, k].numpy() > 0, targets[n, 0].numpy() > 0.5
        expected = (given & true).sum() / max((given | true).sum(), 1)
        assert found[n, k].item() == pytest.approx(expected, abs=1e-6)


def test_a_mask_s_iou_is_taken_at_the_resolution_of_the_targets():
    logits = torch.full((1, 1, 4, 4), -1.0)
    logits[..., :2] = 1.0  # its edge is halfway between two pixel centres: column 8 of 16
    targets = torch.zeros(1, 1, 16, 16)
    targets[..., :6] = 1.0
    assert objective.mask_iou(logits, targets).item() == pytest.approx(6 / 8)


def test_training_takes_numbers_near_zero_for_zero(tmp_path):
    """Products of them take a processor many times as long; they come up in attention's gradients."""
    try:
        torch.set_flush_denormal(False)
        smallest = torch.full((4,), 1e-39)
        assert (smallest * 1.5).count_nonzero() == 4
        assert main(["--config", str(tmp_path / "no.toml")]) == 2
        assert (smallest * 1.5).count_nonzero() == 0
    finally:
        torch.set_flush_denormal(False)


def test_a_correcting_click_is_of_the_kind_that_its_place_is():
    """A bar of one pixel is lost at the logits' resolution, where all that was drawn of it looks too much."""
    targets = torch.zeros(2, 1, 64, 64)
    targets[0, ..., 8:56, 18] = targets[1, ..., 8:56, 18] = 1.0
    logits = torch.full((2, 1, 16, 16), -1.0)
    logits[0, ..., 2:14, 4] = 1.0  # the bar; of the second object nothing is seen
    points, labels = objective._correct(logits, targets)
    for n, (x, y) in enumerate(points[:, 0].long().tolist()):
        assert labels[n, 0] == targets[n, 0, y, x]


def test_looking_at_images_set_aside_holds_few_of_them_at_once(tmp_path, monkeypatch):
    live, most = weakref.WeakSet(), []

    def seen(*arguments):
        view = view_of(*arguments)
        live.add(view)
        most.append(len(live))
        return view

    monkeypatch.setattr("training.validate.view_of", seen)
    scenes = procedural_scenes(2, 0, scene_cache())
    model = RosSam(one_run(tmp_path)[0].config.model)
    assert sum(len(scene.objects) for scene in scenes) > 20
    assert validate(model, scenes, batch=4)["box"] >= 0
    assert len(fixed_views(scenes, model.config.crop, model.config.input_px)) == SHOWN
    assert max(most) <= 4 + SHOWN


def test_steps_given_on_the_command_line_replace_epochs(tmp_path):
    assert main(["--config", str(write_config(tmp_path, top="epochs = 3")), "--steps", "2"]) == 0
    told = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(told[-1])["step"] == 2


def test_a_batch_that_cannot_be_shared_is_named_before_the_data_are_opened(tmp_path, caplog):
    config = write_config(tmp_path)
    (tmp_path / "damaged.json").write_text("{")
    changes = ["--set", f"data.coco=['{tmp_path / 'damaged.json'}']", "--processes", "3"]
    assert main(["--config", str(config), *changes]) == 2
    assert "batch is 2" in caplog.text and "--set batch=3" in caplog.text
