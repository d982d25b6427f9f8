"""The segmenter with the bundled weights, on procedural scenes whose truth is known to the pixel."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from scipy.ndimage import gaussian_filter
from shapely import affinity

from ros_sam_core.errors import Cancelled, CrsTransformFailed, PromptOnNodata, PromptOutsideRaster
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.model.config import tiny_config
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.ground import look_to_polygon
from ros_sam_core.predict.outline import FAR, worth
from ros_sam_core.predict.predictor import Look
from ros_sam_core.predict.segmenter import PromptFailure, Segmenter
from ros_sam_core.synthetic import make_scene

UTM = CRS("EPSG:32633")
NORTH_UP = Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
GRIDS = {
    "north-up": (NORTH_UP, UTM),
    "south-up": (Affine(0.5, 0, 500_000, 0, 0.5, 4_000_000), UTM),
    "rotated": (Affine.translation(500_000, 4_000_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5), UTM),
    "degrees": (Affine(5e-6, 0, 15.0, 0, -5e-6, 36.0), CRS("EPSG:4326")),
    "no georeference": (Affine.identity(), None),
}


@pytest.fixture(scope="module")
def scene():
    return make_scene(3, shape=(384, 512), kind="airport", object_px=(20, 90), degrade=False)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.from_pretrained()


def whole(scene, least=20.0):
    """Objects of the classes that the model was made for, clear of the frame's edge."""
    height, width = scene.rgb.shape[:2]
    for instance in scene.instances:
        x0, y0, x1, y1 = instance.box
        clear = x0 > 1 and y0 > 1 and x1 < width - 1 and y1 < height - 1
        if clear and max(x1 - x0, y1 - y0) >= least and instance.class_name == "airplane":
            yield instance


def frame_of(scene, name="north-up"):
    transform, crs = GRIDS[name]
    return ArrayFrame(
        scene.rgb, Grid(scene.rgb.shape[:2], transform, crs), source="scene", frame="f1", time="2020"
    )


def on_map(frame, polygon):
    return shapely.transform(polygon, frame.grid.pixel_to_map)


def box_prompts(frame, instances):
    """Boxes in the grid's own pixels, as the map bounds of their outline; rotated grids get larger ones."""
    return [
        Prompt(f"p{i}", box=on_map(frame, instance.polygon).bounds) for i, instance in enumerate(instances)
    ]


def iou(a, b):
    return shapely.intersection(a, b).area / shapely.union(a, b).area


def test_boxes_give_the_truth_on_the_map(segmenter, scene):
    frame, objects = frame_of(scene), list(whole(scene))
    table = segmenter.segment(frame, box_prompts(frame, objects))
    assert table.crs == UTM and len(table) == len(objects) >= 5
    ious = [iou(a, on_map(frame, o.polygon)) for a, o in zip(table.geometry, objects, strict=True)]
    assert np.mean(ious) > 0.7
    truth = np.array([o.polygon.area * 0.25 for o in objects])
    np.testing.assert_allclose(table["area_m2"].sum(), truth.sum(), rtol=0.2)


def test_clicks_give_the_truth_on_the_map(segmenter, scene):
    frame, objects = frame_of(scene), list(whole(scene))
    clicks = [o.polygon.representative_point() for o in objects]
    prompts = [
        Prompt(str(i), points=(frame.grid.pixel_to_map([(p.x, p.y)])[0],)) for i, p in enumerate(clicks)
    ]
    table = segmenter.segment(frame, prompts)
    assert table["prompt_id"].tolist() == [p.id for p in prompts]
    ious = [iou(a, on_map(frame, o.polygon)) for a, o in zip(table.geometry, objects, strict=True)]
    assert np.median(ious) > 0.6


