"""Configurations: what users run can be read, and all mistakes are told at once."""

import dataclasses
import json

import pytest
from training_runs import CONFIGS, write_config

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.zoo import resolve
from training.config import DataConfig, LossConfig, TrainConfig, TuneConfig
from training.configfile import load_config
from training.jitter import CropJitter
from training.state import config_json
from training.train import main


@pytest.mark.parametrize(("name", "config"), [("ros-sam-tiny", "tiny-7"), ("ros-sam-tiny-open", "tiny-open")])
def test_the_bundled_weights_are_asked_as_their_configuration_says(name, config):
    """How clicks are looked at belongs to the weights: those whose scores say little look no further."""
    trained = load_config(CONFIGS / f"{config}.toml", ["data.coco=[]"]).model
    assert load_checkpoint(resolve(name)).model.config == trained
    assert bool(trained.crop.sure) is (name == "ros-sam-tiny")


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(
        'output = "x"\nsteps = 0\nbatch = "many"\nlearning = 3\nprecision = "fp8"\nbetas = [0.9]\n'
        'tune = 7\nexport = "adapter"\n[data]\ncoco = ["missing.json"]\nprocedural_share = 2.0\n'
        "[model]\ninput_px = 100\n[loss]\nrounds = 0\n"
    )
    with pytest.raises(ConfigInvalid) as raised:
        load_config(path, ["lr=-1", "data.workers=x", "nonsense"])
    text = str(raised.value)
    for part in (
        "steps is 0",
        "batch is 'many'; it must be int",
        "learning is no field; known: output, base",
        "precision is 'fp8'; use 'bf16' or 'no'",
        "betas is (0.9,)",
        "tune is 7; it must be a table",
        "no LoRA to save",
        "missing.json does not exist",
        "procedural_share is 2.0",
        "input_px is 100",
        "loss.rounds is 0",
        "lr is -1",
        "data.workers is 'x'",
        "--set nonsense: there is no '='",
        "15 mistake(s)",
    ):
        assert part in text, part


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1" + "0" * 400])
def test_numbers_that_are_not_finite_are_mistakes(value, tmp_path):
    """TOML knows them; a rate of NaN passes every comparison and spoils every weight."""
    config = write_config(tmp_path)
    for field in ("lr", "loss.hq", "box_noise"):
        with pytest.raises(ConfigInvalid, match=rf"{field} is .*; it must be a finite number"):
            load_config(config, [f"{field}={value}"])
    with pytest.raises(ConfigInvalid, match=r"jitter\.near is .*; it must be a list of 2 float"):
        load_config(config, [f"jitter.near=[1.4, {value}]"])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("steps = = 3")
    assert main(["--config", str(path)]) == 2
    with pytest.raises(ConfigInvalid, match=r"bad\.toml cannot be read as TOML"):
        load_config(path)
    with pytest.raises(ConfigInvalid, match="output is missing"):
        (tmp_path / "empty.toml").write_text("")
        load_config(tmp_path / "empty.toml")


def test_the_saved_configuration_is_the_same_one(tmp_path):
    config = load_config(write_config(tmp_path), ["tune.rank=7", "model.tiny.blocks=1", "lr_encoder=1"])
    assert (config.tune.rank, config.model.tiny.blocks, config.lr_encoder) == (7, 1, 1.0)
    path = tmp_path / "config.json"
    path.write_text(config_json(config))
    assert load_config(path) == config


@pytest.mark.parametrize("cls", [TrainConfig, DataConfig, LossConfig, TuneConfig, CropJitter])
def test_every_field_is_documented(cls):
    for field in dataclasses.fields(cls):
        assert f"\n        {field.name}: " in cls.__doc__, field.name


@pytest.mark.parametrize(
    "path", [*CONFIGS.glob("tiny*.toml"), *CONFIGS.glob("vit-*.toml")], ids=lambda path: path.stem
)
def test_every_configuration_that_ships_is_valid(path, tmp_path):
    """On any machine: data that is not there is replaced."""
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    config = load_config(path, [f'data.coco=["{labels}"]', "data.sets=[]"])
    assert config.problems() == []
