"""The keeper: the first object's file is made ahead, and what cannot be written at last goes elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr
from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsProject, QgsRectangle, QgsVectorLayer
from qgis.PyQt.QtXml import QDomDocument
from waiting import Heard, wait_until

from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.store import output
from ros_sam_qgis.store.keeper import Keeper, rescue
from ros_sam_qgis.store.output import FILE, PLACED, ROLE, Key, own_layers, table_of
from ros_sam_qgis.store.target import Place, create_geopackage, open_layer

UTM = QgsCoordinateReferenceSystem("EPSG:25833")
NOWHERE = QgsCoordinateReferenceSystem()
SOURCE = "/data/scene.tif"
PIXELS = table_of(NOWHERE, "scene", SOURCE)


@pytest.fixture
def folder(tmp_path: Path, project: QgsProject) -> Path:
    """The folder of a project."""
    home = tmp_path / "project"
    home.mkdir()
    project.write(str(home / "project.qgs"))
    return home


@pytest.fixture
def keeper(folder: Path) -> Iterator[Keeper]:
    one = Keeper()
    yield one
    one.prepared.close()


def kept(
    object_id: str,
    crs: QgsCoordinateReferenceSystem = UTM,
    corner: tuple[float, float] = (400000.0, 5800000.0),
    source: str = SOURCE,
) -> KeptObject:
    x, y = corner
    square = QgsGeometry.fromRect(QgsRectangle(x, y, x + 5.0, y + 2.5))
    attributes = {"prompt_id": object_id, "score": 0.5, "source": source}
    return KeptObject(square, crs, attributes, "ship", layer_name="scene")


def ids(path: Path, table: str = PLACED) -> list[str]:
    dataset = ogr.Open(str(path))
    return [feature["prompt_id"] for feature in dataset.GetLayerByName(table)]


def beside(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith("project")}  # the project's own


@pytest.mark.parametrize(("crs", "table"), [(UTM, PLACED), (NOWHERE, PIXELS)], ids=["utm", "pixels"])
def test_the_first_object_comes_with_its_file(
    keeper: Keeper, folder: Path, monkeypatch: pytest.MonkeyPatch, crs: Any, table: str
) -> None:
    def made_at_once(*_: Any) -> None:
        raise AssertionError("the file was not at hand")

    monkeypatch.setattr(output, "create_geopackage", made_at_once)
    keeper.expect(crs, "scene", SOURCE)
    wait_until(lambda: keeper.prepared.is_ready(table, crs), 30, "the empty file")
    assert beside(folder) == set()
    keeper.keep(kept("first", crs))
    assert ids(folder / FILE, table) == ["first"]
    assert beside(folder) == {FILE}
    keeper.keep(kept("second", crs))
    assert ids(folder / FILE, table) == ["first", "second"]
    for left in (["first"], []):
        assert keeper.undo()
        assert ids(folder / FILE, table) == left
    assert keeper.redo()
    assert ids(folder / FILE, table) == ["first"]
    assert not keeper.waiting


@pytest.mark.parametrize("wait", [False, True], ids=["not-ready", "of-another-crs"])
def test_an_object_does_not_wait_for_a_file_made_ahead(keeper: Keeper, folder: Path, wait: bool) -> None:
    keeper.expect(UTM, "scene", SOURCE)
    other = QgsCoordinateReferenceSystem("EPSG:25832")
    if wait:
        wait_until(lambda: keeper.prepared.is_ready(PLACED, UTM), 30, "the empty file")
    keeper.keep(kept("first", other if wait else UTM))
    assert ids(folder / FILE) == ["first"] and not keeper.waiting


def test_a_file_that_is_there_is_never_replaced(keeper: Keeper, folder: Path, project: QgsProject) -> None:
    keeper.keep(kept("yesterday"))
    project.removeAllMapLayers()
    keeper.expect(UTM, "scene", SOURCE)
    wait_until(lambda: keeper.prepared.is_ready(PLACED, UTM), 30, "the empty file")
    keeper.keep(kept("today"))
    assert ids(folder / FILE) == ["yesterday", "today"]


@pytest.mark.parametrize(("crs", "table"), [(UTM, PLACED), (NOWHERE, PIXELS)], ids=["utm", "pixels"])
def test_a_layer_comes_back_to_the_project_as_it_was(
    keeper: Keeper, folder: Path, project: QgsProject, crs: Any, table: str
) -> None:
    added = Heard(keeper.added)
    keeper.keep(kept("first", crs))
    keeper.keep(kept("second", crs))
    project.removeAllMapLayers()
    assert keeper.undo()
    (layer,) = project.mapLayers().values()
    assert [one for (one,) in added.calls][1:] == [layer]
    assert layer.customProperty(ROLE) == table and layer.crs() == crs
    keeper.keep(kept("third", crs))
    assert len(project.mapLayers()) == 1
    assert ids(folder / FILE, table) == ["first", "third"]


def test_nothing_is_left_of_a_file_that_nobody_needed(keeper: Keeper, folder: Path) -> None:
    keeper.expect(UTM, "scene", SOURCE)
    wait_until(lambda: keeper.prepared.is_ready(PLACED, UTM), 30, "the empty file")
    made = keeper.prepared.folder
    keeper.prepared.close()
    assert beside(folder) == set() and not os.path.exists(made)


def test_what_cannot_be_written_at_last_goes_to_another_file(keeper: Keeper, folder: Path) -> None:
    keeper.keep(kept("first"))
    os.remove(folder / FILE)
    told: list[str] = []
    keeper.failed.connect(told.append)
    keeper.keep(kept("second"))
    assert len(keeper.waiting) == 1 and FILE in told[0]
    path = folder / "rescued.gpkg"
    left, why = rescue(keeper.waiting, str(folder))
    assert left == keeper.waiting and "cannot be made" in why
    assert rescue(keeper.waiting, str(path)) == ([], "")
    assert ids(path) == ["second"]


def test_a_correction_that_does_not_fit_gives_way_to_the_next(
    keeper: Keeper, folder: Path, project: QgsProject
) -> None:
    mine = QgsVectorLayer(
        "Polygon?crs=EPSG:25833&field=prompt_id:string(9)&field=score:double", "m", "memory"
    )
    project.addMapLayer(mine)
    keeper.write_to(mine)
    keeper.keep(kept("a"))
    (written,) = mine.getFeatures()
    place = Key.of(mine), Place(written.id(), "a")
    other = QgsGeometry.fromRect(QgsRectangle(400010.0, 5800000.0, 400015.0, 5800002.5))
    told = Heard(keeper.failed)
    both = QgsGeometry.collectGeometry([kept("a").geometry, other])
    keeper.keep(replace(kept("a"), geometry=both, corrects=place))
    assert "correct it again" in told.calls[0][0] and len(keeper.waiting) == 1
    keeper.keep(replace(kept("a"), geometry=other, corrects=place))
    (written,) = mine.getFeatures()
    assert written.geometry().equals(other) and not keeper.waiting and len(told) == 1


@pytest.mark.parametrize(
    ("crs", "corner", "table"),
    [
        ("EPSG:32648", (370000.0, 143000.0), "objects_epsg_32648"),
        ("EPSG:4326", (103.8, 1.3), "objects_epsg_4326"),
        ("IAU_2015:30100", (10.0, 10.0), "objects_iau_2015_30100"),
        ('LOCAL_CS["site",UNIT["metre",1]]', (10.0, 10.0), None),
    ],
    ids=["singapore", "degrees", "moon", "site"],
)
@pytest.mark.parametrize("last_resort", [False, True], ids=["beside", "rescued"])
def test_what_the_first_crs_does_not_reach_has_a_layer_of_its_own(
    keeper: Keeper, folder: Path, crs: str, corner: tuple[float, float], table: str | None, last_resort: bool
) -> None:
    there = QgsCoordinateReferenceSystem(crs) if table else QgsCoordinateReferenceSystem.fromWkt(crs)
    if not there.isValid():
        pytest.skip(f"this PROJ does not know {crs}")
    here, far = kept("berlin"), kept("far", there, corner)
    path = folder / (FILE if not last_resort else "rescued.gpkg")
    if last_resort:
        assert rescue([here, far], str(path)) == ([], "")
    else:
        keeper.keep(here)
        keeper.keep(far)
        assert len(own_layers()) == 2 and not keeper.waiting
    assert ids(path) == ["berlin"]
    dataset = ogr.Open(str(path))
    assert dataset.GetLayerCount() == 2 and table in (None, dataset.GetLayer(1).GetName())
    (polygon,) = [feature.GetGeometryRef().GetEnvelope() for feature in dataset.GetLayer(1)]
    assert (polygon[0], polygon[2]) == pytest.approx(corner)


def test_images_of_one_name_and_no_crs_have_a_layer_each(keeper: Keeper, folder: Path) -> None:
    keeper.keep(kept("one", NOWHERE, source="/a/scene.png"))
    keeper.keep(kept("two", NOWHERE, source="/b/scene.png"))
    assert len(own_layers()) == 2
    assert ids(folder / FILE, table_of(NOWHERE, "scene", "/a/scene.png")) == ["one"]


def test_a_pasted_style_makes_no_output_of_a_layer(
    keeper: Keeper, folder: Path, project: QgsProject, tmp_path: Path
) -> None:
    keeper.keep(kept("first"))
    (objects,) = own_layers()
    create_geopackage(str(tmp_path / "buildings.gpkg"), "buildings", UTM)
    buildings = open_layer(str(tmp_path / "buildings.gpkg"), "buildings", "Buildings")
    style = QDomDocument()
    assert not objects.exportNamedStyle(style)
    assert buildings.importNamedStyle(style)[0] and buildings.customProperty(ROLE) == PLACED
    project.removeAllMapLayers()
    project.addMapLayer(buildings)
    keeper.keep(kept("second"))
    assert buildings.featureCount() == 0 and ids(folder / FILE) == ["first", "second"]
