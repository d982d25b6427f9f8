"""The real wheel, installed for real: the environment that a user gets, and a click in it."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from layers import inner_point, raster, true_polygon
from waiting import Heard, wait_until

from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.frames import Frames
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.install.installer import Installer
from ros_sam_qgis.install.plan import Variant, find_pythons
from ros_sam_qgis.session.session import Session
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.sources.file_source import FileSource


def build_wheel(engine_python: str, root: Path, folder: Path) -> Path:
    """Return the engine's wheel: built, or that of the zip that ROS_SAM_ZIP names."""
    if os.environ.get("ROS_SAM_ZIP"):
        with zipfile.ZipFile(os.environ["ROS_SAM_ZIP"]) as packed:
            (name,) = [name for name in packed.namelist() if name.endswith(".whl")]
            return Path(packed.extract(name, folder))
    code = "import sys, pathlib; sys.path.insert(0, '.ci'); import package; "
    code += "package.build_wheel(pathlib.Path(sys.argv[1]))"
    subprocess.run([engine_python, "-c", code, str(folder)], cwd=root, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_a_click_in_a_fresh_environment(
    engine_python: str, root: Path, scenes: Path, truth: dict, tmp_path: Path
) -> None:
    """About 260 MB are installed; cancelled in the middle once, it goes on."""
    wheel = build_wheel(engine_python, root, tmp_path)
    installer = Installer(str(tmp_path / "env"))
    finished, progressed = Heard(installer.finished), Heard(installer.progressed)
    (base, *_) = find_pythons().usable
    installer.start(base, Variant.ONNX, False, str(wheel))
    wait_until(lambda: any("Install the engine: " in text for _, text in progressed.calls), 300)
    installer.cancel()
    installer.start(base, Variant.ONNX, False, str(wheel))
    wait_until(lambda: len(finished) == 2, 900)
    assert finished.calls[1][0], finished.calls
    python = settings.environment_python(installer.folder)
    engine = Engine(lambda: Launch(python))
    engine.start()
    wait_until(lambda: engine.status is Status.READY, 300)
    try:
        assert engine.health["model"]["runtime"] == "onnx" and engine.health["runtime"]["torch"] is None
        session = Session(Frames(engine))
        session.use(FileSource(raster(scenes, "utm")))
        point = inner_point(true_polygon(truth, "utm", 1))
        session.click(point.x(), point.y(), 1)
        wait_until(lambda: not session.current.is_pending and session.current.outline, 300)
        session.close()
    finally:
        engine.stop()
    packages = json.loads(
        subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, check=True).stdout
    )
    assert not {"torch", "segment-anything", "peft", "onnx"} & {one["name"].lower() for one in packages}
