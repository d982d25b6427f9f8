"""Simulated video against its own truth: measured in the pixels and on the ground, not only in shapes."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from labelled import write_labels
from pyproj import Geod
from scipy import ndimage

from ros_sam_core.errors import ConfigInvalid, OutputExists
from ros_sam_core.geo.raster import RasterFrame
from training.readers import DatasetSpec, open_dataset, read_coco
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
from training.simulate.__main__ import main
from training.simulate.files import write_video
from training.simulate.healing import heal
from training.simulate.motion import Path as Way

PLAIN = Sensor(blur_px=(0, 0), noise=(0, 0), look=0)
QUIET = Light(shadows=False, wakes=False, flicker=0)
SMALL = SimulateOptions(
    frames=4, fps=2.0, shape=(160, 192), object_px=(12, 40), motion=Motion(moving_share=1.0)
)


@pytest.fixture(scope="module")
def video() -> SimulatedVideo:
    return SimulatedVideo(procedural_ground(4, (200, 232), "airport", object_px=(12, 40)), SMALL, 4)


@pytest.mark.parametrize("turn", [0.0, 0.03, -0.01])
def test_a_path_has_the_speed_and_the_heading_that_it_says(turn: float) -> None:
    way = Way(10, 20, 0.7, 5.0, turn, sway=0.4, period_s=3.0, phase=1.0, t0_s=2.0)
    assert (way.at(2.0).x, way.at(2.0).y) == pytest.approx((10, 20))
    for time in (0.0, 1.3, 2.0, 5.5):
        before, state, after = way.at(time - 1e-5), way.at(time), way.at(time + 1e-5)
        vx, vy = (after.x - before.x) / 2e-5, (after.y - before.y) / 2e-5
        assert math.hypot(vx, vy) == pytest.approx(state.speed_px_s, rel=1e-4)
        assert (vx, vy) == pytest.approx(
            (state.speed_px_s * math.cos(state.angle), state.speed_px_s * math.sin(state.angle)), rel=1e-4
        )


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(video: SimulatedVideo) -> None:
    again = SimulatedVideo(procedural_ground(4, (200, 232), "airport", object_px=(12, 40)), SMALL, 4)
    assert again.frame(3).rgb.tobytes() == video.frame(3).rgb.tobytes()
    assert [f.rgb.tobytes() for f in again] == [video.frame(n).rgb.tobytes() for n in range(4)]
    other = SimulatedVideo(video.ground, SMALL, 5)
    assert other.frame(3).rgb.tobytes() != video.frame(3).rgb.tobytes()


def test_truth_speed_and_heading_are_those_on_the_ground(video: SimulatedVideo) -> None:
    """Measured with pyproj's geodesics, from polygons on the map a hundredth of a second apart."""
    geod = Geod(ellps="WGS84")
    checked = 0
    for player in video.players:
        if not player.path.moves:
            continue
        state = player.path.at(0.5)
        places = geopandas.GeoSeries(
            [video.map_outline(player, t).centroid for t in (0.495, 0.505)], crs=video.ground_grid.crs
        ).to_crs(4326)
        _, _, metres = geod.inv(places.x[0], places.y[0], places.x[1], places.y[1])
        truth = [o for o in video.frame(1).objects if o.track == player.track]
        for obj in truth:
            assert metres / 0.01 == pytest.approx(obj.speed_mps, rel=0.01)
            assert obj.speed_mps == pytest.approx(state.speed_px_s * video.gsd_m)
            ahead = [video.map_outline(player, t).centroid for t in (0.495, 0.505)]
            heading = math.degrees(math.atan2(ahead[1].x - ahead[0].x, ahead[1].y - ahead[0].y)) % 360
            assert abs((heading - obj.heading_deg + 180) % 360 - 180) < 1.0
            checked += 1
    assert checked >= 3


def _only_one(ground, options, seed=0):
    """Keep one moving object of a video, so that nothing else changes between frames."""
    video = SimulatedVideo(ground, options, seed)
    video.players = [p for p in video.players if p.path.moves and p.path.speed_px_s > 4][:1]
    assert video.players
    return video


