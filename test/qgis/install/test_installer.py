"""The engine's environment is built with what is at hand, can be cancelled, gone on with and repaired."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsSettings
from waiting import Heard, let_run, wait_until

from ros_sam_qgis.install import installer as installer_module
from ros_sam_qgis.install import plan as plan_module
from ros_sam_qgis.install.installer import Installer
from ros_sam_qgis.install.plan import NoWheel, Step, Variant, find_pythons, find_wheel, is_new_enough, plan
from ros_sam_qgis.install.proxy import proxy_environment
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.settings.desk import device_for

TINY = "ros_sam-9.9.9-py3-none-any.whl"


def write_wheel(folder: Path, says: str) -> Path:
    """Write a wheel of the engine's name that needs nothing and whose engine says something."""
    path = folder / TINY
    path.parent.mkdir(exist_ok=True)
    info = "ros_sam-9.9.9.dist-info"
    extras = "Provides-Extra: engine\nProvides-Extra: torch\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ros_sam_core/__init__.py", "")
        file.writestr("ros_sam_core/engine.py", f"print({says!r})")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: ros-sam\nVersion: 9.9.9\n{extras}")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "wheel", "hello")


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """An installer in a folder of its own."""
    monkeypatch.setattr(installer_module, "ROOM_MB", {Variant.ONNX: 1, Variant.CPU: 1, Variant.CUDA: 10**9})
    one = Installer(str(tmp_path / "profile" / "env"))
    yield one
    one.cancel()


def base() -> str:
    (python, *_) = find_pythons().usable
    return python


def outcome(heard: Heard) -> tuple[bool, str]:
    return heard.wait(seconds=300)


def test_an_environment_is_built_and_tried(installer: Installer, wheel: Path) -> None:
    finished, progressed = Heard(installer.finished), Heard(installer.progressed)
    installer.start(base(), Variant.ONNX, False, str(wheel))
    assert installer.is_running and not installer.is_ready
    good, text = outcome(finished)
    assert good, text
    assert installer.is_ready and not installer.is_running
    facts = json.loads(Path(installer.folder, "ready.json").read_text())
    assert facts["wheel"] == TINY and facts["variant"] == "onnx"
    percents = [percent for percent, _ in progressed.calls]
    assert percents == sorted(percents) and percents[-1] == 100
    assert "hello" in Path(installer.log_path).read_text()
    python = settings.environment_python(installer.folder)
    assert is_new_enough(python)


def test_cancelled_it_goes_on_where_it_stopped(installer: Installer, wheel: Path) -> None:
    finished = Heard(installer.finished)
    installer.start(base(), Variant.ONNX, False, str(wheel))
    wait_until(lambda: os.path.exists(settings.environment_python(installer.folder)), 120)
    installer.cancel()  # before it has pip: it is made again
    assert finished.calls[0][0] is False and not installer.is_ready
    mark = Path(installer.folder, "mark")
    mark.write_text("the same environment")
    installer.start(base(), Variant.ONNX, False, str(wheel))
    wait_until(lambda: Path(installer.folder, "made").exists(), 120)
    assert not mark.exists()
    installer.cancel()  # while it installs: it is gone on with
    mark.write_text("the same environment")
    installer.start(base(), Variant.ONNX, False, str(wheel))
    wait_until(lambda: len(finished) == 3, 300)
    assert finished.calls[2][0] and mark.exists()
    installer.start(base(), Variant.ONNX, True, str(wheel))
    wait_until(lambda: len(finished) == 4, 300)
    assert finished.calls[3][0] and not mark.exists()


def test_a_failing_step_says_why_and_what_next(installer: Installer, tmp_path: Path) -> None:
    finished = Heard(installer.finished)
    broken = tmp_path / "ros_sam-1.0-py3-none-any.whl"
    broken.write_bytes(b"no wheel")
    installer.start(base(), Variant.ONNX, False, str(broken))
    good, text = outcome(finished)
    assert not good and "Install the engine failed" in text and installer.log_path in text
    assert not installer.is_ready


def test_another_way_is_tried_where_the_first_fails(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = sys.executable if "python" in sys.executable else "/usr/bin/python3"
    fails, works = [python, "-c", "raise SystemExit(3)"], [python, "-c", "print('second')"]
    steps = [Step("Fail, then work", fails, 50, [works]), Step("Work", [python, "-c", "print('third')"], 50)]
    monkeypatch.setattr(installer_module, "plan", lambda *_: list(steps))
    one = Installer(str(tmp_path / "env"))
    Path(one.folder).mkdir()
    finished = Heard(one.finished)
    one.start(python, Variant.ONNX, False, str(wheel))
    assert outcome(finished)[0]
    log = Path(one.log_path).read_text()
    assert log.index("SystemExit(3)") < log.index("second") < log.index("third")


def test_no_room_is_said_before_anything_is_done(installer: Installer, wheel: Path) -> None:
    finished = Heard(installer.finished)
    installer.start(base(), Variant.CUDA, False, str(wheel))
    good, text = finished.calls[0]
    assert not good and "MB are needed" in text and not os.path.exists(installer.folder)


def test_a_base_that_is_not_there(installer: Installer, wheel: Path) -> None:
    finished = Heard(installer.finished)
    installer.start("/nowhere/python", Variant.ONNX, False, str(wheel))
    good, text = outcome(finished)
    assert not good and "/nowhere/python could not be started" in text
    let_run(0.05)
    assert len(finished) == 1


def test_a_copy_without_a_wheel_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoWheel, match="released zip"):
        find_wheel(str(tmp_path))


