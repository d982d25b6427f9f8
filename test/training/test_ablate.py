"""The ablation: every row trains what its name says, results are kept, and the same command goes on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled import write_labels
from safetensors.torch import save_file
from training_runs import CONFIGS, SMALL

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from training.ablate import main
from training.ablation import (
    as_markdown,
    load_ablation,
    measuring,
    pretrain_config,
    row_config,
    rows_of,
    table_of,
)
from training.configfile import build_config
from training.state import config_json
from training.tuning import is_hq

MODEL = SMALL[SMALL.index("[model.tiny]") :].split("\n", 1)[1]
TEXT = """
output = "{output}"
seeds = [0, 1]
ranks = [2, 4]
crop_px = 64
[[targets]]
name = "bars"
train = ["{labels}"]
val = ["{labels}"]
classes = ["ship"]
[pretrain]
steps = 1
batch = 2
precision = "no"
[pretrain.data]
pipeline = "frames"
coco = ["{labels}"]
aside = 0.0
workers = 0
[pretrain.loss]
num_points = 64
rounds = 1
[pretrain.model]
input_px = 64
[pretrain.model.tiny]
{model}
[train]
steps = 1
batch = 2
warmup = 0
lr = 0.01
precision = "no"
[train.data]
aside = 0.0
workers = 0
[train.frames]
scale = [1.0, 2.0]
object_share = 1.0
[train.loss]
num_points = 64
multimask = 0.0
rounds = 1
[train.model]
input_px = 64
[train.model.tiny]
{model}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "ablate.toml"
    labels = write_labels(tmp_path)
    path.write_text(TEXT.format(output=tmp_path / "ablation", labels=labels, model=MODEL))
    return path


@pytest.mark.slow
def test_rows_are_trained_measured_and_kept(config, tmp_path, capsys):
    some = ["--config", str(config), "--threads", "1", "--rows", "sam", "crop"]
    assert main([*some, "pipeline", "--budget-minutes", "0"]) == 130
    assert "not finished" in capsys.readouterr().out
    assert main([*some, "all"]) == 0
    folder = tmp_path / "ablation"
    base = load_checkpoint(folder / "base" / "base.safetensors").model
    assert base.config.head == "sam" and base.config.crop.crop_px == 0
    row = load_checkpoint(folder / "rows" / "all" / "seed1" / "all.safetensors").model
    assert row.config.head == "hq" and row.config.crop.crop_px == 64
    changed = {n for n, p in row.state_dict().items() if (p - base.state_dict()[n]).abs().max() > 2e-3}
    assert any(is_hq(n) for n in changed) and any(".blocks.1." in n for n in changed)
    assert not any(n.startswith("mask_decoder.") and not is_hq(n) for n in changed)
    table = json.loads((folder / "table.json").read_text())
    by_key = {line["key"]: line for line in table["rows"]}
    assert len(by_key["all"]["bars"]["values"]) == 2 and by_key["hq"]["seeds"] == 0
    assert "| everything: LoRA 4, last block, HQ decoder | 2 |" in (folder / "table.md").read_text()
    result = folder / "rows" / "all" / "seed1" / "result.json"
    kept = result.stat().st_mtime_ns
    assert main([*some, "all"]) == 0
    assert result.stat().st_mtime_ns == kept


def test_each_row_changes_what_its_name_says(config):
    ablation = load_ablation(config)
    rows = {row.key: row for row in rows_of(ablation)}
    made = {key: build_config(row_config(ablation, row, 1), key) for key, row in rows.items() if row.tune}
    assert list(rows) == ["sam", "crop", "whole", "pipeline", "lora-2", "lora-4", "last-block", "hq", "all"]
    assert len({(c.steps, c.batch, c.lr, c.seed, c.base) for c in made.values()}) == 1
    assert made["whole"].frames.whole and not made["pipeline"].frames.whole
    assert {key for key, c in made.items() if c.tune.encoder == "lora"} == {"lora-2", "lora-4", "all"}
    assert {key for key, c in made.items() if c.tune.last_block} == {"last-block", "all"}
    assert {key for key, c in made.items() if c.tune.hq_decoder} == {"hq", "all"}
    assert {key for key, c in made.items() if c.tune.sam_decoder} == set(made) - {"hq", "all"}
    assert made["all"].tune.rank == 4 and made["lora-2"].tune.rank == 2


