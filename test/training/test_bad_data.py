"""Data that is wrong: named with file and object, and stopped at or skipped, as the specification says."""

import json
from dataclasses import replace

import geopandas
import labelled_sets as made
import numpy as np
import pytest
import shapely
from PIL import Image

from training.configfile import build_config
from training.readers import DatasetSpec, open_dataset
from training.scenes import DatasetError
from training.sources import open_data


@pytest.fixture(scope="module")
def scenes():
    return made.make_scenes(videos=1, frames=2)


def check(spec, images, *named):
    """The first fault stops, or all are told and the rest is read."""
    with pytest.raises(DatasetError) as stopped:
        open_dataset(spec)
    assert named[0] in str(stopped.value) and 'on_error = "skip"' in str(stopped.value)
    found = open_dataset(replace(spec, on_error="skip"))
    assert len(found.scenes) == images
    for text in named:
        assert text in found.summary()
    assert len(found.ledger.skipped) == len(named)


def change(spec, edit):
    data = json.loads(open_text(spec.path))
    edit(data)
    made.Path(spec.path).write_text(json.dumps(data))
    return spec


def open_text(path):
    return made.Path(path).read_text()


def segment(value):
    def edit(data):
        data["annotations"][0]["segmentation"] = value

    return edit


def drop(data):
    del data["annotations"][0]["segmentation"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (drop, "without a segmentation"),
        (segment({"size": [60, 80], "counts": [4800]}), "its mask is 80 x 60, the image 160 x 120"),
        (segment({"size": [120, 160], "counts": [10, 5]}), "the runs hold 15 pixels"),
        (segment({"size": [120, 160], "counts": "4µ"}), "annotation 1: "),
        (segment({"size": [120, 160], "counts": [19200]}), "its mask has no pixel"),
        (segment([[1, 2, 3, 4]]), "no polygon of three vertices"),
        (segment([[1, 2, 3, 4, float("nan"), 6]]), "no number"),
        (segment([["a", 2, 3, 4, 5, 6]]), "annotation 1: "),
        (segment([[900, 900, 930, 900, 930, 940]]), "box 900, 900, 930, 939 lies outside the image"),
        (segment([[1, 2, 1e6, 4, 5, 1e6]]), "999999 px long"),
        (segment(7), "annotation 1: "),
        (lambda d: d["annotations"][0].update(category_id=77), "category_id 77 is none of the categories"),
        (lambda d: d["annotations"][0].update(category_id=[1]), r"category_id [1] is none of the categories"),
        (lambda d: d["annotations"][0].update(id=float("inf")), "cannot convert float infinity"),
        (lambda d: d["annotations"][0].update(image_id=77), "image_id 77 is none of the images"),
    ],
)
def test_an_annotation_that_is_wrong_is_named(scenes, tmp_path, edit, told):
    spec = change(DatasetSpec(**made.coco(tmp_path, scenes)), edit)
    check(spec, 2, told)
    found = open_dataset(replace(spec, on_error="skip"))
    assert sum(len(s.objects) for s in found.scenes) == sum(len(s.objects) for s in scenes) - 1


def image_of(spec, number):
    images = made.Path(spec.path).parent / "images"
    return sorted(p for p in images.rglob("frame_*"))[number]


def cut(path):
    path.write_bytes(path.read_bytes()[:-300])


def other_size(path):
    Image.new("RGB", (50, 40), 9).save(path)


@pytest.mark.parametrize("layout", ["coco", "frames", "polygons"])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda p: p.write_bytes(b""), "empty file"),
        (lambda p: p.write_bytes(b"not an image at all"), "cannot be read"),
        (cut, "cannot be read"),
    ],
)
def test_a_corrupt_image_is_named(scenes, tmp_path, layout, spoil, told):
    write = {"coco": made.coco, "frames": made.labelled_frames, "polygons": made.polygons}[layout]
    spec = DatasetSpec(**write(tmp_path, scenes))
    path = image_of(spec, 0)
    spoil(path)
    with pytest.raises(DatasetError, match=path.name) as stopped:
        open_dataset(spec)
    assert told in str(stopped.value)
    found = open_dataset(replace(spec, on_error="skip"))
    assert len(found.scenes) == 1 and path.name in found.summary()


def test_an_image_of_another_size_is_named(scenes, tmp_path):
    spec = DatasetSpec(**made.coco(tmp_path, scenes))
    other_size(image_of(spec, 1))
    check(spec, 1, "frame_0001.png: is 50 x 40, but")