@pytest.mark.parametrize("name", ["south-up", "degrees", "no georeference"])
def test_the_grid_moves_the_polygon_and_changes_nothing_else(segmenter, scene, name):
    here, there = frame_of(scene), frame_of(scene, name)
    some = list(whole(scene))[:3]
    expected = segmenter.segment(here, box_prompts(here, some))
    found = segmenter.segment(there, box_prompts(there, some))
    for a, b in zip(expected.geometry, found.geometry, strict=True):
        in_pixels = shapely.transform(b, there.grid.map_to_pixel)
        assert iou(shapely.transform(a, here.grid.map_to_pixel), in_pixels) > 1 - 1e-6
        assert b.is_valid


def test_a_click_on_a_rotated_grid_lands_where_it_was_made(segmenter, scene):
    here, there = frame_of(scene), frame_of(scene, "rotated")
    point = next(whole(scene)).polygon.representative_point()
    a, b = (
        segmenter.segment(f, [Prompt("a", points=(f.grid.pixel_to_map([(point.x, point.y)])[0],))]).geometry[
            0
        ]
        for f in (here, there)
    )
    back = [shapely.transform(g, f.grid.map_to_pixel) for g, f in ((a, here), (b, there))]
    assert iou(*back) > 1 - 1e-6


def test_prompts_and_results_may_be_in_other_crs(segmenter, scene):
    frame, some = frame_of(scene), list(whole(scene))[:2]
    to_degrees = Transformer.from_crs(UTM, 4326, always_xy=True)
    prompts = [
        Prompt(
            str(i), points=(to_degrees.transform(*frame.grid.pixel_to_map([(p.x, p.y)])[0]),), crs="EPSG:4326"
        )
        for i, p in enumerate(o.polygon.representative_point() for o in some)
    ]
    here = segmenter.segment(frame, prompts)
    there = segmenter.segment(frame, prompts, out_crs="EPSG:4326")
    assert there.crs == CRS("EPSG:4326")
    for a, b in zip(here.geometry, there.to_crs(UTM).geometry, strict=True):
        assert iou(a, b) > 0.9999
    np.testing.assert_allclose(here["area_m2"], there["area_m2"])


def test_an_object_at_the_edge_ends_at_the_edge(segmenter, scene):
    reached = []
    for instance in whole(scene):
        x0, y0, x1, y1 = (int(v) for v in instance.box)
        x, y = (x0 + x1) // 2, (y0 + y1) // 2
        frame = ArrayFrame(np.ascontiguousarray(scene.rgb[y:, x:]), Grid(scene.rgb[y:, x:].shape[:2]))
        truth = shapely.intersection(
            shapely.affinity.translate(instance.polygon, -x, -y), frame.grid.footprint
        )
        (found,) = segmenter.segment(frame, [Prompt("edge", box=truth.bounds)]).geometry
        assert frame.grid.footprint.covers(found)
        reached.append((iou(found, truth), found.bounds[:2]))
    assert len(reached) > 4 and np.mean([value for value, _ in reached]) > 0.55
    sure = [corner for value, corner in reached if value > 0.7]  # quarters of aircraft: some are not known
    assert len(sure) > 2
    np.testing.assert_allclose(sure, 0, atol=0.5)


def test_prompts_that_fail_are_named_and_cost_the_others_nothing(segmenter, scene):
    valid = np.ones(scene.rgb.shape[:2], bool)
    valid[:40, :40] = False
    frame = ArrayFrame(scene.rgb, Grid(scene.rgb.shape[:2]), valid=valid)
    good = Prompt("good", box=next(whole(scene, 40.0)).box)
    prompts = [Prompt("far", points=((9_000, 5),)), good, Prompt("dark", points=((5, 5),))]
    far, kept, dark = segmenter.iter_segments(frame, prompts)
    assert isinstance(far, PromptFailure) and isinstance(far.error, PromptOutsideRaster)
    assert isinstance(dark, PromptFailure) and isinstance(dark.error, PromptOnNodata)
    assert isinstance(kept, Segment) and kept.prompt_id == "good"
    table = segmenter.segment(frame, prompts)
    assert [name for name, _ in table.attrs["failures"]] == ["far", "dark"]
    assert all(name in message for name, message in table.attrs["failures"])


