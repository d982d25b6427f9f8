"""Turn the box tracks of a tracking data set into masks: the paper's zero-shot use.

python -m training.labels tracks/ --images frames/ -o labels/

Every box prompts the model; its outline becomes a COCO-video annotation (run-length encoding, track and
score). Tracks are MOT Challenge's text (frame, track, left, top, width, height, confidence, class, …), or
files of four numbers a row: one object over all frames of a sequence, or all objects of a single image.
Frames that say where they are on Earth give a GeoPackage of polygons a sequence too. Given again after an
interruption, the same command goes on.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ros_sam_core.errors import RosSamError
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.labelling import LabelJob, LabelOptions
from training.tracks import TrackOptions

log = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tracks", type=Path, help="file of boxes of one sequence, or the folder of all")
    parser.add_argument(
        "--images", type=Path, required=True, help="an image, a folder of frames, or a folder of sequences"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the result")
    parser.add_argument("--model", default="ros-sam-tiny", help="a name of `ros-sam models list`, or a path")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--class-name", default="object", help="class of what has none")
    parser.add_argument("--classes", default="", help="class table of MOT's eighth column, .json or .csv")
    parser.add_argument("--box-format", default="auto", choices=("auto", "xyxy", "xywh"))
    parser.add_argument(
        "--first-pixel", type=int, default=-1, choices=(0, 1), help="coordinate of the image's corner; MOT: 1"
    )
    parser.add_argument(
        "--frames", default="auto", choices=("auto", "number", "order"), help="what a frame number means"
    )
    parser.add_argument("--on-error", default="stop", choices=("stop", "skip"))
    parser.add_argument("--no-polygons", action="store_true", help="write no GeoPackages")
    parser.add_argument("--overlays", type=int, default=3, help="pictures to check a sequence by (3)")
    parser.add_argument("--bands", type=int, nargs="+", default=[], help="bands of rasters, counted from 1")
    parser.add_argument("--stretch", default="", help='stretch of rasters to 8 bit, such as "2-98"')
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("training.readers.ledger").setLevel(logging.ERROR)  # the report names all
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        tracks = TrackOptions(
            given.box_format, given.first_pixel, given.frames, given.classes, given.class_name
        )
        options = LabelOptions(
            given.on_error, not given.no_polygons, given.overlays, tuple(given.bands), given.stretch, tracks
        )
        segmenter = Segmenter.from_pretrained(given.model, given.device, CacheOptions(disk_mb=0))
        job = LabelJob(segmenter, given.tracks, given.images, given.output, options)
        with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("frames", total=None)
            result = job.run(lambda done, total: progress.update(task, completed=done, total=total))
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("%s; what is finished stays, run the same command again to go on", error)
        return 2
    except KeyboardInterrupt:
        log.error("stopped; what is finished stays, run the same command again to go on")
        return 130
    print(result.text)
    return 3 if result.failed or result.skipped else 0


if __name__ == "__main__":
    sys.exit(main())
