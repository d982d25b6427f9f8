"""`training.prepare`: a quarter of each video, none on both sides, no class without masks, all of it told."""

import json
from collections import Counter
from dataclasses import replace

import labelled_sets as made
import numpy as np
import pytest
from PIL import Image
from training_runs import write_config

from training.configfile import load_config
from training.plan import PrepareConfig
from training.prepare import main, prepare
from training.readers import DatasetSpec, open_dataset
from training.rle import encode_rle
from training.scenes import DatasetError
from training.sources import open_data


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Six videos of eight frames in COCO's layout, with cars without masks and a class of filled boxes."""
    folder = tmp_path_factory.mktemp("videos")
    scenes = made.make_scenes(videos=6, frames=8)
    made.write_coco(folder / "labels.json", scenes)
    made.write_images(folder / "images", scenes)
    data = json.loads((folder / "labels.json").read_text())
    data["categories"] += [{"id": 98, "name": "car"}, {"id": 99, "name": "train"}]
    full = np.zeros(made.SHAPE, bool)
    full[3:7, 4:12] = True
    for image in data["images"]:
        car = {"id": 5000 + image["id"], "image_id": image["id"], "category_id": 98, "bbox": [1, 2, 9, 5]}
        train = {"id": 6000 + image["id"], "image_id": image["id"], "category_id": 99}
        data["annotations"] += [
            car,
            train | {"segmentation": encode_rle(full)},
        ]
    (folder / "labels.json").write_text(json.dumps(data))
    return DatasetSpec("coco", str(folder / "labels.json"), verify=False)