def test_pixels_move_exactly_with_the_truth() -> None:
    """Where an object is painted, found from the pixels, is where the polygon is, to 0.05 px."""
    options = dataclasses.replace(SMALL, sensor=PLAIN, light=QUIET, platform=Platform((3, 3), 0.4, 2.0))
    ground = procedural_ground(4, (220, 252), "airport", object_px=(12, 40))
    flat = dataclasses.replace(ground, rgb=np.zeros_like(ground.rgb))
    video = _only_one(flat, options)
    player = video.players[0]
    white = dataclasses.replace(player.actor, texture=np.ones_like(player.actor.texture))
    video.players = [dataclasses.replace(player, actor=white)]
    seen = 0
    for frame in video:
        for obj in frame.objects:
            if obj.seen < 0.999:
                continue
            share = frame.rgb[..., 0] / 255
            assert share.sum() == pytest.approx(obj.outline.area, rel=0.01)
            y, x = ndimage.center_of_mass(share)
            centre = obj.outline.centroid
            assert (x + 0.5, y + 0.5) == pytest.approx((centre.x, centre.y), abs=0.05)
            assert np.abs(share - obj.coverage(frame.grid.shape)).max() < 0.01
            seen += 1
    assert seen >= 2


@pytest.mark.parametrize("georeference", ["exact", "nominal"])
def test_the_ground_stays_in_its_place_on_the_map(georeference: str) -> None:
    """A mark painted on the ground has the same map coordinates in every frame, as far as the frame knows."""
    options = dataclasses.replace(
        SMALL, sensor=PLAIN, light=QUIET, platform=Platform((4, 4), 1.0, 3.0, georeference), objects=(0, 0)
    )
    ground = procedural_ground(1, (240, 272), "field", object_px=(12, 40))
    rgb = np.zeros_like(ground.rgb)
    y, x = np.mgrid[0:240, 0:272] + 0.5
    rgb += np.exp(-((x - 135.5) ** 2 + (y - 120.5) ** 2) / 18)[..., None].astype(np.float32)
    video = SimulatedVideo(dataclasses.replace(ground, rgb=rgb, natives=()), options, 1)
    true = video.ground_grid.pixel_to_map([(135.5, 120.5)])[0]
    off = []
    for frame in video:
        y, x = ndimage.center_of_mass(frame.rgb[..., 0].astype(float))
        apart = frame.true_grid.pixel_to_map([(x + 0.5, y + 0.5)])[0] - true
        assert np.hypot(*apart) < 0.02 * video.gsd_m
        off.append(np.hypot(*(frame.grid.pixel_to_map([(x + 0.5, y + 0.5)])[0] - true)) / video.gsd_m)
    assert max(off) < 0.05 if georeference == "exact" else max(off) > 1.0


def test_what_is_hidden_is_not_in_the_mask() -> None:
    options = dataclasses.replace(
        SMALL, frames=3, fps=1.0, occluders=1, motion=Motion(moving_share=1.0, crossings=3)
    )
    video = SimulatedVideo(procedural_ground(4, (200, 232), "airport", object_px=(20, 40)), options, 4)
    hidden = 0
    for frame in video:
        total = np.zeros(frame.grid.shape)
        for obj in frame.objects:
            total += obj.coverage(frame.grid.shape)
            inside = obj.outline.intersection(shapely.box(0, 0, *frame.grid.size))
            assert obj.visible.is_valid and obj.outline.buffer(1e-6).covers(obj.visible)
            hidden += obj.visible.area < inside.area - 1
        assert total.max() < 1 + 1e-4
        labels = frame.labels
        for obj in frame.objects:
            assert np.array_equal(labels == obj.track, obj.mask(frame.grid.shape))
    assert hidden >= 2


def test_healing_leaves_no_trace_of_an_object() -> None:
    """The texture of the healed ground has the mean and the grain of its surroundings, and no seam."""
    rng = np.random.default_rng(0)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (160, 160, 3)), (1, 1, 0)) * 0.1
    truth = (0.4 + 0.3 * np.linspace(0, 1, 160)[:, None, None] + grain).astype(np.float32)
    holes = np.zeros((160, 160), bool)
    holes[60:90, 70:110] = True
    spoiled = truth.copy()
    spoiled[holes] = 1.0
    before = spoiled.copy()
    healed, left_open = heal(spoiled, holes, rng)
    assert np.array_equal(spoiled, before) and not left_open.any()
    assert np.array_equal(healed[~holes], spoiled[~holes])
    assert abs(healed[holes].mean() - truth[holes].mean()) < 0.03
    fine = healed - ndimage.gaussian_filter(healed, (2, 2, 0))
    assert fine[holes].std() == pytest.approx(fine[~holes].std(), rel=0.2)
    steps = np.abs(np.diff(healed, axis=0)).mean(axis=2)
    assert steps[59, 70:110].mean() < 1.5 * steps[10:50].mean()


