"""`training.labels`: box tracks of made-up videos become masks that fit the truth."""

import json

import geopandas
import labelled_sets as made
import numpy as np
import pytest

from ros_sam_core.errors import Cancelled
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.labelling import LabelJob, LabelOptions
from training.labels import main
from training.readers import DatasetSpec, Ledger, open_dataset
from training.scenes import DatasetError
from training.tracks import TrackOptions, find_sequences, read_tracks


@pytest.fixture(scope="module")
def scenes():
    return made.make_scenes(videos=2, frames=2)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.from_pretrained("ros-sam-tiny", cache=CacheOptions(disk_mb=0))


@pytest.fixture
def tracks(scenes, tmp_path):
    """MOT text of two sequences of georeferenced frames, boxes of the truth; pixels and frames from 1."""
    made.polygons(tmp_path, scenes)
    folder = tmp_path / "tracks"
    folder.mkdir()
    for video in sorted({s.video for s in scenes}):
        lines = []
        for scene in (s for s in scenes if s.video == video):
            for o in scene.objects:
                xmin, ymin, xmax, ymax = o.box
                box = f"{xmin + 1:g},{ymin + 1:g},{xmax - xmin:g},{ymax - ymin:g}"
                lines.append(f"{scene.frame + 1},{o.track},{box},1,7,1")
        (folder / f"{video}.txt").write_text("\n".join(lines) + "\n")
    return folder


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_tracks_become_masks_that_fit(tracks, scenes, tmp_path, capsys):
    table = tmp_path / "names.json"
    table.write_text('{"7": "vessel"}')
    out = tmp_path / "out"
    command = [str(tracks), "--images", str(tmp_path / "images"), "-o", str(out), "--classes", str(table)]
    assert main(command) in (0, 3)
    assert "sequences, by ros-sam-tiny" in capsys.readouterr().out
    spec = DatasetSpec("coco", str(out / "labels.json"), images=str(tmp_path / "images"))
    read = {s.name: s for s in open_dataset(spec).scenes}
    ious = []
    for truth in scenes:
        found = read[truth.name.replace(".png", ".tif")]
        assert (found.video, found.frame) == (truth.video, truth.frame + 1)
        masks = {o.track: o.frame_mask(made.SHAPE) for o in found.objects}
        assert {o.class_name for o in found.objects} == {"vessel"}
        ious += [
            iou(masks[o.track], o.frame_mask(made.SHAPE)) if o.track in masks else 0 for o in truth.objects
        ]
    assert len(ious) > 15 and np.mean(ious) > 0.6
    table = geopandas.read_file(out / "video0.gpkg")
    assert table.crs == made.UTM and {"track", "class", "score", "frame", "time", "area_m2"} <= set(table)
    first = scenes[0]
    rows = table[table["frame"] == "frame_0000"].set_index("track").geometry
    for o in first.objects:
        if o.track in rows.index:
            x, y = np.argwhere(o.frame_mask(made.SHAPE)).mean(0)[::-1] + 0.5
            centre = made.shapely.Point(made.GRID.pixel_to_map([(x, y)])[0])
            assert rows[o.track].distance(centre) < 3
    assert list((out / "overlays").glob("video0-*.png"))
    data = json.loads((out / "labels.json").read_text())
    assert all(0 <= a["score"] <= 1 and len(a["prompt_box"]) == 4 for a in data["annotations"])


def test_a_run_that_was_stopped_goes_on(tracks, tmp_path, segmenter):
    options = LabelOptions(overlays=0)
    whole = LabelJob(segmenter, tracks, tmp_path / "images", tmp_path / "whole", options).run()
    out, told = tmp_path / "out", []
    with pytest.raises(Cancelled, match="after 2 of 4"):
        LabelJob(segmenter, tracks, tmp_path / "images", out, options).run(
            progress=lambda done, total: told.append(done), cancel=lambda: len(told) == 2
        )
    assert (out / "video0.json").exists() and not (out / "labels.json").exists()
    journal = out / "journal" / "video0.jsonl"
    text = journal.read_text()
    journal.write_text(text[: len(text) - 40])  # as a power cut may leave it
    result = LabelJob(segmenter, tracks, tmp_path / "images", out, options).run()
    assert result.path.read_text() == whole.path.read_text()
    first = text.splitlines()[:2]  # the settings and the finished frame are kept, the cut one is made again
    assert journal.read_text().splitlines()[:2] == first and len(journal.read_text().splitlines()) == 3
    (tracks / "video0.txt").write_text("1,1,5,5,10,10,1\n")
    with pytest.raises(DatasetError, match="other boxes"):
        LabelJob(segmenter, tracks, tmp_path / "images", out, options).run()


