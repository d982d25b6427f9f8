"""Rasters as they come: the outlines lie where the objects are, in metres, or there is one clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from range_server import ask, serving
from rasterio.enums import ColorInterp, Resampling
from rasterio.shutil import copy as copy_raster

from ros_sam_core.errors import PromptOnNodata, RasterUnreadable
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.scene import SceneOptions, SceneRun, segment_scene
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import Instance, SyntheticScene, make_scene

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000)
TURNED = Affine.translation(500_000, 5_300_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5)
SEAMS = (438, 465)
"""Column and row at which the mosaic is cut, through airplanes."""
LEAST_IOU = 0.7
"""Mean over the airplanes of the scene, with the truth; 0.77 on the plain raster."""


@pytest.fixture(scope="module")
def scene() -> SyntheticScene:
    return make_scene(3, (512, 512), "airport", object_px=(24, 90), degrade=0)


@pytest.fixture(scope="module")
def objects(scene: SyntheticScene) -> list[Instance]:
    """Airplanes clear of the frame's edge."""
    inside = [o for o in scene.instances if min(o.box) > 2 and max(o.box) < 510]
    return [o for o in inside if o.class_name == "airplane" and o.polygon.area > 150]


def truth(objects: list[Instance], grid: Grid) -> list[shapely.Polygon]:
    return [shapely.transform(o.polygon, grid.pixel_to_map) for o in objects]


def prompts(objects: list[Instance], grid: Grid, crs: CRS = UTM) -> PromptTable:
    """Return the bounds of the objects on the map, in a CRS."""
    outlines = geopandas.GeoSeries(truth(objects, grid), crs=grid.crs).to_crs(crs)
    return PromptTable.of([str(i) for i in range(len(objects))], crs, boxes=outlines.bounds.to_numpy())


def write(path: Path, bands: np.ndarray, transform: Affine = NORTH_UP, **profile: Any) -> Path:
    count, height, width = bands.shape
    layout = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    with rasterio.open(path, "w", **layout | tiles | profile, crs=UTM, transform=transform) as file:
        file.write(bands)
    return path


def bands_of(scene: SyntheticScene) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(scene.rgb, -1, 0))


def plain(folder: Path, scene: SyntheticScene) -> Path:
    return write(folder / "plain.tif", bands_of(scene))


def jpeg(folder: Path, scene: SyntheticScene) -> Path:
    how = {"compress": "jpeg", "photometric": "ycbcr", "JPEG_QUALITY": 90}
    return write(folder / "jpeg.tif", bands_of(scene), **how)


def sixteen_bit(folder: Path, scene: SyntheticScene) -> Path:
    values = bands_of(scene).astype(np.uint16) * 40 + 500
    return write(folder / "deep.tif", values, compress="deflate", predictor=2)


def cog_with_overviews(folder: Path, scene: SyntheticScene) -> Path:
    source, cog = plain(folder, scene), folder / "cog.tif"
    copy_raster(source, cog, driver="COG", compress="deflate", blocksize=128, overview_resampling="average")
    with rasterio.open(cog) as file:
        assert file.overviews(1)
    return cog


def internal_mask(folder: Path, scene: SyntheticScene) -> Path:
    path = folder / "masked.tif"
    mask = np.full(scene.rgb.shape[:2], 255, np.uint8)
    mask[:, 500:] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, bands_of(scene))
        with rasterio.open(path, "r+") as file:
            file.write_mask(mask)
    return path


def four_bands_with_alpha(folder: Path, scene: SyntheticScene) -> Path:
    alpha = np.full((1, *scene.rgb.shape[:2]), 255, np.uint8)
    alpha[:, :, 500:] = 0
    path = write(folder / "rgba.tif", np.concatenate([bands_of(scene), alpha]))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    return path


