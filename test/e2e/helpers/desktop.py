"""Start the QGIS desktop program under Xvfb with a profile of its own, and let it play a scenario."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from configparser import ConfigParser
from pathlib import Path
from typing import Any

SCREEN = "1360x860x24"
LIMIT_S = 420
GRACE_S = 10.0
NEWS = (r"NewsFeed\httpsfeedqgisorg", "httpsfeedqgisorg")
"""QGIS's news, as 3.22 and 3.40 call it."""
STAGE = Path(__file__).with_name("stage.py")


class DesktopFailed(AssertionError):
    """QGIS did not come to the scenario's end."""


def write_profile(folder: Path, locale: str, theme: str) -> None:
    """Write the settings of somebody who has seen QGIS's first-run dialogs, and has no network.

    QGIS 3.40.6 crashes at its end when a task of its own (news, fonts) has been on the network and its thread
    then took another task: github.com/qgis/QGIS/pull/62429. It does so without any plugin.
    """
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser["locale"] = {"overrideFlag": "true", "userLocale": locale}
    parser["UI"] = {"UITheme": theme}
    parser["migration"] = {"firstRunVersionFlag": "49999", "settings": "true"}
    parser["qgis"] = {
        "checkVersion": "false",
        "askToSaveProjectChanges": "false",
        "askToDeleteFeatures": "false",
        **{f"showTips{version}": "false" for version in range(316, 500)},
    }
    parser["app"] = {r"plugin_installer\checkOnStart": "false", "askToSaveMemoryLayers": "false"}
    parser["core"] = {rf"{feed}\disabled": "true" for feed in NEWS}
    parser["fonts"] = {"downloadMissingFonts": "false"}
    target = folder / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    target.parent.mkdir(parents=True)
    with target.open("w") as file:
        parser.write(file, space_around_delimiters=False)


def play(
    scenario: Path, folder: Path, facts: dict[str, Any], locale: str = "en", theme: str = "default"
) -> Any:
    """Run a scenario and return what it reports.

    Args:
        scenario: a file with a generator function `scenario(stage, facts)`; see stage.py.
        folder: new; takes the profile, QGIS's output and the pictures.
        facts: for the scenario, as JSON.
        locale: QGIS's language.
        theme: of QGIS's user interface.

    Raises:
        DesktopFailed: a step failed, QGIS ended before, or it did not end in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_profile(folder, locale, theme)
    told = folder / "report.json"
    order = folder / "order.json"
    order.write_text(json.dumps({"scenario": str(scenario), "folder": str(folder), "facts": facts}))
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("QT_QPA_PLATFORM", "QGIS_CUSTOM_CONFIG_PATH", "DISPLAY", "WAYLAND_DISPLAY")
    }
    environment.update(ROS_SAM_E2E=str(order), QT_QPA_PLATFORM="xcb", LC_ALL="C.UTF-8", HOME=str(folder))
    command = ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", "qgis", "--nologo", "--noversioncheck"]
    command += ["--profiles-path", str(folder), "--code", str(STAGE)]
    with (folder / "qgis.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        left: list[str] = []
        try:
            code = process.wait(LIMIT_S)
            left = processes_left(folder)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_session(process.pid)
    log = (folder / "qgis.log").read_text(errors="replace")[-3000:]
    report = json.loads(told.read_text()) if told.exists() else {"error": "no report"}
    if code is None:
        raise DesktopFailed(f"QGIS did not end in {LIMIT_S} s; {report}\n{log}")
    if "error" in report:
        raise DesktopFailed(f"{report['error']}\n{log}")
    return {**report, "code": code, "log": log, "left": left}


def processes_left(home: Path) -> list[str]:
    """Return the command lines of processes of a run that outlive it by more than some seconds."""
    end = time.monotonic() + GRACE_S
    while True:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"HOME={home}\0".encode() in (folder / "environ").read_bytes() + b"\0":
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def end_session(leader: int) -> None:
    """End what is left of the processes that a run has started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
