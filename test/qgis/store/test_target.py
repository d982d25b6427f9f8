"""Kept objects are on disk as soon as they are written, whatever happens to QGIS afterwards."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProject,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt

from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.store.target import (
    CrsUnfit,
    NotWritable,
    ObjectGone,
    PartsUnfit,
    Target,
    create_geopackage,
    open_layer,
)

UTM = QgsCoordinateReferenceSystem("EPSG:25833")
ATTRIBUTES = {
    "score": 0.875,
    "area_m2": 12.5,
    "perim_m": 15.0,
    "source": "/data/scene.tif",
    "frame": "scene",
    "time": "2024-05-01T10:00:00Z",
    "model": "ros-sam-tiny",
    "weights": "0f32c075ccdd",
    "prompt": "point",
    "prompt_xy": "400002 5800002 1",
}


def kept(
    object_id: str = "a1", x: float = 400000.0, crs=UTM, class_name: str = "ship", **changes
) -> KeptObject:
    square = QgsGeometry.fromRect(QgsRectangle(x, 5800000.0, x + 5, 5800002.5))
    return KeptObject(square, crs, {**ATTRIBUTES, "prompt_id": object_id}, class_name, **changes)


def on_disk(path: Path, table: str = "objects") -> list[dict]:
    """Read a copy of the file as another program would, with what SQLite keeps beside it."""
    copy = path.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for part in path.parent.glob(path.name + "*"):
        shutil.copy(part, copy)
    source = ogr.Open(str(copy / path.name))
    layer = source.GetLayerByName(table)
    return [
        {**feature.items(), "wkt": feature.GetGeometryRef().ExportToWkt(), "fid": feature.GetFID()}
        for feature in layer
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "objects.gpkg"


@pytest.fixture
def target(path: Path) -> Target:
    path.parent.mkdir()
    create_geopackage(str(path), "objects", UTM)
    layer = open_layer(str(path), "objects", "objects")
    QgsProject.instance().addMapLayer(layer)
    return Target(layer)


def test_an_object_is_on_disk_with_all_it_has(target: Target, path: Path) -> None:
    target.write(kept())
    (row,) = on_disk(path)
    assert {name: row[name] for name in ATTRIBUTES} == ATTRIBUTES
    assert (row["prompt_id"], row["class"], row["options"]) == ("a1", "ship", None)
    assert row["wkt"].startswith("MULTIPOLYGON (((400000 5800000,")
    assert target.layer.featureCount() == 1
    assert target.missing() == []


def test_taken_out_and_put_back(target: Target, path: Path) -> None:
    first, second = target.write(kept("a1")), target.write(kept("b2", 400100.0))
    feature = target.remove(first)
    assert [row["prompt_id"] for row in on_disk(path)] == ["b2"]
    again = target.put_back(feature, "a1")
    rows = {row["prompt_id"]: row for row in on_disk(path)}
    assert set(rows) == {"a1", "b2"}
    assert rows["a1"]["wkt"].startswith("MULTIPOLYGON (((400000 5800000,")
    assert rows["a1"]["score"] == 0.875
    assert target.find(again)["prompt_id"] == "a1"
    assert target.find(second)["prompt_id"] == "b2"


def test_rewritten_and_restored(target: Target, path: Path) -> None:
    place = target.write(kept("a1", class_name="ship"))
    before = target.rewrite(place, kept("a1", 400050.0, class_name="airplane"))
    (row,) = on_disk(path)
    assert row["class"] == "airplane" and "400050" in row["wkt"]
    after = target.restore(place, before)
    (row,) = on_disk(path)
    assert row["class"] == "ship" and "400050" not in row["wkt"]
    target.restore(place, after)
    assert on_disk(path)[0]["class"] == "airplane"


def test_taking_a_correction_back_leaves_the_users_own_fields(users: tuple[Target, Path]) -> None:
    target, path = users
    target.add_missing()
    place = target.write(kept("a1"))
    before = target.rewrite(place, kept("a1", 400050.0, class_name="airplane"))
    note = target.layer.fields().indexOf("note")
    target.layer.dataProvider().changeAttributeValues({place.fid: {note: "checked by Anna"}})
    target.restore(place, before)
    (row,) = on_disk(path, "mine")
    assert (row["class"], row["note"]) == ("ship", "checked by Anna") and "400050" not in row["wkt"]


def test_fields_of_another_kind_are_named_and_left_empty(tmp_path: Path) -> None:
    fields = ("class:integer", "source:integer", "time:datetime", "SCORE:double", "prompt_id:integer")
    memory = QgsVectorLayer(
        "Polygon?crs=EPSG:25833&" + "&".join(f"field={one}" for one in fields), "m", "memory"
    )
    target = Target(memory)
    assert target.unfit() == ["class", "prompt_id", "source"] and "score" not in target.missing()
    place = target.write(kept())
    found = target.find(place)
    assert [found[name] for name in ("class", "source", "prompt_id")] == [NULL] * 3
    assert found["SCORE"] == 0.875 and found["time"].toString(Qt.DateFormat.ISODate) == ATTRIBUTES["time"]


def test_an_object_is_found_by_its_id_when_its_number_changed(target: Target) -> None:
    place = target.write(kept("a1"))
    target.put_back(target.remove(place), "a1")
    assert target.find(place)["prompt_id"] == "a1"


def test_an_object_deleted_by_hand_is_gone(target: Target) -> None:
    place = target.write(kept("a1"))
    target.layer.dataProvider().deleteFeatures([place.fid])
    with pytest.raises(ObjectGone, match="a1"):
        target.remove(place)


def test_coordinates_change_with_the_crs(target: Target, path: Path) -> None:
    degrees = QgsCoordinateReferenceSystem("EPSG:4326")
    square = QgsGeometry.fromRect(QgsRectangle(13.5, 52.3, 13.5001, 52.3001))
    target.write(KeptObject(square, degrees, {"prompt_id": "d"}))
    (row,) = on_disk(path)
    geometry = ogr.CreateGeometryFromWkt(row["wkt"])
    x, y = geometry.Centroid().GetX(), geometry.Centroid().GetY()
    assert (x, y) == pytest.approx((397720.4258, 5795470.8722), abs=1e-3)


def test_no_place_on_earth_does_not_fit_one(target: Target) -> None:
    with pytest.raises(CrsUnfit, match="georeferenced"):
        target.write(kept(crs=QgsCoordinateReferenceSystem()))


def test_an_edited_layer_takes_objects_at_once(target: Target, path: Path) -> None:
    assert target.layer.startEditing()
    target.write(kept())
    assert len(on_disk(path)) == 1
    assert target.layer.rollBack()
    assert len(on_disk(path)) == 1


@pytest.fixture
def users(tmp_path: Path) -> tuple[Target, Path]:
    """A layer of the user's that takes single polygons, and its file."""
    folder = tmp_path / "user"
    folder.mkdir()
    path = folder / "mine.gpkg"
    memory = QgsVectorLayer("Polygon?crs=EPSG:25833&field=note:string(20)&field=score:double", "m", "memory")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "mine"
    QgsVectorFileWriter.writeAsVectorFormatV3(
        memory, str(path), QgsProject.instance().transformContext(), options
    )
    return Target(open_layer(str(path), "mine", "mine")), path