def test_a_one_pixel_box_does_no_harm(segmenter, scene):
    (result,) = segmenter.iter_segments(frame_of(scene, "no georeference"), [Prompt("1", box=(9, 9, 10, 10))])
    assert result.prompt_id == "1"


def test_every_polygon_says_where_it_is_from(segmenter, scene):
    frame = frame_of(scene)
    (row,) = segmenter.segment(frame, box_prompts(frame, [next(whole(scene))])).to_dict("records")
    assert (row["source"], row["frame"], row["time"]) == ("scene", "f1", "2020")
    assert (row["model"], row["prompt"], row["prompt_id"]) == ("ros-sam-tiny", "box", "p0")
    assert len(row["weights"]) == 12 and 0 < row["score"] <= 1
    assert len(row["prompt_xy"].split()) == 4


def test_the_second_click_on_the_same_spot_encodes_nothing(scene):
    segmenter = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0))
    frame = frame_of(scene, "no georeference")
    x, y = next(whole(scene, 40.0)).polygon.representative_point().coords[0]
    segmenter.segment(frame, [Prompt("a", points=((x, y),))])
    encoded = segmenter.predictor.encoded
    first = segmenter.segment(frame, [Prompt("a", points=((x, y),))])
    assert segmenter.predictor.encoded == encoded > 0
    again = Segmenter.from_pretrained(cache=CacheOptions(memory_mb=0, disk_mb=0)).segment(
        frame, [Prompt("a", points=((x, y),))]
    )
    assert iou(first.geometry[0], again.geometry[0]) > 1 - 1e-4


def reduced(scene, factor):
    """A scene's pixels, averaged over squares of so many."""
    height, width = (side // factor for side in scene.rgb.shape[:2])
    squares = scene.rgb[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return squares.mean((1, 3)).astype(np.uint8)


def click_on(segmenter, pixels, outline):
    """Click in the middle of an outline, in pixels; returns the IoU with it, 0 where nothing is found."""
    ((x, y),) = outline.representative_point().coords
    frame = ArrayFrame(pixels, Grid(pixels.shape[:2]))
    found = segmenter.segment(frame, [Prompt("a", points=((x, y),))])
    return iou(found.geometry[0], outline) if len(found) else 0.0


@pytest.mark.parametrize(("zoom", "encodes"), [(1, 2), (6, 3)])
def test_a_click_is_looked_at_again_only_where_the_object_fills_too_little(scene, zoom, encodes, monkeypatch):
    """An airplane of 38 px fills a fair share of a crop of 64 px; one of 6 px does not."""
    monkeypatch.setattr("ros_sam_core.predict.outline.crops_beyond", lambda *_: [])
    segmenter = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0))
    smallest = min(whole(scene), key=lambda instance: instance.polygon.area)
    outline = shapely.transform(smallest.polygon, lambda xy: xy / zoom)
    assert click_on(segmenter, reduced(scene, zoom), outline) > 0
    assert segmenter.predictor.encoded == encodes


def test_clicks_on_large_objects_are_looked_at_from_further_away(monkeypatch):
    """Round fields of 150 to 320 px: the crops of the first look, 64 and 144 px wide, lie within them."""
    segmenter, ious = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0)), []
    y, x = np.mgrid[:512, :512] - 255.5
    for further in (True, False):
        if not further:
            monkeypatch.setattr("ros_sam_core.predict.outline.crops_beyond", lambda *_: [])
        rng = np.random.default_rng(5)
        for _ in range(8):
            width, height = rng.integers(150, 320, 2)
            ground = np.full((512, 512, 3), 90.0)
            ground[(2 * x / width) ** 2 + (2 * y / height) ** 2 < 1] = rng.uniform(110, 220, 3)
            seen = gaussian_filter(ground, (0.6, 0.6, 0)) + rng.normal(0, 3, ground.shape)
            field = affinity.scale(shapely.Point(256, 256).buffer(0.5, 64), width, height)
            ious.append(click_on(segmenter, seen.clip(0, 255).astype(np.uint8), field))
    with_it, without = np.reshape(ious, (2, -1)).mean(1)
    assert with_it > 0.9
    assert with_it > without + 0.05


