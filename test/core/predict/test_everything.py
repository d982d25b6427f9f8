"""Everything mode with the bundled model, on yards of boxes whose outlines are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from yards import Places, box_at, iou, yard

from ros_sam_core.errors import Cancelled, CrsTransformFailed, InvalidParameter, ObjectSkipped
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.length import length_of
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.everything.finder import Finder, Scan, TileWork
from ros_sam_core.predict.everything.layout import Layout, Level, levels_of
from ros_sam_core.predict.everything.merging import Found
from ros_sam_core.predict.everything.options import EverythingOptions, Sizes
from ros_sam_core.predict.everything.proposals import Proposal
from ros_sam_core.predict.everything.run import iter_everything, segments_of
from ros_sam_core.predict.ground import Origin
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.predict.tiles import TileGrid

PLACES: Places = ((60, 80), (200, 60), (512, 80), (600, 90))
SHAPE = (160, 680)
LONG = EverythingOptions(min_size=45, max_size=100, points_per_side=5, pred_iou=0.8)
"""What the model expects of bare ground is below 0.8, of a box above 0.9."""


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained(cache=CacheOptions(memory_mb=64, disk_mb=0))


def frame_of(
    places: Places = PLACES, grid: Grid | None = None, valid: np.ndarray | None = None
) -> ArrayFrame:
    rgb = np.ascontiguousarray(np.moveaxis(yard(*SHAPE, places), 0, -1))
    return ArrayFrame(rgb, grid or Grid(SHAPE), source="yard", frame="f", valid=valid)


def met(found: list[Segment], places: Places, grid: Grid | None = None) -> list[int]:
    """Return the number of outlines that meet each box with an IoU of 0.75."""
    outlines = [
        s.geometry if grid is None else shapely.transform(s.geometry, grid.map_to_pixel) for s in found
    ]
    return [sum(iou(outline, box_at(*place)) > 0.75 for outline in outlines) for place in places]


def test_every_object_comes_once_and_whole_also_on_the_seam_of_two_tiles(segmenter: Segmenter) -> None:
    frame, told = frame_of(), []
    assert any(column == 512 for column, _ in PLACES), "tiles are 512 px"
    found = list(iter_everything(segmenter, frame, LONG, progress=lambda *step: told.append(step)))
    assert met(found, PLACES) == [1, 1, 1, 1] and len(found) == 4
    assert told[0] == (0, 2) and told[-1] == (2, 2)
    one = found[0]
    assert [s.prompt_id for s in found] == ["1", "2", "3", "4"]
    assert (one.prompt, one.source, one.frame, one.model) == ("grid", "yard", "f", "ros-sam-tiny")
    x, y, label = map(float, one.prompt_xy.split())
    assert one.geometry.contains(shapely.Point(x, y)) and label == 1
    again = list(iter_everything(segmenter, frame, LONG))
    assert [s.geometry.wkb for s in again] == [s.geometry.wkb for s in found], "deterministic"


def test_nodata_is_neither_looked_at_nor_found(segmenter: Segmenter) -> None:
    valid = np.ones(SHAPE, bool)
    valid[:, 300:] = False
    found = list(iter_everything(segmenter, frame_of(valid=valid), LONG))
    assert met(found, PLACES) == [1, 1, 0, 0]
    assert all(s.geometry.bounds[2] <= 310 for s in found)

    def scans(frame: ArrayFrame) -> list[Scan]:
        layout = Layout.of(LONG, segmenter.predictor.model.config.crop, frame.grid)
        finder = Finder(segmenter.predictor, frame, layout, PolygonOptions())
        return [scan for tile in layout for scan in finder.scans(tile)]

    some, every = scans(frame_of(valid=valid)), scans(frame_of())
    assert all((scan.points[:, 0] < 300).all() for scan in some) and len(some) < 0.6 * len(every)
    points = np.concatenate([scan.points for scan in every])
    assert len(points) == len(np.unique(points, axis=0)), "each point is asked once at each scale"


def test_points_lie_in_their_crop_where_steps_are_rounded(segmenter: Segmenter) -> None:
    frame = ArrayFrame(np.zeros((40, 40, 3), np.uint8), Grid((40, 40)))
    level = Level(TileGrid.over(frame.grid, 172, 44), 128 / 24)
    assert np.arange(level.spacing_px / 2, 40, level.spacing_px)[-1] == 40, "numpy oversteps"
    layout = Layout.of(LONG, segmenter.predictor.model.config.crop, frame.grid)
    finder = Finder(segmenter.predictor, frame, replace(layout, levels=(level,)), PolygonOptions())
    (scan,) = finder.scans(layout.tile(0))
    assert len(scan.points) == 7**2 and scan.points.max() < 40


class Wide(ArrayFrame):
    """A wide frame of which the left half is data; it makes what is read, and remembers how much that was."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.grid, self.most = Grid(shape), 0

    def read(self, x0: int, y0: int, width: int, height: int, out_shape: Any = None) -> Any:
        rows, columns = out_shape or (height, width)
        self.most = max(self.most, rows * columns)
        left = x0 + (np.arange(columns) + 0.5) * width / columns < self.grid.width / 2
        return None, np.broadcast_to(left, (rows, columns))


