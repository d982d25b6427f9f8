"""The plugin's code runs with Qt 5 and Qt 6: by way of `qgis.PyQt`, scoped enums, nothing that Qt 6 lacks."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[2] / "ros_sam_qgis"
MODULES = sorted(PLUGIN.rglob("*.py"))
GONE = {"exec_", "print_", "QRegExp", "QDesktopWidget", "QTextCodec", "QStringListModel", "MidButton"}
"""Names that Qt 6, or PyQt 6, has no more."""


def offences(source: str) -> Iterator[str]:
    """Yield what a module may not say, with its line."""
    tree = ast.parse(source)
    classes: dict[str, Any] = {}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        module = getattr(node, "module", None) or ""
        for name in names:
            if f"{module}.{name}".strip(".").startswith(("PyQt", "PySide", "sip")):
                yield f"{node.lineno}: {module or name} instead of qgis.PyQt"
            if module.startswith("qgis.PyQt."):
                classes[name] = getattr(importlib.import_module(module), name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node).endswith("Flag(0)"):
            yield f"{node.lineno}: {ast.unparse(node)}, which an enum of Qt 6 may not have"
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if name in GONE:
            yield f"{node.lineno}: {name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = getattr(classes.get(node.value.id), node.attr, None)
            if isinstance(value, int) and type(value) is not int:
                yield f"{node.lineno}: {node.value.id}.{node.attr} without its enum"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PLUGIN)))
def test_a_module_runs_with_both(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "from PyQt5.QtCore import Qt",
        "import sip",
        "dialog.exec_()",
        "from qgis.PyQt.QtCore import Qt\nQt.LeftButton",
        "from qgis.PyQt.QtWidgets import QMessageBox\nQMessageBox.Yes",
        "from qgis.PyQt.QtNetwork import QNetworkReply\nQNetworkReply.NoError",
        "from qgis.core import QgsTask\nQgsTask.Flag(0)",
    ],
)
def test_offences_are_found(line: str) -> None:
    assert len(list(offences(line))) == 1