BAD = """1,1,10,10,12,9,1
1,2,x,10,12,9,1
2,1,10,10,0,9,1
9,1,10,10,12,9,1
1,1,10,10,12,9,1
1.5,4,10,10,12,9,1
2,5,nan,10,12,9,1
2,6
1,7,900,900,12,9,1
2,8,10,10,12,9,0
"""


def test_bad_lines_are_named(tracks, tmp_path, segmenter, caplog):
    (tracks / "video0.txt").write_text(BAD)
    with pytest.raises(DatasetError, match=r"video0\.txt, line 2: '1,2,x"):
        LabelJob(segmenter, tracks, tmp_path / "images", tmp_path / "out", LabelOptions())
    options = LabelOptions(on_error="skip", overlays=0, polygons=False)
    job = LabelJob(
        segmenter, tracks / "video0.txt", tmp_path / "images" / "video0", tmp_path / "out", options
    )
    text = job.run().text
    for line in (2, 3, 4, 5, 6, 7, 8, 9):
        assert f"video0.txt, line {line}: " in text
    assert "has no frame 9" in text and "outside its frame of 160 x 120" in text
    assert "confidence 0) (1)" in text and len(job.ledger.skipped) == 8


def test_what_was_left_out_is_told_again_when_a_run_goes_on(tracks, tmp_path, capsys):
    """A box beside its frame, and a frame that cannot be read: in the report, and in the exit code."""
    (tracks / "video1.txt").unlink()
    (tracks / "video0.txt").write_text("1,1,900,900,12,9,1\n2,1,10,10,12,9,1\n")
    frame = tmp_path / "images" / "video0" / "frame_0001.tif"
    good = frame.read_bytes()
    frame.write_bytes(good[:100])
    command = [str(tracks / "video0.txt"), "--images", str(frame.parent), "-o", str(tmp_path / "out")]
    assert main(command) == 2
    command += ["--on-error", "skip", "--overlays", "0"]
    for _ in range(2):
        assert main(command) == 3
        told = capsys.readouterr().out
        assert "line 1: box (899.0, 899.0, 911.0, 908.0) lies outside its frame of 160 x 120" in told
        assert "frame_0001.tif: cannot be read" in told and "2 left out" in told
        assert told.strip() == (tmp_path / "out" / "report.txt").read_text().strip()
    frame.write_bytes(good)
    assert main(command) == 3  # the frame is made up for, the box stays where it is
    assert "1 left out (1 × outside)" in capsys.readouterr().out
    assert main(command[:-4]) == 2  # which stops a run that is not to skip


def test_what_was_damaged_since_is_named(tracks, tmp_path, capsys, caplog):
    (tracks / "video0.txt").write_text("1,1,10,10,12,9,1\n2,1,10,10,12,9,1\n")
    folder, out = tmp_path / "images" / "video0", tmp_path / "out"
    command = [str(tracks / "video0.txt"), "--images", str(folder), "-o", str(out), "--on-error", "skip"]
    assert main([*command, "--overlays", "0"]) in (0, 3)
    (folder / "frame_0000.tif").write_bytes(b"")
    capsys.readouterr()
    assert main(command) == 3
    assert "frame_0000.tif: is an empty file" in capsys.readouterr().out
    assert [p.name for p in (out / "overlays").iterdir()] == ["video0-frame_0001.png"]
    journal = out / "journal" / "video0.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + lines[1][:40] + b"\xff\n" + lines[2])
    assert main(command) == 2
    assert "video0.jsonl, line 2 is damaged" in caplog.text


def test_a_sequence_without_boxes_and_boxes_without_a_sequence_are_named(tracks, tmp_path):
    (tracks / "video1.txt").rename(tracks / "video9.txt")
    ledger = Ledger("skip")
    found = find_sequences(tracks, tmp_path / "images", ledger)
    assert [s.name for s in found] == ["video0"]
    assert [s.kind for s in ledger.skipped] == ["missing boxes", "missing images"]


