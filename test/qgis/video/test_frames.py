"""A video as temporal layers: stepped through, outlined frame by frame, with one look for all frames."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from osgeo import gdal
from qgis.core import (
    QgsDateTimeRange,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsGeometry,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDateTime, QSize, Qt
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QDialogButtonBox
from qgis.PyQt.QtXml import QDomDocument
from videos import of_group, opened, wish
from waiting import wait_until

from ros_sam_qgis.dock.look_dialog import LookDialog
from ros_sam_qgis.sources.file_source import FRAME, FileSource
from ros_sam_qgis.sources.native import percentiles
from ros_sam_qgis.sources.style import Look, look_of
from ros_sam_qgis.video.layers import VIDEO, to_qt
from ros_sam_qgis.video.stepping import frame_at, frames_of, range_of

PLANE = 0


def test_a_folder_becomes_a_group_that_the_temporal_controller_plays(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, wish(scenes / "video"))
    assert len(frames) == 3
    group = QgsProject.instance().layerTreeRoot().findGroup("video")
    assert [node.name() for node in group.findLayers()] == [frame.name() for frame in frames]
    first = range_of(frames[0])
    assert first.begin().toUTC().toString(Qt.DateFormat.ISODate) == "2024-05-01T10:00:00Z"
    assert range_of(frames[1]).begin() == first.end() and not first.includeEnd()
    assert all(frame.temporalProperties().isActive() for frame in frames)
    for index, frame in enumerate(frames):
        begin = range_of(frame).begin()
        assert frame_at(frames, QgsDateTimeRange(begin, begin)) is frames[index]


def test_the_dock_steps_and_the_map_follows(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, wish(scenes / "video"))
    box = desk.dock.frames_box
    assert not box.isHidden() and desk.at.layer is frames[0]
    assert "1 of 3" in box.label.text() and "2024-05-01T10:00:00Z" in box.label.text()
    box.next.click()
    assert desk.at.layer is frames[1] and desk.iface.activeLayer() is frames[1]
    assert desk.canvas.mapSettings().temporalRange() == range_of(frames[1])
    desk.canvas.setTemporalRange(range_of(frames[2]))
    assert desk.at.layer is frames[2] and box.slider.value() == 2 and not box.next.isEnabled()
    desk.at.set_layer(None)
    assert box.isHidden()


@pytest.mark.parametrize("step_s", [None, 0.1], ids=["seconds", "tenths"])
def test_kept_objects_carry_frame_and_time_and_show_then_only(
    desk: Desk, scenes: Path, truth: dict, step_s: float | None
) -> None:
    start = datetime(2024, 5, 1, 10, tzinfo=UTC) if step_s else None
    frames = opened(desk, wish(scenes / "video", start=start, step_s=step_s))
    desk.show(frames)
    points = {}
    for index, frame in enumerate(frames):
        desk.dock.frames_box.slider.setValue(index)
        point = inner_point(true_polygon(truth, "utm", PLANE))
        point.setX(point.x() + index * 4 * 0.5)  # make_scenes moves each frame by 4 px
        points[frame.name()] = point
        desk.click(point, frame)
        desk.settle()
        desk.mouse.key(Qt.Key.Key_Return)
    rows = desk.rows()
    by_frame = {row["frame"]: row for row in rows}
    assert [row["frame"] for row in rows] == [frame.name() for frame in frames]
    begin = "2024-05-01T10:00:0"
    seconds = ["0Z", "0.100Z", "0.200Z"] if step_s else ["0Z", "1Z", "2Z"]
    assert [row["time"] for row in rows] == [begin + one for one in seconds]
    assert len({row["source"] for row in rows}) == 3
    desk.dock.frames_box.only_then.setChecked(True)
    kept = next(one for one in QgsProject.instance().mapLayers().values() if isinstance(one, QgsVectorLayer))
    for shown in frames:
        drawn = {name: is_drawn(kept, row["geometry"], range_of(shown)) for name, row in by_frame.items()}
        assert drawn == {frame.name(): frame is shown for frame in frames}
    assert all(is_drawn(kept, row["geometry"], QgsDateTimeRange(QDateTime(), QDateTime())) for row in rows)
    desk.dock.frames_box.only_then.setChecked(False)
    assert all(is_drawn(kept, row["geometry"], range_of(frames[0])) for row in rows)


def is_drawn(layer: QgsVectorLayer, geometry: QgsGeometry, when: QgsDateTimeRange) -> bool:
    """Say whether QGIS draws the outline of a polygon at a time."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    area = geometry.boundingBox()
    settings.setExtent(area)
    settings.setOutputSize(QSize(200, 200))
    settings.setBackgroundColor(QColor(255, 255, 255))
    if not when.isInfinite():
        settings.setIsTemporal(True)
        settings.setTemporalRange(when)
    context = QgsExpressionContext()
    context.appendScope(QgsExpressionContextUtils.globalScope())
    context.appendScope(QgsExpressionContextUtils.mapSettingsScope(settings))
    settings.setExpressionContext(context)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    pixel = settings.mapToPixel().transform(geometry.vertexAt(0).x(), geometry.vertexAt(0).y())
    image = job.renderedImage()
    white = QColor(255, 255, 255).rgb()
    near = [(round(pixel.x()) + dx, round(pixel.y()) + dy) for dx in (-2, 0, 2) for dy in (-2, 0, 2)]
    return any(image.valid(x, y) and image.pixel(x, y) != white for x, y in near)


