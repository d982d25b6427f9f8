"""What a bug report needs to say."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any

from osgeo import gdal
from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtCore import PYQT_VERSION_STR, QT_VERSION_STR

from ..engine.engine import Engine
from ..settings import store as settings
from .installer import READY

TAIL = 40
"""Lines of the engine's log."""


def diagnostics(engine: Engine, version: str) -> str:
    """Return a text to copy: versions, settings, the engine's health, the end of its log; no token."""
    lines = [
        f"ROS-SAM plugin {version}",
        f"QGIS {Qgis.QGIS_VERSION}, Qt {QT_VERSION_STR}, PyQt {PYQT_VERSION_STR}",
        f"Python {sys.version.split()[0]}, GDAL {gdal.VersionInfo('RELEASE_NAME')}",
        f"{platform.platform()}, {os.cpu_count()} CPUs",
        "",
        "Settings",
        *[f"  {name} = {settings.get(name)}" for name in settings.TEXTS if name != "engine/authcfg"],
        f"  environment = {_environment()}",
        "",
        f"Engine: {engine.status.value}",
        json.dumps(engine.health, indent=2, sort_keys=True) if engine.health else "  (has not answered)",
        "",
        "Log",
        *_tail(settings.log_path()),
    ]
    return "\n".join(lines).replace(QgsApplication.qgisSettingsDirPath(), "<profile>/")


def _environment() -> Any:
    path = os.path.join(settings.environment_folder(), READY)
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return "not set up"


def _tail(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [f"  {line.rstrip()}" for line in file.readlines()[-TAIL:]]
    except OSError:
        return ["  (none)"]
