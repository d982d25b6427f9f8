"""Tiles of a scene: they cover it once, own every point once, and skip what holds nothing."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from ros_sam_core.errors import CrsTransformFailed, InvalidParameter
from ros_sam_core.geo.area import area_in_pixels
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import ArrayFrame
from ros_sam_core.predict.tiles import TileGrid

sizes = st.integers(1, 300)
grids = st.builds(TileGrid, sizes, sizes, st.integers(41, 90), st.integers(0, 20).map(lambda n: 2 * n))


@given(grids)
def test_cores_cover_the_scene_once(tiles: TileGrid) -> None:
    count = np.zeros((tiles.height, tiles.width), int)
    for tile in tiles:
        x0, y0, x1, y1 = tile.core
        count[y0:y1, x0:x1] += 1
    assert (count == 1).all()
    assert len(list(tiles)) == len(tiles)


@given(grids, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_object_as_large_as_the_overlap_lies_whole_in_its_owners_window(
    tiles: TileGrid, x: float, y: float, wide: float, high: float
) -> None:
    x, y = x * tiles.width, y * tiles.height
    ((row, column),) = tiles.owners([(x, y)])
    tile = tiles.tile(row, column)
    half = wide * tiles.overlap_px / 2, high * tiles.overlap_px / 2
    assert tile.core[0] <= min(x, tiles.width - 1) and tile.core[1] <= min(y, tiles.height - 1)
    assert x <= tile.core[2] and y <= tile.core[3]
    window = tile.window
    assert window[0] <= x - half[0] and window[1] <= y - half[1]
    assert window[2] >= x + half[0] and window[3] >= y + half[1]
    assert window[2] - window[0] == window[3] - window[1] == tiles.tile_px


@given(grids, st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 80))
def test_the_tiles_that_look_at_a_box(tiles: TileGrid, x: float, y: float, side: float) -> None:
    x, y = x * tiles.width, y * tiles.height
    box = (x, y, x + side, y + side)

    def looks(window: tuple[int, int, int, int]) -> bool:
        return window[0] < box[2] and window[1] < box[3] and window[2] > box[0] and window[3] > box[1]

    assert list(tiles.looking_at(box)) == [tile for tile in tiles if looks(tile.window)]


def test_a_scene_of_any_size_in_constant_memory() -> None:
    tiles = TileGrid(10**6, 10**6, 1024, 256)
    tracemalloc.start()
    first = list(itertools.islice(tiles, 3))
    diamond = shapely.Point(5e5, 5e5).buffer(2000, quad_segs=1)
    chosen = list(tiles.select(area=diamond))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [tile.column for tile in first] == [0, 1, 2]
    assert len(tiles) == 1303**2
    assert all(diamond.intersects(shapely.box(*tile.core)) for tile in chosen)
    assert 12 <= len(chosen) <= 24
    assert peak < 2_000_000


def test_nodata_and_what_lies_beside_the_area_are_skipped() -> None:
    valid = np.zeros((300, 500), bool)
    valid[250, 410] = True
    frame = ArrayFrame(np.full((300, 500, 3), 90, np.uint8), Grid((300, 500)), valid=valid)
    tiles = TileGrid.over(frame.grid, 120, 20)
    (only,) = tiles.select(frame)
    assert only.core == (400, 200, 500, 300)
    left = shapely.box(0, 0, 100, 300)
    assert [tile.column for tile in tiles.select(area=left)] == [0, 0, 0], "what only touches is beside"
    assert list(tiles.select(frame, left)) == []
    assert list(tiles.select(area=shapely.Polygon())) == []


@pytest.mark.parametrize("numbers", [(0, 5, 10, 2), (5, 5, 10, 3), (5, 5, 10, 10), (5, 5, 10, -2)])
def test_numbers_out_of_range_are_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidParameter, match="tiles"):
        TileGrid(*numbers)


def test_an_area_in_degrees_reaches_the_pixels_of_a_rotated_grid() -> None:
    place = Affine.translation(500_000, 5_300_000) * Affine.rotation(30) * Affine.scale(0.5, -0.5)
    grid = Grid((400, 600), place, CRS.from_epsg(32633))
    wanted = shapely.box(100, 50, 700, 200)
    on_map = shapely.transform(wanted, grid.pixel_to_map)
    degrees = shapely.transform(
        on_map,
        lambda xy: np.column_stack(Transformer.from_crs(32633, 4326, always_xy=True).transform(*xy.T)),
    )
    found = area_in_pixels(degrees, CRS.from_epsg(4326), grid)
    assert found.symmetric_difference(shapely.box(100, 50, 600, 200)).area < 5
    assert area_in_pixels(shapely.box(0, 0, 1, 1), CRS.from_epsg(4326), grid).is_empty
    with pytest.raises(CrsTransformFailed, match="no CRS"):
        area_in_pixels(degrees, CRS.from_epsg(4326), Grid((4, 4)))
