"""Opening a video: in the background, cancelled, with what cannot be read; the dialog that asks for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from desk import Desk
from pulse import Pulse
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsTask
from qgis.PyQt import sip
from videos import deep_frames, of_group, opened, wish
from waiting import let_run, wait_until

from ros_sam_qgis.background import on_main_thread
from ros_sam_qgis.dock.video_dialog import FILE, GROUP, VideoDialog
from ros_sam_qgis.sources.native import percentiles
from ros_sam_qgis.sources.style import look_of, styled_look
from ros_sam_qgis.video.layers import frame_layer, to_qt, widest
from ros_sam_qgis.video.stepping import frames_of


def test_the_longest_block_while_a_video_of_16_bit_is_opened(
    desk: Desk, tmp_path: Path, scenes: Path, report: Callable[[str], None]
) -> None:
    wanted, pulse = wish(deep_frames(tmp_path / "deep", scenes)), Pulse()
    longest_ms = pulse.during(lambda: desk.at.files.open_video(wanted), lambda: frames_of(desk.at.layer), 60)
    report(f"longest block of the event loop, a video of 5 frames of 16 bit opened: {longest_ms:.0f} ms")
    assert len(frames_of(desk.at.layer)) == 5


class Held:
    """Calls a function off the main thread: at first at once, then as soon as it may."""

    def __init__(self, real: Callable[..., object], at_once: int = 0) -> None:
        self.real, self.at_once = real, at_once
        self.go = Event()
        self.asked: list[object] = []

    def __call__(self, what: object, *arguments: object) -> object:
        assert not on_main_thread()
        self.asked.append(what)
        assert len(self.asked) <= self.at_once or self.go.wait(30)
        return self.real(what, *arguments)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Contrast is measured when the test says so."""
    one = Held(percentiles)
    monkeypatch.setattr("ros_sam_qgis.video.layers.percentiles", one)
    yield one
    one.go.set()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """All frames but the first are opened when the test says so."""
    one = Held(frame_layer, at_once=1)
    monkeypatch.setattr("ros_sam_qgis.video.layers.frame_layer", one)
    yield one
    one.go.set()


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


def test_frames_are_opened_off_the_main_thread_and_live_on_it(desk: Desk, scenes: Path, slow: Held) -> None:
    slow.go.set()
    frames = opened(desk, wish(scenes / "video"))
    assert len(slow.asked) == 3
    parts = [(frame, frame.dataProvider(), frame.temporalProperties()) for frame in frames]
    assert {part.thread() for three in parts for part in three} == {QgsApplication.instance().thread()}


def test_what_to_do_without_a_crs_is_asked_once_for_a_video(
    desk: Desk, tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QGIS itself asks its user, or takes the project's, as its settings say; outside of it nobody does."""
    asked = []

    class Asking(QgsCoordinateReferenceSystem):
        def validate(self) -> None:
            asked.append(self)
            self.createFromString("EPSG:25833")

    monkeypatch.setattr("ros_sam_qgis.video.layers.QgsCoordinateReferenceSystem", Asking)
    for name in ("a", "b", "c"):
        shutil.copy(scenes / "plain.tif", tmp_path / f"{name}.tif")
    frames = opened(desk, wish(tmp_path))
    assert len(asked) == 1
    assert [frame.crs().authid() for frame in frames] == ["EPSG:25833"] * 3


def test_opening_is_cancelled_between_two_frames(desk: Desk, scenes: Path, slow: Held) -> None:
    desk.at.files.open_video(wish(scenes / "video"))
    wait_until(lambda: len(slow.asked) == 2, 30)
    task_of("open video").cancel()
    slow.go.set()
    let_run(0.5)
    assert len(slow.asked) == 2 and QgsProject.instance().mapLayers() == {}


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