def test_the_table_tells_means_spreads_and_what_is_missing(config, tmp_path):
    ablation = load_ablation(config)
    for key, seed, iou in (("sam", 0, 0.5), ("pipeline", 0, 0.56), ("pipeline", 1, 0.58), ("all", 0, 0.6)):
        folder = tmp_path / "ablation" / "rows" / key / f"seed{seed}"
        folder.mkdir(parents=True)
        (row,) = (row for row in rows_of(ablation) if row.key == key)
        told = {"iou": {"bars": iou}, "steps": 1, "measured": measuring(ablation, row)}
        (folder / "result.json").write_text(json.dumps(told))
    text = as_markdown(table_of(ablation))
    assert "| SAM as it is | 1 | 0.500 |  |" in text
    assert "| + crop and training pipeline, SAM's decoder tuned | 2 | 0.570 ± 0.014 | +7.0 |" in text
    assert "| everything: LoRA 4, last block, HQ decoder | 1 of 2 | 0.600 | +10.0 |" in text
    assert "| + LoRA, rank 2 | 0 of 2 | not finished |  |" in text


def test_what_was_trained_otherwise_is_named_and_no_table_is_made(config, tmp_path, caplog):
    ablation = load_ablation(config)
    row = rows_of(ablation)[3]
    for values, result in (
        (pretrain_config(ablation), "base.safetensors"),
        (row_config(ablation, row, 1), "result.json"),
    ):
        folder = Path(values["output"])
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config_json(build_config(values, "it")))
        (folder / result).write_text('{"iou": {"bars": 0.5}, "steps": 1}')
    assert main(["--config", str(config), "--table"]) == 0
    config.write_text(config.read_text().replace("steps = 1", "steps = 2").replace("lr = 0.01", "lr = 0.1"))
    assert main(["--config", str(config), "--rows", "sam"]) == 2
    assert "the base: steps was 1 and is 2 (in " in caplog.text
    assert "row pipeline, seed 1: steps was 1 and is 2; lr was 0.01 and is 0.1 (in " in caplog.text
    assert not (tmp_path / "ablation" / "rows" / "sam").exists()


def test_a_row_that_was_measured_otherwise_is_measured_again_and_not_trained(
    config, tmp_path, monkeypatch, capsys
):
    """The settings of measuring belong to a figure, here the labels that it is measured on."""
    crops, shares = [], iter([0.1, 0.2, 0.6, 0.3, 0.4, 0.7])

    def measured(weights, crop, *others):
        crops.append(crop.crop_px)
        return [next(shares)]

    def trained(values, options, stop):
        weights = Path(values["output"]) / f"{values['model']['name']}.safetensors"
        weights.parent.mkdir(parents=True)
        save_file({"x": torch.zeros(1)}, weights, {"steps": "1"})
        trainings.append(weights)
        return 0

    trainings: list[Path] = []
    monkeypatch.setattr("training.ablate.measure", measured)
    monkeypatch.setattr("training.series.train", trained)
    text = config.read_text().replace("seeds = [0, 1]", 'seeds = [0]\nbase = "ros-sam-tiny"')
    config.write_text(text)
    rows = ["--config", str(config), "--rows", "sam", "crop", "pipeline"]
    assert main(rows) == 0 and main(rows) == 0
    told = capsys.readouterr().out
    assert "| SAM as it is | 1 | 0.100 |" in told and "| + crop at inference | 1 | 0.200 | +10.0 |" in told
    assert len(trainings) == 1 and crops == [0, 64, 64]

    (tmp_path / "other.json").write_text((tmp_path / "labels.json").read_text())
    config.write_text(text.replace(f'val = ["{tmp_path}/labels', f'val = ["{tmp_path}/other'))
    assert main(["--config", str(config), "--table"]) == 0
    told = capsys.readouterr().out
    assert "| SAM as it is | 0 of 1, 1 measured otherwise | not finished |" in told
    assert main(rows) == 0 and len(trainings) == 1
    told = capsys.readouterr().out
    assert "| SAM as it is | 1 | 0.300 |" in told and "decoder tuned | 1 | 0.700 | +40.0 |" in told


