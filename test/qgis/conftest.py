"""A real QGIS without a window, with a profile of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QGIS_CUSTOM_CONFIG_PATH"] = tempfile.mkdtemp(prefix="qgis-profile-")
os.environ.setdefault("QGIS_PREFIX_PATH", "/usr")

if find_spec("qgis") is None:  # not QGIS's Python: `make test-qgis` says so
    collect_ignore_glob = ["*"]
else:
    from qgis.core import QgsApplication, QgsCoordinateTransform, QgsProject

    # Before pytest names a module of test/qgis/processing after it.
    sys.path.append(os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"))
    with contextlib.suppress(ImportError):
        import processing  # noqa: F401

    @pytest.fixture(scope="session", autouse=True)
    def app() -> Iterator[QgsApplication]:
        application = QgsApplication([], True)
        application.initQgis()
        yield application
        QgsProject.instance().clear()
        # As QGIS does when it ends. Else the transforms it keeps are destroyed after PROJ's data, and PROJ
        # dies of that now and then, when all tests are over: always with MALLOC_PERTURB_=165 set.
        QgsCoordinateTransform.invalidateCache()

    @pytest.fixture(autouse=True)
    def no_stray_exception() -> Iterator[None]:
        """What a slot raises reaches nobody but this hook."""
        raised: list[BaseException] = []
        before = sys.excepthook
        sys.excepthook = lambda kind, value, trace: raised.append(value.with_traceback(trace))
        yield
        sys.excepthook = before
        if raised:
            raise raised[0]

    @pytest.fixture(autouse=True)
    def project() -> Iterator[QgsProject]:
        instance = QgsProject.instance()
        instance.clear()
        yield instance
        instance.clear()


REPORTED = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell what was measured: it is printed at the end of the run."""
    return request.config.stash.setdefault(REPORTED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    lines = config.stash.get(REPORTED, [])
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine_python(root: Path) -> str:
    """The Python that has ros_sam_core: .venv's, or the one that ROS_SAM_PYTHON names."""
    python = os.environ.get("ROS_SAM_PYTHON") or str(root / ".venv" / "bin" / "python")
    if not os.path.exists(python):
        pytest.skip(f"{python} is missing: build it with `make`, or name one in ROS_SAM_PYTHON")
    return python


@pytest.fixture(scope="session")
def in_engine_python(engine_python: str, root: Path) -> Callable[..., None]:
    """Run one of helpers/*.py in the engine's Python."""

    def run(script: str, *arguments: object) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        helper = Path(__file__).parent / "helpers" / script
        done = subprocess.run(
            [engine_python, str(helper), *map(str, arguments)],
            env={**environment, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def bundled(root: Path) -> bool:
    """Whether the bundled model is there, so that accuracy may be asserted."""
    weights = root / "ros_sam_core" / "weights" / "ros-sam-tiny.safetensors"
    return weights.exists() and not os.environ.get("ROS_SAM_ANY_MODEL")


@pytest.fixture(scope="session")
def model(
    bundled: bool, in_engine_python: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The bundled model, or one of its size that has learnt nothing."""
    if bundled:
        return "ros-sam-tiny"
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    in_engine_python("make_model.py", path)
    return str(path)


@pytest.fixture(scope="session")
def scenes(in_engine_python: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scene of make_scenes.py."""
    folder = tmp_path_factory.mktemp("scenes")
    in_engine_python("make_scenes.py", folder)
    return folder


@pytest.fixture(scope="session")
def truth(scenes: Path) -> dict:
    """What is on the scene."""
    return json.loads((scenes / "truth.json").read_text())


@pytest.fixture(scope="session")
def shared_engine(app: Any, engine_python: str, model: str) -> Iterator[Any]:
    """One running engine for all tests that do not harm it."""
    from ros_sam_qgis.engine.engine import Engine
    from ros_sam_qgis.engine.process import Launch

    engine = Engine(lambda: Launch(engine_python, model))
    yield engine
    engine.stop()


@pytest.fixture
def engine(shared_engine: Any) -> Any:
    """The shared engine, ready."""
    from waiting import wait_until

    from ros_sam_qgis.engine.engine import Status

    shared_engine.start()
    wait_until(lambda: shared_engine.status is Status.READY, 600, "the engine to be ready")
    return shared_engine
