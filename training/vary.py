"""What helps, one change at a time: `python -m training.vary --config training/configs/vary-quick.toml`.

Every row is the same training with one thing changed, once a seed, and is measured on the images that
training sets aside. Runs resume by themselves, so that the same command goes on wherever it was stopped. The
table is written anew, as Markdown and JSON, whenever a run is done.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ros_sam_core.errors import ConfigInvalid
from training.ablation import merged
from training.board import measured_at
from training.configfile import build, build_config, read_table
from training.series import Job, keep_table, parser_of, run_jobs, run_series, steps_of
from training.train import StopRequest

log = logging.getLogger(__name__)
COLUMNS = {"box": "box", "box_movers": "box, movers", "click": "click", "click_movers": "click, movers"}
"""Figures of `training.validate.validate` that are shown, and their heads."""


@dataclass(frozen=True)
class Variation:
    """A row of the table.

    Attributes:
        key: Its folder's name.
        title: What is changed.
        change: Fields of the training configuration that it replaces; those of a table within the table.
        after: Key of a row whose result it starts from, with the same seed; empty: from where `train` says.
        teacher: Key of a row whose result is its teacher, with the same seed; empty: whom `train` names.
    """

    key: str
    title: str
    change: dict[str, Any]
    after: str = ""
    teacher: str = ""


@dataclass(frozen=True)
class Study:
    """A training and variations of it.

    Attributes:
        output: Folder of everything; each run has a folder of its own in it.
        seeds: Seeds of each row.
        train: The training configuration that all rows share.
        rows: The rows; the gain of each is told against the first.
    """

    output: str
    train: dict[str, Any]
    rows: tuple[Variation, ...]
    seeds: tuple[int, ...] = (0,)


def load_study(path: Path, output: str | None = None) -> Study:
    """Read a study; every training in it is checked as well.

    Raises:
        ConfigInvalid: It has mistakes; all of them are in the message.
    """
    values = read_table(path) | ({"output": output} if output else {})
    values["rows"] = [{"change": {}, **row} for row in values.get("rows", [])]
    problems: list[str] = []
    study = build(Study, values, "", problems)
    if study is not None:
        problems += _problems(study)
    if study is not None and not problems:
        for row in study.rows:
            try:
                build_config({**run_config(study, row, study.seeds[0]), "base": ""}, row.key)
            except ConfigInvalid as error:
                problems += [f"row {row.key}: {line}" for line in str(error).split("\n- ")[1:]]
    if problems:
        raise ConfigInvalid(f"{path} has {len(problems)} mistake(s):\n- " + "\n- ".join(problems))
    assert isinstance(study, Study)
    return study


def _problems(study: Study) -> list[str]:
    found = []
    if not study.rows:
        found.append("there is no [[rows]] table; give at least one")
    if not study.seeds:
        found.append("seeds is empty; give at least one")
    known: list[str] = []
    for row in study.rows:
        if row.key in known:
            found.append(f"row {row.key}: another row has the same key")
        for name in ("after", "teacher"):
            other = getattr(row, name)
            if other and other not in known:
                found.append(f"row {row.key}: {name} is {other!r}, which is no row before it")
        known.append(row.key)
    if not study.train.get("data", {}).get("aside", 0.08):
        found.append("train.data.aside is 0; rows are measured on images set aside")
    return found


def run_config(study: Study, row: Variation, seed: int) -> dict[str, Any]:
    """Return the training configuration, as a table, of a row and a seed."""
    values: dict[str, Any] = {
        "output": str(folder_of(study, row.key, seed)),
        "seed": seed,
        "data": {"cache": str(Path(study.output) / "scenes")},
        "model": {"name": "result"},
    }
    if row.after:
        values["base"] = str(folder_of(study, row.after, seed) / "result.safetensors")
    if row.teacher:
        values["distil"] = {"teacher": str(folder_of(study, row.teacher, seed) / "result.safetensors")}
    return merged(merged(study.train, values), row.change)


def folder_of(study: Study, key: str, seed: int) -> Path:
    """Return where a run's state and result are."""
    return Path(study.output) / key / f"seed{seed}"


