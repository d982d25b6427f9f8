"""The QGIS desktop program on a screen that nobody sees: Xvfb, a profile of its own, the built zip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("qgis") is None:  # not QGIS's Python: `make test-qgis` says so
    collect_ignore_glob = ["*"]

NEEDED = {"qgis": "qgis", "xvfb-run": "xvfb", "xdotool": "xdotool"}
"""Programs, and the Debian packages that have them."""


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def programs() -> None:
    """Skip where there is no screen to be had; in CI that is an error."""
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        text = f"the desktop run needs: apt-get install -y {' '.join(missing)}"
        pytest.fail(text) if os.environ.get("ROS_SAM_NO_SKIP") else pytest.skip(text)


@pytest.fixture(scope="session")
def engine_python(root: Path) -> Path:
    """The Python that has ros_sam_core: .venv's, or the one that ROS_SAM_PYTHON names."""
    python = Path(os.environ.get("ROS_SAM_PYTHON") or root / ".venv" / "bin" / "python")
    if not python.exists():
        pytest.skip(f"{python} is missing: build it with `make`, or name one in ROS_SAM_PYTHON")
    return python


@pytest.fixture(scope="session")
def pack(root: Path, engine_python: Path) -> Callable[[Path], Path]:
    """Build the zip into a folder, as `make package` does."""

    def build(folder: Path) -> Path:
        in_engine_python(engine_python, root, root / ".ci" / "package.py", folder)
        (found,) = folder.glob("*.zip")
        return found

    return build


@pytest.fixture(scope="session")
def plugin_zip(
    programs: None, pack: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The zip that `make package` builds, or the one that ROS_SAM_ZIP names."""
    named = os.environ.get("ROS_SAM_ZIP")
    return Path(named) if named else pack(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def airport(root: Path, engine_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made-up airport: airport.tif, boxes.geojson, truth.json and the frames of a video."""
    folder = tmp_path_factory.mktemp("airport")
    in_engine_python(engine_python, root, Path(__file__).parent / "helpers" / "make_airport.py", folder)
    return folder


def in_engine_python(python: Path, root: Path, script: Path, *arguments: object) -> None:
    """Run a script in the engine's Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(python), str(script), *map(str, arguments)],
        env={**environment, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
