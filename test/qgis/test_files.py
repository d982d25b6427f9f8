"""The files that the user chooses in dialogs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import raster
from mouse import RIGHT
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QFileDialog, QMessageBox
from waiting import let_run, wait_until

from ros_sam_qgis.dock.dock import SegmentDock
from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.files import RESCUE, UNOUTLINED
from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.sources.file_source import FileSource
from ros_sam_qgis.store.fields import NAMES
from ros_sam_qgis.store.output import PLACED, own_layers
from ros_sam_qgis.store.reopen import find_kept

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


@pytest.fixture
def desk(app: QgsApplication, tmp_path: Path) -> Iterator[Desk]:
    """A desk with one kept object; no engine is needed."""
    one = Desk(Engine(lambda: Launch("/nowhere/python", "ros-sam-tiny")), tmp_path)
    square = QgsGeometry.fromRect(QgsRectangle(400000, 5800000, 400005, 5800002))
    crs = QgsCoordinateReferenceSystem("EPSG:25833")
    one.at.keeper.keep(KeptObject(square, crs, {"prompt_id": "a"}, "ship"))
    yield one
    one.close()


def polygons(name: str) -> QgsVectorLayer:
    """Return a layer of the user's with every attribute, in the project."""
    fields = "".join(f"&field={one}:string" for one in NAMES)
    layer = QgsVectorLayer(f"MultiPolygon?crs=EPSG:25833{fields}", name, "memory")
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_in_an_open_project_the_dock_shows_what_is_used(app: QgsApplication) -> None:
    polygons("theirs")
    image = QgsRasterLayer("type=xyz&url=file:///nowhere/{z}/{x}/{y}.png&zmax=1", "image", "wms")
    QgsProject.instance().addMapLayer(image)
    dock = SegmentDock()
    assert (dock.output.count(), dock.layer.count()) == (2, 2)
    assert dock.output.currentLayer() is None and dock.output.currentText() == "GeoPackage beside the project"
    assert dock.layer.currentLayer() is None
    dock.show_layer(image)
    assert dock.layer.currentLayer() is image
    dock.show_layer(None)
    assert dock.layer.currentLayer() is None and dock.layer.currentIndex() == 0
    dock.deleteLater()
    let_run(0.05)


def test_an_output_that_leaves_the_project_is_shown_no_longer(desk: Desk) -> None:
    chosen, _ = polygons("chosen"), polygons("another")
    desk.dock.output.setLayer(chosen)
    assert desk.at.keeper.layer is chosen
    QgsProject.instance().removeMapLayer(chosen.id())
    assert desk.at.keeper.layer is None
    assert desk.dock.output.currentLayer() is None
    assert desk.dock.output.currentText() == "GeoPackage beside the project"


def test_two_exports_at_a_time_both_come(desk: Desk, tmp_path: Path) -> None:
    (layer,) = own_layers()
    names = ("one.geojson", "two.fgb")
    for name in names:
        desk.at.files.export(layer, str(tmp_path / name))
    wait_until(lambda: sum("Exported" in said for said in desk.iface.messages()) == 2, 30, "both exports")
    assert all((tmp_path / name).stat().st_size > 100 for name in names)
    assert not list(tmp_path.glob(".ros-sam-*"))