@pytest.mark.parametrize("change", ["crop_px = 32", 'base = "other"', "version", 'classes = ["vehicle"]'])
def test_what_a_figure_depends_on_is_told_with_it(config, monkeypatch, change):
    text = config.read_text().replace("seeds = [0, 1]", 'seeds = [0]\nbase = "ros-sam-tiny"')
    videos = '[[targets]]\nname = "video"\ntrain_videos = 1\nval_videos = 1\n'
    config.write_text(text.replace("[pretrain]", f"{videos}[pretrain]"))
    before = load_ablation(config)
    row = rows_of(before)[1]
    told = measuring(before, row)
    assert told == json.loads(json.dumps(told)) == measuring(load_ablation(config), row)
    if change == "version":
        monkeypatch.setattr("training.simulated.VERSION", 99)
    else:
        field = change.split(" = ")[0]
        config.write_text(re.sub(f"^{field} = .*$", change, config.read_text(), flags=re.MULTILINE))
    assert measuring(load_ablation(config), row) != told


def test_all_mistakes_are_told_at_once(config, tmp_path):
    text = config.read_text().replace("crop_px = 64", "crop_px = 2").replace("seeds = [0, 1]", "seeds = []")
    config.write_text(text.replace('val = ["', 'val = ["missing.json", "'))
    with pytest.raises(ConfigInvalid) as raised:
        load_ablation(config)
    for part in ("crop_px is 2", "seeds is empty", "missing.json does not exist", "3 mistake(s)"):
        assert part in str(raised.value)
    config.write_text(text.replace("crop_px = 2", "crop_px = 64").replace("[]", "[0]").replace("0.01", "-1"))
    with pytest.raises(ConfigInvalid, match=r"lr is -1"):
        load_ablation(config)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("ablate-*.toml")), ids=lambda path: path.stem)
def test_every_ablation_that_ships_is_valid(path, tmp_path, monkeypatch):
    """On any machine: its data is made up where the configuration looks for it."""
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)
    for line in path.read_text().splitlines():
        if line.split("=")[0].strip() in ("train", "val", "coco"):
            for name in json.loads(line.split("=", 1)[1].split("#")[0]):
                file = Path(name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
    assert rows_of(load_ablation(path))


def test_objects_that_are_not_found_score_zero(config, tmp_path):
    from ros_sam_core.model.checkpoints import save_checkpoint
    from ros_sam_core.model.config import CropPolicy
    from ros_sam_core.model.ros_sam import RosSam
    from training.ablate import measure, val_scenes

    ablation = load_ablation(config)
    torch.manual_seed(0)
    model = RosSam(build_config(row_config(ablation, rows_of(ablation)[-1], 0), "x").model)
    torch.nn.init.zeros_(model.mask_decoder.hf_mlp.layers[-1].weight)
    torch.nn.init.zeros_(model.mask_decoder.hf_mlp.layers[-1].bias)
    save_checkpoint(model, tmp_path / "blind.safetensors")
    scenes = val_scenes(ablation, ablation.targets[0])
    ious = measure(tmp_path / "blind.safetensors", CropPolicy(crop_px=64), "hq", scenes, "cpu")
    assert len(ious) == sum(len(s.objects) for s in scenes) and not np.any(ious)
