"""What a simulated video says is there is what its pixels show, whoever lies over whom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import Geod
from scipy import ndimage

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame
from training.readers import DatasetSpec, open_dataset
from training.rle import decode_rle
from training.scenes import DatasetError, Scene, build_pyramid, object_of
from training.simulate import (
    Light,
    Motion,
    Platform,
    Sensor,
    SimulatedVideo,
    SimulateOptions,
    labelled_ground,
    procedural_ground,
    raster_ground,
)
from training.simulate.files import write_video

PLAIN = Sensor(blur_px=(0, 0), noise=(0, 0), look=0)
QUIET = Light(shadows=False, wakes=False, flicker=0)
STILL = Platform((0, 0), 0.0)


def labelled(shape: tuple[int, int], windows: list[tuple[slice, slice]], class_name: str = "ship") -> Scene:
    """Return a black image with an object in each window, each 20 grey levels from the one before."""
    rgb, objects = np.zeros((*shape, 3), np.uint8), []
    for number, window in enumerate(windows):
        mask = np.zeros(shape, bool)
        mask[window] = True
        rgb[mask] = 80 + 20 * number
        objects.append(object_of(mask, class_name, number))
    return Scene(build_pyramid(rgb), tuple(objects), "labelled")


@pytest.mark.parametrize("seed", range(3))
def test_who_is_painted_last_owns_the_pixels_of_labelled_ground(seed: int) -> None:
    """Ships too close to all leave: those that stay are on the ground picture, below every one that moves."""
    windows = [np.s_[y : y + 12, x : x + 24] for y in (20, 44, 68) for x in (20, 52, 84)]
    options = SimulateOptions(
        frames=8, fps=1, shape=(112, 128), objects=(0, 0), gsd_m=1.0, light=QUIET, sensor=PLAIN,
        platform=STILL, motion=Motion(moving_share=1.0, ship_mps=(8, 14)),
    )  # fmt: skip
    video = SimulatedVideo(labelled_ground(labelled((124, 144), windows)), options, seed)
    colours = np.array([255 * player.actor.mean_colour().mean() for player in video.players])
    assert [player.track for player in video.players] == list(range(1, len(windows) + 1))
    over = 0
    for frame in video:
        for obj in frame.objects:
            core = ndimage.binary_erosion(frame.labels == obj.track, iterations=2)
            nearest = np.abs(frame.rgb[core][:, :1] - colours).argmin(axis=1) + 1
            assert (nearest == obj.track).all()
            over += not video.players[obj.track - 1].painted and obj.seen < 0.9
    assert over


@pytest.mark.parametrize(
    "start", ["2025-06-01T12:00:00+02:00", "2025-06-01T10:00:00", "2025-06-01T10:00:00Z"]
)
def test_times_are_utc_wherever_the_start_is_told(start: str, tmp_path: Path) -> None:
    options = SimulateOptions(frames=2, fps=2, shape=(64, 64), object_px=(8, 20), objects=(0, 1), start=start)
    video = SimulatedVideo(procedural_ground(1, (80, 80), "field", object_px=(8, 20)), options)
    folder = write_video(video, tmp_path / "video")
    with RasterFrame.open(folder / "images" / "000001.tif") as frame:
        assert frame.time == video.frame(1).time == "2025-06-01T10:00:00.500Z"


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32633"])
def test_speed_and_heading_are_those_on_the_ground_in_any_crs(crs: str, tmp_path: Path) -> None:
    """At 60 degrees north a pixel of degrees is half as wide as it is high: 0.56 m and 1.11 m."""
    place = {
        "EPSG:4326": Affine(1e-5, 0, 15, 0, -1e-5, 60),
        "EPSG:3857": Affine(2, 0, 1_670_000, 0, -2, 8_400_000),
        "EPSG:32633": Affine(0.8, 0, 500_000, 0, -0.8, 6_650_000),
    }[crs]
    pixels = np.random.default_rng(0).integers(60, 90, (3, 240, 240), np.uint8)
    with rasterio.open(
        tmp_path / "ground.tif", "w", driver="GTiff", count=3, height=240, width=240, dtype="uint8", crs=crs,
        transform=place,
    ) as target:  # fmt: skip
        target.write(pixels)
    motion = Motion(1.0, *[(9.0, 9.0)] * 4, turn_deg_s=0, sway=0)
    options = SimulateOptions(frames=2, fps=1, shape=(200, 200), object_px=(8, 20), motion=motion)
    video = SimulatedVideo(raster_ground(tmp_path / "ground.tif", (240, 240)), options, 3)
    geod, turns = Geod(ellps="WGS84"), []
    for obj in video.frame(1).objects:
        outlines = [video.map_outline(video.players[obj.track - 1], time) for time in (0.99, 1.01)]
        way = geopandas.GeoSeries([o.centroid for o in outlines], crs=crs).to_crs(4326)
        azimuth, _, metres = geod.inv(way.x[0], way.y[0], way.x[1], way.y[1])
        assert metres / 0.02 == pytest.approx(obj.speed_mps, rel=1e-3) == pytest.approx(9.0, rel=1e-3)
        assert abs((azimuth - obj.heading_deg + 180) % 360 - 180) < 0.1
        turns.append(azimuth)
    assert np.ptp(turns) > 90


@pytest.mark.parametrize(
    ("crs", "origin"),
    [("EPSG:32633", (4e5, 5.8e6)), ("EPSG:2263", (984_250, 200_000)), ("EPSG:3857", (1e6, 8.4e6))],
    ids=["metres", "feet", "Mercator"],
)
def test_a_ground_without_a_place_has_the_ground_sample_distance_that_is_asked_for(crs, origin) -> None:
    options = SimulateOptions(crs=crs, origin=origin, gsd_m=0.5)
    grid = procedural_ground(1, (100, 100), "field").grid_of(options)
    assert grid.gsd_m == pytest.approx(0.5, rel=1e-5)
    assert grid.pixel_to_map([(0, 0)])[0] == pytest.approx(origin)


def test_a_raster_without_a_crs_is_placed_by_the_options(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(60, 90, (120, 120, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    options = SimulateOptions(
        frames=1, shape=(64, 64), object_px=(8, 20), crs="EPSG:32618", origin=(6e5, 4e6), gsd_m=0.5
    )
    grid = SimulatedVideo(raster_ground(tmp_path / "plain.png", (100, 100)), options).frame(0).grid
    assert grid.crs.to_epsg() == 32618 and grid.gsd_m == pytest.approx(0.5, rel=1e-4)
    assert np.abs(np.array(grid.bounds[:2]) - (6e5, 4e6)).max() < 100


def test_a_small_ground_has_its_objects_in_the_frame() -> None:
    """The frame has what the ground has room for, and so has what is put into it."""
    ground = procedural_ground(1, (128, 128), "field", object_px=(8, 20))
    options = SimulateOptions(frames=5, objects=(10, 10), object_px=(8, 20))
    for seed in range(3):
        video = SimulatedVideo(ground, options, seed)
        assert max(video.shape) < 128 and len(video.frame(2).objects) >= 6


def test_a_labelled_image_keeps_its_place() -> None:
    place = Grid((100, 120), Affine(0.5, 0, 6e5, 0, -0.5, 4e6), "EPSG:32618")
    scene = replace(labelled(place.shape, [np.s_[40:52, 40:64]]), grid=place)
    options = SimulateOptions(frames=1, shape=(64, 64), object_px=(8, 20), objects=(0, 0), gsd_m=3.0)
    video = SimulatedVideo(labelled_ground(scene), options)
    assert video.ground_grid == place and video.gsd_m == pytest.approx(0.5, rel=1e-3)
    assert labelled_ground(replace(scene, grid=Grid(place.shape))).grid is None


def test_the_little_of_a_raster_that_is_free_of_nodata_is_found(tmp_path: Path) -> None:
    """A scene that lies askew in its raster, as satellites take them: 1 in 30 parts of that size is whole."""
    y, x = np.mgrid[0:300, 0:300] - 150
    pixels = np.where(np.abs(x) + np.abs(y) < 130, 90, 0).astype(np.uint8)
    for path, count in (("askew.tif", pixels), ("empty.tif", pixels * 0)):
        with rasterio.open(
            tmp_path / path, "w", driver="GTiff", count=1, height=300, width=300, dtype="uint8", nodata=0,
            crs="EPSG:32633", transform=Affine(1, 0, 500_000, 0, -1, 6_000_000),
        ) as target:  # fmt: skip
            target.write(count, 1)
    for seed in range(4):
        assert raster_ground(tmp_path / "askew.tif", (104, 104), seed).rgb.min() > 0
    with pytest.raises(DatasetError, match=r"empty.tif: of 200 parts of 104 rows and 104 columns none"):
        raster_ground(tmp_path / "empty.tif", (104, 104))


SIZES = [(1, 1), (2, 2), (1, 12), (3, 3), (3, 4), (2, 9), (1, 30), (4, 4), (8, 16)]
"""Rows and columns; those of one row are too thin to have a pixel in every mask."""


@pytest.mark.parametrize("class_name", ["ship", "storage tank"])
def test_no_labelled_object_is_seen_without_a_label(class_name: str) -> None:
    windows = [
        np.s_[y : y + rows, x : x + columns]
        for (rows, columns), (y, x) in zip(
            SIZES, [(y, x) for y in (24, 60, 96) for x in (24, 64, 104)], strict=True
        )
    ]
    scene = labelled((130, 150), windows, class_name)
    inside = np.zeros(scene.shape, bool)
    inside[86:108, 12:64] = True  # a bridge, all around the thin one
    bridge = object_of(inside, "bridge", 100)
    rgb = scene.rgb.copy()
    rgb[inside & (rgb[..., 0] == 0)] = 60
    scene = replace(scene, pyramid=build_pyramid(rgb), objects=(bridge, *scene.objects))
    ground = labelled_ground(scene)
    assert len(ground.natives) == 1 + sum(min(size) > 1 for size in SIZES)
    assert sum(native.movable for native in ground.natives) == (class_name == "ship")
    options = SimulateOptions(
        frames=6, fps=1, shape=(112, 128), objects=(0, 0), gsd_m=1.0, light=QUIET, sensor=PLAIN,
        platform=Platform((0.3, 0.7), 0.5, 5.0), motion=Motion(moving_share=1.0, ship_mps=(1, 2)),
    )  # fmt: skip
    for frame in SimulatedVideo(ground, options, 0):
        whole = [obj for obj in frame.objects if obj.seen > 0.999]
        assert len(whole) >= 4
        labels = frame.labels
        bridge_only = ndimage.binary_erosion(labels == 1, iterations=2)
        assert frame.rgb[~ndimage.binary_dilation(labels > 0, iterations=2)].max() < 40
        assert frame.rgb[bridge_only].max() < 75


@pytest.fixture(scope="module")
def crossings() -> SimulatedVideo:
    """Ships that pass each other and bridges; of one no more than a seam is left for a moment."""
    options = SimulateOptions(
        frames=30, fps=3, shape=(96, 96), object_px=(16, 60), objects=(10, 10), occluders=2,
        motion=Motion(moving_share=1.0, crossings=4),
    )  # fmt: skip
    return SimulatedVideo(procedural_ground(4, (120, 120), "harbour", object_px=(16, 60)), options, 4)


def test_boxes_are_those_of_the_masks(crossings: SimulatedVideo) -> None:
    for frame in crossings:
        for obj, again in zip(frame.objects, frame.scene().objects, strict=True):
            rows, columns = np.nonzero(frame.labels == obj.track)
            tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert obj.box == again.box == tight


def test_every_file_tells_of_the_same_objects(crossings: SimulatedVideo, tmp_path: Path) -> None:
    """Also where an object is all but hidden: it has a pixel everywhere, or is nowhere."""
    folder = write_video(crossings, tmp_path / "video")
    coco = json.loads((folder / "coco.json").read_text())
    numbers = {image["id"]: image["frame_id"] for image in coco["images"]}
    mot = np.loadtxt(folder / "mot.txt", delimiter=",")
    masks = [rasterio.open(path).read(1) for path in sorted((folder / "masks").iterdir())]
    told = {
        "masks": sorted((n, t) for n, mask in enumerate(masks) for t in set(np.unique(mask).tolist()) - {0}),
        "coco": sorted((numbers[a["image_id"]], a["track_id"]) for a in coco["annotations"]),
        "mot": sorted((int(frame) - 1, int(track)) for frame, track in mot[:, :2]),
    }
    for layer in ("objects", "outlines"):
        read = geopandas.read_file(folder / "truth.gpkg", layer=layer)
        told[layer] = sorted(zip(read.frame.tolist(), read.track.tolist(), strict=True))
    assert told["coco"] and all(keys == told["masks"] for keys in told.values())
    boxes = {(int(r[0]) - 1, int(r[1])): [r[2] - 1, r[3] - 1, r[4], r[5]] for r in mot}
    for annotation in coco["annotations"]:
        frame, track = numbers[annotation["image_id"]], annotation["track_id"]
        assert np.array_equal(decode_rle(annotation["segmentation"]), masks[frame] == track)
        assert annotation["bbox"] == boxes[frame, track]
        assert annotation["area"] == (masks[frame] == track).sum()
    for spec in (
        DatasetSpec("coco", str(folder / "coco.json")),
        DatasetSpec("frames", str(folder / "masks"), classes=str(folder / "classes.json")),
    ):
        scenes = open_dataset(spec).scenes  # stops at a mask without a pixel
        assert (
            sorted(
                (int(Path(s.name).stem), o.track if o.track > 0 else o.id) for s in scenes for o in s.objects
            )
            == told["masks"]
        )
