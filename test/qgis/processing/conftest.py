"""The provider in Processing's registry, with an engine to start."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

if find_spec("qgis") is not None:

    @pytest.fixture(scope="module", autouse=True)
    def provider(app: Any, engine_python: str, model: str) -> Iterator[Any]:
        from processing.core.Processing import Processing
        from qgis.core import QgsApplication
        from qgis.PyQt.QtGui import QIcon

        from ros_sam_qgis.processing.provider import RosSamProvider
        from ros_sam_qgis.settings import store as settings

        Processing.initialize()
        one = RosSamProvider(QIcon())
        QgsApplication.processingRegistry().addProvider(one)
        settings.put("engine/python", engine_python)
        settings.put("model", model)
        yield one
        settings.put("engine/python", "")
        settings.put("model", settings.DEFAULT_MODEL)
        QgsApplication.processingRegistry().removeProvider(one)
