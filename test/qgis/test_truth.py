"""From mouse events to polygons in a GeoPackage: where the ship is, and just what the core says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from qgis.core import QgsGeometry, QgsPointXY, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QTransform
from waiting import let_run, wait_until

from ros_sam_qgis.dock.video_dialog import FOLDER, VideoWish
from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.session.prompts import Prompts
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.sources.style import Look, look_of
from ros_sam_qgis.video.stepping import frames_of

SHIP = 13
FRAME = 2
MOVED_PX = 4
"""By how much make_scenes moves each frame of the video."""


@dataclass(frozen=True)
class Case:
    """One kind of raster in one kind of project."""

    raster: str
    project: str | None = None
    frame: int | None = None


CASES = {
    "same-crs": Case("utm"),
    "other-project-crs": Case("utm", "EPSG:3857"),
    "rotated": Case("rotated"),
    "rotated-in-another-crs": Case("rotated", "EPSG:3857"),
    "south-up": Case("south_up"),
    "degrees": Case("degrees"),
    "degrees-in-metres": Case("degrees", "EPSG:25833"),
    "16-bit-4-band": Case("deep"),
    "frame-of-a-video": Case("utm", frame=FRAME),
}


@dataclass(frozen=True)
class Kept:
    """A row of the GeoPackage, beside what is true."""

    row: dict
    truth: QgsGeometry


@pytest.fixture(scope="module")
def harbour(in_engine_python: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    in_engine_python("make_scenes.py", folder, "harbour", 5)
    return folder


@pytest.fixture(scope="module")
def ships(harbour: Path) -> dict:
    return json.loads((harbour / "truth.json").read_text())


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(engine, tmp_path)
    one.at._on_shape(Shape())
    one.at.set_class("ship")
    yield one
    one.at.set_class("")
    one.close()


def open_case(desk: Desk, case: Case, folder: Path) -> QgsRasterLayer:
    """Show the raster, or step to the frame."""
    if case.frame is None:
        layer = raster(folder, case.raster)
        desk.open(layer, case.project)
        return layer
    desk.at.files.open_video(VideoWish(FOLDER, str(folder / "video"), "", "", None, None))
    wait_until(lambda: desk.at.layer is not None and frames_of(desk.at.layer), 60, "frames")
    frames = frames_of(desk.at.layer)
    desk.show(frames)
    desk.dock.frames_box.slider.setValue(case.frame)
    return frames[case.frame]


def place_of(ships: dict, case: Case, index: int) -> QgsGeometry:
    """Return where a ship is, in the coordinates of its layer."""
    polygon = true_polygon(ships, case.raster, index)
    if case.frame is not None:
        polygon.translate(case.frame * MOVED_PX * ships["grids"]["utm"][0][0], 0)
    return polygon


def middle_of(ships: dict, case: Case, index: int) -> QgsPointXY:
    """Return a point well inside a ship, the same pixel of every raster, in the coordinates of its layer."""
    ring = [QgsPointXY(*xy) for xy in ships["objects"][index]["ring"]]
    inside = inner_point(QgsGeometry.fromPolygonXY([ring]))
    x, y = inside.x() + (case.frame or 0) * MOVED_PX, inside.y()
    (a, b, c, d, e, f), _ = ships["grids"][case.raster]
    return QgsPointXY(a * x + b * y + c, d * x + e * y + f)


def outline_twice(desk: Desk, case: Case, folder: Path, ships: dict) -> dict[str, Kept]:
    """Draw a box around a ship, keep it, click it and keep it again, as a user who has zoomed in does."""
    layer = open_case(desk, case, folder)
    ship = place_of(ships, case, SHIP)
    for by_box in (True, False):
        near = desk.canvas.mapSettings().layerExtentToOutputExtent(layer, ship.boundingBox())
        near.scale(4)
        desk.canvas.setExtent(near)
        let_run(0.05)
        if by_box:
            box = desk.canvas.mapSettings().layerExtentToOutputExtent(layer, ship.boundingBox())
            corners = (box.xMinimum(), box.yMaximum()), (box.xMaximum(), box.yMinimum())
            desk.mouse.drag(*(QgsPointXY(*corner) for corner in corners))
        else:
            desk.click(middle_of(ships, case, SHIP), layer)
        desk.settle()
        assert desk.mouse.key(Qt.Key.Key_Return)
    rows = desk.rows()
    assert [row["prompt"] for row in rows] == ["box", "point"]
    assert [row["class"] for row in rows] == ["ship", "ship"]
    return {kind: Kept(row, ship) for kind, row in zip(("box", "click"), rows, strict=True)}


def in_pixels(geometry: QgsGeometry, ships: dict, name: str) -> QgsGeometry:
    """Return a geometry in pixels of its raster."""
    (a, b, c, d, e, f), _ = ships["grids"][name]
    det = a * e - b * d
    moved = QgsGeometry(geometry)
    moved.translate(-c, -f)
    moved.transform(QTransform(e / det, -d / det, -b / det, a / det, 0.0, 0.0))
    return moved


def apart_px(kept: Kept, ships: dict, name: str) -> float:
    """Return how far an outline is from the truth where it is farthest, in pixels of the raster."""
    seen, true = (in_pixels(one, ships, name) for one in (kept.row["geometry"], kept.truth))
    return max(
        one.densifyByDistance(0.1).hausdorffDistance(other) for one, other in ((seen, true), (true, seen))
    )


@pytest.fixture(scope="module")
def all_kept() -> dict[str, tuple[Path, Look, dict[str, QgsGeometry], dict[str, str]]]:
    """What every case has kept: raster, bands and stretch, polygons and prompts."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_what_is_kept_is_where_the_ship_is(
    desk: Desk,
    harbour: Path,
    ships: dict,
    name: str,
    bundled: bool,
    all_kept: dict,
    report: Callable[[str], None],
) -> None:
    case = CASES[name]
    kept = outline_twice(desk, case, harbour, ships)
    layer = desk.at.layer
    polygons = {kind: one.row["geometry"] for kind, one in kept.items()}
    all_kept[name] = (
        layer.source(),
        look_of(layer),
        polygons,
        {k: v.row["prompt_xy"] for k, v in kept.items()},
    )
    apart = {kind: apart_px(one, ships, case.raster) for kind, one in kept.items()}
    told = ", ".join(f"{kind} {distance:.2f} px" for kind, distance in apart.items())
    report(f"farthest from the truth, {name}: {told}")
    if bundled:
        assert max(apart.values()) <= 1.0, apart


def test_what_is_kept_is_what_the_core_says(
    all_kept: dict, in_engine_python: Callable[..., None], model: str, tmp_path: Path
) -> None:
    requests = {}
    for name, (source, look, _, texts) in all_kept.items():
        bodies = [Prompts.from_text(text).body(kind) for kind, text in texts.items()]
        requests[name] = {"raster": source, "prompts": bodies, "bands": look.bands, "stretch": look.stretch}
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    in_engine_python("core_answer.py", model, tmp_path / "requests.json", tmp_path / "answers.json")
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert len(answers) == len(all_kept) > 0
    for name, (_, _, polygons, _) in all_kept.items():
        for kind, polygon in polygons.items():
            core = QgsGeometry()
            core.fromWkb(bytes.fromhex(answers[name][kind]["wkb"]))
            apart = max(polygon.hausdorffDistance(core), core.hausdorffDistance(polygon))
            assert apart < 1e-3 * core.boundingBox().width() / 20, (name, kind)
