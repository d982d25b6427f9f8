"""Find all objects, through QGIS's own machinery and a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from layers import raster, true_polygon
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsGeometry,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsVectorLayer,
)

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.sources.file_source import FileSource

TRUCK = 7


@pytest.fixture
def around(truth: dict) -> QgsVectorLayer:
    """A layer with an area around one truck, in another CRS than the image."""
    area = true_polygon(truth, "utm", TRUCK).buffer(4.0, 4)
    degrees = QgsCoordinateReferenceSystem("EPSG:4326")
    utm = QgsCoordinateReferenceSystem("EPSG:25833")
    area.transform(QgsCoordinateTransform(utm, degrees, QgsProject.instance()))
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326", "area", "memory")
    feature = QgsFeature(layer.fields())
    feature.setGeometry(area)
    layer.dataProvider().addFeatures([feature])
    return layer


def run(parameters: dict, feedback: QgsProcessingFeedback | None = None) -> dict:
    import processing

    return processing.run(
        "ros_sam:find_objects",
        {"OUTPUT": "memory:", **parameters},
        feedback=feedback or QgsProcessingFeedback(),
    )


def test_objects_of_an_area_read_by_the_engine_and_sent_to_it(
    engine: Engine,
    scenes: Path,
    truth: dict,
    around: QgsVectorLayer,
    bundled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = true_polygon(truth, "utm", TRUCK).boundingBox()
    longest = max(box.width(), box.height())
    parameters = {
        "INPUT": raster(scenes, "utm"),
        "AREA": around,
        "MIN_SIZE": 0.6 * longest,
        "MAX_SIZE": 2.5 * longest,
        "PRED_IOU": 0.5,
    }
    steps: list[float] = []
    told = QgsProcessingFeedback(False)
    told.progressChanged.connect(steps.append)
    result = run(parameters, told)
    layer = result["OUTPUT"]
    assert layer.crs().authid() == "EPSG:25833" and layer.featureCount() == result["COUNT"]
    assert steps and steps[-1] == 100
    if bundled:
        found = list(layer.getFeatures())
        assert found and {one["prompt"] for one in found} == {"grid"}
        true = true_polygon(truth, "utm", TRUCK)
        shared = [one.geometry().intersection(true).area() / true.area() for one in found]
        assert max(shared) > 0.6
    original = FileSource.__init__
    monkeypatch.setattr(
        FileSource, "__init__", lambda self, layer, uploads=False: original(self, layer, True)
    )
    sent = run(parameters)["OUTPUT"]
    assert [one.geometry().asWkt() for one in sent.getFeatures()] == [
        one.geometry().asWkt() for one in layer.getFeatures()
    ]


def test_cancelled(engine: Engine, scenes: Path) -> None:
    told = QgsProcessingFeedback(False)
    told.cancel()
    result = run({"INPUT": raster(scenes, "utm")}, told)
    assert result["COUNT"] == 0


def test_what_is_wrong_is_said(engine: Engine, scenes: Path) -> None:
    image = raster(scenes, "utm")
    with pytest.raises(QgsProcessingException, match="less than the longest"):
        run({"INPUT": image, "MIN_SIZE": 9, "MAX_SIZE": 3})
    empty = QgsVectorLayer("Polygon?crs=EPSG:4326", "area", "memory")
    with pytest.raises(QgsProcessingException, match="no polygon"):
        run({"INPUT": image, "AREA": empty})
    far = QgsVectorLayer("Polygon?crs=EPSG:4326", "area", "memory")
    feature = QgsFeature(far.fields())
    feature.setGeometry(QgsGeometry.fromWkt("POLYGON((0 0, 1 0, 1 1, 0 0))"))
    far.dataProvider().addFeatures([feature])
    with pytest.raises(QgsProcessingException, match="beside"):
        run({"INPUT": image, "AREA": far})


def test_defaults_are_the_cores(in_engine_python: Callable[..., None], tmp_path: Path) -> None:
    """They are written down twice, since the plugin cannot import the core."""
    in_engine_python("everything_defaults.py", tmp_path / "defaults.json")
    core = json.loads((tmp_path / "defaults.json").read_text())
    algorithm = QgsApplication.processingRegistry().algorithmById("ros_sam:find_objects")
    for name in ("PRED_IOU", "STABILITY", "NMS", "NESTED"):
        assert algorithm.parameterDefinition(name).defaultValue() == core[name.lower()], name
