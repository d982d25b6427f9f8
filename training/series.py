"""What commands that train many models have in common: each in a process, resumed, within a budget."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open

from ros_sam_core.errors import CheckpointUnreadable, ConfigInvalid, RosSamError
from training.configfile import build_config, read_table
from training.state import FREE, changes, make_folder, write_text
from training.train import INTERRUPTED, StopRequest

log = logging.getLogger(__name__)
FAILED = 3
"""Exit code when some of the trainings failed; the others are in the table."""
Config = TypeVar("Config")


def train(values: dict[str, Any], options: argparse.Namespace, stop: StopRequest) -> int:
    """Train by a configuration in a process of its own; returns the exit code of `training.train`."""
    folder = Path(values["output"])
    make_folder(folder, "output")
    path = folder / "series.json"
    write_text(path, json.dumps(values, indent=1))
    command = [sys.executable, "-m", "training.train", "--config", str(path)]
    command += ["--processes", str(options.processes)]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if stop.minutes_left is not None:
        command += ["--budget-minutes", f"{stop.minutes_left:.3f}"]
    return subprocess.run(command, check=False).returncode


def parser_of(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return the options that all series have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m training.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, help=f"TOML file; see training/configs/{name}-*"
    )
    parser.add_argument("--output", help="folder of everything, in place of the configuration's")
    parser.add_argument("--budget-minutes", type=float, help="save and stop after this time")
    parser.add_argument("--processes", type=int, default=1, help="processes of a training, one a GPU")
    parser.add_argument("--threads", type=int, help="CPU threads of a process")
    parser.add_argument("--table", action="store_true", help="write the table of what is done and stop")
    return parser


@dataclass(frozen=True)
class Job:
    """One training of a series.

    Attributes:
        name: For messages.
        values: The training configuration, as a table; None: there is nothing to train.
        finish: Called when it is trained.
    """

    name: str
    values: dict[str, Any] | None
    finish: Callable[[], object]


def run_jobs(jobs: Iterable[Job], options: argparse.Namespace, stop: StopRequest) -> int:
    """Do one job after the other; one that fails does not stop those after it. Returns the exit code."""
    failed = []
    for job in jobs:
        if stop():
            return INTERRUPTED
        log.info("%s", job.name)
        code = 0 if job.values is None else train(job.values, options, stop)
        if code == INTERRUPTED:
            return INTERRUPTED
        if code:
            failed.append(job.name)
        else:
            job.finish()
    if failed:
        log.error("could not be trained: %s; the lines above say why", ", ".join(failed))
    return FAILED if failed else 0


def refuse_changed(done: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Compare finished trainings with what the series' configuration says of them now.

    Args:
        done: Name and training configuration, as a table, of each.

    Raises:
        ConfigInvalid: One was trained otherwise; a table would mix settings.
    """
    problems = []
    for name, values in done:
        folder = Path(values["output"])
        if not (folder / "config.json").is_file():
            continue
        told = read_table(folder / "config.json")
        if _beside(told, told.get("base")) == _beside(values, values.get("base")):  # the series was moved
            told["base"] = values.get("base", "")
        teachers = [table.get("distil", {}) for table in (told, values)]
        if _beside(told, teachers[0].get("teacher")) == _beside(values, teachers[1].get("teacher")):
            teachers[0]["teacher"] = teachers[1].get("teacher", "")
        if changed := changes(told, build_config(values, name), FREE - {"steps", "epochs"}):
            problems.append(f"{name}: {'; '.join(changed)} (in {folder})")
    if problems:
        raise ConfigInvalid(
            f"{len(problems)} finished training(s) had other settings than the configuration says now:\n- "
            + "\n- ".join(problems)
            + "\nChoose another output folder (--output), or delete their folders to train them anew"
        )


def _beside(values: dict[str, Any], weights: str | None) -> str:
    """Return the path of weights as seen from the training's folder; empty: there are none."""
    return os.path.relpath(weights, values["output"]) if weights else ""


def steps_of(result: Path) -> int:
    """Return the steps that a result was trained, as it says itself.

    Raises:
        CheckpointUnreadable: It is damaged, or no result of a training.
    """
    try:
        with safe_open(result, "pt") as file:
            return int((file.metadata() or {})["steps"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointUnreadable(
            f"{result} cannot be read as a training's result: {error!r}; delete it, and the same command "
            "makes it again"
        ) from error


def keep_table(folder: Path, table: Any, text: str) -> str:
    """Write a table as values and as Markdown into a series' folder; returns the Markdown."""
    make_folder(folder, "output")
    write_text(folder / "table.json", json.dumps(table, indent=1, allow_nan=False))
    write_text(folder / "table.md", text + "\n")
    return text


def run_series(
    options: argparse.Namespace,
    load: Callable[[Path, str | None], Config],
    done: Callable[[Config], Iterable[tuple[str, dict[str, Any]]]],
    run: Callable[[Config, argparse.Namespace, StopRequest], int],
    write_table: Callable[[Config], str],
) -> int:
    """Load a series, run what is left of it, and print its table; returns the exit code.

    Args:
        options: The command line's; see `parser_of`.
        load: Reads the configuration.
        done: Yields what is finished; see `refuse_changed`.
        run: Does what is not; returns the exit code.
        write_table: Writes the table of what is finished; returns it as Markdown.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        config = load(options.config, options.output)
        refuse_changed(done(config))
        code = 0
        if not options.table:
            with StopRequest(options.budget_minutes) as stop:
                code = run(config, options, stop)
        sys.stdout.write(write_table(config) + "\n")
    except RosSamError as error:
        log.error("%s", error)
        return 2
    if code == INTERRUPTED:
        log.info("stopped; the same command goes on")
    return code
