"""The plugin's texts in the user's language."""

from __future__ import annotations

import os

from qgis.PyQt.QtCore import QCoreApplication, QLocale, QSettings, QTranslator

CONTEXT = "RosSam"


def tr(text: str) -> str:
    """Return a text in the user's language. Values are put into it afterwards, with `format`."""
    return str(QCoreApplication.translate(CONTEXT, text))


def load_translator() -> QTranslator | None:
    """Return a translator for QGIS's language, not installed yet; None if there is none."""
    override = QSettings().value("locale/overrideFlag", False, type=bool)
    name = str(QSettings().value("locale/userLocale", "") or "") if override else QLocale.system().name()
    translator = QTranslator()
    for candidate in candidates(name):
        path = os.path.join(os.path.dirname(__file__), f"ros_sam_{candidate}.qm")
        if os.path.exists(path) and translator.load(path):
            return translator
    return None


def candidates(locale: str) -> list[str]:
    """Return the languages to look for, the most special first.

    Args:
        locale: as Qt writes it, such as zh_CN, or as QGIS does, such as zh-Hans.
    """
    name = locale.replace("-", "_")
    if name in ("zh_Hant", "zh_TW", "zh_HK", "zh_MO"):
        return [name]  # zh is Simplified Chinese
    return [name, name.split("_")[0]] if name else []
