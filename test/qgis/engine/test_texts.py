"""What users read when the engine refuses: in their language, with the engine's values."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTranslator

from ros_sam_qgis.engine.errors import Failure
from ros_sam_qgis.engine.texts import text_of, text_of_error

OWN = {"ConnectionLost", "NothingLeft"}
"""Types that the plugin itself tells."""


@pytest.fixture
def chinese(app: QgsApplication, root: Path):
    translator = QTranslator()
    assert translator.load(str(root / "ros_sam_qgis" / "i18n" / "ros_sam_zh.qm"))
    app.installTranslator(translator)
    yield
    app.removeTranslator(translator)


def known(root: Path) -> set[str]:
    """Return the types that have a text, as they are written in the source."""
    tree = ast.parse((root / "ros_sam_qgis" / "engine" / "texts.py").read_text(encoding="utf-8"))
    dicts = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return {key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)}


def test_every_type_is_one_of_the_engine_s(root: Path) -> None:
    tree = ast.parse((root / "ros_sam_core" / "errors.py").read_text(encoding="utf-8"))
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert len(known(root)) > 15
    assert known(root) - OWN <= classes


def test_values_follow_the_text(app: QgsApplication) -> None:
    text = Failure("BandsInvalid", "a.tif has bands 1 to 3, not [9]").text
    assert text == "These bands cannot be used: a.tif has bands 1 to 3, not [9]"


@pytest.mark.usefixtures("chinese")
def test_chinese_users_read_chinese(root: Path) -> None:
    for kind in known(root):
        text = text_of(kind, "a.tif 9")
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text), kind
        assert "{" not in text
    assert "a.tif 9" in text_of("BandsInvalid", "a.tif 9")


def test_what_is_unknown_stays_as_it_was_said() -> None:
    assert text_of("Preempted", "gave way") == "gave way"
    assert text_of_error({"message": "an older engine"}) == "an older engine"
    assert text_of_error({}) == ""
