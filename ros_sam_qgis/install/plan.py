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
WITHOUT_ENSUREPIP = (
    "import subprocess, sys, venv; folder, python = sys.argv[1:]; "
    "venv.EnvBuilder(clear=True).create(folder); "
    "sys.exit(subprocess.call([sys.executable, '-I', '-m', 'pip', '--disable-pip-version-check', "
    "'--no-input', '--python', python, 'install', 'pip']))"
)
"""Debian's Python may lack ensurepip (python3-venv) and have pip (python3-pip), which serves as well."""
NEWER = ("python3.13", "python3.12", "python3.11", "python3", "python")


class InstallError(Exception):
    """Root of what this package raises; the message is for the user."""


class NoWheel(InstallError, LookupError):
    """This copy of the plugin brings no engine."""


class Variant(Enum):
    """What computes: ONNX Runtime alone, which the small models need, or PyTorch besides."""

    ONNX = "onnx"
    CPU = "torch-cpu"
    CUDA = "torch-cuda"

    @property
    def has_torch(self) -> bool:
        """Whether PyTorch is installed."""
        return self is not Variant.ONNX


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


@dataclass(frozen=True)
class Pythons:
    """What was found.

    Attributes:
        usable: interpreters that can make the environment, QGIS's own first.
        hint: what to do where there is none.
    """

    usable: list[str]
    hint: str = ""


def find_pythons() -> Pythons:
    """Look for interpreters that are new enough and can make an environment, QGIS's own first.

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
    seen: dict[str, Interpreter | None] = {}
    for path in candidates:
        real = os.path.realpath(path)
        if real not in seen:
            seen[real] = inspect(path)
            if is_usable(seen[real]):
                found[real] = path
    return Pythons(list(found.values()), "" if found else _hint([one for one in seen.values() if one]))


@dataclass(frozen=True)
class Interpreter:
    """What an interpreter says of itself.

    Attributes:
        path: of the program.
        version: major and minor.
        modules: which of `venv`, `ensurepip` and `pip` it has.
    """

    path: str
    version: tuple[int, int]
    modules: frozenset[str]

    @property
    def name(self) -> str:
        """The version as text."""
        return f"{self.version[0]}.{self.version[1]}"


def inspect(python: str) -> Interpreter | None:
    """Ask an interpreter for its version and modules; None where it does not run."""
    code = (
        "import sys, importlib.util as u; print(*sys.version_info[:2], "
        "*[m for m in ('venv', 'ensurepip', 'pip') if u.find_spec(m)])"
    )
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
        return None
    words = re.fullmatch(r"(\d+) (\d+)((?: \w+)*)", told.stdout.strip())
    if told.returncode or words is None:
        return None
    return Interpreter(python, (int(words[1]), int(words[2])), frozenset(words[3].split()))


def is_usable(one: Interpreter | None) -> bool:
    """Say whether an interpreter can make the environment; pip alone can bring what ensurepip would."""
    return one is not None and one.version >= OLDEST and "venv" in one.modules and len(one.modules) > 1


def is_new_enough(python: str) -> bool:
    """Say whether an interpreter runs and can make the environment."""
    return is_usable(inspect(python))


def _hint(seen: list[Interpreter]) -> str:
    """Say what to install, from the interpreters that could not be used."""
    for one in seen:
        if one.version >= OLDEST:
            text = tr("{python} can make no environment: install python{version}-venv, then try again.")
            return text.format(python=one.path, version=one.name)
    newest = max(seen, key=lambda one: one.version, default=None)
    text = tr("No Python 3.11 or later was found{but}. Install one (python.org), or name it above.")
    but = tr(", only {version}").format(version=newest.name) if newest else ""
    return text.format(but=but)


def plan(base: str, folder: str, python: str, wheel: str, variant: Variant, clear: bool) -> list[Step]:
    """Return the steps that build an environment, or go on building one.

    Args:
        base: interpreter that makes the environment.
        folder: of the environment.
        python: its interpreter, once it is made.
        wheel: of the engine.
        variant: what computes.
        clear: begin afresh.
    """
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    make = [base, "-I", "-m", "venv", *(["--clear"] if clear else []), folder]
    check = [python, "-I", "-m", "ros_sam_core.engine", "--version"]
    steps = [
        Step(tr("Make the environment"), make, 5, [[base, "-I", "-c", WITHOUT_ENSUREPIP, folder, python]])
    ]
    if variant.has_torch:
        torch, *others = torch_requirements(variant)
        steps.append(Step(tr("Install PyTorch"), [*pip, *torch], 50, [[*pip, *other] for other in others]))
    extras = "engine,torch" if variant.has_torch else "engine"
    # The wheel of a repaired or renewed plugin may have the version of the one that is there.
    renew = [*pip, "--force-reinstall", "--no-deps", wheel]
    return [
        *steps,
        Step(tr("Install the engine"), [*pip, f"{wheel}[{extras}]"], 35 if variant.has_torch else 85),
        Step(tr("Renew the engine"), renew, 5),
        Step(tr("Try the engine"), check, 5),
    ]


def torch_requirements(variant: Variant) -> list[list[str]]:
    """Return what pip installs for PyTorch: the first that works."""
    if variant is Variant.CUDA:
        # The exact name of the build replaces another that is there.
        first = ["--extra-index-url", CUDA_INDEX, f"torch=={TORCH}+cu126"]
        own = [["--force-reinstall", f"torch=={TORCH}"]] if sys.platform.startswith("linux") else []
        return [first, *own]  # on Linux the registry's own build is one for CUDA, too
    if sys.platform.startswith("linux"):
        # The exact name of the CPU build can never bring gigabytes of CUDA.
        return [["--extra-index-url", CPU_INDEX, f"torch=={TORCH}+cpu"], [f"torch=={TORCH}+cpu"]]
    return [[f"torch=={TORCH}"]]
