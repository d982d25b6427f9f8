"""What is previewed is what is trained on, and every number of workers draws the same."""

import labelled_sets as made
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from training.configfile import build_config
from training.datasets import Sample, collate
from training.drawing import BESIDE, COLOURS, ON, Marked, draw_marks
from training.preview import draw_batch, main
from training.sources import open_data

CONFIG = """
output = "{0}/run"
batch = 4
[data]
pipeline = "frames"
aside = 0.0
sets = [{{ layout = "release", path = "{0}" }}, {{ layout = "coco", path = "{0}/coco/labels.json" }}]
[frames]
scale = [0.5, 2.0]
object_share = 0.7
click_share = 0.3
"""


@pytest.fixture
def config_file(tmp_path):
    scenes = made.make_scenes(videos=2, frames=2)
    made.release(tmp_path, scenes[:2])
    made.coco(tmp_path / "coco", scenes[2:])
    path = tmp_path / "run.toml"
    path.write_text(CONFIG.format(tmp_path))
    return path


@pytest.mark.parametrize("pipeline", ["frames", "objects"])
def test_every_number_of_workers_gives_the_same_batches(config_file, tmp_path, pipeline):
    sets = [{"layout": "release", "path": str(tmp_path)}]
    values = {"output": str(tmp_path / "run"), "data": {"sets": sets, "pipeline": pipeline, "aside": 0.0}}
    samples = open_data(build_config(values, "test")).samples
    runs = [
        list(DataLoader(Subset(samples, range(9)), batch_size=3, num_workers=n, collate_fn=collate))
        for n in (0, 1, 2)
    ]
    assert len(runs[0]) == 3 and sum(sum(b.counts) for b in runs[0]) > 0
    for other in runs[1:]:
        for one, two in zip(runs[0], other, strict=True):
            assert (one.counts, one.names, one.indices) == (two.counts, two.names, two.indices)
            for name in ("images", "targets", "boxes", "points", "labels"):
                a, b = getattr(one, name), getattr(two, name)
                assert torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)), name


def test_the_command_draws_the_batches_of_the_run(config_file, tmp_path):
    out = tmp_path / "pictures"
    assert main(["--config", str(config_file), "-o", str(out), "--batches", "2"]) == 0
    first, second = sorted(out.iterdir())
    assert [first.name, second.name] == ["batch-000000.png", "batch-000001.png"]
    before = first.read_bytes()
    assert main(["--config", str(config_file), "-o", str(out)]) == 0
    assert first.read_bytes() == before
    sheet = np.asarray(Image.open(first))
    assert any((sheet == colour).all(-1).any() for colour in COLOURS)


def test_a_data_set_that_is_not_there_is_named(tmp_path, caplog):
    path = tmp_path / "run.toml"
    path.write_text(CONFIG.format(tmp_path / "nowhere"))
    assert main(["--config", str(path), "-o", str(tmp_path / "out")]) == 2
    assert "data.sets" in caplog.text and "nowhere" in caplog.text and not (tmp_path / "out").exists()


def test_marks_lie_on_what_they_mark():
    mask = np.zeros((40, 50), bool)
    mask[10:20, 5:30] = True
    mark = Marked(mask, (4, 9, 31, 21), ((17.5, 15.5), (40.5, 35.5)), (1, 0), "x")
    picture = draw_marks(np.full((40, 50, 3), 90, np.uint8), [mark], zoom=4)
    assert picture.shape == (160, 200, 3)
    assert (picture[10 * 4, 10 * 4 : 28 * 4] == COLOURS[0]).all()
    assert (picture[9 * 4, 6 * 4 : 30 * 4] == 255).all()
    assert tuple(picture[62, 70]) == ON and tuple(picture[142, 162]) == BESIDE
    assert (picture[17 * 4, 8 * 4] == 90).all() and (picture[100, 20] == 90).all()


def test_prompts_of_one_mask_are_drawn_once():
    target = torch.zeros(2, 64, 64, dtype=torch.uint8)
    target[:, 10:30, 10:40] = 255
    nan = float("nan")
    sample = Sample(
        image=torch.full((3, 64, 64), 80, dtype=torch.uint8),
        targets=target,
        boxes=torch.tensor([[9.0, 9.0, 41.0, 31.0], [nan] * 4]),
        points=torch.tensor([[[0.0, 0.0]], [[20.0, 20.0]]]),
        labels=torch.tensor([[-1], [1]]),
        index=0,
        name="one",
    )
    page = np.asarray(draw_batch(collate([sample])))
    assert (page == COLOURS[0]).all(-1).any() and (page == ON).all(-1).any()
    assert not (page == COLOURS[1]).all(-1).any()
