"""Which ONNX graphs belong to a checkpoint; read without torch and without ONNX.

Graphs hold an architecture and no weights. Those of the bundled architecture are in the package, in
`weights/graphs/`; a folder that `ros-sam export` wrote holds graphs and weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.zoo import BUNDLED_FOLDER

GRAPHS = ("encoder", "mask", "decoder", "sketch")
MANIFEST = "graphs.json"
WEIGHTS = "weights.safetensors"
CONFIG_KEY = "ros_sam_config"
BUNDLED_GRAPHS = BUNDLED_FOLDER / "graphs"
NUMPY_TYPES = {"F16", "F32", "F64"}
"""Types of tensors that can be read without torch, as safetensors names them."""
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class GraphFiles:
    """Graphs and the weights that fit them.

    Attributes:
        folder: Of the graphs.
        weights: A checkpoint of ours.
        config: Of the checkpoint.
        names: Tensors of the checkpoint that each graph uses, by the graph's name.
    """

    folder: Path
    weights: Path
    config: ModelConfig
    names: Mapping[str, Sequence[str]]


def is_export(path: Path) -> bool:
    """Say whether a path is a folder that `ros-sam export` wrote."""
    return (path / MANIFEST).is_file() and (path / WEIGHTS).is_file()


def find_graphs(path: Path) -> GraphFiles | None:
    """Return the graphs that fit a checkpoint, or an export's folder; None where there are none.

    A file that cannot be read without torch has none, and neither has one that torch would refuse: whoever
    opens it with torch tells why.
    """
    weights, homes = (path / WEIGHTS, [path]) if is_export(path) else (path, [BUNDLED_GRAPHS])
    if weights.suffix != ".safetensors" or not weights.is_file():
        return None
    try:
        with safe_open(weights, framework="np") as file:
            config = ModelConfig.from_json((file.metadata() or {})[CONFIG_KEY])
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: part.get_shape() for name, part in slices.items()}
            types = {part.get_dtype() for part in slices.values()}
    except (OSError, SafetensorError, KeyError, ConfigInvalid):
        return None
    if not types <= NUMPY_TYPES:
        return None
    for home in homes:
        names = _fitting(home, config, shapes)
        if names is not None:
            return GraphFiles(home, weights, config, names)
    return None


def _fitting(
    home: Path, config: ModelConfig, shapes: Mapping[str, Sequence[int]]
) -> Mapping[str, Sequence[str]] | None:
    """Return which tensors each graph of a folder uses, if the checkpoint has them all and no others."""
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        wanted, names = manifest["tensors"], {graph: list(manifest["graphs"][graph]) for graph in GRAPHS}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    fits = {name: list(shape) for name, shape in shapes.items()} == wanted
    known = manifest.get("architecture") == architecture(config)
    there = all((home / f"{graph}.onnx").is_file() for graph in GRAPHS)
    return names if fits and known and there else None


def sha256_of(*paths: Path) -> str:
    """Return the hexadecimal sha256 of one or more files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def shorten(names: Sequence[str]) -> str:
    """Write names of tensors one after the other; of many the first."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def architecture(config: ModelConfig) -> dict[str, Any]:
    """Return what of a configuration the graphs depend on: all but its name, crops and choice of a head."""
    told: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return {key: value for key, value in told.items() if key not in ("name", "crop", "head")}


def manifest_of(config: ModelConfig, graphs: Mapping[str, Mapping[str, Sequence[int]]]) -> str:
    """Write what graphs are for, as JSON.

    Args:
        config: Of the model.
        graphs: Names and shapes of the tensors of a checkpoint that each graph uses.
    """
    tensors = {name: list(shape) for graph in graphs.values() for name, shape in graph.items()}
    names = {graph: sorted(used) for graph, used in graphs.items()}
    told = {"architecture": architecture(config), "graphs": names, "tensors": tensors}
    return json.dumps(told, sort_keys=True) + "\n"
