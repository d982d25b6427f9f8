"""`ros-sam export`: a model as ONNX."""

from __future__ import annotations

from pathlib import Path

from ros_sam_core.cli.report import Report


def run_export(model: str, output: Path, report: Report, *, graphs_only: bool = False) -> None:
    """Export a model's graphs and weights into a folder, and say what is in it.

    Raises:
        RosSamError: The model cannot be opened, is not exported, or the folder cannot be written.
    """
    from ros_sam_core.model.opening import require_torch

    require_torch("exporting a model")
    from ros_sam_core.model.checkpoints import load_checkpoint
    from ros_sam_core.model.export import export_model, write_graphs
    from ros_sam_core.model.zoo import resolve

    loaded = load_checkpoint(resolve(model))
    if graphs_only:
        folder = write_graphs(loaded.model, output)
    else:
        folder = export_model(loaded.model, output, {**loaded.metadata, "exported_from": loaded.sha256})
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    report.put(model=model, folder=str(folder), files=files)
    report.say(f"{folder}: {', '.join(files)}")
