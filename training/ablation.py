"""The ablation's rows: what each trains and how it looks at a frame, and the table of what they reach."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ros_sam_core.errors import ConfigInvalid
from training import simulated
from training.configfile import build, build_config, read_table
from training.readers.spec import LAYOUTS, VERTICES

MERGE = ("model", "tune", "loss", "distil", "data", "frames", "jitter")


@dataclass(frozen=True)
class Target:
    """A data set on which rows are trained and measured.

    Attributes:
        name: Its name in the table.
        train: Labels to train on, as `DatasetSpec.path`; all targets are trained on together.
        val: Labels to measure on.
        layout: How both are laid out; see `training.readers.DatasetSpec`.
        vertices: What the vertices of COCO polygons are; see `training.readers.DatasetSpec`.
        classes: Classes that count; empty: all.
        train_videos: In place of labels: number of simulated videos to train on (`training.simulate`).
        val_videos: Number of simulated videos to measure on; they are others.
    """

    name: str
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    layout: str = "coco"
    vertices: str = "auto"
    classes: tuple[str, ...] = ()
    train_videos: int = 0
    val_videos: int = 0


@dataclass(frozen=True)
class AblationConfig:
    """An ablation: one base, rows that change one thing each, equal budgets.

    Attributes:
        output: Folder of everything; each row has a folder of its own in it.
        base: The base's weights: a name of `ros-sam models list`, or a path. Empty: trained as plain SAM by
            the `pretrain` table.
        seeds: Seeds of each row.
        ranks: LoRA's ranks; "everything" takes the last one.
        crop_px: Side of the crop at inference, native pixels.
        targets: What rows are trained and measured on.
        pretrain: A training configuration (`training.config`) of the base, where it is trained here.
        train: The training configuration that all rows share; rows replace what they are about.
    """

    output: str
    base: str = ""
    seeds: tuple[int, ...] = (0, 1)
    ranks: tuple[int, ...] = (4, 32, 512)
    crop_px: int = 512
    targets: tuple[Target, ...] = ()
    pretrain: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        key: Its folder's name.
        title: What it is.
        crop: Whether it looks at crops at inference, or at the frame whole.
        tune: The fields of `TuneConfig` that it trains with; None: it is not trained.
        frames: Fields of `FrameJitter` that it replaces.
        head: The head whose mask counts.
    """

    key: str
    title: str
    crop: bool = True
    tune: Mapping[str, Any] | None = None
    frames: Mapping[str, Any] = field(default_factory=dict)
    head: str = "sam"


def rows_of(config: AblationConfig) -> list[Row]:
    """Return all rows, from SAM as it is to everything."""
    nothing = {
        "encoder": "frozen",
        "last_block": False,
        "prompt_encoder": False,
        "sam_decoder": True,
        "hq_decoder": False,
    }
    whole = {"whole": True, "scale": [0.8, 1.25], "object_share": 0.0}
    rows = [
        Row("sam", "SAM as it is", crop=False),
        Row("crop", "+ crop at inference"),
        Row("whole", "SAM's decoder tuned on whole frames, no crop", crop=False, tune=nothing, frames=whole),
        Row("pipeline", "+ crop and training pipeline, SAM's decoder tuned", tune=nothing),
    ]
    rows += [
        Row(f"lora-{rank}", f"+ LoRA, rank {rank}", tune={**nothing, "encoder": "lora", "rank": rank})
        for rank in config.ranks
    ]
    hq = {**nothing, "sam_decoder": False, "hq_decoder": True}
    everything = {
        **hq,
        "encoder": "lora",
        "rank": config.ranks[-1],
        "last_block": True,
        "prompt_encoder": True,
    }
    rows += [
        Row("last-block", "+ last block in full", tune={**nothing, "last_block": True}),
        Row("hq", "+ HQ decoder, SAM's own frozen", tune=hq, head="hq"),
        Row(
            "all", f"everything: LoRA {config.ranks[-1]}, last block, HQ decoder", tune=everything, head="hq"
        ),
    ]
    return rows


