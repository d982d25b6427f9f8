"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_files import PROGRAM, Finished, Run, environment, picture, write_raster

from ros_sam_core.cli import main


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run `ros-sam` with these arguments and wait for its end."""
    cache = tmp_path_factory.mktemp("cache")

    def run_program(*arguments: object, **options: Any) -> Finished:
        command = [str(PROGRAM), *map(str, arguments)]
        options = {"env": environment(cache), "stdin": subprocess.DEVNULL, "timeout": 600} | options
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        return Finished(done.returncode, done.stdout, done.stderr)

    return run_program


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `ros-sam` with these arguments in this process, which has its libraries loaded already."""
    monkeypatch.setenv("ROS_SAM_CACHE", str(tmp_path / "cache"))

    def call_main(*arguments: object) -> Finished:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        return Finished(int(leaving.value.code or 0), *capsys.readouterr())

    return call_main


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights: it outlines nonsense, quickly and always the same."""
    import torch

    from ros_sam_core.model.checkpoints import save_checkpoint
    from ros_sam_core.model.config import CropPolicy, ModelConfig, TinySize
    from ros_sam_core.model.ros_sam import RosSam

    torch.manual_seed(3)
    size = TinySize(
        widths=(16, 16, 32, 32), convs=(1, 1, 1), blocks=1, heads=2, decoder_dim=32, decoder_mlp=64
    )
    crop = CropPolicy(kind="scaled", scale=2.0, min_px=24, click_px=(48,))
    config = ModelConfig(arch="tiny", input_px=64, crop=crop, tiny=size, name="random-tiny")
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_checkpoint(RosSam(config), path)
    return path


@pytest.fixture(scope="session")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A georeferenced picture, 300 x 200 pixels of 0.5 m."""
    return write_raster(tmp_path_factory.mktemp("raster") / "scene.tif", picture())