def test_prompts_belong_to_their_frame(desk: Desk, scenes: Path, truth: dict) -> None:
    frames = opened(desk, wish(scenes / "video"))
    desk.show(frames)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), frames[0])
    desk.settle()
    desk.dock.frames_box.next.click()
    assert desk.at.session.current is None
    desk.dock.frames_box.previous.click()
    assert desk.at.session.current.prompts.count == 1


def test_a_group_becomes_a_video(desk: Desk, scenes: Path) -> None:
    group = QgsProject.instance().layerTreeRoot().insertGroup(0, "mine")
    for path in sorted((scenes / "video").glob("*.tif")):
        layer = QgsRasterLayer(str(path), f"shot {path.stem[-1]}")
        QgsProject.instance().addMapLayer(layer, False)
        group.addLayer(layer)
    start = datetime(2024, 5, 1, tzinfo=UTC)
    frames = opened(desk, wish(**of_group("mine"), start=start, step_s=0.1))
    assert [frame.name() for frame in frames] == ["shot 0", "shot 1", "shot 2"]
    assert range_of(frames[2]).begin() == to_qt(start.replace(microsecond=200000))


def test_a_group_whose_first_layer_is_at_hand_becomes_a_video(desk: Desk, scenes: Path) -> None:
    group = QgsProject.instance().layerTreeRoot().insertGroup(0, "mine")
    layers = [QgsRasterLayer(str(path), path.stem) for path in sorted((scenes / "video").glob("*.tif"))]
    QgsProject.instance().addMapLayers(layers, False)
    for layer in layers:
        group.addLayer(layer)
    desk.iface.setActiveLayer(layers[0])
    desk.show(layers)
    assert desk.dock.frames_box.isHidden()
    frames = opened(desk, wish(**of_group("mine")))
    assert desk.at.layer is frames[0] is layers[0] and desk.dock.frames_box.isVisible()
    assert desk.at.session.source.frame == layers[0].name()
    desk.mouse.key(Qt.Key.Key_Period)
    assert desk.at.layer is frames[1]


