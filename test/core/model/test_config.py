"""A model's configuration: what was written is read again, and what makes no sense is refused at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.config import ModelConfig, sam_config, tiny_config


@pytest.mark.parametrize("config", [tiny_config(), sam_config("vit_b"), sam_config("vit_h", hq=True)])
def test_a_configuration_comes_back_the_same(config: ModelConfig) -> None:
    assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("arch", ["tiny"]),
        ("head", "sum"),  # its two masks are of different resolution
        ("hq", "yes"),
        ("name", 3),
        ("tiny", None),
        ("input_px", 192.0),
        ("input_px", True),
        ("input_px", 200),
        ("input_px", 2**20),
        ("crop", 3),
        ("crop.crop_px", -1),
        ("crop.crop_px", 64.5),
        ("crop.crop_px", 2**40),
        ("crop.min_px", "24"),
        ("crop.min_px", 0),
        ("crop.scale", float("inf")),
        ("crop.scale", float("nan")),
        ("crop.scale", "2"),
        ("crop.snap", float("nan")),
        ("crop.snap", None),
        ("crop.sure", "0.5"),
        ("crop.click_px", [64.5]),
        ("crop.click_px", [2**40]),
        ("crop.click_px", "64"),
        ("crop.click_px", 64),
        ("tiny.widths", [32]),
        ("tiny.widths", [32, 64, 128, 256, 512]),
        ("tiny.widths", [8, 64, 128, 256]),
        ("tiny.widths", [56, 64, 128, 256]),
        ("tiny.widths", [32, 64, 128, 2**20]),
        ("tiny.widths", [32, 64, 128, 256.0]),
        ("tiny.convs", [1, 3]),
        ("tiny.convs", [1, 3, -4]),
        ("tiny.convs", [1, 3, 10**6]),
        ("tiny.blocks", "x"),
        ("tiny.blocks", 0),
        ("tiny.blocks", 10**9),
        ("tiny.heads", 0),
        ("tiny.heads", 7),
        ("tiny.decoder_dim", 0),
        ("tiny.decoder_dim", 200),
        ("tiny.decoder_dim", 2**20),
        ("tiny.decoder_mlp", -1),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(place: str, value: Any) -> None:
    told = json.loads(tiny_config().to_json())
    part = told
    *folders, name = place.split(".")
    for folder in folders:
        part = part[folder]
    part[name] = value
    with pytest.raises(ConfigInvalid) as raised:
        ModelConfig.from_json(json.dumps(told))
    assert name in str(raised.value) or str(value) in str(raised.value)


@pytest.mark.parametrize("text", ["", "3", "[]", "{}", "[" * 100_000, '{"arch": 1e999}'])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        ModelConfig.from_json(text)