def test_points_in_crops_of_any_size_are_known_to_lie_on_data_by_few_pixels(segmenter: Segmenter) -> None:
    frame, points = Wide((900, 50_001)), 128
    level = Level(TileGrid.over(frame.grid, 50_001, 0), 50_001 / points)
    layout = Layout.of(LONG, segmenter.predictor.model.config.crop, frame.grid)
    finder = Finder(segmenter.predictor, frame, replace(layout, levels=(level,)), PolygonOptions())
    (scan,) = (scan for tile in layout for scan in finder.scans(tile))
    assert len(scan.points) == 2 * points / 2 and scan.points[:, 0].max() < 25_000
    assert frame.most < 2**20


def test_what_was_found_is_not_looked_at_again(segmenter: Segmenter) -> None:
    grid = Grid(SHAPE, Affine(0, 0.5, 10, 0.5, 0, 60), CRS("EPSG:32633"))  # rows run east
    layout = Layout.of(LONG, segmenter.predictor.model.config.crop, grid)
    finder = Finder(segmenter.predictor, frame_of(grid=grid), layout, PolygonOptions())
    seen = Found(shapely.transform(shapely.box(20, 40, 80, 60), grid.pixel_to_map), 0.9, 0.9, (50, 50))
    same, part, beside = (
        Proposal(Crop(0, 0, 144), (50, 50), box, 0.7)
        for box in ((22, 38, 78, 61), (20, 40, 45, 60), (20, 62, 80, 90))
    )
    assert finder.unexplained([same, part, beside], [seen]) == [part, beside]
    assert finder.unexplained([same, part], []) == [same, part]


def test_only_the_area_of_interest_is_searched(segmenter: Segmenter) -> None:
    area = shapely.union(shapely.box(150, 20, 260, 100), shapely.box(560, 70, 640, 140))
    found = list(iter_everything(segmenter, frame_of(), LONG, area=area))
    assert met(found, PLACES) == [0, 1, 0, 1] and len(found) == 2


@pytest.mark.parametrize(("low", "high", "count"), [(22.5, 50.0, 2), (20.0, 24.0, 0), (33.0, 60.0, 0)])
def test_sizes_are_metres_in_a_raster_in_degrees(
    segmenter: Segmenter, low: float, high: float, count: int
) -> None:
    # At 60 degrees north, pixels of half a metre on the ground; boxes are 28 m long.
    grid = Grid(SHAPE, Affine(0.5 / 55_800, 0, 10.0, 0, -0.5 / 111_412, 60.0), CRS("EPSG:4326"))
    assert grid.gsd_m == pytest.approx(0.5, rel=1e-3)
    options = EverythingOptions(min_size=low, max_size=high, points_per_side=5)
    west = shapely.box(0, 0, 260, 160)
    found = list(iter_everything(segmenter, frame_of(grid=grid), options, area=west))
    assert sum(met(found, PLACES, grid)) == count
    for segment in found:
        assert low <= length_of(segment.geometry, segment.crs) <= high


def test_a_search_is_stopped_between_steps(segmenter: Segmenter) -> None:
    asked = []

    def cancel() -> bool:
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(Cancelled, match="as asked"):
        list(iter_everything(segmenter, frame_of(), LONG, cancel=cancel))


def test_a_step_reads_no_more_than_one_crop_and_its_points(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, reads = frame_of(), [0]
    read = frame.read

    def counted(*window: Any) -> Any:
        reads[-1] += 1
        return read(*window)

    monkeypatch.setattr(frame, "read", counted)
    layout = Layout.of(LONG, segmenter.predictor.model.config.crop, frame.grid)
    work = TileWork(Finder(segmenter.predictor, frame, layout, PolygonOptions()), layout.tile(0))
    while work._refining is None:
        reads.append(0)
        work.step()
    assert len(reads) > 10 and max(reads) == 2, "a click waits for no more than a step"


def test_the_length_is_that_of_the_object_at_any_angle_and_in_any_crs() -> None:
    turned = shapely.affinity.rotate(shapely.box(0, 0, 40, 10), 33)
    assert length_of(turned, None) == pytest.approx(40)
    utm = shapely.affinity.translate(turned, 500_000, 6_650_000)
    assert length_of(utm, CRS("EPSG:32633")) == pytest.approx(40 / 0.9996, rel=1e-5)
    degrees = shapely.transform(turned, lambda xy: np.array([10.0, 60.0]) + xy / [55_800.0, 111_412.0])
    assert length_of(degrees, CRS("EPSG:4326")) == pytest.approx(40, rel=1e-3)


def test_crops_suit_the_sizes_that_are_looked_for(segmenter: Segmenter) -> None:
    policy = segmenter.predictor.model.config.crop
    grid = Grid((5000, 5000), Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000), CRS("EPSG:32633"))
    sizes = Sizes.of(EverythingOptions(min_size=20, max_size=60), grid)
    assert sizes.shortest * sizes.unit_px == pytest.approx(40, rel=1e-3)
    levels = levels_of(EverythingOptions(min_size=20, max_size=60), policy, grid)
    assert [level.tiles.tile_px for level in levels] == [133, 200]
    levels = levels_of(EverythingOptions(), policy, grid)
    assert [level.tiles.tile_px for level in levels] == [144, 216, 324, 486, 729]
    absurd = levels_of(EverythingOptions(min_size=1e200, max_size=1e300), policy, grid)
    assert [level.tiles.tile_px for level in absurd] == [10_000]
    assert Sizes.of(EverythingOptions(max_size=6), grid).shortest == pytest.approx(0.6)
    assert Sizes.of(EverythingOptions(min_size=500), grid).longest == pytest.approx(5000)


