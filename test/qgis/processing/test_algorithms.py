"""The algorithms through QGIS's own machinery."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import boxes_layer, inner_point, raster, true_polygon
from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.processing import asking
from ros_sam_qgis.processing.asking import MOST_POINTS
from ros_sam_qgis.processing.raster import Styler
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.sources.file_source import FileSource
from ros_sam_qgis.store.reopen import find_kept
from ros_sam_qgis.video.stepping import frames_of

PLANE, TRUCK = 1, 7


class Told(QgsProcessingFeedback):
    """Remembers warnings and progress."""

    def __init__(self, cancel_at: float = 101.0) -> None:
        super().__init__(False)
        self.warnings: list[str] = []
        self.steps: list[float] = []
        self.progressChanged.connect(self.steps.append)
        self.progressChanged.connect(lambda percent: self.cancel() if percent >= cancel_at else None)

    def pushWarning(self, text: str) -> None:
        self.warnings.append(text)


def run(name: str, parameters: dict, feedback: QgsProcessingFeedback | None = None) -> dict:
    import processing

    return processing.run(f"ros_sam:{name}", parameters, feedback=feedback or Told())


def rows_of(result: dict) -> dict[str, QgsFeature]:
    layer = result["OUTPUT"]
    assert isinstance(layer, QgsVectorLayer)
    return {feature["prompt_id"]: feature for feature in layer.getFeatures()}


def test_boxes_give_polygons_with_attributes_and_class(engine: Engine, scenes: Path, truth: dict) -> None:
    told = Told()
    boxes = boxes_layer(truth, "utm", [PLANE, TRUCK], "EPSG:25833")
    result = run(
        "segment_by_boxes",
        {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "CLASS_FIELD": "kind", "OUTPUT": "memory:"},
        told,
    )
    rows = rows_of(result)
    assert [row["class"] for row in rows.values()] == ["airplane", "vehicle"]
    assert result["OUTPUT"].crs().authid() == "EPSG:25833"
    for row, index in zip(rows.values(), (PLANE, TRUCK), strict=True):
        assert row["prompt"] == "box" and row["source"] == str(scenes / "utm.tif")
        assert row.geometry().boundingBox().intersects(true_polygon(truth, "utm", index).boundingBox())
    assert told.steps[-1] == 100


def test_boxes_of_another_crs_and_pixels_that_are_sent_give_the_same(
    engine: Engine, scenes: Path, truth: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = boxes_layer(truth, "deep", [PLANE], "EPSG:25833")
    parameters = {"INPUT": raster(scenes, "deep"), "PROMPTS": boxes, "OUTPUT": "memory:"}
    (read,) = rows_of(run("segment_by_boxes", parameters)).values()
    original = FileSource.__init__

    def uploading(self: FileSource, layer: QgsRasterLayer, uploads: bool = False) -> None:
        original(self, layer, True)

    monkeypatch.setattr(FileSource, "__init__", uploading)
    (sent,) = rows_of(run("segment_by_boxes", parameters)).values()
    assert sent.geometry().equals(read.geometry())
    assert sent["area_m2"] == pytest.approx(read["area_m2"])


@pytest.mark.parametrize("crs", ["EPSG:25833", "EPSG:3857"])
def test_a_result_is_taken_to_hand_again_as_it_was_asked_for(
    engine: Engine, scenes: Path, truth: dict, crs: str
) -> None:
    layer, boxes = raster(scenes, "utm"), boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    if crs != "EPSG:25833":
        moved = {"INPUT": boxes, "TARGET_CRS": QgsCoordinateReferenceSystem(crs), "OUTPUT": "memory:"}
        import processing

        boxes = processing.run("native:reprojectlayer", moved)["OUTPUT"]
    parameters = {"INPUT": layer, "PROMPTS": boxes, "EXPAND": 2.0, "SMOOTH": 1.0, "OUTPUT": "memory:"}
    result = run("segment_by_boxes", parameters)
    (row,) = rows_of(result).values()
    canvas = QgsMapCanvas()
    canvas.setDestinationCrs(layer.crs())
    canvas.setLayers([result["OUTPUT"]])
    found = find_kept(inner_point(row.geometry()), canvas, FileSource(layer))
    assert found.shape == Shape(expand_px=2.0, smooth_px=1.0)
    box = true_polygon(truth, "utm", PLANE).boundingBox()
    sides = box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()
    assert found.prompts.box == pytest.approx(sides, abs=1.0)


def test_an_engine_of_its_own_where_none_runs(
    scenes: Path, truth: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ros_sam_qgis.engine import running

    monkeypatch.setattr(running, "address", None)
    boxes = boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    result = run("segment_by_boxes", {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:"})
    assert len(rows_of(result)) == 1


def test_points_are_grouped_into_objects(engine: Engine, scenes: Path, truth: dict) -> None:
    points = QgsVectorLayer(
        "Point?crs=EPSG:25833&field=object:string(9)&field=label:integer", "points", "memory"
    )
    plane, truck = (inner_point(true_polygon(truth, "utm", index)) for index in (PLANE, TRUCK))
    for x, y, name, label in (
        (plane.x(), plane.y(), "jet", 1),
        (truck.x(), truck.y(), "truck", 1),
        (plane.x() + 8, plane.y() + 8, "jet", 0),
    ):
        feature = QgsFeature(points.fields())
        feature.setGeometry(type(true_polygon(truth, "utm", 0)).fromWkt(f"POINT({x} {y})"))
        feature.setAttributes([name, label])
        points.dataProvider().addFeatures([feature])
    result = run(
        "segment_by_points",
        {
            "INPUT": raster(scenes, "utm"),
            "PROMPTS": points,
            "OBJECT_FIELD": "object",
            "LABEL_FIELD": "label",
            "OUTPUT": "memory:",
        },
    )
    rows = rows_of(result)
    assert set(rows) == {"jet", "truck"}
    assert rows["jet"]["prompt"] == "points" and rows["truck"]["prompt"] == "point"


def points_layer(clicks: list[tuple[QgsPointXY, str | None]], copies: int = 1) -> QgsVectorLayer:
    """Return points, or several points at one place, with the object that each belongs to."""
    points = QgsVectorLayer("MultiPoint?crs=EPSG:25833&field=object:string(9)", "points", "memory")
    for point, name in clicks:
        feature = QgsFeature(points.fields())
        feature.setGeometry(QgsGeometry.fromMultiPointXY([point] * copies))
        feature.setAttributes([name])
        points.dataProvider().addFeatures([feature])
    return points


def test_points_without_an_object_are_objects_of_their_own(
    engine: Engine, scenes: Path, truth: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BATCH", 2)  # several calls
    plane, truck = (inner_point(true_polygon(truth, "utm", index)) for index in (PLANE, TRUCK))
    points = points_layer([(plane, None), (truck, None), (plane, "jet"), (plane, "jet")])
    parameters = {"INPUT": raster(scenes, "utm"), "PROMPTS": points, "OBJECT_FIELD": "object"}
    rows = rows_of(run("segment_by_points", {**parameters, "OUTPUT": "memory:"}))
    assert [row["prompt"] for row in rows.values()] == ["point", "point", "points"]
    assert list(rows)[2] == "jet"


def test_an_object_of_too_many_points_is_named_and_the_others_are_done(
    engine: Engine, scenes: Path, truth: dict
) -> None:
    plane, truck = (inner_point(true_polygon(truth, "utm", index)) for index in (PLANE, TRUCK))
    points = points_layer([(plane, "many")], copies=MOST_POINTS + 1)
    points.dataProvider().addFeatures(list(points_layer([(truck, "one")]).getFeatures()))
    told = Told()
    parameters = {"INPUT": raster(scenes, "utm"), "PROMPTS": points, "OBJECT_FIELD": "object"}
    rows = rows_of(run("segment_by_points", {**parameters, "OUTPUT": "memory:"}, told))
    assert list(rows) == ["one"]
    assert told.warnings == ["many: it has 257 points; an object may have 256."]


def test_an_interpreter_that_is_gone_is_said(
    scenes: Path, truth: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ros_sam_qgis.engine import running

    monkeypatch.setattr(running, "address", None)
    gone = Launch("/nowhere/python", "ros-sam-tiny")
    monkeypatch.setattr("ros_sam_qgis.settings.store.choice", lambda: gone)
    boxes = boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    with pytest.raises(QgsProcessingException, match=r"could not be started: .*/nowhere/python"):
        run("segment_by_boxes", {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:"})


def test_a_box_beside_the_image_is_named_and_the_others_are_done(
    engine: Engine, scenes: Path, truth: dict
) -> None:
    boxes = boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    feature = QgsFeature(boxes.fields())
    feature.setGeometry(type(true_polygon(truth, "utm", 0)).fromWkt("POLYGON((0 0, 9 0, 9 9, 0 9, 0 0))"))
    boxes.dataProvider().addFeatures([feature])
    told = Told()
    result = run(
        "segment_by_boxes", {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:"}, told
    )
    assert len(rows_of(result)) == 1
    assert len(told.warnings) == 1 and "2" in told.warnings[0]


def test_cancelled_in_the_middle(engine: Engine, scenes: Path, truth: dict) -> None:
    boxes = boxes_layer(truth, "utm", [PLANE, TRUCK] * 40, "EPSG:25833")
    told = Told(cancel_at=20)
    result = run(
        "segment_by_boxes", {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:"}, told
    )
    assert 0 < len(rows_of(result)) < 80


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BANDS": "1;2"}, "not numbers"),
        ({"BANDS": "9"}, "band"),
        ({"STRETCH": "nonsense"}, "stretch"),
        ({"MODEL": "nonsense"}, "nonsense"),
    ],
)
def test_bad_parameters_are_said(
    engine: Engine, scenes: Path, truth: dict, changes: dict, message: str
) -> None:
    boxes = boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    parameters = {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:", **changes}
    with pytest.raises(QgsProcessingException, match=message):
        run("segment_by_boxes", parameters)


def test_an_empty_layer_is_said(engine: Engine, scenes: Path, truth: dict) -> None:
    boxes = boxes_layer(truth, "utm", [], "EPSG:25833")
    with pytest.raises(QgsProcessingException, match="no features"):
        run("segment_by_boxes", {"INPUT": raster(scenes, "utm"), "PROMPTS": boxes, "OUTPUT": "memory:"})


def test_results_are_styled(engine: Engine, scenes: Path, truth: dict) -> None:
    layer = boxes_layer(truth, "utm", [PLANE], "EPSG:25833")
    Styler.get().postProcessLayer(layer, QgsProcessingContext(), QgsProcessingFeedback())
    assert isinstance(layer.renderer(), QgsCategorizedSymbolRenderer)


def test_a_video_is_imported_as_frames(scenes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pngs"
    folder.mkdir()
    for path in sorted((scenes / "video").glob("*.tif")):
        gdal.GetDriverByName("PNG").CreateCopy(str(folder / f"{path.stem}.png"), gdal.Open(str(path)))
        for left in folder.glob("*.aux.xml"):
            left.unlink()
    parameters = {
        "FOLDER": str(folder),
        "REFERENCE": raster(scenes, "utm"),
        "LOAD": True,
        "OUTPUT": str(tmp_path / "frames"),
    }
    result = run("import_video", parameters)
    assert result["COUNT"] == 3
    written = sorted((tmp_path / "frames").glob("*.tif"))
    first = gdal.Open(str(written[0]))
    assert first.GetGeoTransform() == (400000, 0.5, 0, 5800000, 0, -0.5)
    assert first.GetMetadataItem("TIFFTAG_DATETIME") == "2024:05:01 10:00:00"
    loaded = [one for one in QgsProject.instance().mapLayers().values() if isinstance(one, QgsRasterLayer)]
    assert len(frames_of(loaded[0])) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "folder or a file"),
        ({"FOLDER": "/nowhere"}, "does not exist"),
        ({"FOLDER": "/tmp", "FILE": "/tmp/x"}, "folder or a file"),
    ],
)
def test_a_video_needs_one_source(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(QgsProcessingException, match=message):
        run("import_video", {"OUTPUT": str(tmp_path / "frames"), **changes})
