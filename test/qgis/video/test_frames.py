"""A video as temporal layers: opened, stepped through, outlined frame by frame."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from desk import Desk
from layers import inner_point, true_polygon
from osgeo import gdal
from pulse import Pulse
from qgis.core import (
    QgsApplication,
    QgsDateTimeRange,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsGeometry,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsTask,
    QgsVectorLayer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QDateTime, QSize, Qt
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QDialogButtonBox
from waiting import let_run, wait_until

from ros_sam_qgis.background import on_main_thread
from ros_sam_qgis.dock.look_dialog import LookDialog
from ros_sam_qgis.dock.video_dialog import FILE, FOLDER, GROUP, VideoDialog, VideoWish
from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.sources.native import percentiles
from ros_sam_qgis.sources.style import Look, look_of, styled_look
from ros_sam_qgis.video.decode import FfmpegMissing, ReferenceUnfit, decode, find_ffmpeg, read_reference
from ros_sam_qgis.video.layers import VIDEO, frame_layer, to_qt, widest
from ros_sam_qgis.video.stepping import frame_at, frames_of, range_of

PLANE = 0


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(engine, tmp_path)
    yield one
    one.close()


def wish(path: Path | str = "", kind: int = FOLDER, **changes: object) -> VideoWish:
    given = {"group": "", "reference": "", "start": None, "step_s": None, **changes}
    return VideoWish(kind, str(path), **given)


def of_group(name: str) -> dict[str, object]:
    """Return what is wished of a group of the project."""
    group = QgsProject.instance().layerTreeRoot().findGroup(name)
    return {"kind": GROUP, "group": name, "layers": tuple(node.layerId() for node in group.findLayers())}


def opened(desk: Desk, wanted: VideoWish) -> list[QgsRasterLayer]:
    desk.at.files.open_video(wanted)
    wait_until(lambda: desk.at.layer is not None and frames_of(desk.at.layer), 60, "frames")
    return frames_of(desk.at.layer)


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


def deep_frames(folder: Path, scenes: Path, count: int = 5) -> Path:
    """Make a video of large frames with three bands of 16 bit."""
    folder.mkdir()
    for number in range(count):
        options = {"bandList": [3, 2, 1], "width": 1024, "height": 1024}
        gdal.Translate(str(folder / f"f{number}.tif"), str(scenes / "deep.tif"), **options)
    return folder


def test_the_longest_block_while_a_video_of_16_bit_is_opened(
    desk: Desk, tmp_path: Path, scenes: Path, report: Callable[[str], None]
) -> None:
    wanted, pulse = wish(deep_frames(tmp_path / "deep", scenes)), Pulse()
    longest_ms = pulse.during(lambda: desk.at.files.open_video(wanted), lambda: frames_of(desk.at.layer), 60)
    report(f"longest block of the event loop, a video of 5 frames of 16 bit opened: {longest_ms:.0f} ms")
    assert len(frames_of(desk.at.layer)) == 5


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    one = Held()
    monkeypatch.setattr("ros_sam_qgis.video.layers.percentiles", one)
    yield one
    one.go.set()


class Held:
    """Measures contrast as soon as it may."""

    def __init__(self) -> None:
        self.go = Event()
        self.asked: list[str] = []

    def __call__(self, path: str, *arguments: object) -> str:
        assert not on_main_thread()
        self.asked.append(path)
        assert self.go.wait(30)
        return percentiles(path, *arguments)


def task_of(title: str) -> QgsTask:
    """Return what stands in QGIS's list of tasks."""
    (task,) = [one for one in QgsApplication.taskManager().tasks() if title in one.description()]
    return task


def test_opening_is_cancelled_from_the_list_of_tasks(
    desk: Desk, tmp_path: Path, scenes: Path, held: Held
) -> None:
    desk.at.files.open_video(wish(deep_frames(tmp_path / "deep", scenes)))
    wait_until(lambda: held.asked, 30)
    task_of("open video").cancel()
    held.go.set()
    let_run(0.5)
    assert len(held.asked) == 1 and QgsProject.instance().mapLayers() == {}


class Slow:
    """Opens frames as layers, and remembers on which thread; from the second on as soon as it may."""

    def __init__(self) -> None:
        self.go = Event()
        self.on_main: list[bool] = []

    def __call__(self, *arguments: object) -> QgsRasterLayer:
        self.on_main.append(on_main_thread())
        assert len(self.on_main) < 2 or self.go.wait(30)
        return frame_layer(*arguments)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    one = Slow()
    monkeypatch.setattr("ros_sam_qgis.video.layers.frame_layer", one)
    yield one
    one.go.set()