def figures(study: Study, row: Variation, seed: int) -> dict[str, float] | None:
    """Return what a run reached on the images set aside; None: it is not done, or was not looked at."""
    folder = folder_of(study, row.key, seed)
    result = folder / "result.safetensors"
    if not result.is_file():
        return None
    found = measured_at(folder, steps_of(result))
    return None if found is None else {name: found[name] for name in COLUMNS if name in found}


def table_of(study: Study) -> list[dict[str, Any]]:
    """Return a line a row: means over its seeds, their spread, and the gain on the first row's same seeds."""
    results = {row.key: {seed: figures(study, row, seed) for seed in study.seeds} for row in study.rows}
    first = results[study.rows[0].key]
    lines = []
    for row in study.rows:
        own = {seed: found for seed, found in results[row.key].items() if found is not None}
        line: dict[str, Any] = {"key": row.key, "title": row.title, "seeds": len(own)}
        for name in COLUMNS:
            values = [found[name] for found in own.values() if name in found]
            if not values:
                continue
            spread = statistics.stdev(values) if len(values) > 1 else None
            gains = [
                found[name] - start[name]
                for seed, found in own.items()
                if (start := first[seed]) is not None and name in start and row is not study.rows[0]
            ]
            gain = statistics.fmean(gains) if gains else None
            line[name] = {"mean": statistics.fmean(values), "spread": spread, "gain": gain}
        lines.append(line)
    return lines


def as_markdown(lines: Sequence[dict[str, Any]]) -> str:
    """Write the table as Markdown."""
    head = ["change", "seeds", *(part for name in COLUMNS.values() for part in (name, "gain"))]
    text = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for line in lines:
        cells = [line["title"], str(line["seeds"])]
        for name in COLUMNS:
            value = line.get(name)
            if value is None:
                cells += ["not finished" if not line["seeds"] else "", ""]
                continue
            spread = "" if value["spread"] is None else f" ± {value['spread']:.3f}"
            gain = "" if value["gain"] is None else f"{value['gain']:+.3f}"
            cells += [f"{value['mean']:.3f}{spread}", gain]
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text)


def write_table(study: Study) -> str:
    """Write the table of what is done; returns it as Markdown."""
    lines = table_of(study)
    return keep_table(Path(study.output), lines, as_markdown(lines))


def jobs(study: Study) -> Iterator[Job]:
    """Yield what is not trained, one seed of all rows after the other."""
    for seed in study.seeds:
        for row in study.rows:
            if figures(study, row, seed) is None:
                name = f"row {row.key}, seed {seed}"
                yield Job(name, run_config(study, row, seed), partial(finish, study, row, seed))


def finish(study: Study, row: Variation, seed: int) -> None:
    """Write the table after a training, and say so where there is nothing of it to write."""
    if figures(study, row, seed) is None:
        log.warning(
            "row %s, seed %d is trained, but %s tells nothing of its result on the images set aside: is "
            "train.data.aside less than one image, or was the disk full?",
            row.key,
            seed,
            folder_of(study, row.key, seed) / "log.jsonl",
        )
    write_table(study)


def done(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and training configuration of what is trained."""
    for row in study.rows:
        for seed in study.seeds:
            if figures(study, row, seed) is not None:
                yield f"row {row.key}, seed {seed}", run_config(study, row, seed)


def run(study: Study, options: argparse.Namespace, stop: StopRequest) -> int:
    """Train what is not done; returns the exit code."""
    return run_jobs(jobs(study), options, stop)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parser_of("vary", __doc__).parse_args(arguments)
    return run_series(options, load_study, done, run, write_table)


if __name__ == "__main__":
    sys.exit(main())