def test_an_image_that_is_missing_or_blank_is_named(scenes, tmp_path):
    spec = DatasetSpec(**made.coco(tmp_path, scenes))
    Image.new("RGB", made.SHAPE[::-1]).save(image_of(spec, 1))
    check(spec, 1, "frame_0001.png: every pixel is 0")
    image_of(spec, 1).unlink()
    check(spec, 1, "does not exist")


def test_what_is_wrong_with_the_release_is_named(scenes, tmp_path):
    spec = DatasetSpec(**made.release(tmp_path, scenes))
    name = "video0_frame_0000.npy"
    masks, boxes = tmp_path / "onehotmask" / name, tmp_path / "boxes" / name
    good, box = np.load(masks), np.load(boxes)

    np.save(boxes, box + [[40, 0, 40, 0]] * (np.arange(len(box)) == 1)[:, None])
    check(spec, 2, f"onehotmask/{name}, object 1: box ")
    np.save(boxes, box[1:])
    check(spec, 1, f"boxes/{name}: boxes are ")
    np.save(boxes, box)

    empty = good.copy()
    empty[2] = 0
    np.save(masks, empty)
    check(spec, 2, f"onehotmask/{name}, object 2: its mask has no pixel")
    np.save(masks, good[:, ::2])
    check(spec, 1, f"onehotmask/{name}: masks are {(len(good), 60, 160)}, but the image is 120 x 160")
    masks.write_bytes(masks.read_bytes()[:90])
    check(spec, 1, f"onehotmask/{name}: cannot be read as masks")
    masks.rename(masks.with_name("other.npy"))
    with pytest.raises(DatasetError, match=r"other\.npy: there is no image"):
        open_dataset(spec)
    found = open_dataset(replace(spec, on_error="skip"))
    assert [s.kind for s in found.ledger.skipped] == ["missing image", "missing masks"]
    (tmp_path / "frames.json").write_text("{")
    with pytest.raises(DatasetError, match=r"frames\.json cannot be read"):
        open_dataset(replace(spec, on_error="skip"))


@pytest.mark.parametrize("value", [{}, float("nan"), "x"])
def test_a_number_of_a_frame_that_is_none_is_named(scenes, tmp_path, value):
    spec = DatasetSpec(**made.coco(tmp_path, scenes))
    change(spec, lambda d: d["images"][0].update(frame_id=value))
    check(spec, 1, "frame_0000.png: its video_id or frame_id in")


def test_images_of_one_number_are_refused(scenes, tmp_path):
    """Both would have all of the objects."""
    spec = change(DatasetSpec(**made.coco(tmp_path, scenes)), lambda d: d["images"][0].update(id=2))
    with pytest.raises(DatasetError, match="two images have the same id"):
        open_dataset(replace(spec, on_error="skip"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("classes", ["ship"], "classes is ['ship'], but there are"),
        ("ids", 7, "ids is 7, but there are"),
        ("tracks", None, "int() argument must be"),
        ("frame", {}, "int() argument must be"),
    ],
)
def test_an_index_that_does_not_fit_is_named(scenes, tmp_path, name, value, told):
    """Classes that do not fit their masks would be those of other objects."""
    spec = DatasetSpec(**made.release(tmp_path, scenes))
    index = json.loads((tmp_path / "frames.json").read_text())
    entry = index["frames"]["video0_frame_0000"]
    entry[name] = [value] * len(entry["ids"]) if name == "tracks" else value
    (tmp_path / "frames.json").write_text(json.dumps(index))
    check(spec, 1, f"frames.json, video0_frame_0000: {told}")
    index["frames"]["video0_frame_0000"] = 3
    (tmp_path / "frames.json").write_text(json.dumps(index))
    check(spec, 1, "frames.json, video0_frame_0000: 3 is no table")


def test_arrays_that_are_no_masks_are_named(scenes, tmp_path):
    spec = DatasetSpec(**made.release(tmp_path, scenes))
    path = tmp_path / "onehotmask" / "video0_frame_0000.npy"
    good = np.load(path)
    np.save(path, good.astype("U3"))
    check(spec, 1, "cannot be read as masks: it holds numbers of type <U3")
    with path.open("wb") as file:
        np.savez(file, masks=good)
    check(spec, 1, "cannot be read as masks: it holds an archive of arrays")
    path.write_bytes(b"PK\x03\x04")
    check(spec, 1, "cannot be read as masks: File is not a zip file")