def test_healing_neither_copies_nor_blends_with_what_is_no_ground() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.uniform(0.3, 0.32, (80, 80, 3)).astype(np.float32)
    holes, solid = np.zeros((80, 80), bool), np.zeros((80, 80), bool)
    holes[30:50, 30:50] = True
    solid[30:50, 50:64] = solid[4:14] = True
    rgb[solid] = 1.0
    rgb[29, 35:40] = 0.9  # a little that the label of the object has missed
    healed, left_open = heal(rgb, holes, rng, solid)
    assert not left_open.any() and healed[holes].max() < 0.35


def test_a_hole_without_ground_around_it_stays_open() -> None:
    rgb = np.full((40, 40, 3), 0.5, np.float32)
    holes = np.ones((40, 40), bool)
    holes[0] = False
    healed, left_open = heal(rgb, holes, np.random.default_rng(0))
    assert np.array_equal(left_open, holes) and np.array_equal(healed, rgb)


def test_labelled_objects_move_off_a_healed_ground(tmp_path: Path) -> None:
    scene = next(read_coco(write_labels(tmp_path)))
    before = scene.rgb.copy()
    ground = labelled_ground(scene)
    assert np.array_equal(scene.rgb, before)
    assert [n.movable for n in ground.natives] == [True]
    assert ground.rgb[30:51, 20:41].max() < 0.5 < ground.original[30:51, 20:41].min()
    options = SimulateOptions(
        frames=3, fps=1, shape=(64, 64), objects=(1, 1), object_px=(8, 20), gsd_m=1.0, light=QUIET,
        sensor=PLAIN, motion=Motion(moving_share=1.0, ship_mps=(5, 5)), platform=Platform((0, 0), 0.0),
    )  # fmt: skip
    for seed in range(3):
        for frame in SimulatedVideo(ground, options, seed):
            mask = frame.labels > 0
            assert not mask.any() or frame.rgb[ndimage.binary_erosion(mask)].min() > 180
            assert frame.rgb[~ndimage.binary_dilation(mask, iterations=3)].max() < 100


def test_objects_that_stay_look_as_they_did(tmp_path: Path) -> None:
    scene = next(read_coco(write_labels(tmp_path)))
    ground = labelled_ground(scene)
    standing = ground.with_standing(ground.natives)
    assert np.array_equal(standing, scene.rgb.astype(np.float32) / 255)


def test_a_frame_becomes_a_labelled_scene(video: SimulatedVideo) -> None:
    frame = video.frame(0)
    scene = frame.scene()
    assert {o.id for o in scene.objects} == set(np.unique(frame.labels)) - {0}
    for obj in scene.objects:
        assert np.array_equal(obj.frame_mask(frame.grid.shape), frame.labels == obj.id)


def test_files_say_what_the_frames_say(video: SimulatedVideo, tmp_path: Path) -> None:
    told = []
    folder = write_video(video, tmp_path / "video", progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 4) for n in range(1, 5)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["video"]
    coco = json.loads((folder / "coco.json").read_text())
    objects = geopandas.read_file(folder / "truth.gpkg", layer="objects")
    outlines = geopandas.read_file(folder / "truth.gpkg", layer="outlines")
    tracks = geopandas.read_file(folder / "truth.gpkg", layer="tracks")
    mot = np.loadtxt(folder / "mot.txt", delimiter=",")
    count = sum(len(frame.objects) for frame in video)
    assert len(coco["annotations"]) == len(objects) == len(outlines) == len(mot) == count
    assert set(tracks.track) == set(objects.track)
    for frame in video:
        with RasterFrame.open(folder / "images" / f"{frame.number:06d}.tif") as read:
            rgb, _ = read.read(0, 0, *frame.grid.size)
            assert np.array_equal(rgb, frame.rgb) and read.time == frame.time
            assert read.grid.transform.almost_equals(frame.grid.transform)
        with rasterio.open(folder / "masks" / f"{frame.number:06d}.tif") as masks:
            assert np.array_equal(masks.read(1), frame.labels)
        for obj in frame.objects:
            own = objects[(objects.frame == frame.number) & (objects.track == obj.track)].iloc[0]
            back = shapely.transform(own.geometry, frame.true_grid.map_to_pixel)
            assert back.symmetric_difference(obj.visible).area < 1e-4
            row = mot[(mot[:, 0] == frame.number + 1) & (mot[:, 1] == obj.track)][0]
            x0, y0, x1, y1 = obj.box
            assert row[2:6] == pytest.approx((x0 + 1, y0 + 1, x1 - x0, y1 - y0), abs=1e-3)