def load_ablation(path: Path, output: str | None = None) -> AblationConfig:
    """Read an ablation's configuration; every training in it is checked as well.

    Raises:
        ConfigInvalid: It has mistakes; all of them are in the message.
    """
    values = read_table(path) | ({"output": output} if output else {})
    problems: list[str] = []
    config = build(AblationConfig, values, "", problems)
    if config is None:
        raise ConfigInvalid(f"{path} has {len(problems)} mistake(s):\n- " + "\n- ".join(problems))
    problems += _problems(config)
    if not problems:
        checks = [] if config.base else [pretrain_config(config)]
        checks += [row_config(config, row, config.seeds[0]) for row in rows_of(config) if row.tune]
        for values in checks:
            try:
                build_config({**values, "base": values.get("base") or ""}, values["output"])
            except ConfigInvalid as error:
                problems += str(error).split("\n- ")[1:]
    if problems:
        told = list(dict.fromkeys(problems))
        raise ConfigInvalid(f"{path} has {len(told)} mistake(s):\n- " + "\n- ".join(told))
    assert isinstance(config, AblationConfig)
    return config


def _problems(config: AblationConfig) -> list[str]:
    found = []
    if not config.targets:
        found.append("targets is empty; name at least one data set")
    for target in config.targets:
        paths = (*target.train, *target.val)
        found += [f"target {target.name}: {path} does not exist" for path in paths if not Path(path).exists()]
        for what in ("train", "val"):
            if bool(getattr(target, what)) == bool(getattr(target, f"{what}_videos")):
                found.append(f"target {target.name}: give either {what} or {what}_videos")
        for what, known in (("layout", LAYOUTS), ("vertices", VERTICES)):
            value = getattr(target, what)
            if value not in known:
                found.append(f"target {target.name}: {what} is {value!r}; use one of {', '.join(known)}")
    if not config.seeds:
        found.append("seeds is empty; give at least one")
    if not config.ranks or min(config.ranks) < 1:
        found.append(f"ranks is {config.ranks}; give one or more, each 1 or more")
    if config.crop_px < 8:
        found.append(f"crop_px is {config.crop_px}; it must be 8 or more")
    if not config.base and not config.pretrain:
        found.append("base names no weights and there is no [pretrain] table to train them by")
    return found


def base_path(config: AblationConfig) -> str:
    """Return the base's name, or where it is trained to."""
    return config.base or str(Path(config.output) / "base" / "base.safetensors")


def pretrain_config(config: AblationConfig) -> dict[str, Any]:
    """Return the training configuration, as a table, of the base as plain SAM: no HQ head."""
    return merged(
        config.pretrain,
        {
            "output": str(Path(config.output) / "base"),
            "export": "merged",
            "model": {"name": "base", "head": "sam", "crop": _crop(config, False)},
            "tune": {"encoder": "full", "hq_decoder": False},
            "loss": {"hq": 0.0},
            "data": {"cache": str(scene_cache(config))},
        },
    )


def row_config(config: AblationConfig, row: Row, seed: int) -> dict[str, Any]:
    """Return the training configuration, as a table, of a row that is trained."""
    model = config.train.get("model", {})
    plain = row.head == "sam" and model.get("arch", "tiny") != "tiny"
    return merged(
        config.train,
        {
            "output": str(folder_of(config, row, seed)),
            "base": base_path(config),
            "seed": seed,
            "export": "merged",
            "model": {
                "name": row.key,
                "head": row.head,
                "crop": _crop(config, row.crop),
                **({"hq": False} if plain else {}),
            },
            "tune": dict(row.tune or {}),
            "frames": dict(row.frames),
            "loss": {"hq": 1.0, "sam": 0.0} if row.head == "hq" else {"hq": 0.0, "sam": 1.0},
            "data": {
                "pipeline": "frames",
                "coco": [p for target in config.targets if _plain(target) for p in target.train],
                "sets": [
                    {"layout": target.layout, "path": path, "vertices": target.vertices}
                    for target in config.targets
                    if not _plain(target)
                    for path in target.train
                ],
                "simulated": sum(target.train_videos for target in config.targets),
                "simulated_share": sum(target.train_videos > 0 for target in config.targets)
                / len(config.targets),
                "cache": str(scene_cache(config)),
                "classes": list(dict.fromkeys(c for target in config.targets for c in target.classes)),
            },
        },
    )


def _plain(target: Target) -> bool:
    """Say whether a target's labels are read as `data.coco` has them."""
    return target.layout == "coco" and target.vertices == "auto"


