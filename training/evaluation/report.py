"""Figures of an evaluation as values for JSON and as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from training.evaluation.measure import Column, Measured, Result
from training.evaluation.metrics import interval
from training.evaluation.prompting import TARGETS
from training.validate import MOVERS

SIZES = ((0, 16), (16, 32), (32, 64), (64, 128), (128, 10_000))
"""Object sizes by which results are listed: longer side of the box, pixels."""
Figures = dict[str, Any]


def figure_of(values: Sequence[float], scenes: Sequence[int], videos: Sequence[int]) -> Figures:
    """Return a mean, its 95 % interval and the number of values.

    Args:
        values: One figure an object or a frame.
        scenes: The scene of each.
        videos: See `Measured`. Frames of a video are drawn together; of a single video or image there is no
            interval.
    """
    array = np.array(values, float)
    groups = np.array([videos[scene] for scene in scenes])
    low, high = interval(array, groups) if len(set(groups)) > 1 else (None, None)
    return {"mean": float(array.mean()), "low": low, "high": high, "n": len(array)}


def group_names(results: Sequence[Result]) -> dict[str, Callable[[Result], bool]]:
    """Return the groups by which results are listed: all, what moves, each class, each size."""
    groups: dict[str, Callable[[Result], bool]] = {"all": lambda r: True}
    classes = sorted({r.class_name for r in results})
    movers = [name for name in MOVERS if name in classes]
    if movers and len(movers) < len(classes):
        groups[", ".join(movers)] = lambda r: r.class_name in movers
    for name in classes:
        groups[name] = lambda r, name=name: r.class_name == name  # type: ignore[misc]
    for low, high in SIZES:
        name = f"{low}-{high} px" if high < 10_000 else f"{low} px and more"
        groups[name] = lambda r, low=low, high=high: low <= r.longer_px < high  # type: ignore[misc]
    return groups


def summarise(column: Column, videos: Sequence[int]) -> Figures:
    """Return a column's figures: by group of objects, by frame, and how well `score` ranks."""
    groups = {}
    for name, belongs in group_names(column.results).items():
        own = [r for r in column.results if belongs(r)]
        if own:
            scenes = [r.scene for r in own]
            groups[name] = {
                "iou": figure_of([r.iou for r in own], scenes, videos),
                "boundary_iou": figure_of([r.boundary for r in own], scenes, videos),
            }
    frames = [f.scene for f in column.frames]
    scores = [r.score for r in column.results]
    rank = None
    if len(set(scores)) > 1 and len({r.iou for r in column.results}) > 1:
        rank = float(spearmanr(scores, [r.iou for r in column.results]).statistic)
    return {
        "instances": groups,
        "frames": {
            "iou": figure_of([f.iou for f in column.frames], frames, videos),
            "boundary_iou": figure_of([f.boundary for f in column.frames], frames, videos),
        },
        "score_rank_correlation": rank,
    }


def report(measured: Measured, settings: Figures) -> Figures:
    """Return everything as values for JSON: settings, and figures by method and kind of prompt."""
    methods: Figures = {}
    for column in measured.columns:
        if column.results:
            methods.setdefault(column.method, {})[column.kind] = summarise(column, measured.videos)
    counts: Figures = {}
    for name, found in measured.counts.items():
        scenes = [c.scene for c in found]
        counts[name] = {
            f"{target:.0%}": {
                "clicks": figure_of([c.clicks[i] for c in found], scenes, measured.videos),
                "failed": float(np.mean([not c.reached[i] for c in found])),
            }
            for i, target in enumerate(TARGETS)
        }
    return {"settings": settings, "methods": methods, "clicks_to_iou": counts}


def as_markdown(figures: Figures, most_clicks: int) -> str:
    """Write figures as tables: the first method in full, then every method in short, then counted clicks."""
    methods = figures["methods"]
    first = next(iter(methods))
    parts = []
    for title, key in (("Mean IoU", "iou"), ("Mean boundary IoU", "boundary_iou")):
        parts.append(f"### {title} per instance, {first}\n\n" + _instances(methods[first], key))
    parts.append("### Beside each other\n\n" + _side_by_side(methods))
    if figures["clicks_to_iou"]:
        parts.append(f"### Clicks to a given IoU\n\n{_clicks(figures['clicks_to_iou'], most_clicks)}")
    return "\n\n".join(parts) + "\n"


def _cell(figure: Figures | None, digits: int = 3) -> str:
    if figure is None:
        return ""
    low, high = figure["low"], figure["high"]
    spread = "" if low is None else f" ({low:.{digits}f}-{high:.{digits}f})"
    return f"{figure['mean']:.{digits}f}{spread}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "".join(" ---: |" if 0 < i <= numbers else " --- |" for i in range(len(head))))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _instances(kinds: Figures, key: str) -> str:
    names = list(dict.fromkeys(name for own in kinds.values() for name in own["instances"]))
    rows = []
    for name in names:
        found = [own["instances"].get(name, {}).get(key) for own in kinds.values()]
        count = next(figure["n"] for figure in found if figure)
        rows.append([name, str(count), *map(_cell, found)])
    if key == "iou":
        ranks = [own["score_rank_correlation"] for own in kinds.values()]
        cells = ["" if rank is None else f"{rank:.2f}" for rank in ranks]
        rows.append(["rank correlation of `score` with IoU", "", *cells])
    return _table(["objects", "n", *kinds], rows, 1)


def _side_by_side(methods: Figures) -> str:
    groups = [name for own in methods.values() for kind in own.values() for name in kind["instances"]]
    movers = next((name for name in groups if ", " in name), None)
    rows = []
    for method, kinds in methods.items():
        for kind, own in kinds.items():
            instances, frames = own["instances"], own["frames"]
            cells = [_cell(instances["all"]["iou"]), _cell(instances["all"]["boundary_iou"])]
            if movers:
                cells.append(_cell(instances[movers]["iou"]))
            rows.append([method, kind, *cells, _cell(frames["iou"]), _cell(frames["boundary_iou"])])
    head = ["method", "prompt", "IoU, all", "boundary IoU, all"]
    head += [f"IoU, {movers}"] if movers else []
    return _table([*head, "mIoU per frame", "boundary IoU per frame"], rows)


def _clicks(counts: Figures, most_clicks: int) -> str:
    rows = []
    for method, targets in counts.items():
        cells = [f"{_cell(own['clicks'], 2)}; {own['failed']:.0%} not reached" for own in targets.values()]
        rows.append([method, str(next(iter(targets.values()))["clicks"]["n"]), *cells])
    note = f"\n\nAn object that does not reach the target counts as {most_clicks} clicks."
    return _table(["method", "n", *(f"to {t:.0%} IoU" for t in TARGETS)], rows, 1) + note
