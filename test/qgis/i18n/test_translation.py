"""Every text that a user sees is in Simplified Chinese too, and the compiled file is the written one."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest
from qgis.PyQt.QtCore import QCoreApplication, QSettings, QTranslator
from qgis.PyQt.QtWidgets import QAbstractButton, QGroupBox, QLabel, QWidget
from waiting import wait_until

from ros_sam_qgis import i18n

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "ros_sam_qgis"
SHOWN = {
    "QCheckBox",
    "QGroupBox",
    "QLabel",
    "QPushButton",
    "QRadioButton",
    "addAction",
    "addItem",
    "addRow",
    "run_in_background",
    "setPlaceholderText",
    "setText",
    "setTitle",
    "setToolTip",
    "setWindowTitle",
}
"""Calls whose texts are read by users."""
UNTRANSLATED = re.compile(r"ROS-SAM|https?://.*|[^A-Za-z]*|none|\d.*")
"""Names, addresses and signs."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="session")
def translate() -> ModuleType:
    """The tool behind `make translations`."""
    spec = importlib.util.spec_from_file_location("translate", ROOT / ".ci" / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=sorted((PLUGIN / "i18n").glob("*.ts")), ids=lambda path: path.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def chinese() -> Iterator[None]:
    """QGIS in Simplified Chinese, as its options set it."""
    QSettings().setValue("locale/overrideFlag", True)
    QSettings().setValue("locale/userLocale", "zh-Hans")
    translator = i18n.load_translator()
    assert translator is not None
    QCoreApplication.installTranslator(translator)
    yield
    QCoreApplication.removeTranslator(translator)
    QSettings().remove("locale")


def test_every_text_is_translated(translate: ModuleType, file: Path) -> None:
    translations = translate.translations_of(file)
    missing = [text for text in translate.all_texts() if text not in translations]
    assert not missing, "run `make translations` and translate what is unfinished"


def test_values_go_into_translations_as_into_texts(translate: ModuleType, file: Path) -> None:
    for text, translation in translate.translations_of(file).items():
        fields = [
            sorted(part[1:3] for part in Formatter().parse(one) if part[1]) for one in (text, translation)
        ]
        assert fields[0] == fields[1], text


def test_the_compiled_file_is_the_written_one(translate: ModuleType, file: Path) -> None:
    translator = QTranslator()
    assert translator.load(str(file.with_suffix(".qm")))
    QCoreApplication.installTranslator(translator)
    try:
        for text, translation in translate.translations_of(file).items():
            assert i18n.tr(text) == translation, "run `make translations`"
    finally:
        QCoreApplication.removeTranslator(translator)


def test_what_users_read_goes_through_tr() -> None:
    found = []
    for path in sorted(PLUGIN.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)] if name in SHOWN else []
            found += [
                f"{path.name}:{node.lineno} {text}"
                for text in texts
                if isinstance(text, str) and not UNTRANSLATED.fullmatch(text)
            ]
    assert found == []


@pytest.mark.parametrize(
    ("locale", "is_chinese"),
    [("zh-Hans", True), ("zh_CN", True), ("zh", True), ("zh-Hant", False), ("zh_TW", False), ("de", False)],
)
def test_the_language_is_that_of_qgis(locale: str, is_chinese: bool) -> None:
    QSettings().setValue("locale/overrideFlag", True)
    QSettings().setValue("locale/userLocale", locale)
    try:
        assert (i18n.load_translator() is not None) == is_chinese
    finally:
        QSettings().remove("locale")


def texts_of(widget: QWidget) -> list[str]:
    """Return what stands on a widget and what is in it."""
    parts = [*widget.findChildren(QLabel), *widget.findChildren(QAbstractButton)]
    texts = [part.text() for part in parts] + [box.title() for box in widget.findChildren(QGroupBox)]
    return [text for text in texts if text]


def test_the_dock_and_the_settings_are_chinese(chinese: None) -> None:
    from ros_sam_qgis.dock.dock import SegmentDock
    from ros_sam_qgis.dock.video_dialog import VideoDialog

    for widget in (SegmentDock(), VideoDialog()):
        theirs = re.compile(r"&?(OK|Cancel)|…|\.\.\.|clear")  # QGIS's own, in QGIS's language
        english = [
            text
            for text in texts_of(widget)
            if re.search(r"[A-Za-z]", text) and not CHINESE.search(text) and not theirs.fullmatch(text)
        ]
        assert english == []
        widget.deleteLater()


def test_what_went_wrong_is_told_in_chinese(chinese: None) -> None:
    from ros_sam_qgis.background import run_in_background
    from ros_sam_qgis.engine.errors import Failure
    from ros_sam_qgis.session.prompts import Prompts, PromptTextInvalid

    told = [Failure.from_answer(500, None).text]
    for text in ("here", "nan 1 1", "1 2"):
        with pytest.raises(PromptTextInvalid) as raised:
            Prompts.from_text(text)
        told.append(str(raised.value))
    count = len(told)

    def lost() -> None:
        raise OSError  # which does not say what was wrong

    run_in_background("x", lost, told.append, told.append)
    wait_until(lambda: len(told) > count)
    assert all(CHINESE.search(text) for text in told), told
