"""What the tests of the engine share: one running engine, a quick model, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import picture, write_raster
from engine_process import RunningEngine

from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.config import CropPolicy, ModelConfig, TinySize
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.predict.segmenter import Segmenter


@pytest.fixture(scope="session")
def quick_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights: it outlines nonsense, quickly and always the same."""
    torch.manual_seed(39)  # of the first forty seeds the one whose outlines are compact
    size = TinySize(
        widths=(16, 16, 32, 32), convs=(1, 1, 1), blocks=1, heads=2, decoder_dim=32, decoder_mlp=64
    )
    crop = CropPolicy(kind="scaled", scale=2.0, min_px=24, snap=0.0625, click_px=(32, 64))
    model = RosSam(ModelConfig(arch="tiny", input_px=64, crop=crop, tiny=size, name="quick"))
    path = tmp_path_factory.mktemp("model") / "quick.safetensors"
    save_checkpoint(model, path)
    return path


@pytest.fixture(scope="session")
def engine(quick_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """An engine with the quick model. Tests leave it as they find it."""
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with RunningEngine(["--model", quick_model], log=log) as running:
        yield running.ready()
        told = log.read_text()
        assert "our own fault" not in told and "never retrieved" not in told


@pytest.fixture(scope="session")
def segmenter(quick_model: Path) -> Segmenter:
    """The same model, called directly."""
    torch.set_num_threads(1)
    return Segmenter.from_pretrained(quick_model)


@pytest.fixture(scope="session")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 300 x 200 pixels of 0.5 m in UTM."""
    return write_raster(tmp_path_factory.mktemp("raster") / "scene.tif", picture())


@pytest.fixture(scope="session")
def deep_raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same picture in 16 bit and four bands, with nodata."""
    bands = picture().astype(np.uint16) * 17 + 300
    bands[:, :30, :30] = 0
    return write_raster(tmp_path_factory.mktemp("deep") / "deep.tif", np.vstack([bands, bands[:1]]), nodata=0)