def test_a_repair_brings_the_wheel_of_the_same_version_anew(installer: Installer, tmp_path: Path) -> None:
    finished = Heard(installer.finished)
    for count, says in enumerate(("first", "second"), 1):
        installer.start(base(), Variant.ONNX, False, str(write_wheel(tmp_path / "wheel", says)))
        wait_until(lambda count=count: len(finished) == count, 300)
        assert finished.calls[-1][0], finished.calls
    python = settings.environment_python(installer.folder)
    told = subprocess.run([python, "-I", "-m", "ros_sam_core.engine"], capture_output=True, text=True)
    assert told.stdout == "second\n"


def test_pythons_found_are_new_enough() -> None:
    found = find_pythons()
    assert found.usable and not found.hint and all(is_new_enough(python) for python in found.usable)
    assert not is_new_enough("/bin/false") and not is_new_enough("/nowhere/python")


@pytest.mark.parametrize(
    ("says", "usable", "hint"),
    [
        ("3 12 venv ensurepip", True, ""),
        ("3 12 venv pip", True, ""),
        ("3 12 venv", False, "install python3.12-venv"),
        ("3 9 venv ensurepip pip", False, "only 3.9"),
        ("Traceback", False, "No Python 3.11 or later was found."),
    ],
)
def test_where_no_python_will_do_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, usable: bool, hint: str
) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho '{says}'\n")
    python.chmod(0o755)
    monkeypatch.setattr(plan_module.sys, "exec_prefix", str(tmp_path / "none"))
    monkeypatch.setattr(plan_module.shutil, "which", lambda name: str(python) if name == "python3" else None)
    found = find_pythons()
    assert found.usable == ([str(python)] if usable else []) and hint in found.hint


def test_a_python_without_ensurepip_makes_the_environment_with_its_pip(
    installer: Installer, wheel: Path, tmp_path: Path, engine_python: str
) -> None:
    """As Debian's without python3-venv: `-m venv` fails, pip is there."""
    python = tmp_path / "python3"
    python.write_text(
        f"""#!/bin/sh
case "$*" in *"-m venv"*) echo "ensurepip is not available" >&2; exit 1;; esac
exec "{engine_python}" "$@"
"""
    )
    python.chmod(0o755)
    finished = Heard(installer.finished)
    installer.start(str(python), Variant.ONNX, False, str(wheel))
    good, text = outcome(finished)
    assert good, text
    assert "ensurepip is not available" in Path(installer.log_path).read_text()


def test_the_choice_decides_what_is_installed() -> None:
    def commands(variant: Variant) -> str:
        return "\n".join(" ".join(step.command) for step in plan("b", "f", "p", "w.whl", variant, True))

    assert "torch" not in commands(Variant.ONNX) and "w.whl[engine]" in commands(Variant.ONNX)
    assert "torch==" in commands(Variant.CPU) and "w.whl[engine,torch]" in commands(Variant.CPU)
    for variant in Variant:
        assert sum(step.share for step in plan("b", "f", "p", "w.whl", variant, True)) == 100


def test_another_build_of_pytorch_replaces_the_one_that_is_there() -> None:
    """`torch==2.13.0` would be content with `2.13.0+cpu`."""
    assert plan_module.torch_requirements(Variant.CUDA)[0][-1].endswith("+cu126")
    for others in plan_module.torch_requirements(Variant.CUDA)[1:]:
        assert "--force-reinstall" in others


def test_a_cpu_set_up_can_never_fetch_cuda() -> None:
    for command in plan_module.torch_requirements(Variant.CPU):
        if sys.platform.startswith("linux"):
            assert command[-1].endswith("+cpu")
    assert not any("+cpu" in command[-1] for command in plan_module.torch_requirements(Variant.CUDA))


@pytest.fixture
def proxy() -> Iterator[QgsSettings]:
    store = QgsSettings()
    yield store
    store.remove("proxy")


def test_pip_goes_through_qgis_own_proxy(proxy: QgsSettings) -> None:
    assert proxy_environment() == {}
    proxy.setValue("proxy/proxyEnabled", True)
    proxy.setValue("proxy/proxyType", "HttpProxy")
    proxy.setValue("proxy/proxyHost", "proxy.example.org")
    proxy.setValue("proxy/proxyPort", "3128")
    proxy.setValue("proxy/proxyUser", "me@work")
    proxy.setValue("proxy/proxyPassword", "p:w/d")
    proxy.setValue("proxy/noProxyUrls", ["https://intra.example.org/x"])
    found = proxy_environment()
    assert found["HTTPS_PROXY"] == "http://me%40work:p%3Aw%2Fd@proxy.example.org:3128"
    assert found["NO_PROXY"] == "localhost,127.0.0.1,intra.example.org"
    proxy.setValue("proxy/proxyType", "DefaultProxy")
    assert proxy_environment() == {}


def test_the_device_follows_what_was_set_up() -> None:
    assert device_for(Variant.CUDA, "cpu") == "cuda"
    assert device_for(Variant.ONNX, "cuda") == device_for(Variant.CPU, "cuda") == "cpu"
    assert device_for(Variant.CPU, "mps") == "mps" and device_for(Variant.ONNX, "mps") == "cpu"
