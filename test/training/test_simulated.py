"""Simulated video as training data: the same frames again, and no video on both sides."""

import numpy as np
from training_runs import write_config

from training import simulated
from training.configfile import load_config
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