def test_what_is_wrong_with_labelled_frames_is_named(scenes, tmp_path):
    spec = DatasetSpec(**made.labelled_frames(tmp_path, scenes))
    label = tmp_path / "labels" / scenes[0].name
    good = label.read_bytes()
    other_size(label)
    check(spec, 1, "cannot be read as labels: it has mode RGB")
    Image.new("L", (50, 40)).save(label)
    check(spec, 1, "is 50 x 40, its image 160 x 120")
    label.write_bytes(good[:60])
    check(spec, 1, "frame_0000.png: cannot be read as labels")
    values = np.array(Image.open(tmp_path / "labels" / scenes[1].name))
    values[0, 0] = 999
    Image.fromarray(values).save(label)
    check(spec, 2, "value 999: 999 is not in the class table")
    label.rename(label.with_name("frame_0009.png"))
    found = open_dataset(replace(spec, on_error="skip"))
    assert [s.kind for s in found.ledger.skipped] == ["missing image", "missing masks"]
    made.Path(spec.classes).write_text("value,name\n1\n")
    with pytest.raises(DatasetError, match="value 1 has the name None"):
        open_dataset(spec)
    made.Path(spec.classes).write_text("value;name\n1;ship\n")
    with pytest.raises(DatasetError, match="cannot be read as a class table"):
        open_dataset(spec)


def test_a_second_frame_of_a_name_is_named(scenes, tmp_path):
    """Only one of them can be the one that is labelled."""
    spec = DatasetSpec(**made.labelled_frames(tmp_path, scenes))
    path = tmp_path / "images" / scenes[0].name
    Image.open(path).save(path.with_suffix(".tif"))
    check(spec, 2, "frame_0000.tif: frame_0000.png beside it has the same name")


def test_what_is_wrong_with_polygons_is_named(scenes, tmp_path):
    spec = DatasetSpec(**made.polygons(tmp_path, scenes))
    table = geopandas.read_file(spec.path)
    count = len(table)
    last = table.iloc[-1]
    more = [
        ("ship", last.frame, 1, 90, None),
        ("ship", last.frame, 1, 91, shapely.Point(13, 52)),
        ("", last.frame, 1, 92, last.geometry),
        ("ship", "video9/frame_0000", 1, 93, last.geometry),
        ("ship", last.frame, 1, 94, shapely.box(40, 10, 40.001, 10.001)),
        ("ship", last.frame, 1, 95, last.geometry.centroid.buffer(1e-7)),
    ]
    columns = ["class", "frame", "track", "id", "geometry"]
    geopandas.GeoDataFrame(
        [tuple(r) for r in table[columns].itertuples(index=False)] + more, columns=columns, crs=4326
    ).to_file(tmp_path / "bad.gpkg")
    check(
        replace(spec, path=str(tmp_path / "bad.gpkg")),
        2,
        f"row {count}: it has no geometry",
        f"row {count + 1}: it is a Point",
        f"row {count + 2}: its class is empty",
        f"row {count + 3}: lies in no raster of the name 'video9/frame_0000'",
        f"row {count + 4}: it lies beside its raster",
        f"row {count + 5}: its mask has no pixel",
    )


