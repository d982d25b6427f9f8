"""Three packages, one direction: `ros_sam_qgis` -> (HTTP) -> `ros_sam_core` <- `training`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, TRAINING, PLUGIN = ROOT / "ros_sam_core", ROOT / "training", ROOT / "ros_sam_qgis"

QGIS = {"qgis", "osgeo", "processing", "PyQt5", "PyQt6"}
TORCH = {"torch", "torchvision", "peft", "segment_anything", "transformers", "accelerate"}
AFTER_PYTHON_39 = {"tomllib"}


def imports_of(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute module name of every import in a module of `package`, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = (
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            )
            if function in ("import_module", "__import__", "importorskip"):
                yield node.lineno, str(node.args[0].value)


def offences(folder: Path, forbidden: set[str]) -> list[str]:
    """Return "file:line module" for each import of a forbidden module, or of one inside it."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        package = ".".join(path.relative_to(ROOT if path.is_relative_to(ROOT) else folder).parent.parts)
        for line, module in imports_of(path.read_text(encoding="utf-8"), package):
            if any(module == name or module.startswith(f"{name}.") for name in forbidden):
                found.append(f"{path.name}:{line} {module}")
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        pytest.param(CORE, QGIS | {"ros_sam_qgis", "training"}, id="core-knows-no-qgis-and-no-training"),
        pytest.param(TRAINING, QGIS | {"ros_sam_qgis"}, id="training-knows-no-qgis"),
        pytest.param(PLUGIN, TORCH | {"rasterio", "ros_sam_core", "training"}, id="plugin-knows-no-core"),
        pytest.param(
            CORE / "geo",
            TORCH | {f"ros_sam_core.{part}" for part in ("model", "predict", "video", "engine", "cli")},
            id="geo-knows-no-torch",
        ),
        pytest.param(CORE, {"torchvision", "cv2"}, id="core-needs-no-torchvision"),
    ],
)
def test_no_import_crosses_a_line(folder: Path, forbidden: set[str]) -> None:
    assert any(folder.rglob("*.py")), f"{folder} holds no modules: this test would prove nothing"
    assert offences(folder, forbidden) == []


def test_plugin_imports_only_what_qgis_ships() -> None:
    allowed = (set(sys.stdlib_module_names) - AFTER_PYTHON_39) | {
        "qgis",
        "osgeo",
        "processing",
        "ros_sam_qgis",
    }
    found = []
    for path in sorted(PLUGIN.rglob("*.py")):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        for line, module in imports_of(path.read_text(encoding="utf-8"), package):
            if module.split(".")[0] not in allowed:
                found.append(f"{path.name}:{line} {module}")
    assert found == []


@pytest.mark.parametrize("path", sorted(PLUGIN.rglob("*.py")), ids=lambda path: path.stem)
def test_plugin_is_python_39(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import torch.nn as nn", "torch"),
        ("from torch import nn", "torch"),
        ("def f():\n    import torch", "torch"),
        ("importlib.import_module('torch.nn')", "torch"),
        ("from ..model import config", "pack.model"),
        ("from .. import model", "pack.model"),
    ],
)
def test_an_offence_is_seen(tmp_path: Path, line: str, module: str) -> None:
    module_path = tmp_path / "pack" / "geo" / "grid.py"
    module_path.parent.mkdir(parents=True)
    module_path.write_text(line)
    assert len(offences(tmp_path, {module})) == 1
    module_path.write_text("import torchlight\nfrom . import modelling\n")
    assert offences(tmp_path, {module}) == []


def modules_of(folder: Path) -> list[str]:
    """Return the dotted names of a folder's modules."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(folder.rglob("[!_]*.py"))
    ]


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after `code`."""
    report = "import sys; print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import ros_sam_core, ros_sam_core.errors, ros_sam_core.cli", id="package"),
        pytest.param("\n".join(f"import {name}" for name in modules_of(CORE / "geo")), id="geo"),
        pytest.param("\n".join(f"import {name}" for name in modules_of(CORE / "cli")), id="cli"),
        pytest.param("from ros_sam_core import Grid, PolygonOptions, Prompt, RasterFrame", id="public-names"),
    ],
)
def test_importing_loads_no_torch(code: str) -> None:
    assert loaded_by(code) & (TORCH | QGIS) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["--version"]])
def test_help_waits_for_no_library(arguments: list[str]) -> None:
    code = f"""
from ros_sam_core.cli import main
try:
    main({arguments})
except SystemExit as leaving:
    assert leaving.code == 0, leaving.code
"""
    assert (
        loaded_by(code) & {"torch", "rasterio", "geopandas", "pandas", "shapely", "skimage", "numpy"} == set()
    )