def mosaic(folder: Path, scene: SyntheticScene) -> Path:
    """Cut the scene in four files, whose seams run through objects, and join them by a VRT."""
    bands, parts = bands_of(scene), []
    for row, (top, bottom) in enumerate([(0, SEAMS[1]), (SEAMS[1], 512)]):
        for column, (left, right) in enumerate([(0, SEAMS[0]), (SEAMS[0], 512)]):
            name = f"part{row}{column}.tif"
            corner = NORTH_UP @ Affine.translation(left, top)
            write(folder / name, np.ascontiguousarray(bands[:, top:bottom, left:right]), corner)
            parts.append((name, left, top, right - left, bottom - top))
    sources = [
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{{band}}'
        f'</SourceBand><SrcRect xOff="0" yOff="0" xSize="{w}" ySize="{h}"/>'
        f'<DstRect xOff="{x}" yOff="{y}" xSize="{w}" ySize="{h}"/></SimpleSource>'
        for name, x, y, w, h in parts
    ]
    colours = ("Red", "Green", "Blue")
    text = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><ColorInterp>{colour}</ColorInterp>'
        f"{''.join(sources).format(band=band)}</VRTRasterBand>"
        for band, colour in enumerate(colours, start=1)
    )
    place = ", ".join(str(number) for number in NORTH_UP.to_gdal())
    path = folder / "mosaic.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="512" rasterYSize="512"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{text}</VRTDataset>"
    )
    return path


MAKERS = [plain, jpeg, sixteen_bit, cog_with_overviews, internal_mask, four_bands_with_alpha, mosaic]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained(cache=CacheOptions(disk_mb=0))


def ious(found: geopandas.GeoDataFrame, expected: list[shapely.Polygon]) -> np.ndarray:
    """Return the IoU with the truth of each object; 0 for one without an outline."""
    shapes = dict(zip(found["prompt_id"].astype(int), found.geometry, strict=True))
    both = [(shapes.get(i, shapely.Polygon()), shape) for i, shape in enumerate(expected)]
    return np.array([shapely.intersection(*pair).area / shapely.union(*pair).area for pair in both])


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_outlines_lie_on_the_objects(
    make: Callable[[Path, SyntheticScene], Path],
    scene: SyntheticScene,
    objects: list[Instance],
    segmenter: Segmenter,
    tmp_path: Path,
) -> None:
    path = make(tmp_path, scene)
    grid = Grid(scene.rgb.shape[:2], NORTH_UP, UTM)
    found = segmenter.segment(path, list(prompts(objects, grid)))
    assert found.crs == UTM and found.geometry.is_valid.all()
    assert ious(found, truth(objects, grid)).mean() > LEAST_IOU


def test_a_mosaic_gives_what_one_file_gives(
    scene: SyntheticScene, objects: list[Instance], segmenter: Segmenter, tmp_path: Path
) -> None:
    boxes = list(prompts(objects, Grid(scene.rgb.shape[:2], NORTH_UP, UTM)))
    seams = shapely.MultiLineString([[(SEAMS[0], 0), (SEAMS[0], 512)], [(0, SEAMS[1]), (512, SEAMS[1])]])
    crossing = [o for o in objects if o.polygon.intersects(seams)]
    assert crossing, "seams run through objects"
    whole, pieces = (segmenter.segment(make(tmp_path, scene), boxes) for make in (plain, mosaic))
    assert (whole.geometry == pieces.geometry).all()


@pytest.mark.parametrize("crs", [UTM, CRS.from_epsg(4326)], ids=["UTM", "degrees"])
def test_boxes_of_the_map_on_a_turned_raster(
    scene: SyntheticScene, objects: list[Instance], segmenter: Segmenter, tmp_path: Path, crs: CRS
) -> None:
    path = write(tmp_path / "turned.tif", bands_of(scene), TURNED)
    grid = Grid(scene.rgb.shape[:2], TURNED, UTM)
    found = segmenter.segment(path, list(prompts(objects, grid, crs)))
    assert ious(found, truth(objects, grid)).mean() > LEAST_IOU - 0.1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


def test_a_remote_cog_is_read_where_it_is_needed(
    scene: SyntheticScene, objects: list[Instance], tmp_path: Path, server: str
) -> None:
    wide = np.random.default_rng(0).integers(60, 90, (3, 2048, 2048), dtype=np.uint8)
    wide[:, 512:1024, 1024:1536] = bands_of(scene)
    copy_raster(write(tmp_path / "wide.tif", wide), tmp_path / "remote.tif", driver="COG", compress="deflate")
    size = (tmp_path / "remote.tif").stat().st_size
    grid = Grid((2048, 2048), NORTH_UP, UTM).window(1024, 512, 512, 512)
    output = tmp_path / "out.gpkg"
    run = segment_scene(f"{server}/remote.tif", prompts(objects, grid), output)
    assert run.failed == []
    found = geopandas.read_file(output)
    assert set(found["source"]) == {f"{server}/remote.tif"}
    assert ious(found, truth(objects, grid)).mean() > LEAST_IOU
    assert ask(server, "sent") < size / 2