FULL_DISK = CRS("+proj=geos +h=35785831 +lon_0=0 +sweep=y")
"""The Earth as a geostationary satellite sees it: its limb is 5434 km from the middle."""


def at_the_limb(column: float) -> Grid:
    """Return a grid of kilometres whose limb is at a column of its middle row."""
    return Grid(SHAPE, Affine(1000, 0, 5_434_177.8 - 1000 * column, 0, -1000, 80_000), FULL_DISK)


def test_an_object_over_the_limb_of_the_earth_costs_no_other(segmenter: Segmenter) -> None:
    kilometres = EverythingOptions(min_size=45_000, max_size=600_000, points_per_side=5, pred_iou=0.8)
    found = list(iter_everything(segmenter, frame_of(grid=at_the_limb(520)), kilometres))
    assert met(found, PLACES, at_the_limb(520)) == [1, 1, 0, 0]


def test_an_object_that_cannot_be_brought_to_the_target_is_left_out_with_its_reason() -> None:
    grid = at_the_limb(400)
    origin = Origin(grid, "disk.tif", "disk", None, "tiny", "abc123")
    boxes = [box_at(60, 80), box_at(400, 80), box_at(200, 60)]
    shapes = [shapely.transform(one, grid.pixel_to_map) for one in boxes]
    found = [Found(shape, 0.9, 0.9, (1.0, 2.0)) for shape in shapes]
    with pytest.warns(ObjectSkipped, match="object at column 1, row 2: .* has no place .*; left out"):
        segments = list(segments_of(found, origin, CRS("EPSG:4326"), after=7))
    assert [segment.prompt_id for segment in segments] == ["8", "9"]


def test_sizes_in_metres_need_a_place_on_earth() -> None:
    beyond = Grid((500, 400), Affine(1, 0, 0, 0, -1, 500), CRS("EPSG:4326"))
    with pytest.raises(CrsTransformFailed, match=r"no place on Earth in EPSG:4326.*check its georeference"):
        Sizes.of(EverythingOptions(), beyond)
    assert Sizes.of(EverythingOptions(), Grid((500, 400))).unit_px == 1


@pytest.mark.parametrize("name", ["min_size", "max_size"])
def test_a_length_of_less_than_two_pixels_is_in_another_unit(name: str) -> None:
    placed = Grid((500, 400), Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000), CRS("EPSG:32633"))
    with pytest.raises(InvalidParameter, match=f"{name} = 0.001 m is 0.002 pixels .*; lengths are in metres"):
        Sizes.of(EverythingOptions(**{name: 0.001}), placed)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match=f"{name} = 1.5 pixels of this raster; lengths are in pixels"):
        Sizes.of(EverythingOptions(**{name: 1.5}), Grid((500, 400)))  # type: ignore[arg-type]
    for grid, length in ((placed, 1.01), (Grid((500, 400)), 2.0)):
        Sizes.of(EverythingOptions(**{name: length}), grid)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_per_side": 0},
        {"sketch_iou": -1.0},
        {"pred_iou": 1.0},
        {"stability": -0.1},
        {"stability_offset": 0.0},
        {"nms": 0.0},
        {"nested": 1.1},
        {"min_size": -1.0},
        {"max_size": float("nan")},
    ],
)
def test_a_wrong_number_is_named(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InvalidParameter, match=f"{name} = {value}"):
        EverythingOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match=r"min_size = 9 and max_size = 3"):
        EverythingOptions(min_size=9, max_size=3)


def test_a_model_with_crops_of_one_size_looks_once(segmenter: Segmenter) -> None:
    predictor = segmenter.predictor
    once, whole = CropPolicy(kind="fixed", crop_px=160), CropPolicy(kind="fixed", crop_px=0)
    options = EverythingOptions(points_per_side=4, min_size=45, max_size=60)
    assert [level.tiles.tile_px for level in levels_of(options, once, Grid(SHAPE))] == [160]
    assert [level.tiles.tile_px for level in levels_of(options, whole, Grid(SHAPE))] == [680]
    layout = Layout.of(options, once, Grid(SHAPE))
    finder = Finder(predictor, frame_of(), layout, PolygonOptions())
    finder.looks_again = False
    work = TileWork(finder, layout.tile(0))
    before = predictor.encoded
    while work.step():
        pass
    crops = sum(1 for _ in finder.scans(work.tile))
    assert predictor.encoded - before == crops, "the outline comes from the embedding of the sketch"
    assert max(iou(one.geometry, box_at(*place)) for one in work.found for place in PLACES) > 0.6