@pytest.fixture(scope="module")
def output(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "set"
    prepare(source, PrepareConfig(), folder)
    return folder


def sides(output):
    specs = {side: DatasetSpec("release", str(output / side)) for side in ("train", "val")}
    return {side: open_dataset(spec).scenes for side, spec in specs.items()}


def test_a_quarter_of_each_video_goes_to_one_side(source, output):
    read = sides(output)
    videos = {side: {s.video for s in scenes} for side, scenes in read.items()}
    assert not videos["train"] & videos["val"]
    assert videos["train"] | videos["val"] == {f"video{i}" for i in range(6)} and len(videos["val"]) >= 1
    counts = Counter(s.video for scenes in read.values() for s in scenes)
    assert set(counts.values()) == {2}
    truth = {s.name: s for s in open_dataset(replace(source, on_error="skip")).scenes}
    for scene in (s for scenes in read.values() for s in scenes):
        other = truth[f"{scene.video}/frame_{scene.frame:04d}.png"]
        np.testing.assert_array_equal(scene.rgb, other.rgb)
        kept = [o for o in other.objects if o.class_name not in ("car", "train")]
        assert {(o.box, o.class_name, o.track, o.mask.tobytes()) for o in scene.objects} == {
            (o.box, o.class_name, o.track, o.mask.tobytes()) for o in kept
        }


def test_the_files_are_those_of_the_release(output):
    for image in (output / "train" / "img").iterdir():
        boxes = np.load(output / "train" / "boxes" / f"{image.stem}.npy")
        masks = np.load(output / "train" / "onehotmask" / f"{image.stem}.npy")
        assert boxes.dtype == np.float32 and boxes.shape == (len(masks), 4)
        assert masks.dtype == np.uint8 and masks.shape[1:] == made.SHAPE and set(np.unique(masks)) == {0, 255}
        assert Image.open(image).mode == "RGB"


def test_the_report_says_what_was_kept_and_why(output):
    text, report = (output / "report.txt").read_text(), json.loads((output / "report.json").read_text())
    assert "class car left out: none of its 48 objects has a mask" in text
    assert "class train left out: 48 of its 48 masks are filled boxes" in text
    assert "6 videos, 48 frames" in text and "12 frames drawn" in text
    assert report["dropped_classes"].keys() == {"car", "train"} and report["skipped"] == []
    assert sum(v["kept"] for v in report["videos"]) == 12
    assert report["splits"]["val"]["frames"] == len(list((output / "val" / "img").iterdir()))


def test_the_seed_alone_decides(source, output, tmp_path):
    prepare(source, PrepareConfig(), tmp_path / "again")
    prepare(source, PrepareConfig(seed=1), tmp_path / "other")
    folders = (output, tmp_path / "again", tmp_path / "other")
    names = [sorted(p.name for p in folder.rglob("img/*.png")) for folder in folders]
    assert names[0] == names[1] != names[2]


def test_it_goes_on_where_it_was_interrupted(source, output, tmp_path):
    folder = tmp_path / "set"
    prepare(source, PrepareConfig(), folder)
    images = sorted((folder / "train" / "img").iterdir())
    kept, lost = images[0], images[1]
    before = kept.stat().st_mtime_ns
    lost.unlink()
    prepare(source, PrepareConfig(), folder)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == (output / "train" / "img" / lost.name).read_bytes()
    with pytest.raises(DatasetError, match="other settings or other labels"):
        prepare(source, PrepareConfig(share=0.5), folder)


def test_another_folder_is_left_alone(source, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        prepare(source, PrepareConfig(), tmp_path)


def test_faults_stop_it_before_anything_is_written_or_are_told(source, tmp_path, capsys, caplog):
    data = json.loads(made.Path(source.path).read_text())
    data["annotations"][0]["segmentation"] = {"size": [3, 3], "counts": [9]}
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(data))
    images = str(made.Path(source.path).parent / "images")
    command = [str(labels), "--layout", "coco", "--images", images, "-o", str(tmp_path / "out")]
    number = data["annotations"][0]["id"]
    assert main(command) == 2
    assert f"annotation {number}: its mask is 3 x 3, the image 160 x 120" in caplog.text
    assert not (tmp_path / "out").exists()
    assert main([*command, "--on-error", "skip", "--val", "0"]) == 0
    assert f"annotation {number}" in capsys.readouterr().out
    assert not (tmp_path / "out" / "val").exists()


def test_nothing_left_is_an_error(source, tmp_path):
    classes = {o.class_name for s in made.make_scenes(videos=6, frames=8) for o in s.objects}
    spec = DatasetSpec("coco", source.path, verify=False, leave_out=tuple(classes))
    with pytest.raises(DatasetError, match="no frame with a mask is left"):
        prepare(spec, PrepareConfig(), tmp_path / "out")


def test_frames_whose_names_tell_no_video_are_warned_of_where_they_are_split(tmp_path, caplog):
    """The release's own layout, without `frames.json`; two videos that only an expression tells."""
    folder = tmp_path / "raw"
    for name in ("img", "onehotmask"):
        (folder / name).mkdir(parents=True)
    rows, columns = np.mgrid[:64, :64]
    disc = ((rows - 30) ** 2 + (columns - 30) ** 2 < 100)[None] * np.uint8(255)
    for name in ("a_1", "a_2", "b_1", "b_2"):
        Image.fromarray(np.repeat(disc[0, ..., None] // 2, 3, axis=2)).save(folder / "img" / f"{name}.png")
        np.save(folder / "onehotmask" / f"{name}.npy", disc)
    command = [str(folder), "--layout", "release", "-o"]
    for i, (more, told) in enumerate([((), 1), (("--val", "0"), 0), (("--video", "^(.+)_"), 0)]):
        caplog.clear()
        assert main([*command, str(tmp_path / str(i)), *more]) == 0
        assert caplog.text.count("4 of its 4 frames, such as a_1.png, name no video") == told
    none = ["data.procedural=0", "data.procedural_share=0.0"]
    for aside, video, told in (("0.5", "", 1), ("0.0", "", 0), ("0.5", "^(.+)_", 0)):
        table = f'data.sets=[{{layout="release", path="{folder}", video="{video}"}}]'
        config = load_config(write_config(tmp_path), [table, f"data.aside={aside}", *none])
        caplog.clear()
        open_data(config)
        assert caplog.text.count("name no video") == told


def test_a_side_that_stays_empty_is_told(tmp_path, caplog):
    spec = made.coco(tmp_path, made.make_scenes(videos=1, frames=3))
    prepare(DatasetSpec(**spec), PrepareConfig(), tmp_path / "out")
    assert "nothing goes to val" in caplog.text
    assert "all 3 images count as frames of one video, 'video0'" in caplog.text
    caplog.clear()
    prepare(DatasetSpec(**spec), PrepareConfig(val=0), tmp_path / "all")
    assert "nothing goes to val" not in caplog.text
