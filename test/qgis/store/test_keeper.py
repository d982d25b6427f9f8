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
from waiting import Heard, wait_until

from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.store import output
from ros_sam_qgis.store.keeper import Keeper, rescue
from ros_sam_qgis.store.output import FILE, PLACED, ROLE, Key
from ros_sam_qgis.store.target import Place

UTM = QgsCoordinateReferenceSystem("EPSG:25833")
NOWHERE = QgsCoordinateReferenceSystem()


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


def kept(object_id: str, crs: QgsCoordinateReferenceSystem = UTM) -> KeptObject:
    square = QgsGeometry.fromRect(QgsRectangle(400000.0, 5800000.0, 400005.0, 5800002.5))
    return KeptObject(square, crs, {"prompt_id": object_id, "score": 0.5}, "ship", layer_name="scene")


def ids(path: Path, table: str = PLACED) -> list[str]:
    dataset = ogr.Open(str(path))
    return [feature["prompt_id"] for feature in dataset.GetLayerByName(table)]


def beside(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith("project")}  # the project's own


@pytest.mark.parametrize(("crs", "table"), [(UTM, PLACED), (NOWHERE, "pixels_scene")], ids=["utm", "pixels"])
def test_the_first_object_comes_with_its_file(
    keeper: Keeper, folder: Path, monkeypatch: pytest.MonkeyPatch, crs: Any, table: str
) -> None:
    def made_at_once(*_: Any) -> None:
        raise AssertionError("the file was not at hand")

    monkeypatch.setattr(output, "create_geopackage", made_at_once)
    keeper.expect(crs, "scene")
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
    keeper.expect(UTM, "scene")
    other = QgsCoordinateReferenceSystem("EPSG:4326")
    if wait:
        wait_until(lambda: keeper.prepared.is_ready(PLACED, UTM), 30, "the empty file")
    keeper.keep(kept("first", other if wait else UTM))
    assert ids(folder / FILE) == ["first"] and not keeper.waiting


def test_a_file_that_is_there_is_never_replaced(keeper: Keeper, folder: Path, project: QgsProject) -> None:
    keeper.keep(kept("yesterday"))
    project.removeAllMapLayers()
    keeper.expect(UTM, "scene")
    wait_until(lambda: keeper.prepared.is_ready(PLACED, UTM), 30, "the empty file")
    keeper.keep(kept("today"))
    assert ids(folder / FILE) == ["yesterday", "today"]


@pytest.mark.parametrize(("crs", "table"), [(UTM, PLACED), (NOWHERE, "pixels_scene")], ids=["utm", "pixels"])
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
    keeper.expect(UTM, "scene")
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