def test_frames_are_opened_off_the_main_thread_and_live_on_it(desk: Desk, scenes: Path, slow: Slow) -> None:
    slow.go.set()
    frames = opened(desk, wish(scenes / "video"))
    assert slow.on_main == [False] * 3
    parts = [(frame, frame.dataProvider(), frame.temporalProperties()) for frame in frames]
    assert {part.thread() for three in parts for part in three} == {QgsApplication.instance().thread()}


def test_opening_is_cancelled_between_two_frames(desk: Desk, scenes: Path, slow: Slow) -> None:
    desk.at.files.open_video(wish(scenes / "video"))
    wait_until(lambda: len(slow.on_main) == 2, 30)
    task_of("open video").cancel()
    slow.go.set()
    let_run(0.5)
    assert len(slow.on_main) == 2 and QgsProject.instance().mapLayers() == {}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_ffmpeg_is_stopped_from_the_list_of_tasks(desk: Desk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.mkv")  # nobody writes to it, so that ffmpeg waits
    desk.at.files.open_video(wish(tmp_path / "endless.mkv", FILE, step_s=0.5))
    written = tmp_path / "endless_frames"
    wait_until(lambda: written.is_dir() and any(written.iterdir()), 30, "ffmpeg")
    task_of("open video").cancel()
    wait_until(lambda: not any(written.iterdir()), 10, "the end of ffmpeg")
    assert not any("frames" in text for text in desk.iface.messages())


def test_a_plugin_that_is_gone_adds_no_frames(desk: Desk, tmp_path: Path, scenes: Path, held: Held) -> None:
    desk.at.files.open_video(wish(deep_frames(tmp_path / "deep", scenes)))
    wait_until(lambda: held.asked, 30)
    sip.delete(desk.at.files)
    held.go.set()
    let_run(0.5)
    assert QgsProject.instance().mapLayers() == {}


def test_frames_may_leave_while_their_contrast_is_measured(
    desk: Desk, tmp_path: Path, scenes: Path, held: Held
) -> None:
    project = QgsProject.instance()
    group = project.layerTreeRoot().insertGroup(0, "mine")
    for path in sorted(deep_frames(tmp_path / "deep", scenes).glob("*.tif")):
        group.addLayer(project.addMapLayer(QgsRasterLayer(str(path), path.stem), False))
    first, second, *_ = [node.layer() for node in group.findLayers()]
    desk.at.files.open_video(wish(**of_group("mine")))
    wait_until(lambda: held.asked, 30)
    project.removeMapLayer(second.id())
    assert frames_of(first) == []
    held.go.set()
    wait_until(lambda: len(frames_of(first)) == 4, 30, "the frames that are left")
    held.go.clear()
    held.asked.clear()
    desk.at.choose_look((), "5-95")
    wait_until(lambda: held.asked, 30)
    project.removeMapLayer(frames_of(first)[1].id())
    held.go.set()
    wait_until(lambda: look_of(first).stretch != styled_look(first).stretch, 30, "the choice")
    measured = widest([percentiles(path, (1, 2, 3), 0.05, 0.95) for path in held.asked])
    assert {look_of(frame).stretch for frame in frames_of(first)} == {measured}


def test_a_frame_that_cannot_be_read_is_left_out(desk: Desk, tmp_path: Path, scenes: Path) -> None:
    folder = deep_frames(tmp_path / "deep", scenes)
    (folder / "f0.tif").write_bytes(b"no picture")
    assert [frame.name() for frame in opened(desk, wish(folder))] == ["f1", "f2", "f3", "f4"]


def _range(path: Path) -> list[str]:
    return percentiles(str(path), (1,)).split(",")


def test_what_cannot_be_opened_is_said(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    desk.at.files.open_video(wish(tmp_path / "empty"))
    wait_until(lambda: any("no raster files" in text for text in desk.iface.messages()), 30)
    desk.at.files.open_video(wish(kind=GROUP, group="nothing"))
    assert any("holds no raster layers" in text for text in desk.iface.messages())


def test_the_dialog_says_what_was_chosen(desk: Desk) -> None:
    QgsProject.instance().layerTreeRoot().insertGroup(0, "mine")
    dialog = VideoDialog(desk.iface.mainWindow())
    dialog.kind.setCurrentIndex(GROUP)
    assert dialog.wish() == wish(kind=GROUP, group="mine", layers=())
    dialog.kind.setCurrentIndex(FILE)
    dialog.file.setFilePath("/data/v.mp4")
    dialog.step.setValue(0.04)
    dialog.has_start.setChecked(True)
    dialog.start.setDateTime(to_qt(datetime(2024, 5, 1, 10, tzinfo=UTC)))
    start = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert dialog.wish() == wish("/data/v.mp4", FILE, group="mine", step_s=0.04, start=start)
    dialog.deleteLater()


def test_of_groups_of_one_name_the_chosen_one_is_opened(desk: Desk, scenes: Path) -> None:
    """One of them within another, which the dialog shows as well."""
    outer = QgsProject.instance().layerTreeRoot().insertGroup(0, "shots")
    paths = sorted((scenes / "video").glob("*.tif"))
    for group, some in ((outer.addGroup("img"), paths[:2]), (outer.insertGroup(0, "img"), paths)):
        for path in some:
            layer = QgsRasterLayer(str(path), path.stem)
            group.addLayer(QgsProject.instance().addMapLayer(layer, False))
    dialog = VideoDialog(desk.iface.mainWindow())
    dialog.kind.setCurrentIndex(GROUP)
    assert [dialog.group.itemText(i) for i in range(3)] == ["shots", "shots / img", "shots / img"]
    dialog.group.setCurrentIndex(2)
    frames = opened(desk, dialog.wish())
    assert [frame.name() for frame in frames] == [path.stem for path in paths[:2]]
    dialog.deleteLater()


def test_without_ffmpeg_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FfmpegMissing, match=r"ffmpeg\.org"):
        find_ffmpeg()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_before_version_5_1_is_asked_in_its_own_words(
    tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ffmpeg that is here, behind a script that knows the one option of before alone."""
    movie = tmp_path / "movie.mkv"
    pictures = sorted((scenes / "video").glob("*.tif"))
    for index, frame in enumerate(pictures):
        gdal.Translate(str(tmp_path / f"{index:03d}.png"), str(frame), format="PNG")
    command = ["ffmpeg", "-v", "error", "-framerate", "4", "-i", str(tmp_path / "%03d.png")]
    subprocess.run([*command, "-c:v", "ffv1", str(movie)], check=True)
    old = tmp_path / "bin" / "ffmpeg"
    old.parent.mkdir()
    old.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-fps_mode*) echo "Unrecognized option \'fps_mode\'." >&2; exit 1;; esac\n'
        "for one; do shift; case $one in -vsync) one=-fps_mode;; 0) one=passthrough;; esac\n"
        'set -- "$@" "$one"; done\n'
        f'exec {shutil.which("ffmpeg")} "$@"\n'
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    assert find_ffmpeg() == str(old)
    assert len(decode(str(movie), str(tmp_path / "frames"), None)) == len(pictures)


def test_a_video_file_takes_one_georeference(tmp_path: Path, scenes: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    frames = sorted((scenes / "video").glob("*.tif"))
    for index, frame in enumerate(frames):
        gdal.Translate(str(tmp_path / f"{index:03d}.png"), str(frame), format="PNG")
    movie = tmp_path / "movie.mkv"
    command = ["ffmpeg", "-v", "error", "-framerate", "4", "-i", str(tmp_path / "%03d.png")]
    subprocess.run([*command, "-c:v", "ffv1", str(movie)], check=True)
    reference = read_reference(str(scenes / "utm.tif"))
    start = datetime(2024, 5, 1, tzinfo=UTC)
    written = decode(str(movie), str(tmp_path / "frames"), reference, start)
    assert [frame.time.microsecond for frame in written] == [0, 250000, 500000]
    first = gdal.Open(written[0].path)
    assert first.GetGeoTransform() == gdal.Open(str(scenes / "utm.tif")).GetGeoTransform()
    assert first.ReadRaster() == gdal.Open(str(frames[0])).ReadRaster()
    smaller = gdal.Translate("", str(scenes / "utm.tif"), format="MEM", width=100)
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "small.tif"), smaller)
    with pytest.raises(ReferenceUnfit, match="384 x 320"):
        decode(str(movie), str(tmp_path / "f2"), read_reference(str(tmp_path / "small.tif")))
    with pytest.raises(ReferenceUnfit, match="no georeference"):
        read_reference(str(scenes / "plain.tif"))
    let_run(0.01)


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