@pytest.mark.parametrize("layout", ["coco", "frames"])
def test_the_readers_read_a_video(video: SimulatedVideo, tmp_path: Path, layout: str) -> None:
    folder = write_video(video, tmp_path / "video")
    spec = {
        "coco": DatasetSpec("coco", str(folder / "coco.json")),
        "frames": DatasetSpec("frames", str(folder / "masks"), classes=str(folder / "classes.json")),
    }[layout]
    read = sorted(open_dataset(spec).scenes, key=lambda scene: scene.name)
    for scene, frame in zip(read, video, strict=True):
        assert np.array_equal(scene.rgb, frame.rgb) and scene.grid.crs == frame.grid.crs
        tracks = {o.track if layout == "coco" else o.id: o for o in scene.objects}
        assert set(tracks) == set(np.unique(frame.labels)) - {0}
        for track, obj in tracks.items():
            assert np.array_equal(obj.frame_mask(scene.shape), frame.labels == track)
            assert obj.class_name == video.players[track - 1].actor.class_name
        assert layout == "frames" or (scene.frame, scene.video) == (frame.number, "video")


def test_a_raster_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ground.tif"
    pixels = np.random.default_rng(0).integers(60, 90, (3, 200, 220), np.uint8)
    place = rasterio.Affine(0.5, 0.1, 600_000, 0.1, -0.5, 4_000_000)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=200, width=220, dtype="uint8", crs="EPSG:32618",
        transform=place,
    ) as target:  # fmt: skip
        target.write(pixels)
    video = SimulatedVideo(raster_ground(path, (200, 220)), SMALL, 2)
    frame = video.frame(1)
    assert frame.grid.crs.to_epsg() == 32618
    assert video.gsd_m == pytest.approx(math.sqrt(0.26), rel=1e-3)
    x, y = frame.grid.pixel_to_map([(50.5, 60.5)])[0]
    column, row = ~place @ (x, y)
    assert 0 < column < 220 and 0 < row < 200
    assert frame.objects


def test_the_command_writes_a_video_and_names_mistakes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = write_labels(tmp_path)
    out = tmp_path / "out"
    args = ["--output", str(out), "--coco", str(labels), "--frames", "2", "--shape", "64", "64"]
    args += ["--objects", "1", "2", "--object-px", "8", "20"]
    with caplog.at_level(logging.INFO):
        assert main(args) == 0
        assert main(args) == 2
        assert "exists" in caplog.text
        assert main([*args, "--overwrite", "--fps", "-1", "--occluders", "-2"]) == 2
        assert main([*args, "--overwrite", "--image", "9.png"]) == 2
    assert "fps is -1.0" in caplog.text and "no image is called '9.png'" in caplog.text
    assert json.loads((out / "video.json").read_text())["options"]["frames"] == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--seed", "-1"], "--seed is -1"),
        (["--guests", "-2"], "--guests is -2"),
        (["--image", "1.png", "--guests", "3"], "--image, --guests is of a COCO file"),
        (["--fps", "-1"], "- fps is -1.0"),
    ],
)
def test_options_that_make_no_sense_are_named(
    args: list[str], message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["--output", str(tmp_path / "out"), *args]) == 2
    assert message in caplog.text and not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_video_that_is_cancelled(video: SimulatedVideo, tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        write_video(video, tmp_path / "video", cancel=lambda: True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "video").mkdir()
    with pytest.raises(OutputExists):
        write_video(video, tmp_path / "video")


def test_only_a_video_is_overwritten(video: SimulatedVideo, tmp_path: Path) -> None:
    own = tmp_path / "video" / "thesis.txt"
    own.parent.mkdir()
    own.write_text("years of work")
    for path in (own.parent, own):
        with pytest.raises(OutputExists, match="is not a video"):
            write_video(video, path, overwrite=True)
    assert own.read_text() == "years of work"
    own.unlink()
    for _ in range(2):
        write_video(video, own.parent, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["video"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimulateOptions(shape=(10, 100)), "shape"),
        (lambda: SimulateOptions(start="yesterday"), "start"),
        (lambda: SimulateOptions(crs="nowhere"), "crs is 'nowhere'"),
        (lambda: SimulateOptions(crs="EPSG:4326"), "crs is 'EPSG:4326'"),
        (lambda: Motion(ship_mps=(5, 1)), "ship_mps"),
        (lambda: Platform(georeference="none"), "georeference"),  # type: ignore[arg-type]
        (lambda: Sensor(jpeg=0), "jpeg"),
        (lambda: Light(flicker=float("nan")), "flicker"),
    ],
)
def test_parameters_out_of_range_are_named(make, message: str) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        make()
