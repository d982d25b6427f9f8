"""The environment in which the engine and its installer run: the user's, without what QGIS put into it.

QGIS's Windows and macOS packages point Python, PROJ and GDAL at their own files. A Python that has libraries
of its own would load QGIS's data with them, of another version.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

LEAKING = frozenset(
    {
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "PYTHONEXECUTABLE",
        "PYTHONPLATLIBDIR",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "PROJ_LIB",
        "PROJ_DATA",
        "GDAL_DATA",
        "GDAL_DRIVER_PATH",
        "GDAL_PYTHON_DRIVER_PATH",
        "GEOTIFF_CSV",
        "QT_PLUGIN_PATH",
        "QML2_IMPORT_PATH",
        "QGIS_PREFIX_PATH",
    }
)
LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
SYSTEM_PREFIXES = frozenset({"", "/", "/usr", "/usr/local", "/opt"})


def sanitised(environ: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Return a copy of an environment without what leads into QGIS's own libraries and data.

    Args:
        environ: of the QGIS process.
        prefix: the folder of QGIS (`QgsApplication.prefixPath()`). Search paths lose the folders below it,
            unless it is one that the whole system shares.
    """
    clean = {name: value for name, value in environ.items() if name.upper() not in LEAKING}
    searched = (*LIBRARY_PATHS, "PATH") if sys.platform == "win32" else LIBRARY_PATHS
    for name in searched:
        if name in clean:
            clean[name] = _without(clean[name], prefix)
            if not clean[name]:
                del clean[name]
    clean["PYTHONNOUSERSITE"] = "1"
    clean["PYTHONUTF8"] = "1"
    return clean


def _without(search_path: str, prefix: str) -> str:
    """Return a search path without the folders below a prefix."""
    root = os.path.normcase(os.path.normpath(prefix)) if prefix else ""
    if root.replace("\\", "/") in SYSTEM_PREFIXES:
        return search_path
    kept = []
    for folder in search_path.split(os.pathsep):
        normal = os.path.normcase(os.path.normpath(folder)) if folder else ""
        if normal and normal != root and not normal.startswith(root + os.sep):
            kept.append(folder)
    return os.pathsep.join(kept)
