"""A model whose encode takes long: it is interrupted, cancelled and left behind in the middle."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_process import RunningEngine, is_gone, wait_for

from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.config import CropPolicy, ModelConfig, TinySize
from ros_sam_core.model.ros_sam import RosSam


@pytest.fixture(scope="module")
def heavy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of many blocks on a large input; one encode takes seconds, each block a small part of it."""
    torch.manual_seed(0)
    size = TinySize(
        widths=(16, 32, 64, 128), convs=(1, 1, 1), blocks=48, heads=2, decoder_dim=32, decoder_mlp=64
    )
    config = ModelConfig(arch="tiny", input_px=768, crop=CropPolicy(crop_px=64), tiny=size, name="heavy")
    path = tmp_path_factory.mktemp("model") / "heavy.safetensors"
    save_checkpoint(RosSam(config), path)
    return path


@pytest.fixture
def heavy(heavy_model: Path, tmp_path: Path) -> Iterator[RunningEngine]:
    """An engine with that model, ready."""
    with RunningEngine(["--model", heavy_model], log=tmp_path / "engine.log") as engine:
        yield engine.ready()


def click(engine: RunningEngine, frame: str, x: float, y: float) -> dict[str, Any]:
    return {"frame": frame, "prompts": [{"id": "a", "points": [[x, y]]}], "job": "click"}


def test_warming_does_not_delay_a_click_by_an_encode(heavy: RunningEngine, raster: Path) -> None:
    frame = heavy.frame(raster)
    here = click(heavy, frame, 500_040, 5_299_980)
    first = heavy.post("segment", here)["timing"]
    one_encode_ms = first["worked_ms"] / max(1, first["encoded"])
    delays = []
    for _ in range(3):
        region = [500_060, 5_299_900, 500_150, 5_300_000]
        heavy.post("warm", {"frame": frame, "region": region, "job": "warm"}, 202)
        wait_for(lambda: heavy.get("jobs/warm")["state"] == "running")
        time.sleep(one_encode_ms / 3000)
        delays.append(heavy.post("segment", here)["timing"]["waited_ms"])
    assert max(delays) < one_encode_ms / 3, "the encode in the background gave way at its next block"
    assert heavy.get("jobs/warm")["state"] == "running", "and was taken up again"
    heavy.post("cancel", {"job": None})


def test_a_click_is_cancelled_in_the_middle_of_its_encode(heavy: RunningEngine, raster: Path) -> None:
    frame = heavy.frame(raster)
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(heavy.post("segment", click(heavy, frame, 500_100, 5_299_950), 409))
    )
    heavy_ms = heavy.post("segment", click(heavy, frame, 500_040, 5_299_980))["timing"]["worked_ms"]
    asking.start()
    wait_for(lambda: heavy.get("health")["queue"] > 0)
    began = time.monotonic()
    assert heavy.post("cancel", {"job": "click"}) == {"cancelled": ["click"]}
    asking.join(60)
    assert answers[0]["error"]["type"] == "Cancelled"
    assert 1000 * (time.monotonic() - began) < heavy_ms / 2


@pytest.mark.parametrize("how", ["stdin", "kill"])
def test_no_orphan_where_the_caller_ends_in_the_middle_of_an_encode(
    heavy: RunningEngine, raster: Path, tmp_path: Path, how: str
) -> None:
    frame = heavy.frame(shutil.copy(raster, tmp_path))
    heavy.post("warm", {"frame": frame, "region": [500_000, 5_299_900, 500_150, 5_300_000]}, 202)
    wait_for(lambda: heavy.get("health")["queue"] > 0)
    began = time.monotonic()
    if how == "kill":
        heavy.process.kill()
    else:
        assert heavy.end() == 0
        assert time.monotonic() - began < 10
    wait_for(lambda: is_gone(heavy.process.pid), 15)
