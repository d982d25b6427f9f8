"""Be a QGIS in which a user keeps objects, and tell of each as soon as it was kept. Then wait to be killed.

python keep_and_wait.py FOLDER SCENES ENGINE_PYTHON MODEL COUNT    (QGIS's Python)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication

sys.path.insert(0, str(Path(__file__).parents[3]))
INDICES = (0, 1, 7, 5)


def tell(**facts: Any) -> None:
    """Write a line for the parent."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main(folder: str, scenes: str, python: str, model: str, count: str) -> None:
    """Keep objects."""
    application = QgsApplication([], True)
    application.initQgis()
    # QGIS must run before what uses it is imported.
    from desk import Desk
    from layers import inner_point, raster, true_polygon
    from qgis.PyQt.QtCore import Qt
    from waiting import wait_until

    from ros_sam_qgis.engine.engine import Engine, Status
    from ros_sam_qgis.engine.process import Launch

    engine = Engine(lambda: Launch(python, model))
    desk = Desk(engine, Path(folder))
    truth = json.loads((Path(scenes) / "truth.json").read_text())
    layer = raster(Path(scenes), "utm")
    desk.open(layer)
    wait_until(lambda: engine.status is Status.READY, 300)
    objects: dict[str, float] = {}

    def remember(kept: Any) -> None:
        objects[kept.attributes["prompt_id"]] = kept.geometry.area()

    desk.at.session.kept.connect(remember)
    for number, index in enumerate(INDICES[: int(count)], 1):
        desk.click(inner_point(true_polygon(truth, "utm", index)), layer)
        desk.mouse.key(Qt.Key.Key_Return)
        wait_until(lambda done=number: len(objects) == done, 120)
        tell(kept=number, objects=objects, engine=engine.pid)
    wait_until(lambda: False, 600)


main(*sys.argv[1:])
