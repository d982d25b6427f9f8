"""The files that the user chooses in dialogs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsGeometry, QgsRectangle
from qgis.PyQt.QtWidgets import QFileDialog, QMessageBox
from waiting import wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.session.session import KeptObject

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
