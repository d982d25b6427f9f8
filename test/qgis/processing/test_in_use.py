"""The algorithms where users meet them: in a model of the designer, and in the batch dialog."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from layers import boxes_layer, raster, true_polygon
from osgeo import ogr
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsVectorFileWriter,
)
from qgis.PyQt.QtCore import Qt, QThread
from waiting import wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.sources.file_source import FileSource

PLANE, TRUCK = 1, 7
Source = QgsProcessingModelChildParameterSource


def child(name: str, algorithm: str, output: str = "", **sources: Source) -> QgsProcessingModelChildAlgorithm:
    """Return a step of a model, other parameters at their default; `output` makes its result the model's."""
    one = QgsProcessingModelChildAlgorithm(algorithm)
    one.setChildId(name)
    for parameter in one.algorithm().parameterDefinitions():
        if not parameter.isDestination() and parameter.defaultValue() is not None:
            one.addParameterSources(parameter.name(), [Source.fromStaticValue(parameter.defaultValue())])
    for parameter, source in sources.items():
        one.addParameterSources(parameter, [source])
    if output:
        result = QgsProcessingModelOutput(output)
        result.setChildId(name)
        result.setChildOutputName("OUTPUT")
        one.setModelOutputs({output: result})
    return one


def designed(path: Path) -> QgsProcessingModelAlgorithm:
    """Save a model as the designer does, and open it again: boxes to another CRS, outlines, their centres."""
    model = QgsProcessingModelAlgorithm("where things are", "tests")
    image, boxes = QgsProcessingModelParameter("image"), QgsProcessingModelParameter("boxes")
    model.addModelParameter(QgsProcessingParameterRasterLayer("image", "Image"), image)
    model.addModelParameter(QgsProcessingParameterFeatureSource("boxes", "Boxes"), boxes)
    moved = child(
        "moved",
        "native:reprojectlayer",
        INPUT=Source.fromModelParameter("boxes"),
        TARGET_CRS=Source.fromStaticValue("EPSG:3857"),
    )
    outlines = child(
        "outlines",
        "ros_sam:segment_by_boxes",
        output="outlines",
        INPUT=Source.fromModelParameter("image"),
        PROMPTS=Source.fromChildOutput("moved", "OUTPUT"),
        CLASS_FIELD=Source.fromStaticValue("kind"),
    )
    centres = child(
        "centres", "native:centroids", output="centres", INPUT=Source.fromChildOutput("outlines", "OUTPUT")
    )
    for one in (moved, outlines, centres):
        model.addChildAlgorithm(one)
    assert model.toFile(str(path))
    again = QgsProcessingModelAlgorithm()
    assert again.fromFile(str(path))
    return again


def features(path: Path) -> list[dict[str, Any]]:
    dataset = ogr.Open(str(path))
    assert dataset is not None, path
    return [{**one.items(), "wkt": one.GetGeometryRef().ExportToWkt()} for one in dataset.GetLayer(0)]


def run_model(
    model: QgsProcessingModelAlgorithm,
    parameters: dict[str, Any],
    background: bool,
    project: QgsProject | None = None,
) -> str:
    """Run a model to its end, in the main thread or as the toolbox does; returns its log."""
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project or QgsProject.instance())
    if not background:
        _, good = model.run(parameters, context, feedback)
        assert good, feedback.textLog()
        return feedback.textLog()
    task = QgsProcessingAlgRunnerTask(model, parameters, context, feedback)
    ended: list[bool] = []
    task.executed.connect(lambda good, _: ended.append(good))
    QgsApplication.taskManager().addTask(task)
    wait_until(lambda: ended, 120, "the model's end")
    assert ended == [True], feedback.textLog()
    return feedback.textLog()


def test_every_algorithm_may_be_in_a_model(provider: Any) -> None:
    hidden = QgsProcessingAlgorithm.Flag.FlagHideFromModeler
    assert provider.algorithms()
    assert not [one.id() for one in provider.algorithms() if one.flags() & hidden]


@pytest.mark.parametrize("background", [False, True])
def test_a_model_runs(
    engine: Engine,
    scenes: Path,
    truth: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    background: bool,
) -> None:
    """In the background QGIS prepares the steps in the model's thread; the layers live in the main one."""
    model = designed(tmp_path / "where.model3")
    ok, why = model.validate()
    assert ok, why
    names = {one.name().split(":")[-1]: one.name() for one in model.destinationParameterDefinitions()}
    layers = {
        "image": raster(scenes, "utm"),
        "boxes": boxes_layer(truth, "utm", [PLANE, TRUCK], "EPSG:25833"),
    }
    QgsProject.instance().addMapLayers(list(layers.values()))
    written = {name: tmp_path / f"{name}.gpkg" for name in ("outlines", "centres")}
    parameters = {**layers, **{names[name]: str(path) for name, path in written.items()}}
    read_in: list[bool] = []

    def seen(layer: Any) -> FileSource:
        read_in.append(QThread.currentThread() == layer.thread())
        return FileSource(layer)

    monkeypatch.setattr("ros_sam_qgis.processing.raster.FileSource", seen)
    run_model(model, parameters, background)
    assert read_in and all(read_in)
    assert [one["class"] for one in features(written["outlines"])] == ["airplane", "vehicle"]
    for centre, index in zip(features(written["centres"]), (PLANE, TRUCK), strict=True):
        point = true_polygon(truth, "utm", index).fromWkt(centre["wkt"])
        assert point.distance(true_polygon(truth, "utm", index)) < 1.0, centre