@pytest.mark.parametrize("numbers", [(1, 2), (0, 1), (7, 9)])
def test_frame_numbers_find_their_frames(numbers, tmp_path):
    """MOT counts from 1; the numbers in names count where they hold all of the frames."""
    frames = [tmp_path / "seq" / f"{n:06d}.png" for n in numbers]
    frames[0].parent.mkdir()
    for frame in frames:
        made.Image.new("RGB", (40, 30)).save(frame)
    used = numbers if numbers == (7, 9) else (1, 2)
    (tmp_path / "seq.txt").write_text("".join(f"{n} 3 2 2 8 8 1\n" for n in used))
    (sequence,) = find_sequences(tmp_path / "seq.txt", tmp_path / "seq", Ledger())
    boxes = read_tracks(sequence, TrackOptions(), Ledger())
    assert list(boxes) == frames
    assert boxes[frames[0]][0].box == (1, 1, 9, 9) and boxes[frames[0]][0].track == 3


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_class_that_is_no_number_is_named(number, tmp_path):
    (tmp_path / "seq").mkdir()
    made.Image.new("RGB", (40, 30)).save(tmp_path / "seq" / "1.png")
    (tmp_path / "seq.txt").write_text(f"1,3,2,2,8,8,1,7\n1,4,9,9,8,8,1,{number}\n")
    (tmp_path / "classes.json").write_text('{"7": "ship"}')
    (sequence,) = find_sequences(tmp_path / "seq.txt", tmp_path / "seq", Ledger())
    options = TrackOptions(classes=str(tmp_path / "classes.json"))
    (boxes,) = read_tracks(sequence, options, ledger := Ledger("skip")).values()
    assert [box.class_name for box in boxes] == ["ship"]
    assert [str(fault) for fault in ledger.skipped] == [
        f"{tmp_path / 'seq.txt'}, line 2: class {number} is not in {tmp_path / 'classes.json'}"
    ]


def test_files_of_four_numbers_are_one_object_or_one_image(tmp_path):
    folder = tmp_path / "seq"
    folder.mkdir()
    for n in range(3):
        made.Image.new("RGB", (40, 30)).save(folder / f"{n}.png")
    (tmp_path / "a.txt").write_text("2,3,10,5\n0,0,0,0\n4 3 10 5\n")
    (sequence,) = find_sequences(tmp_path / "a.txt", folder, Ledger())
    boxes = read_tracks(sequence, TrackOptions(), ledger := Ledger())
    assert {p.name: b[0].box for p, b in boxes.items()} == {"0.png": (2, 3, 12, 8), "2.png": (4, 3, 14, 8)}
    assert ledger.left_out.total() == 1
    np.save(tmp_path / "b.npy", np.array([[2, 3, 12, 8], [5, 5, 9, 9]], np.float32))
    (sequence,) = find_sequences(tmp_path / "b.npy", folder / "1.png", Ledger())
    (found,) = read_tracks(sequence, TrackOptions(), Ledger()).values()
    assert [(b.track, b.box) for b in found] == [(1, (2, 3, 12, 8)), (2, (5, 5, 9, 9))]
    (sequence,) = find_sequences(tmp_path / "b.npy", folder, Ledger())
    with pytest.raises(DatasetError, match="has 2 boxes, and seq 3 frames"):
        read_tracks(sequence, TrackOptions(), Ledger())


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"", b"\x93NUMPY"])
def test_boxes_that_are_no_array_are_named(content, tmp_path):
    made.Image.new("RGB", (40, 30)).save(tmp_path / "1.png")
    (tmp_path / "b.npy").write_bytes(content)
    (sequence,) = find_sequences(tmp_path / "b.npy", tmp_path / "1.png", Ledger())
    with pytest.raises(DatasetError, match=r"b\.npy cannot be read as boxes"):
        read_tracks(sequence, TrackOptions(), Ledger())
    np.save(tmp_path / "b.npy", np.array([("a", 1)], dtype=[("x", "U2"), ("y", int)]))
    with pytest.raises(DatasetError, match=r"b\.npy cannot be read as boxes"):
        read_tracks(sequence, TrackOptions(), Ledger())


@pytest.mark.skipif(not made.SATMTB.exists(), reason="../shared/data is not on this machine")
def test_the_sample_of_satmtb_is_outlined(tmp_path, segmenter):
    boxes = made.SATMTB.with_name("airplane235_boxes.npy")
    result = LabelJob(segmenter, boxes, made.SATMTB, tmp_path, LabelOptions(overlays=0)).run()
    assert (result.masks, result.failed) == (7, 0)
    for a in json.loads(result.path.read_text())["annotations"]:
        x, y, w, h = a["bbox"]
        xmin, ymin, xmax, ymax = a["prompt_box"]
        both = (min(x + w, xmax) - max(x, xmin)) * (min(y + h, ymax) - max(y, ymin))
        assert both / (w * h + (xmax - xmin) * (ymax - ymin) - both) > 0.6
        assert 0.2 < a["area"] / (w * h) < 0.75  # an aircraft, not its box
