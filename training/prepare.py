"""Turn a video data set into the layout of ROS-SAM's release.

python -m training.prepare --layout coco labels.json --images frames -o data/satmtb

Of each video a random quarter of the frames is kept, because neighbours are all but alike; classes without
masks are left out; whole videos go to train or to val, never to both. `report.txt` and `report.json` in the
output folder say what was kept and why. Given again after an interruption, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ros_sam_core.errors import RosSamError
from training.plan import Plan, PrepareConfig, make_plan
from training.readers import LAYOUTS, VERTICES, DatasetSpec, Ledger, read_layout, warn_of_lone_frames
from training.release_writer import index_entry, is_written, write_bytes, write_frame, write_index, write_json
from training.scenes import DatasetError, why_undivided

log = logging.getLogger(__name__)
MARK = "prepare.json"
"""File that says what a folder was prepared from, and how."""


def prepare(spec: DatasetSpec, config: PrepareConfig, output: Path, show: bool = False) -> str:
    """Write the data set and its report; see the module.

    Args:
        spec: The data set that is read.
        config: What is kept.
        output: Folder of the splits.
        show: Show progress bars on the terminal.

    Returns:
        The report as text.

    Raises:
        DatasetError: Something is wrong with the data set and `spec.on_error` is "stop", nothing is left, or
            the output folder holds something else.
    """
    _refuse_others(output)
    ledger = Ledger("skip")
    with Progress(disable=not show) as progress:
        task = progress.add_task("reading labels", total=None)
        scenes = list(
            read_layout(spec, ledger, lambda done, total: progress.update(task, completed=done, total=total))
        )
        if config.val:
            warn_of_lone_frames(spec, scenes)
        plan = make_plan(scenes, config, ledger)
        if config.val and not plan.splits["val"]:
            log.warning(
                "%s: nothing goes to val: each class's objects lie in one video, which is never divided. %s",
                spec.path,
                why_undivided(scenes, config.val) or "Take val from another data set",
            )
        if ledger.skipped and spec.on_error == "stop":
            raise DatasetError(
                f"{spec.path}: {ledger.summary()}\nnothing was written; mend this, or go on without it: "
                "--on-error skip"
            )
        settings = {"data": asdict(spec), "prepare": asdict(config), "labels": plan.digest()}
        _claim(output, settings)
        _write(plan, output, ledger, spec.on_error, progress)
    write_json(output / "report.json", plan.report(ledger) | {"settings": settings})
    text = plan.text(spec, config, ledger)
    write_bytes(output / "report.txt", text.encode())
    return text


def _refuse_others(output: Path) -> None:
    if output.is_dir() and any(output.iterdir()) and not (output / MARK).exists():
        raise DatasetError(f"{output} is not empty and was not made by this command; name another folder")


def _claim(output: Path, settings: dict[str, Any]) -> None:
    """Make the output folder this command's own; refuse one of other settings or labels."""
    mark = output / MARK
    if mark.exists():
        before, now = json.loads(mark.read_text()), json.loads(json.dumps(settings))
        for table in (before, now):
            table["data"]["on_error"] = ""
        if before != now:
            raise DatasetError(
                f"{output} was prepared with other settings or other labels ({mark} has them); name another "
                "folder, or remove it first"
            )
        return
    output.mkdir(parents=True, exist_ok=True)
    write_json(mark, settings)


def _write(plan: Plan, output: Path, ledger: Ledger, on_error: str, progress: Progress) -> None:
    ledger.on_error = on_error
    task = progress.add_task("writing frames", total=sum(len(frames) for frames in plan.splits.values()))
    for split, frames in plan.splits.items():
        index = {}
        for stem, scene in list(frames.items()):
            try:
                if not is_written(output / split, stem):
                    write_frame(output / split, stem, scene)
                index[stem] = index_entry(scene)
            except DatasetError as error:
                ledger.fault("corrupt image", scene.name, "", str(error))
                del frames[stem]
            progress.advance(task)
        if index:
            write_index(output / split, index)


def add_spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a data set."""
    parser.add_argument("path", help="labels: a COCO file, a folder, or a vector file")
    parser.add_argument("--layout", choices=LAYOUTS, required=True)
    parser.add_argument("--images", default="", help="images, if not in images/ beside the labels")
    add_label_arguments(parser)


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a data set's labels are to be read."""
    parser.add_argument("--classes", default="", help="class table of labelled frames, .json or .csv")
    parser.add_argument("--values", default="instance", choices=("instance", "class"))
    parser.add_argument("--divisor", type=int, default=0, help="an instance's class is its number over this")
    add_vertices_argument(parser)
    parser.add_argument("--video", default="", help="regular expression; its first group is a frame's video")
    parser.add_argument("--crs", default="", help="CRS of the polygons, in place of their own")
    parser.add_argument("--on-error", default="stop", choices=("stop", "skip"))


def add_vertices_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how a COCO file's polygons are drawn."""
    parser.add_argument(
        "--vertices",
        default="auto",
        choices=VERTICES,
        help="what vertices of COCO polygons are; auto: by the areas and boxes that the file states",
    )


def spec_of(options: argparse.Namespace, **more: Any) -> DatasetSpec:
    """Return the data set that options name."""
    return DatasetSpec(**spec_fields(options), **more)


def spec_fields(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a `DatasetSpec` that options hold."""
    names = {field.name for field in fields(DatasetSpec)}
    given = {key: value for key, value in vars(options).items() if key in names}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_spec_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the result")
    parser.add_argument("--share", type=float, default=0.25, help="share of each video's frames (0.25)")
    parser.add_argument("--val", type=float, default=0.2, help="share of the videos for val (0.2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="CLASS", help="a class to leave out"
    )
    parser.add_argument(
        "--keep-boxes", action="store_true", help="keep classes whose masks are nothing but filled boxes"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Each fault is in the report; of thousands, thousands of lines would say less.
    logging.getLogger("training.readers.ledger").setLevel(logging.ERROR)
    try:
        spec = spec_of(options, verify=False)
        config = PrepareConfig(options.share, options.val, options.seed, not options.keep_boxes)
        print(prepare(spec, config, options.output, show=sys.stderr.isatty()))
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("%s cannot be written: %s; run the same command again to go on", options.output, error)
        return 2
    except KeyboardInterrupt:
        log.error("stopped; frames that are written stay, run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
