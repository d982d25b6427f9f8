"""`ros-sam models`: the models that are known by name."""

from __future__ import annotations

from typing import Any

from ros_sam_core.cli.report import Report
from ros_sam_core.model.zoo import ZOO, ZooEntry, download, path_of


def run_list(report: Report) -> None:
    """List the models: name, size, whether it is here, terms, what it is for."""
    report.put(models=[_facts(entry) for entry in ZOO.values()])
    width = max(map(len, ZOO))
    for entry in ZOO.values():
        size, state = f"{entry.size_mb:5d} MB", _state(entry)
        report.say(f"{entry.name:<{width}}  {size}  {state:<14}  {entry.licence:<16}  {entry.summary}")


def run_download(name: str, report: Report) -> None:
    """Fetch the weights of a model, unless they are here and sound, and say where they are.

    Raises:
        ModelUnknown: No model has this name.
        DownloadFailed: The weights cannot be fetched or stored.
        DownloadCorrupt: What came is not what was published.
    """
    with report.progress(name, as_bytes=True) as progress:
        path = download(name, progress)
    report.put(name=name, path=str(path))
    report.say(str(path))


def run_path(name: str, report: Report) -> None:
    """Say where the weights of a model are.

    Raises:
        ModelUnknown: No model has this name.
        ModelNotDownloaded: They are not on this machine.
    """
    path = path_of(name)
    report.put(name=name, path=str(path))
    report.say(str(path))


def _state(entry: ZooEntry) -> str:
    if not entry.path.is_file():
        return "missing" if entry.bundled else "not downloaded"
    return "bundled" if entry.bundled else "downloaded"


def _facts(entry: ZooEntry) -> dict[str, Any]:
    here = entry.path.is_file()
    return {
        "name": entry.name,
        "summary": entry.summary,
        "licence": entry.licence,
        "size_mb": entry.size_mb,
        "state": _state(entry),
        "path": str(entry.path) if here else None,
        "url": entry.url,
    }