def test_objects_of_the_image_at_hand_are_exported(
    desk: Desk, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image without georeference has a table of its own."""
    square = QgsGeometry.fromRect(QgsRectangle(10, -20, 20, -10))
    for name in ("left", "right"):
        image = QgsRasterLayer(str(scenes / "plain.tif"), name)
        QgsProject.instance().addMapLayer(image)
        attributes = {"prompt_id": name, "source": image.source()}
        kept = KeptObject(square, QgsCoordinateReferenceSystem(), attributes, layer_name=name)
        desk.at.keeper.keep(kept)
        path = tmp_path / f"{name}.fgb"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (str(path), ""))
        desk.at.set_layer(image)
        desk.dock.export.click()
        wait_until(lambda path=path: any(str(path) in said for said in desk.iface.messages()), 30, "export")
        exported = QgsVectorLayer(str(path), name, "ogr")
        assert [one["prompt_id"] for one in exported.getFeatures()] == [name]


@pytest.mark.parametrize(
    ("typed", "chosen", "there", "answer", "written"),
    [
        ("a.geojson", "GeoPackage (*.gpkg)", False, None, "a.geojson"),
        ("a", "FlatGeobuf (*.fgb)", False, None, "a.fgb"),
        ("a", "", False, None, "a.gpkg"),
        ("a.b", "GeoJSON (*.geojson)", False, None, "a.b.geojson"),
        ("a", "GeoJSON (*.geojson)", True, YES, "a.geojson"),
        ("a", "GeoJSON (*.geojson)", True, NO, ""),
    ],
)
def test_an_export_gets_the_suffix_of_its_format(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    chosen: str,
    there: bool,
    answer: QMessageBox.StandardButton | None,
    written: str,
) -> None:
    asked: list[str] = []

    def question(_: object, __: str, text: str) -> QMessageBox.StandardButton | None:
        asked.append(text)
        return answer

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), chosen))
    monkeypatch.setattr(QMessageBox, "question", question)
    if there:
        (tmp_path / f"{typed}.geojson").write_text("old")
    desk.dock.export.click()
    assert len(asked) == there
    if written:
        wait_until(lambda: any(written in said for said in desk.iface.messages()), 30, "the export")
        assert (tmp_path / written).stat().st_size > 100
    else:
        assert (tmp_path / f"{typed}.geojson").read_text() == "old"


def unoutlined(name: str) -> QgsVectorLayer:
    """Open what the file of last resort has of objects that had no outline."""
    return QgsVectorLayer(f"{Path(settings.home()) / RESCUE}|layername={UNOUTLINED}{name}", name, "ogr")


@pytest.fixture
def kept_early(desk: Desk, scenes: Path) -> FileSource:
    """The image of two objects that were kept before their outline came: the engine never answers."""
    (Path(settings.home()) / RESCUE).unlink(missing_ok=True)
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.at.session.shape = Shape(expand_px=2.0)
    desk.click(QgsPointXY(400020, 5799980), layer)
    desk.click(QgsPointXY(400030, 5799980), layer, RIGHT)
    desk.mouse.key(Qt.Key.Key_Return)
    desk.mouse.drag(QgsPointXY(400050, 5799950), QgsPointXY(400060, 5799940))
    desk.mouse.key(Qt.Key.Key_Return)
    assert desk.at.session.awaited == 2 and desk.at.session.current is None
    return desk.at.session.source


@pytest.mark.parametrize("how", ["plugin-disabled", "another-project"])
def test_what_had_no_outline_yet_can_be_opened_again(desk: Desk, kept_early: FileSource, how: str) -> None:
    asked = [one.prompts for one in desk.at.session.leaving]
    if how == "plugin-disabled":
        desk.unload()
    else:
        QgsProject.instance().clear()
        assert not desk.at.session.leaving
    assert any("2 kept objects had no outline yet" in text for text in desk.iface.messages())
    layer = unoutlined(PLACED)
    assert layer.featureCount() == 2 and layer.crs().authid() == "EPSG:25833"
    QgsProject.instance().addMapLayer(layer)
    desk.canvas.setLayers([layer])
    desk.canvas.setDestinationCrs(layer.crs())
    places = QgsPointXY(400020, 5799980), QgsPointXY(400055, 5799945)
    for place, prompts in zip(places, asked, strict=True):
        found = find_kept(place, desk.canvas, kept_early)
        assert found.shape == Shape(expand_px=2.0)
        assert found.prompts.labels == prompts.labels
        for one, other in zip(found.prompts.points, prompts.points, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
        assert found.prompts.box == (prompts.box and pytest.approx(prompts.box, abs=1e-5))


def test_what_waits_goes_to_no_other_project(desk: Desk, tmp_path: Path) -> None:
    (Path(settings.home()) / RESCUE).unlink(missing_ok=True)
    desk.file.unlink()
    square = QgsGeometry.fromRect(QgsRectangle(400000, 5800000, 400005, 5800002))
    desk.at.keeper.keep(KeptObject(square, QgsCoordinateReferenceSystem("EPSG:25833"), {"prompt_id": "b"}))
    assert len(desk.at.keeper.waiting) == 1
    QgsProject.instance().clear()
    assert not desk.at.keeper.waiting
    rescued = QgsVectorLayer(f"{Path(settings.home()) / RESCUE}|layername={PLACED}", "rescued", "ogr")
    assert [one["prompt_id"] for one in rescued.getFeatures()] == ["b"]