def folder_of(config: AblationConfig, row: Row, seed: int) -> Path:
    """Return where a row's state and result are."""
    return Path(config.output) / "rows" / row.key / f"seed{seed}"


def result_path(config: AblationConfig, row: Row, seed: int) -> Path:
    """Return the file of what a row reached."""
    return folder_of(config, row, seed) / "result.json"


def measuring(config: AblationConfig, row: Row) -> dict[str, Any]:
    """Return all that a row's figures depend on beside its training, as JSON has it."""
    targets = [asdict(target) for target in config.targets]
    for target in targets:
        del target["train"], target["train_videos"]
        if target["val_videos"]:
            target["simulated"] = simulated.VERSION
    told: dict[str, Any] = {
        "head": row.head,
        "crop_px": config.crop_px if row.crop else 0,
        "targets": targets,
    }
    if not row.tune:
        told["base"] = config.base or config.pretrain
    measured: dict[str, Any] = json.loads(json.dumps(told))
    return measured


def scene_cache(config: AblationConfig) -> Path:
    """Return where rendered and simulated scenes are kept."""
    return Path(config.output) / "scenes"


def _crop(config: AblationConfig, crop: bool) -> dict[str, Any]:
    return {"kind": "fixed", "crop_px": config.crop_px if crop else 0, "snap": 0.0, "click_px": []}


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training configuration, as a table, in which another's fields replace those of the first."""
    both = dict(shared)
    for key, value in own.items():
        both[key] = {**shared.get(key, {}), **value} if key in MERGE else value
    return both


def read_result(config: AblationConfig, row: Row, seed: int) -> dict[str, Any] | None:
    """Return what a row reached; None: it is not measured, or was by other settings than `measuring` says."""
    path = result_path(config, row, seed)
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return result if result.get("measured") == measuring(config, row) else None


def table_of(config: AblationConfig) -> dict[str, Any]:
    """Return the table as values: each row's mean over seeds on each target, its spread, the gain on SAM."""
    lines: list[dict[str, Any]] = []
    start: dict[str, float] = {}
    for row in rows_of(config):
        seeds = config.seeds if row.tune else config.seeds[:1]
        results = [found for seed in seeds if (found := read_result(config, row, seed)) is not None]
        line: dict[str, Any] = {"key": row.key, "title": row.title, "seeds": len(results)}
        line["wanted"] = len(seeds)
        line["otherwise"] = sum(result_path(config, row, seed).is_file() for seed in seeds) - len(results)
        for name in _columns(results):
            values = [result["iou"][name] for result in results]
            spread = statistics.stdev(values) if len(values) > 1 else None
            mean = statistics.fmean(values)
            if row.key == "sam":
                start[name] = mean
            gain = mean - start[name] if name in start else None
            line[name] = {"mean": mean, "spread": spread, "gain": gain, "values": values}
        if results:
            line["steps"] = results[0]["steps"]
        lines.append(line)
    return {"rows": lines, "targets": [target.name for target in config.targets]}


def _columns(results: Sequence[dict[str, Any]]) -> list[str]:
    return list(results[0]["iou"]) if results else []


def as_markdown(table: Mapping[str, Any]) -> str:
    """Write the table as Markdown; a row without all its seeds, or measured by other settings, says so."""
    columns = table["targets"]
    head = ["row", "seeds", *(part for c in columns for part in (f"{c}, mean IoU", "gain on SAM, points"))]
    lines = ["| " + " | ".join(head) + " |", "| --- | ---: |" + " ---: |" * (2 * len(columns))]
    for row in table["rows"]:
        done = f"{row['seeds']}" if row["seeds"] == row["wanted"] else f"{row['seeds']} of {row['wanted']}"
        done += f", {row['otherwise']} measured otherwise" if row["otherwise"] else ""
        cells = [row["title"], done]
        for column in columns:
            value = row.get(column)
            if value is None:
                cells += ["not finished", ""]
                continue
            spread = "" if value["spread"] is None else f" ± {value['spread']:.3f}"
            gain = "" if value["gain"] is None or row["key"] == "sam" else f"{100 * value['gain']:+.1f}"
            cells += [f"{value['mean']:.3f}{spread}", gain]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
