"""Prompts to outlines through the real engine: what comes back is what the core says, in the right place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from layers import SIZES, inner_point, raster, true_polygon
from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry
from waiting import Heard, let_run, wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.frames import Frames
from ros_sam_qgis.session.at_hand import FLIP
from ros_sam_qgis.session.prompts import Prompts
from ros_sam_qgis.session.session import Session
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.sources.file_source import FileSource
from ros_sam_qgis.sources.style import look_of

PLANE, TRUCK = 0, 7


@pytest.fixture
def session(engine: Engine) -> Session:
    one = Session(Frames(engine))
    yield one
    one.close()


def settle(session: Session) -> QgsGeometry:
    """Wait for the outline at hand."""
    wait_until(lambda: not session.current.is_pending, 300, "an outline")
    assert session.current.outline is not None
    return session.current.outline.geometry


def difference(one: QgsGeometry, other: QgsGeometry) -> float:
    """Return how far two outlines are apart, at most."""
    return one.hausdorffDistance(other)


def prompts_of(truth: dict, name: str) -> dict[str, Prompts]:
    """Return a click in an aircraft and a box around it, as the user would give them."""
    plane = true_polygon(truth, name, PLANE)
    point, bounds = inner_point(plane), plane.boundingBox()
    box = (bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum())
    return {"click": Prompts().with_point(point.x(), point.y(), 1), "box": Prompts().with_box(box)}


@pytest.fixture(scope="module")
def core_answers(
    scenes: Path,
    truth: dict,
    model: str,
    in_engine_python: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict]:
    """What the core says when it is called directly."""
    requests = {}
    for name in SIZES:
        look = look_of(raster(scenes, name))
        bodies = [one.body(key, name == "plain") for key, one in prompts_of(truth, name).items()]
        path = str(scenes / f"{name}.tif")
        requests[name] = {"raster": path, "prompts": bodies, "bands": look.bands, "stretch": look.stretch}
    folder = tmp_path_factory.mktemp("core")
    (folder / "requests.json").write_text(json.dumps(requests))
    in_engine_python("core_answer.py", model, folder / "requests.json", folder / "answers.json")
    return json.loads((folder / "answers.json").read_text())


@pytest.mark.parametrize("uploads", [False, True], ids=["read", "sent"])
@pytest.mark.parametrize("name", sorted(SIZES))
def test_the_plugin_gives_what_the_core_gives(
    session: Session, scenes: Path, truth: dict, name: str, uploads: bool, core_answers: dict, bundled: bool
) -> None:
    source = FileSource(raster(scenes, name), uploads)
    session.use(source)
    for kind, prompts in prompts_of(truth, name).items():
        if prompts.box is None:
            session.click(*prompts.points[0], 1)
        else:
            session.box(prompts.box)
        seen = QgsGeometry(settle(session))
        row = core_answers[name][kind]
        expected = QgsGeometry()
        expected.fromWkb(bytes.fromhex(row["wkb"]))
        if name == "plain":
            expected.transform(FLIP)
        # Crops that are encoded in one batch differ in the last bits from one encoded alone.
        assert difference(seen, expected) < 1e-3 * source.facts.grid.pixel_size, kind
        attributes = session.current.outline.attributes
        assert attributes["source"] == str(scenes / f"{name}.tif")
        assert attributes["area_m2"] == pytest.approx(row["area_m2"], rel=1e-4)
        assert attributes["prompt_xy"] == row["prompt_xy"]
        assert Prompts.from_text(row["prompt_xy"], source.flipped) == near(prompts)
        if bundled and kind == "box" and name != "rotated":  # where the box holds its neighbours too
            plane = true_polygon(truth, name, PLANE)
            assert seen.intersection(plane).area() / seen.combine(plane).area() > 0.5
        session.clear()


def near(prompts: Prompts) -> Prompts:
    """Return prompts with the twelve digits that a file keeps of them."""
    return Prompts(
        tuple((float(f"{x:.12g}"), float(f"{y:.12g}")) for x, y in prompts.points),
        prompts.labels,
        prompts.box and tuple(float(f"{value:.12g}") for value in prompts.box),
    )


def test_prompts_add_up_and_are_taken_back(session: Session, scenes: Path, truth: dict) -> None:
    session.use(FileSource(raster(scenes, "utm")))
    point = inner_point(true_polygon(truth, "utm", PLANE))
    session.click(point.x(), point.y(), 1)
    first = QgsGeometry(settle(session))
    session.click(point.x() + 4, point.y() + 4, 0)
    settle(session)
    assert session.current.prompts.labels == (1, 0)
    assert session.undo()
    assert difference(settle(session), first) == 0
    assert session.redo() and session.current.prompts.labels == (1, 0)
    assert session.undo() and session.undo()
    assert session.current.prompts.is_empty and session.current.outline is None
    assert not session.undo()


def test_an_object_kept_before_its_outline_came_is_kept_when_it_comes(
    session: Session, scenes: Path, truth: dict
) -> None:
    session.use(FileSource(raster(scenes, "utm")))
    kept = Heard(session.kept)
    session.class_name = "airplane"
    for index in (PLANE, TRUCK):
        point = inner_point(true_polygon(truth, "utm", index))
        session.click(point.x(), point.y(), 1)
        assert session.keep()
        session.class_name = "vehicle"
    assert session.current is None and session.awaited == 2
    kept.wait(2, 90)
    assert {one.class_name for (one,) in kept.calls} == {"airplane", "vehicle"}
    assert not session.leaving


def test_what_is_at_hand_waits_on_its_layer(session: Session, scenes: Path, truth: dict) -> None:
    first, second = FileSource(raster(scenes, "utm")), FileSource(raster(scenes, "rotated"))
    session.use(first)
    point = inner_point(true_polygon(truth, "utm", PLANE))
    session.click(point.x(), point.y(), 1)
    session.use(second)
    assert session.current is None
    session.use(None)
    assert session.current is None
    session.use(first)
    assert session.current.prompts.points == ((point.x(), point.y()),)
    settle(session)


def test_another_shape_needs_no_new_look(session: Session, scenes: Path, truth: dict) -> None:
    session.use(FileSource(raster(scenes, "utm")))
    plane = true_polygon(truth, "utm", PLANE)
    bounds = plane.boundingBox()
    session.box((bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()))
    first = QgsGeometry(settle(session))
    session.reshape(Shape(expand_px=2))
    wider = QgsGeometry(settle(session))
    assert wider.area() > first.area() and wider.buffer(1e-6, 3).contains(first)
    session.reshape(Shape())
    assert difference(settle(session), first) == 0
    session.reshape(Shape(simplify_px=2))
    assert settle(session).constGet().nCoordinates() < first.constGet().nCoordinates()


def test_a_prompt_that_finds_nothing_is_said_and_stays_at_hand(session: Session, scenes: Path) -> None:
    session.use(FileSource(raster(scenes, "utm")))
    failed = Heard(session.failed)
    session.click(0.0, 0.0, 1)
    failure, object_id = failed.wait()
    assert failure.type == "PromptOutsideRaster" and object_id == session.current.id
    assert session.current.prompts.count == 1 and not session.keep()


def test_clicks_beside_an_object_ask_nothing(session: Session, scenes: Path) -> None:
    session.use(FileSource(raster(scenes, "utm")))
    session.click(400010.0, 5799990.0, 0)
    assert not session.current.is_pending
    assert not session.keep()


def test_a_layer_in_another_crs_than_its_file_has_that_crs_and_its_true_size(
    session: Session, scenes: Path, truth: dict
) -> None:
    """QGIS shows the file's numbers in the CRS that the user gave the layer."""
    layer = raster(scenes, "utm")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    source = FileSource(layer)
    session.use(source)
    point = inner_point(true_polygon(truth, "utm", PLANE))
    session.click(point.x(), point.y(), 1)
    geometry = settle(session)
    assert source.uploads and source.crs.authid() == "EPSG:3857"
    measured = session.current.outline.attributes["area_m2"]
    assert measured == pytest.approx(geometry.area() / 2.2, rel=0.2)  # at 46 degrees north
    let_run(0.01)


@pytest.mark.parametrize("flip", [False, True])
def test_prompts_are_read_as_they_were_written(flip: bool) -> None:
    prompts = Prompts().with_box((1.5, -8.0, 3.0, -6.25)).with_point(2.0, -7.5, 1).with_point(9.0, -1.0, 0)
    text = prompts.text(flip)
    assert text == ("1.5 6.25 3 8; 2 7.5 1; 9 1 0" if flip else "1.5 -8 3 -6.25; 2 -7.5 1; 9 -1 0")
    assert Prompts.from_text(text, flip) == prompts