def tiles(folder, boxes, frames=None):
    """Write two rasters side by side, 40 x 30 pixels of a metre, and polygons in pixels of the pair."""
    place = made.Affine(1, 0, 400_000, 0, -1, 5_800_000)
    profile = {"width": 40, "height": 30, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    for n, name in enumerate(("west", "east")):
        (folder / "images" / name).mkdir(parents=True)
        grid = place @ made.Affine.translation(40 * n, 0)
        path = folder / "images" / name / "tile.tif"
        with made.rasterio.open(path, "w", transform=grid, photometric="RGB", **profile) as out:
            out.write(np.random.default_rng(n).integers(1, 255, (3, 30, 40), dtype=np.uint8))
    onto = [
        shapely.transform(shapely.box(*b), lambda xy: made.Grid((30, 80), place).pixel_to_map(xy))
        for b in boxes
    ]
    table = geopandas.GeoDataFrame({"frame": frames or [None] * len(boxes)}, geometry=onto, crs=32633)
    table.to_file(folder / "labels.gpkg")
    return DatasetSpec("polygons", str(folder / "labels.gpkg"))


def per_tile(found):
    return {s.video: [(o.id, o.box) for o in s.objects] for s in found.scenes}


@pytest.mark.parametrize("frames", [None, ["tile"] * 4])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_polygons_of_tiles_side_by_side_lie_in_the_one_that_holds_them(tmp_path, frames, crs):
    """One ends on the edge, one a little beyond, one goes over it; the last begins a little before it."""
    boxes = [(30, 5, 40, 9), (30, 10, 40.3, 14), (36, 15, 44, 19), (39.8, 20, 50, 24)]
    spec = tiles(tmp_path, boxes, frames)
    geopandas.read_file(spec.path).to_crs(crs).to_file(spec.path)
    found = open_dataset(spec)
    assert per_tile(found) == {
        "west": [(0, (30, 5, 40, 9)), (1, (30, 10, 40, 14)), (2, (36, 15, 40, 19))],
        "east": [(2, (0, 15, 4, 19)), (3, (0, 20, 10, 24))],
    }
    assert not found.ledger.skipped


def test_polygons_a_little_beside_all_tiles_are_named(tmp_path):
    """They lie within what is allowed for bent edges, or hold no pixel's centre."""
    spec = tiles(tmp_path, [(80.2, 5, 84, 9), (10, 5, 20, 9), (39.8, 3, 40.2, 3.4), (10, -0.8, 20, 0.3)])
    check(
        spec,
        2,
        "row 0: lies under none of the rasters",
        "row 2: its mask has no pixel",
        "row 3: box 10, -1, 20, 0 lies outside the image",
    )
    (tmp_path / "images" / "west" / "tile.tif").write_bytes(b"")
    found = open_dataset(replace(spec, on_error="skip"))
    assert "row 1: lies under none of the rasters that can be read" in found.summary()


def test_polygons_that_go_beyond_all_bounds_are_named(scenes, tmp_path):
    spec = DatasetSpec(**made.polygons(tmp_path, scenes))
    table = geopandas.read_file(spec.path)
    table["track"] = table["track"].astype(float)
    table.loc[0, "track"] = np.inf
    table.loc[1, "geometry"] = shapely.box(-1e300, -1e300, 1e300, 1e300)
    table.to_file(tmp_path / "bad.gpkg")
    spec = replace(spec, path=str(tmp_path / "bad.gpkg"))
    check(spec, 2, "row 1: it cannot be brought into the raster's CRS")
    assert open_dataset(replace(spec, on_error="skip")).scenes[0].objects[0].track == -1


def test_polygons_that_say_no_place_are_refused(scenes, tmp_path):
    spec = DatasetSpec(**made.polygons(tmp_path, scenes))
    table = geopandas.read_file(spec.path).set_crs(None, allow_override=True)
    table.to_file(tmp_path / "nowhere.gpkg")
    with pytest.raises(DatasetError, match="has no CRS; set crs"):
        open_dataset(replace(spec, path=str(tmp_path / "nowhere.gpkg")))
    with pytest.raises(DatasetError, match="no known CRS"):
        open_dataset(replace(spec, crs="EPSG:999999"))
    with pytest.raises(DatasetError, match="cannot be read as a polygon layer"):
        (tmp_path / "x.gpkg").write_text("no")
        open_dataset(replace(spec, path=str(tmp_path / "x.gpkg")))


def test_unknown_classes_and_classes_left_out_are_told(scenes, tmp_path):
    spec = DatasetSpec(**made.coco(tmp_path, scenes))
    names = sorted({o.class_name for s in scenes for o in s.objects})
    with pytest.raises(DatasetError, match=r"annotation 1: class '\w+' is not one of submarine"):
        open_dataset(replace(spec, class_names=("submarine",)))
    found = open_dataset(replace(spec, leave_out=(names[0],), keep_empty=True))
    count = sum(o.class_name == names[0] for s in scenes for o in s.objects)
    assert f"classes left out as asked: {names[0]} ({count})" in found.summary()


def test_names_that_tell_no_video_are_faults(scenes, tmp_path):
    spec = DatasetSpec(**made.labelled_frames(tmp_path, scenes), video=r"^video(\d)/frame_0001")
    check(spec, 2, "its name does not fit video = ")


def test_training_says_what_it_leaves_out(scenes, tmp_path, caplog):
    spec = made.coco(tmp_path, scenes)
    change(DatasetSpec(**spec), segment([[1, 2]]))
    values = {"output": str(tmp_path), "data": {"sets": [spec], "aside": 0.0}}
    with pytest.raises(DatasetError, match="annotation 1"):
        open_data(build_config(values, "test"))
    caplog.set_level("INFO")
    values["data"]["sets"] = [spec | {"on_error": "skip"}]
    open_data(build_config(values, "test"))
    assert "1 left out (1 × corrupt mask)" in caplog.text


def test_nothing_that_can_be_used_is_an_error(scenes, tmp_path):
    spec = DatasetSpec(**made.coco(tmp_path, scenes), on_error="skip")
    for number in (1, 0):
        image_of(spec, number).unlink()
    with pytest.raises(DatasetError, match="holds no image that can be used; 2 left out"):
        open_dataset(spec)
