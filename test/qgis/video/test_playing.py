"""Videos of many kinds, played by QGIS's Temporal Controller and stepped through by the user."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import videos
from desk import Desk
from layers import inner_point, true_polygon
from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsInterval,
    QgsProject,
    QgsRasterLayer,
    QgsTemporalNavigationObject,
    QgsUnitTypes,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from waiting import let_run, wait_until

from ros_sam_qgis.dock.video_dialog import FILE, FOLDER
from ros_sam_qgis.video.stepping import range_of

PLANE = 0
MOVED_M = 4 * 0.5
"""By how much make_scenes moves each frame."""
START = datetime(2024, 5, 1, 10, tzinfo=UTC)


def opened(desk: Desk, path: Path, kind: int = FOLDER, **changes: object) -> list[QgsRasterLayer]:
    """Open a video and zoom to it."""
    frames = videos.opened(desk, videos.wish(path, kind, **changes))
    desk.show(frames)
    return frames


def keep_plane(desk: Desk, frames: list[QgsRasterLayer], index: int, truth: dict) -> dict:
    """Step to a frame, click the aircraft there, keep it and return what is in the file."""
    desk.dock.frames_box.slider.setValue(index)
    point = inner_point(true_polygon(truth, "utm", PLANE))
    point.setX(point.x() + index * MOVED_M)
    desk.click(point, frames[index])
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    return desk.rows()[-1]


def is_there(row: dict, index: int, truth: dict) -> bool:
    plane = true_polygon(truth, "utm", PLANE)
    plane.translate(index * MOVED_M, 0)
    return row["geometry"].centroid().distance(plane.centroid()) < plane.boundingBox().width() / 4


def test_the_pages_of_a_file_are_frames(
    desk: Desk, scenes: Path, truth: dict, tmp_path: Path, bundled: bool
) -> None:
    path = tmp_path / "pages.tif"
    for frame in sorted((scenes / "video").glob("*.tif")):
        options = ["APPEND_SUBDATASET=YES"] if path.exists() else []
        gdal.Translate(str(path), str(frame), creationOptions=options)
    frames = opened(desk, path, FILE, start=START, step_s=0.5)
    assert [frame.name() for frame in frames] == ["pages 0001", "pages 0002", "pages 0003"]
    row = keep_plane(desk, frames, 2, truth)
    assert (row["frame"], row["time"]) == ("pages 0003", "2024-05-01T10:00:01Z")
    assert row["source"] == f"GTIFF_DIR:3:{path}"
    assert not bundled or is_there(row, 2, truth)


def test_a_video_file_becomes_frames_with_its_georeference(
    desk: Desk, movie: Path, scenes: Path, truth: dict, bundled: bool
) -> None:
    frames = opened(desk, movie, FILE, reference=str(scenes / "utm.tif"), start=START)
    assert QgsProject.instance().layerTreeRoot().findGroup("movie") is not None
    assert frames[0].crs().authid() == "EPSG:25833" and len(frames) == 3
    assert range_of(frames[1]).begin().toMSecsSinceEpoch() == 1000 * START.timestamp() + 250
    row = keep_plane(desk, frames, 1, truth)
    assert row["time"] == "2024-05-01T10:00:00.250Z"
    assert not bundled or is_there(row, 1, truth)


def test_the_temporal_controller_and_the_dock_show_the_same_frame(desk: Desk, scenes: Path) -> None:
    controller = QgsTemporalNavigationObject()
    controller.setNavigationMode(QgsTemporalNavigationObject.NavigationMode.Animated)
    desk.canvas.setTemporalController(controller)
    frames = opened(desk, scenes / "video")
    times = QgsProject.instance().timeSettings()
    assert times.temporalRange().begin() == range_of(frames[0]).begin()
    assert times.temporalRange().end() == range_of(frames[2]).end()
    assert (times.timeStep(), times.timeStepUnit()) == (1.0, QgsUnitTypes.TemporalSeconds)
    controller.setTemporalExtents(times.temporalRange())
    controller.setFrameDuration(QgsInterval(times.timeStep(), times.timeStepUnit()))
    for number in (1, 2, 0):
        controller.setCurrentFrameNumber(number)
        assert desk.at.layer is frames[number] and desk.dock.frames_box.slider.value() == number
    desk.dock.frames_box.next.click()
    assert desk.at.layer is frames[1] and controller.currentFrameNumber() == 1
    assert desk.mouse.key(Qt.Key.Key_Period)
    assert desk.at.layer is frames[2] and controller.currentFrameNumber() == 2
    desk.mouse.key(Qt.Key.Key_Period)
    assert desk.at.layer is frames[2]
    desk.mouse.key(Qt.Key.Key_Comma)
    assert desk.at.layer is frames[1]
    desk.canvas.setTemporalController(QgsTemporalNavigationObject(desk.canvas))


def test_the_first_object_shows_at_its_time_if_that_was_wished_before(
    desk: Desk, scenes: Path, truth: dict
) -> None:
    frames = opened(desk, scenes / "video")
    desk.dock.frames_box.only_then.setChecked(True)
    keep_plane(desk, frames, 1, truth)
    kept = next(one for one in QgsProject.instance().mapLayers().values() if isinstance(one, QgsVectorLayer))
    assert isinstance(kept.renderer(), QgsCategorizedSymbolRenderer)
    assert "map_start_time" in kept.renderer().classAttribute()
    assert kept.temporalProperties().isActive()


def test_objects_of_other_frames_do_not_stand_in_the_way(desk: Desk, scenes: Path, truth: dict) -> None:
    frames = opened(desk, scenes / "video")
    rows = [keep_plane(desk, frames, index, truth) for index in (0, 1)]
    common = rows[0]["geometry"].intersection(rows[1]["geometry"])
    wait_until(lambda: len(desk.canvas.layers()) == 4, 10)
    for index in (0, 1):
        desk.dock.frames_box.slider.setValue(index)
        desk.click(inner_point(common), frames[index], modifiers=Qt.KeyboardModifier.ControlModifier)
        assert desk.at.session.current.id == rows[index]["prompt_id"]
        desk.settle()
        desk.mouse.key(Qt.Key.Key_Escape)


def test_a_frame_that_leaves_the_project_is_skipped(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, scenes / "video")
    last = range_of(frames[2])
    QgsProject.instance().removeMapLayer(frames[1].id())
    desk.canvas.setTemporalRange(last)
    assert desk.at.layer is frames[2]
    let_run(0.05)