def test_a_look_from_further_away_must_be_surer():
    policy, grid = tiny_config().crop, Grid((2000, 2000))
    logits = np.pad(np.ones((48, 48), np.float32), 24, constant_values=-1)
    near, far = (worth(Look(Crop(800, 800, side), logits, 0.7), policy, grid) for side in (144, 288))
    assert near - far == pytest.approx(FAR)
    believing = replace(policy, click_px=(64, 288))
    assert worth(Look(Crop(800, 800, 288), logits, 0.7), believing, grid) == near


def test_clicks_on_small_objects_are_looked_at_closer(monkeypatch):
    """Ships and cars of 8 to 20 px, whose neighbours lie in the same crop of 64 px."""
    segmenter, ious = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0)), []
    for further in (True, False):
        if not further:
            monkeypatch.setattr("ros_sam_core.predict.outline.crops_beyond", lambda *_: [])
        for kind in ("harbour", "road"):
            scene = make_scene(2, shape=(384, 512), kind=kind, object_px=(24, 60), degrade=False)
            outlines = [shapely.transform(o.polygon, lambda xy: xy / 3) for o in scene.instances]
            ious += [click_on(segmenter, reduced(scene, 3), one) for one in outlines if one.length > 24]
    with_it, without = np.reshape(ious, (2, -1)).mean(1)
    assert with_it > without + 0.08


def test_neighbours_on_one_crop_share_its_encode(scene):
    segmenter = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0))
    frame = frame_of(scene, "no georeference")
    box = next(whole(scene, 40.0)).box
    nearly = tuple(v + 0.2 for v in box)
    segmenter.segment(frame, [Prompt("a", box=box), Prompt("b", box=nearly)])
    assert segmenter.predictor.encoded == 1


@pytest.mark.parametrize("grid", ["north-up", "rotated", "no georeference"])
def test_an_outline_ends_where_the_data_does(segmenter, scene, grid):
    """The edge of a warped scene, slanted, runs through the object; a hole in the data is no edge."""
    instance = next(whole(scene, 40.0))
    x0, y0, x1, y1 = instance.box
    y, x = np.mgrid[: len(scene.rgb), : scene.rgb.shape[1]]
    valid = 0.4 * (x - (x0 + x1) / 2) + (y - (y0 + y1) / 2) > -0.15 * (y1 - y0)
    whole_frame, options = frame_of(scene, grid), PolygonOptions(expand_px=3.0)
    pixels = np.where(valid[..., None], scene.rgb, 0).astype(np.uint8)
    sloppy = on_map(whole_frame, shapely.box(x0 - 12, y0 - 12, x1 + 12, y1 + 12)).bounds
    hole = shapely.Point((x0 + x1) / 2, (y0 + y1) / 2 + 6)
    holed = valid.copy()
    holed[int(hole.y), int(hole.x)] = False
    frame = ArrayFrame(pixels, whole_frame.grid, source="scene", valid=holed)
    (outline,) = segmenter.segment(frame, [Prompt("a", box=sloppy)], options=options).geometry
    inside = shapely.transform(outline, frame.grid.map_to_pixel)
    nodata = shapely.union_all(shapely.box(*(c[~valid] for c in (x, y, x + 1, y + 1))))
    assert shapely.intersection(inside, nodata).area < 1e-6 * inside.area
    assert inside.contains(hole) and outline.is_valid
    rest = shapely.difference(instance.polygon, nodata)
    assert shapely.intersection(inside, rest).area > 0.8 * rest.area


def test_the_disk_serves_the_next_session(scene, tmp_path):
    options = CacheOptions(disk_mb=100, folder=tmp_path)
    frame, prompt = frame_of(scene, "no georeference"), Prompt("a", box=next(whole(scene, 40.0)).box)
    first = Segmenter.from_pretrained(cache=options).segment(frame, [prompt])
    later = Segmenter.from_pretrained(cache=options)
    second = later.segment(frame, [prompt])
    assert later.predictor.encoded == 0
    assert first.geometry[0].equals_exact(second.geometry[0], 0)