def test_videos_of_one_name_are_two(desk: Desk, scenes: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        shutil.copytree(scenes / "video", tmp_path / folder / "img")
    first = opened(desk, wish(tmp_path / "one" / "img"))
    desk.at.files.open_video(wish(tmp_path / "two" / "img"))
    wait_until(lambda: desk.at.layer not in first, 60, "the second video")
    second = frames_of(desk.at.layer)
    assert len(first) == len(second) == 3 and frames_of(first[0]) == first
    assert {frame.source() for frame in second}.isdisjoint(frame.source() for frame in first)
    groups = QgsProject.instance().layerTreeRoot().findGroups()
    assert [group.name() for group in groups] == ["img", "img"]
    desk.at.choose_look((3, 2, 1), "0,100")
    assert {look_of(frame) for frame in second} == {Look((3, 2, 1), "0,100")}
    assert {look_of(frame) for frame in first} == {Look((1, 2, 3), "none")}


def test_a_video_of_a_project_of_before_still_plays(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, wish(scenes / "video"))
    for frame in frames:
        frame.setCustomProperty(VIDEO, "video")
    desk.at.set_layer(None)
    desk.at.set_layer(frames[0])
    desk.dock.frames_box.next.click()
    assert desk.at.layer is frames[1]


def test_a_video_opened_again_with_another_start_has_its_times(desk: Desk, scenes: Path, truth: dict) -> None:
    """The engine knows a frame with the time that it had."""
    point = inner_point(true_polygon(truth, "utm", PLANE))
    for hour in (10, 11):
        start = datetime(2024, 5, 1, hour, tzinfo=UTC)
        frames = opened(desk, wish(scenes / "video", start=start, step_s=1.0))
        desk.show(frames)
        desk.click(point, frames[0])
        desk.settle()
        desk.mouse.key(Qt.Key.Key_Return)
        QgsProject.instance().removeMapLayers([frame.id() for frame in frames])
    assert [row["time"] for row in desk.rows()] == ["2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z"]


def test_a_pasted_style_makes_no_frame_of_another_image(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, wish(scenes / "video"))
    other = raster(scenes, "utm")
    QgsProject.instance().addMapLayer(other)
    style = QDomDocument()
    assert not frames[0].exportNamedStyle(style)
    assert other.importNamedStyle(style)[0] and other.customProperty(FRAME)
    assert frames_of(other) == [] and other not in frames_of(frames[0])
    assert (FileSource(other).frame, FileSource(other).time) == ("", None)


def test_the_box_says_of_a_project_that_is_read_how_its_objects_show(
    desk: Desk, scenes: Path, truth: dict, project: QgsProject
) -> None:
    frames, box = opened(desk, wish(scenes / "video")), desk.dock.frames_box
    desk.show(frames)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), frames[0])
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    box.only_then.setChecked(True)
    path = project.fileName()
    assert project.write()
    project.clear()
    assert not box.only_then.isChecked()
    assert project.read(path)
    layers = [one for one in project.mapLayers().values() if isinstance(one, QgsRasterLayer)]
    desk.at.set_layer(layers[0])
    assert box.only_then.isChecked()
    box.only_then.setChecked(False)
    desk.at.set_layer(layers[1])
    assert not box.only_then.isChecked()


def test_one_stretch_for_all_frames(desk: Desk, tmp_path: Path, scenes: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    source = gdal.Open(str(scenes / "deep.tif"))
    for number, factor in enumerate((1, 2)):
        path = folder / f"f{number}.tif"
        gdal.Translate(str(path), source, bandList=[1], scaleParams=[[0, 1000, 0, 1000 * factor]])
    frames = opened(desk, wish(folder))
    looks = {look_of(frame) for frame in frames}
    assert len(looks) == 1
    low, high = (float(number) for number in looks.pop().stretch.split(","))
    values = [float(number) for number in _range(folder / "f0.tif") + _range(folder / "f1.tif")]
    assert low == min(values) and high == max(values)


def _range(path: Path) -> list[str]:
    return percentiles(str(path), (1,)).split(",")


def test_a_chosen_stretch_is_measured_once_for_all_frames(desk: Desk, scenes: Path) -> None:
    frames = opened(desk, wish(scenes / "video"))
    dialog = LookDialog(frames[0])
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    for index, band in enumerate((3, 2, 1)):
        assert ok.isEnabled() is (index != 2)
        dialog.bands[index].setCurrentIndex(band)
    dialog.stretch.setEditText("5 - 95")
    assert ok.isEnabled()
    dialog.stretch.setEditText("5 to 95")
    assert not ok.isEnabled()
    dialog.stretch.setEditText("0,100")
    assert (dialog.chosen_bands(), dialog.chosen_stretch()) == ((3, 2, 1), "0,100")
    desk.at.choose_look(dialog.chosen_bands(), dialog.chosen_stretch())
    assert {look_of(frame) for frame in frames} == {Look((3, 2, 1), "0,100")}
    assert desk.at.session.source.look == Look((3, 2, 1), "0,100")
    desk.at.choose_look((), "")
    assert look_of(frames[0]) == Look((1, 2, 3), "none")
    dialog.deleteLater()
