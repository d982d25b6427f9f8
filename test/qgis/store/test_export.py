"""Exports are whole files of other programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsProject, QgsRectangle, QgsVectorLayer
from waiting import wait_until

from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.store.export import Export
from ros_sam_qgis.store.target import NotWritable, Target, create_geopackage, open_layer

UTM = QgsCoordinateReferenceSystem("EPSG:25833")


def layer_of(path: Path, crs: QgsCoordinateReferenceSystem, prompt_xy: str = "1 2 1") -> QgsVectorLayer:
    create_geopackage(str(path), "objects", crs)
    layer = open_layer(str(path), "objects", "objects")
    QgsProject.instance().addMapLayer(layer)
    square = QgsGeometry.fromRect(QgsRectangle(400000, 5800000, 400005, 5800002.5))
    attributes = {"prompt_id": "a1", "score": 0.5, "source": "/data/scene.tif", "prompt_xy": prompt_xy}
    Target(layer).write(KeptObject(square, crs, attributes, "ship"))
    return layer


def run(layer: QgsVectorLayer, path: Path) -> str:
    """Export and return the remark."""
    said: list[str] = []
    export = Export(layer, str(path), lambda _, remark: said.append(remark), pytest.fail)
    wait_until(lambda: said, 30)
    del export
    return said[0]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb"])
def test_every_format_holds_the_object(tmp_path: Path, suffix: str) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM)
    target = tmp_path / f"out{suffix}"
    assert run(layer, target) == ""
    dataset = ogr.Open(str(target))
    (feature,) = list(dataset.GetLayer(0))
    items = feature.items()
    assert (items["class"], items["prompt_id"], items["score"]) == ("ship", "a1", 0.5)
    geometry = feature.GetGeometryRef()
    if suffix == ".geojson":
        assert 13 < geometry.Centroid().GetX() < 14 and 52 < geometry.Centroid().GetY() < 53
        assert "crs" not in json.loads(target.read_text())
    else:
        assert geometry.GetEnvelope() == (400000, 400005, 5800000, 5800002.5)
    assert [one for one in tmp_path.iterdir() if one.name.startswith(".ros-sam")] == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM)
    target = tmp_path / "out.geojson"
    target.write_text("old")
    run(layer, target)
    assert len(json.loads(target.read_text())["features"]) == 1


def test_what_a_shapefile_cuts_is_said(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM, "; ".join(["400001.5 5800001.5 1"] * 40))
    assert "prompt_xy: 1" in run(layer, tmp_path / "out.shp")


def test_geojson_without_crs_is_refused(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "in.gpkg", QgsCoordinateReferenceSystem())
    with pytest.raises(NotWritable, match="no CRS"):
        Export(layer, str(tmp_path / "out.geojson"), print, print)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".ros-sam")] == []


def test_the_file_that_the_objects_are_in_is_never_replaced(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotWritable, match="another name"):
        Export(layer, str(tmp_path / "link" / "in.gpkg"), print, print)
    assert (
        layer.featureCount() == 1 and ogr.Open(str(tmp_path / "in.gpkg")).GetLayer(0).GetFeatureCount() == 1
    )


@pytest.mark.parametrize("name", ["out.xyz", "out"])
def test_an_unknown_format_is_refused(tmp_path: Path, name: str) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM)
    with pytest.raises(NotWritable, match="no format"):
        Export(layer, str(tmp_path / name), print, print)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "in.gpkg", UTM)
    with pytest.raises(NotWritable, match="cannot be written to"):
        Export(layer, str(tmp_path / "nowhere" / "out.gpkg"), print, print)
