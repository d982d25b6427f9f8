"""Simulated video as training data: the same frames again, and no video on both sides."""

import resource
import signal

import numpy as np
import pytest
from training_runs import write_config

from ros_sam_core.errors import ConfigInvalid, OutputFailed
from training import procedural, simulated
from training.config import VAL_SEED
from training.configfile import load_config
from training.kept_scenes import keep
from training.procedural import procedural_scenes
from training.simulated import FRAMES, simulated_scenes
from training.sources import open_data


def test_frames_are_kept_and_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "SIDE", 128)
    made = simulated_scenes(1, 7, tmp_path, workers=1)
    assert len(made) == FRAMES and len({scene.video for scene in made}) == 1
    kept = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again = simulated_scenes(1, 7, tmp_path, workers=1)
    assert kept == {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    for a, b in zip(made, again, strict=True):
        assert np.array_equal(a.rgb, b.rgb) and len(a.objects) == len(b.objects) > 0
        for obj in a.objects:
            x0, y0, x1, y1 = (int(v) for v in obj.box)
            assert obj.mask.shape == (y1 - y0, x1 - x0) and obj.mask.any()
    assert not np.array_equal(made[0].rgb, made[1].rgb)


def test_a_run_may_train_on_videos_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "SIDE", 128)
    changes = ["data.procedural=0", "data.procedural_share=0", "data.simulated=2", "data.simulated_share=1"]
    config = load_config(write_config(tmp_path), [*changes, "data.pipeline=frames", f"data.cache={tmp_path}"])
    data = open_data(config)
    names = {data.samples[i].name.split(",")[0] for i in range(12)}
    assert data.images == 2 * FRAMES and names == {"simulated video 0", "simulated video 1"}


def test_a_damaged_scene_is_named_and_made_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(procedural, "SHAPE", (160, 160))
    monkeypatch.setattr(simulated, "SIDE", 64)
    makers = (
        lambda: procedural_scenes(1, 3, tmp_path, workers=1),
        lambda: simulated_scenes(1, 7, tmp_path, 1),
    )
    for make, damage in zip(makers, (lambda content: content[:900], lambda content: b""), strict=True):
        before = set(tmp_path.iterdir())
        (scene, *_) = make()
        file = min(set(tmp_path.iterdir()) - before)
        file.write_bytes(damage(file.read_bytes()))
        (again, *_) = make()
        assert f"{file} is damaged" in caplog.text
        assert np.array_equal(scene.rgb, again.rgb) and scene.name == again.name
        caplog.clear()
        make()
        assert not caplog.text


def test_scenes_of_another_version_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(procedural, "SHAPE", (160, 160))
    procedural_scenes(1, 3, tmp_path, workers=1)
    monkeypatch.setattr(procedural, "VERSION", procedural.VERSION + 1)
    monkeypatch.setattr(procedural, "SHAPE", (128, 128))
    assert procedural_scenes(1, 3, tmp_path, workers=1)[0].shape == (128, 128)
    now = simulated._file(tmp_path, 7, 0)
    monkeypatch.setattr(simulated, "VERSION", simulated.VERSION + 1)
    assert simulated._file(tmp_path, 7, 0) != now


def test_a_scene_that_does_not_fit_on_the_disk_is_named(tmp_path):
    file = tmp_path / "scene1.npz"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OutputFailed, match=r"scene1\.npz: .*make room"):
            keep(file, False, rgb=np.zeros((90, 90, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_no_seed_reaches_the_videos_that_are_kept_for_measuring(tmp_path):
    changes = ["data.simulated=1000", "data.simulated_share=0.5", "data.procedural_share=0.5"]
    config = load_config(write_config(tmp_path), [*changes, "seed=499"])
    assert config.first_video + config.data.simulated == VAL_SEED
    with pytest.raises(ConfigInvalid, match=r"seed is 500: .* take a seed of 499 or less"):
        load_config(write_config(tmp_path), [*changes, "seed=500"])
    assert load_config(write_config(tmp_path), ["seed=500"]).seed == 500