def test_a_layer_of_the_users_keeps_its_own_fields(users: tuple[Target, Path]) -> None:
    target, path = users
    assert "class" in target.missing() and "score" not in target.missing()
    target.write(kept("a1"))
    (row,) = on_disk(path, "mine")
    assert row["score"] == 0.875 and row["note"] is None and "class" not in row
    target.add_missing()
    target.write(kept("b2"))
    assert [row["class"] for row in on_disk(path, "mine")] == [None, "ship"]
    assert on_disk(path, "mine")[1]["wkt"].startswith("POLYGON")


def test_no_part_is_dropped_where_a_layer_takes_one(users: tuple[Target, Path]) -> None:
    target, path = users
    whole = kept("a1")
    other = kept("a1", 400050.0).geometry
    parts = replace(whole, geometry=QgsGeometry.collectGeometry([whole.geometry, other]))
    with pytest.raises(PartsUnfit, match=r"mine takes single polygons and this has 2 parts; choose another"):
        target.write(parts)
    alone = replace(whole, geometry=QgsGeometry.collectGeometry([whole.geometry]))
    place = target.write(alone)
    with pytest.raises(PartsUnfit, match="correct it again"):
        target.rewrite(place, replace(parts, corrects=("mine", place)))
    (row,) = on_disk(path, "mine")
    assert row["wkt"].startswith("POLYGON ((400000 5800000,")


def test_another_layer_in_the_same_file_stays(path: Path, target: Target) -> None:
    target.write(kept())
    create_geopackage(str(path), "pixels", QgsCoordinateReferenceSystem())
    other = Target(open_layer(str(path), "pixels", "pixels"))
    other.write(kept("p", crs=QgsCoordinateReferenceSystem()))
    assert len(on_disk(path)) == 1 and len(on_disk(path, "pixels")) == 1


def test_a_deleted_file_is_said(target: Target, path: Path) -> None:
    shutil.rmtree(path.parent)
    with pytest.raises(NotWritable, match=r"objects\.gpkg is gone"):
        target.write(kept())


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotWritable, match="cannot be made"):
        create_geopackage(str(tmp_path / "nowhere" / "objects.gpkg"), "objects", UTM)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_said(target: Target, path: Path) -> None:
    path.chmod(stat.S_IRUSR)
    target = Target(open_layer(str(path), "objects", "objects"))
    with pytest.raises(NotWritable, match="cannot be written"):
        target.write(kept())