def test_the_disk_serves_no_pixels_but_its_own(scene, tmp_path):
    """A raster may change behind an unchanged fingerprint: on a server, or where a file keeps its time."""
    options = CacheOptions(disk_mb=100, folder=tmp_path)
    prompt = Prompt("a", box=next(whole(scene, 40.0)).box)
    now = frame_of(scene, "no georeference")
    was = ArrayFrame(255 - scene.rgb, now.grid, source="scene")
    was._fingerprint = now._fingerprint = "same"
    Segmenter.from_pretrained(cache=options).segment(was, [prompt])
    later = Segmenter.from_pretrained(cache=options)
    found = later.segment(now, [prompt])
    alone = Segmenter.from_pretrained(cache=CacheOptions(memory_mb=0, disk_mb=0)).segment(now, [prompt])
    assert later.predictor.encoded > 0
    assert found.geometry[0].equals_exact(alone.geometry[0], 0)


def test_pixels_are_read_once_while_a_fingerprint_stays(scene):
    class Counted(ArrayFrame):
        reads = 0

        def read(self, *window, **options):
            self.reads += 1
            return super().read(*window, **options)

    frame = Counted(scene.rgb, Grid(scene.rgb.shape[:2]))
    predictor, crop = Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0)).predictor, Crop(10, 10, 100)
    for _ in range(2):
        predictor.embed(frame, [crop, crop])
    assert (frame.reads, predictor.encoded, predictor.encoded_crops(frame)) == (1, 1, [crop])


def test_many_prompts_give_what_each_gives_alone(segmenter, scene):
    frame = frame_of(scene)
    prompts = box_prompts(frame, list(whole(scene))[:4])
    together = segmenter.segment(frame, prompts)
    for i, prompt in enumerate(prompts):
        alone = Segmenter.from_pretrained(cache=CacheOptions(memory_mb=0, disk_mb=0)).segment(frame, [prompt])
        assert iou(alone.geometry[0], together.geometry[i]) > 0.999


def test_nothing_that_was_given_is_changed(segmenter, scene):
    before = scene.rgb.copy()
    frame = frame_of(scene)
    segmenter.segment(frame, box_prompts(frame, [next(whole(scene))]))
    np.testing.assert_array_equal(scene.rgb, before)


def test_work_can_be_watched_and_stopped(segmenter, scene):
    frame = frame_of(scene)
    prompts = box_prompts(frame, list(whole(scene))) * 5
    steps = []
    with pytest.raises(Cancelled, match=r"after 16 of"):
        segmenter.segment(
            frame,
            prompts,
            progress=lambda done, total: steps.append((done, total)),
            cancel=lambda: len(steps) >= 16,
        )
    assert steps == [(i + 1, len(prompts)) for i in range(16)]


def test_a_crs_cannot_be_had_where_there_is_none(segmenter, scene):
    with pytest.raises(CrsTransformFailed, match="has no CRS"):
        segmenter.segment(frame_of(scene, "no georeference"), [], out_crs="EPSG:4326")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(RuntimeError, match="use 'cpu'"):
        Segmenter.from_pretrained(device="nonsense")


@pytest.mark.parametrize("side", [40, 57])
def test_a_mask_over_the_frames_edge_is_cut_exactly_there(side):
    frame = Grid((100, 80))
    logits = np.full((48, 48), 3.0, np.float32)
    logits[:4], logits[-4:] = -3.0, -3.0
    polygon = look_to_polygon(Look(Crop(80 - side + 11, 20, side), logits, 1.0), frame, PolygonOptions())
    assert polygon.bounds[2] == 80 and polygon.bounds[0] == pytest.approx(80 - side + 11)
    logits[
        :, int(np.ceil((side - 11) / side * 48)) :
    ] = -3.0  # what the model says of the black beyond the frame does not count
    again = look_to_polygon(Look(Crop(80 - side + 11, 20, side), logits, 1.0), frame, PolygonOptions())
    assert iou(polygon, again) > 1 - 1e-9
