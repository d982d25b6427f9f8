"""`ros-sam export` writes a folder that other commands take as a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_files import Run, map_box

NAMES = ["decoder.onnx", "encoder.onnx", "graphs.json", "mask.onnx", "sketch.onnx"]


def test_an_export_outlines_what_its_model_outlines(
    call: Run, checkpoint: Path, raster: Path, tmp_path: Path
) -> None:
    done = call("export", checkpoint, "-o", tmp_path / "onnx", "--json")
    assert done.code == 0, done.err
    assert done.json["files"] == [*NAMES, "weights.safetensors"]
    found = []
    for model in (checkpoint, tmp_path / "onnx"):
        output = tmp_path / f"{len(found)}.geojson"
        done = call("segment", raster, "--model", model, "--box", map_box(18, 18, 44, 36), "-o", output)
        assert done.code == 0, done.err
        found.append(json.loads(output.read_text())["features"][0]["properties"])
    one, other = found
    assert other["model"] == one["model"] == "random-tiny"
    assert other["area_m2"] == pytest.approx(one["area_m2"], rel=0.01)


def test_graphs_alone(call: Run, checkpoint: Path, tmp_path: Path) -> None:
    assert call("export", checkpoint, "-o", tmp_path / "graphs", "--graphs-only").code == 0
    assert sorted(path.name for path in (tmp_path / "graphs").iterdir()) == NAMES


def test_what_cannot_be_exported_is_said(
    call: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call("export", checkpoint, "-o", tmp_path / "file")
    assert done.code == 2 and f"cannot write {tmp_path / 'file'}" in done.err
    monkeypatch.setitem(sys.modules, "torch", None)
    done = call("export", checkpoint, "-o", tmp_path / "onnx")
    assert done.code == 2 and "ros-sam[torch]" in done.err