def importing_model(folder: Path) -> tuple[QgsProcessingModelAlgorithm, str]:
    """Return a model that imports a video, and the name of the parameter that says where to."""
    model = QgsProcessingModelAlgorithm("frames", "tests")
    frames = Source.fromStaticValue(str(folder))
    model.addChildAlgorithm(child("frames", "ros_sam:import_video", output="frames", FOLDER=frames))
    (name,) = [one.name() for one in model.destinationParameterDefinitions()]
    return model, name


def test_frames_for_another_project_than_the_open_one_come_there_or_are_told_of(
    provider: Any, scenes: Path, tmp_path: Path
) -> None:
    """QGIS 3.40 ends a model's steps on the main thread, where any project may be changed; 3.22 does not."""
    model, name = importing_model(scenes / "video")
    other = QgsProject()
    told = run_model(model, {name: str(tmp_path / "frames")}, background=True, project=other)
    frames = len(list((tmp_path / "frames").glob("*.tif")))
    assert frames > 1
    assert (f"The frames are in {tmp_path / 'frames'}" in told) is (not other.mapLayers())
    assert len(other.mapLayers()) == (frames if Qgis.QGIS_VERSION_INT >= 34000 else 0)
    QgsApplication.processEvents()
    assert not QgsProject.instance().mapLayers()


def test_a_model_in_the_background_loads_frames_on_the_main_thread(
    provider: Any, scenes: Path, tmp_path: Path
) -> None:
    """QGIS prepares and ends the steps of such a model in its thread; the project is the main one's."""
    model, name = importing_model(scenes / "video")
    project = QgsProject.instance()
    threads: list[bool] = []
    main = QgsApplication.instance().thread()
    watch = project.layersAdded.connect(
        lambda added: threads.extend(one.thread() == main for one in added),
        Qt.ConnectionType.DirectConnection,
    )
    try:
        run_model(model, {name: str(tmp_path / "frames")}, background=True)
        wait_until(lambda: threads, 60, "the frames")
    finally:
        project.disconnect(watch)
    assert len(threads) == len(list((tmp_path / "frames").glob("*.tif"))) > 1
    assert all(threads)
    group = project.layerTreeRoot().findGroup("video")
    assert group is not None and len(group.findLayers()) == len(threads)


def boxes_file(folder: Path, truth: dict, name: str, crs: str) -> Path:
    """Write a file with two boxes on an image."""
    path = folder / f"boxes_{name}.gpkg"
    layer = boxes_layer(truth, name, [PLANE, TRUCK], crs)
    context, options = QgsProject.instance().transformContext(), QgsVectorFileWriter.SaveVectorOptions()
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), context, options)
    return path


def test_a_batch_of_images(engine: Engine, scenes: Path, truth: dict, tmp_path: Path) -> None:
    """A row of the batch dialog that fails costs no other row, and no earlier file, anything."""
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("ros_sam:segment_by_boxes")
    dialog = BatchAlgorithmDialog(algorithm)
    panel, context = dialog.mainWidget(), QgsProcessingContext()
    rows = (("utm", "EPSG:25833", ""), ("rotated", "EPSG:25833", "nonsense"), ("degrees", "EPSG:4326", ""))
    for row, (image, crs, stretch) in enumerate(rows):
        if row:
            panel.addRow()
        boxes = boxes_file(tmp_path, truth, image, crs)
        values = {"INPUT": str(scenes / f"{image}.tif"), "PROMPTS": str(boxes), "STRETCH": stretch}
        for name, value in values.items():
            panel.wrappers[row][panel.parameter_to_column[name]].setParameterValue(value, context)
        cell = panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["OUTPUT"])
        cell.setValue(str(tmp_path / f"{image}.gpkg"))
    earlier = tmp_path / "rotated.gpkg"
    shutil.copy(tmp_path / "boxes_rotated.gpkg", earlier)
    before = features(earlier)
    panel.checkLoadLayersOnCompletion.setChecked(False)
    dialog.runButton().click()
    wait_until(lambda: dialog.runButton().isEnabled() and (tmp_path / "degrees.gpkg").exists(), 120, "batch")
    assert [len(features(tmp_path / f"{name}.gpkg")) for name in ("utm", "degrees")] == [2, 2]
    assert features(tmp_path / "degrees.gpkg")[0]["source"] == str(scenes / "degrees.tif")
    assert features(earlier) == before
    dialog.close()
    dialog.deleteLater()
