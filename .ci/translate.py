"""Bring the plugin's translations up to date with its texts, and compile them.

.venv/bin/python .ci/translate.py    (`make translations`)

New texts appear in `ros_sam_qgis/i18n/ros_sam_*.ts` as unfinished; translate them there by hand or in Qt
Linguist, and run this again. It needs Qt's lrelease: qttools5-dev-tools on Debian and Ubuntu.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "ros_sam_qgis"
CONTEXT = "RosSam"
LRELEASE = ("lrelease", "/usr/lib/qt6/bin/lrelease", "/usr/lib/qt5/bin/lrelease")


def texts_of(path: Path) -> list[str]:
    """Return what a file hands to `tr`, in order.

    Raises:
        SystemExit: something is handed over that is no literal, so that nobody could translate it.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
            (argument,) = node.args
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise SystemExit(f"{path}:{node.lineno}: tr() takes a literal text")
            found.append((node.lineno, node.col_offset, argument.value))
    return [text for *_, text in sorted(found)]


def all_texts() -> set[str]:
    """Return every text of the plugin."""
    return {text for path in PLUGIN.rglob("*.py") for text in texts_of(path)}


def translations_of(path: Path) -> dict[str, str]:
    """Return the finished translations of a .ts file."""
    found = {}
    for message in ElementTree.parse(path).iter("message"):
        translation = message.find("translation")
        if translation is not None and translation.text and translation.get("type") is None:
            found[message.findtext("source", "")] = translation.text
    return found


def write(path: Path, texts: set[str], translations: dict[str, str]) -> int:
    """Write a .ts file and return how many texts are not translated yet."""
    root = ElementTree.Element("TS", version="2.1", language=path.stem.removeprefix("ros_sam_"))
    context = ElementTree.SubElement(root, "context")
    ElementTree.SubElement(context, "name").text = CONTEXT
    for text in sorted(texts):
        message = ElementTree.SubElement(context, "message")
        ElementTree.SubElement(message, "source").text = text
        translation = ElementTree.SubElement(message, "translation")
        if text in translations:
            translation.text = translations[text]
        else:
            translation.set("type", "unfinished")
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n', encoding="utf-8")
    return len(texts - translations.keys())


def main() -> None:
    """Renew every .ts file and its .qm file."""
    texts = all_texts()
    lrelease = next(filter(None, map(shutil.which, LRELEASE)), None)
    for path in sorted((PLUGIN / "i18n").glob("ros_sam_*.ts")):
        missing = write(path, texts, translations_of(path))
        sys.stdout.write(f"{path.name}: {len(texts)} texts, {missing} not translated\n")
        if lrelease is None:
            raise SystemExit("lrelease is missing: sudo apt-get install qttools5-dev-tools")
        subprocess.run(
            [lrelease, "-silent", str(path), "-qm", str(path.with_suffix(".qm"))],
            check=True,
            env={**os.environ, "QT_SELECT": "qt5"},
        )


if __name__ == "__main__":
    main()
