"""What has to be run to build the engine's environment; nothing is run here."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum

from ..engine.environment import sanitised
from ..i18n import tr

OLDEST = (3, 11)
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_INDEX = "https://download.pytorch.org/whl/cu126"
WHEELS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "wheel")
NEWER = ("python3.13", "python3.12", "python3.11", "python3", "python")


class InstallError(Exception):
    """Root of what this package raises; the message is for the user."""


class NoPython(InstallError, LookupError):
    """There is no Python that the engine could run on."""


class NoWheel(InstallError, LookupError):
    """This copy of the plugin brings no engine."""


class Variant(Enum):
    """Which PyTorch."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Step:
    """One program to run.

    Attributes:
        title: for the user.
        command: the program and its arguments.
        share: of the whole work, in percent.
        instead: commands to try, one after the other, where this one fails.
    """

    title: str
    command: list[str]
    share: int
    instead: list[list[str]] = field(default_factory=list)


def find_wheel(folder: str = WHEELS) -> str:
    """Return the engine's wheel that came with the plugin.

    Raises:
        NoWheel: there is none.
    """
    wheels = sorted(glob.glob(os.path.join(glob.escape(folder), "ros_sam-*.whl")))
    if not wheels:
        raise NoWheel(tr("This copy of the plugin brings no engine; install the released zip."))
    return wheels[-1]


def find_pythons() -> list[str]:
    """Return interpreters that are new enough, QGIS's own first.

    QGIS on Windows and macOS is no interpreter itself; its Python stands beside it.
    """
    beside = [
        os.path.join(folder, name)
        for folder in (sys.exec_prefix, os.path.join(sys.exec_prefix, "bin"))
        for name in ("python.exe", "python3.exe", "python3")
    ]
    candidates = [path for path in beside if os.path.isfile(path)]
    candidates += [path for path in map(shutil.which, NEWER) if path]
    if sys.platform == "darwin":
        candidates += sorted(glob.glob("/Library/Frameworks/Python.framework/Versions/3.*/bin/python3"))
    if sys.platform == "win32":
        home = os.path.expandvars(r"%LOCALAPPDATA%\Programs\Python")
        candidates += sorted(glob.glob(os.path.join(home, "Python3*", "python.exe")))
    found: dict[str, str] = {}
    for path in candidates:
        real = os.path.realpath(path)
        if real not in found and is_new_enough(path):
            found[real] = path
    return list(found.values())


def is_new_enough(python: str) -> bool:
    """Say whether an interpreter runs and is of a version that the engine supports."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run(
            [python, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=20,
            env=sanitised(os.environ),
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.fullmatch(r"(\d+)\.(\d+)", told.stdout.strip())
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def plan(base: str, folder: str, python: str, wheel: str, variant: Variant, clear: bool) -> list[Step]:
    """Return the steps that build an environment, or go on building one.

    Args:
        base: interpreter that makes the environment.
        folder: of the environment.
        python: its interpreter, once it is made.
        wheel: of the engine.
        variant: which PyTorch.
        clear: begin afresh.
    """
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    make = [base, "-I", "-m", "venv", *(["--clear"] if clear else []), folder]
    check = [python, "-I", "-m", "ros_sam_core.engine", "--help"]
    torch, *others = torch_requirements(variant)
    return [
        Step(tr("Make the environment"), make, 5),
        Step(tr("Install PyTorch"), [*pip, *torch], 60, [[*pip, *other] for other in others]),
        Step(tr("Install the engine"), [*pip, f"{wheel}[engine]"], 30),
        Step(tr("Try the engine"), check, 5),
    ]


def torch_requirements(variant: Variant) -> list[list[str]]:
    """Return what pip installs for PyTorch: the first that works."""
    if variant is Variant.CUDA:
        if sys.platform == "win32":
            return [["--index-url", CUDA_INDEX, f"torch=={TORCH}"], [f"torch=={TORCH}"]]
        return [[f"torch=={TORCH}"]]
    if sys.platform.startswith("linux"):
        # The exact name of the CPU build can never bring gigabytes of CUDA.
        return [["--extra-index-url", CPU_INDEX, f"torch=={TORCH}+cpu"], [f"torch=={TORCH}+cpu"]]
    return [[f"torch=={TORCH}"]]
