"""The plugin's settings: typed, with their defaults."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsSettings

from ..engine.engine import Choice
from ..engine.errors import EngineNotConfigured
from ..engine.process import Address, Launch
from ..i18n import tr
from ..session.shape import Shape, options_text, read_options

ROOT = "ros_sam"
LOGS_KEPT_S = 30 * 24 * 3600
DEFAULT_MODEL = "ros-sam-tiny"
DEVICES = ("cpu", "cuda", "mps")
LOCAL, REMOTE = "local", "remote"
DEFAULT_CLASSES = ("airplane", "ship", "vehicle")
TEXTS = {
    "engine/kind": LOCAL,
    "engine/python": "",
    "engine/device": "cpu",
    "engine/address": "",
    "engine/authcfg": "",
    "engine/model": "",
    "model": DEFAULT_MODEL,
    "class": "",
}
"""Settings that are texts, and what they are before the user chooses.

"model" is that of an engine on this machine, "engine/model" that of one on another: empty is its own.
"""


def get(name: str) -> str:
    """Return a setting of `TEXTS`."""
    return str(QgsSettings().value(f"{ROOT}/{name}", TEXTS[name]) or TEXTS[name])


def put(name: str, value: str) -> None:
    """Keep a setting of `TEXTS`."""
    if name not in TEXTS:
        raise KeyError(name)
    QgsSettings().setValue(f"{ROOT}/{name}", value)


def is_remote() -> bool:
    """Say whether the engine is on another machine."""
    return get("engine/kind") == REMOTE


def model() -> str:
    """Return the model that outlines; empty is the one that an engine on another machine opens by itself."""
    return get("engine/model" if is_remote() else "model")


def set_model(name: str) -> None:
    """Keep which model outlines; empty is the usual one."""
    put("engine/model" if is_remote() else "model", name)


def classes() -> list[str]:
    """Return the names of the classes, in the user's order."""
    found = _load("classes", list(DEFAULT_CLASSES))
    return [str(name) for name in found] if isinstance(found, list) else list(DEFAULT_CLASSES)


def set_classes(names: list[str]) -> None:
    """Keep the names of the classes."""
    QgsSettings().setValue(f"{ROOT}/classes", json.dumps(names))


def shape() -> Shape:
    """Return the options of outlines."""
    return read_options(QgsSettings().value(f"{ROOT}/shape", ""))[0]


def set_shape(value: Shape) -> None:
    """Keep the options of outlines."""
    QgsSettings().setValue(f"{ROOT}/shape", options_text(value))


def home() -> str:
    """Return the plugin's folder in the QGIS profile; it is made."""
    folder = os.path.join(QgsApplication.qgisSettingsDirPath(), "ros_sam")
    os.makedirs(folder, exist_ok=True)
    return folder


def log_path() -> str:
    """Return the file that the engine of this QGIS logs to; logs of a month ago are deleted."""
    folder = os.path.join(home(), "logs")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.path.getmtime(path) < time.time() - LOGS_KEPT_S:
            os.remove(path)
    return os.path.join(folder, f"engine-{os.getpid()}.log")


def environment_folder() -> str:
    """Return the folder of the environment that the plugin sets up."""
    return os.path.join(home(), "env")


def environment_python(folder: str) -> str:
    """Return the interpreter of an environment, whether it is there or not."""
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(folder, *parts)


def token() -> str:
    """Return the token of a remote engine, from QGIS's authentication store; empty if there is none."""
    config = QgsAuthMethodConfig()
    authcfg = get("engine/authcfg")
    if not authcfg or not QgsApplication.authManager().loadAuthenticationConfig(authcfg, config, True):
        return ""
    return str(config.config("password"))


def set_token(value: str) -> bool:
    """Keep the token of a remote engine in QGIS's authentication store; says whether that took it."""
    manager = QgsApplication.authManager()
    config = QgsAuthMethodConfig("Basic")
    config.setName(tr("ROS-SAM engine"))
    config.setConfig("username", "ros-sam")
    config.setConfig("password", value)
    authcfg = get("engine/authcfg")
    if authcfg and authcfg in manager.configIds():
        config.setId(authcfg)
        return bool(manager.updateAuthenticationConfig(config))
    stored = manager.storeAuthenticationConfig(config)
    good = bool(stored[0] if isinstance(stored, tuple) else stored)
    if good:
        put("engine/authcfg", config.id())
    return good


def chosen_python() -> str:
    """Return the interpreter that has the engine.

    Raises:
        EngineNotConfigured: none was set up and none was named.
    """
    named = get("engine/python")
    if named:
        return named
    own = environment_python(environment_folder())
    if os.path.exists(own) and os.path.exists(os.path.join(environment_folder(), "ready.json")):
        return own
    raise EngineNotConfigured(tr("The engine is not set up yet."))


def chosen_address() -> str:
    """Return where an engine on another machine answers.

    Raises:
        EngineNotConfigured: no address was given.
    """
    address = get("engine/address").rstrip("/")
    if not address:
        raise EngineNotConfigured(tr("The engine on another machine has no address yet."))
    return address


def is_set_up() -> bool:
    """Say whether there is an engine to use; its token is not asked for, which may need a password."""
    try:
        chosen_address() if is_remote() else chosen_python()
    except EngineNotConfigured:
        return False
    return True


def choice() -> Choice:
    """Return which engine to use.

    Raises:
        EngineNotConfigured: nothing tells which.
    """
    if is_remote():
        return Address(chosen_address(), token())
    prefix = os.environ.get("OSGEO4W_ROOT") or QgsApplication.prefixPath()
    return Launch(chosen_python(), get("model"), get("engine/device"), log_path(), prefix)


def _load(name: str, default: Any) -> Any:
    try:
        return json.loads(QgsSettings().value(f"{ROOT}/{name}", "") or "null") or default
    except (TypeError, ValueError):
        return default