def test_a_remote_raster_that_goes_away_is_one_error(
    scene: SyntheticScene, objects: list[Instance], tmp_path: Path, server: str
) -> None:
    # A smaller one would be read whole when it is opened.
    wide = np.pad(bands_of(scene), ((0, 0), (0, 600), (0, 600)))
    write(tmp_path / "wide.tif", wide)
    grid = Grid(scene.rgb.shape[:2], NORTH_UP, UTM)
    boxes = np.tile(prompts(objects, grid).boxes, (12, 1))
    boxes[:, 0::2] += np.repeat(np.arange(12) * 0.5, len(objects))[:, None]
    table = PromptTable.of([str(i) for i in range(len(boxes))], UTM, boxes=boxes)
    run = SceneRun(f"{server}/wide.tif", table, tmp_path / "out.gpkg", SceneOptions())

    def progress(done: int, total: int) -> None:
        if done:
            ask(server, "gone")

    # GDAL keeps what it has of so small a raster; a group on blocks that it has not fails.
    with rasterio.Env(GDAL_CACHEMAX=1), pytest.raises(RasterUnreadable, match=r"wide\.tif: cannot read"):
        run.run(progress)
    assert 0 < run.done < len(table)


def test_a_scene_that_is_mostly_nodata_costs_what_is_in_it(
    scene: SyntheticScene, objects: list[Instance], segmenter: Segmenter, tmp_path: Path
) -> None:
    bands = np.zeros((3, 1024, 4096), np.uint8)
    bands[:, :512, 3000:3512] = bands_of(scene).clip(1)
    path = write(tmp_path / "nodata.tif", bands, nodata=0, sparse_ok=True)
    grid = Grid((1024, 4096), NORTH_UP, UTM)
    good = prompts(objects, grid.window(3000, 0, 512, 512))
    empty = PromptTable.of(
        [str(i) for i in range(100, 140)], UTM, boxes=good.boxes[:1] - [[900, 0, 900, 0]] * 40
    )
    before = segmenter.predictor.encoded
    with RasterFrame.open(path) as frame:
        results = list(segmenter.iter_segments(frame, list(empty)))
        assert segmenter.predictor.encoded == before, "nothing is encoded where nothing is"
        assert {type(result.error) for result in results} == {PromptOnNodata}  # type: ignore[union-attr]
        found = segmenter.segment(frame, list(good))
    assert ious(found, truth(objects, grid.window(3000, 0, 512, 512))).mean() > LEAST_IOU


def test_overviews_do_not_move_large_objects(
    scene: SyntheticScene, objects: list[Instance], segmenter: Segmenter, tmp_path: Path
) -> None:
    """Objects of hundreds of pixels are looked at reduced, through overviews, and stay where they are."""
    largest = sorted(objects, key=lambda o: -o.polygon.area)[:4]
    bands = np.repeat(np.repeat(bands_of(scene), 12, axis=1), 12, axis=2)
    fine = Affine(0.5 / 12, 0, 500_000, 0, -0.5 / 12, 5_300_000)
    path = write(tmp_path / "fine.tif", bands, fine, compress="deflate")
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8], Resampling.average)
    grid = Grid(scene.rgb.shape[:2], NORTH_UP, UTM)
    boxes = list(prompts(largest, grid))
    coarse = segmenter.segment(plain(tmp_path, scene), boxes)
    reduced = segmenter.segment(path, boxes)
    real = truth(largest, grid)
    # Of an object that the model does not know well, two samplings give two shapes; of others, the same.
    known = ious(coarse, real) > 0.7
    assert known.sum() >= 2
    assert ious(reduced, list(coarse.geometry))[known].min() > 0.9
    assert (ious(reduced, real) - ious(coarse, real)).min() > -0.1
