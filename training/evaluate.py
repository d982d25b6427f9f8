"""Measure a model through the whole pipeline: `python -m training.evaluate --data val.json --model NAME`.

Prompts are boxes, boxes with noise, and clicks of which each corrects the largest mistake; polygons are
rasterised back and compared with the labels, object by object and frame by frame. Beside each number stand
the filled box, GrabCut, and the same weights with the frame shown whole.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ros_sam_core.errors import ConfigInvalid, OutputFailed, RosSamError
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.evaluation.data import guess_spec, open_scenes, read_left_out
from training.evaluation.measure import Plan, measure
from training.evaluation.methods import (
    FilledBox,
    GrabCut,
    Method,
    PeerUnavailable,
    PipelineMethod,
    whole_frames,
)
from training.evaluation.prompting import PromptKind
from training.evaluation.report import as_markdown, report
from training.evaluation.sheet import contact_sheet
from training.prepare import add_label_arguments, spec_fields
from training.release_writer import write_bytes
from training.state import write_text

log = logging.getLogger("training.evaluate")
KINDS = ("box", "box+10%", "box+20%", "click", "3clicks", "5clicks")
PEERS = ("filled-box", "grabcut", "whole-frame")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="COCO file, vector file, or folder (also a simulated video)")
    add("--layout", default="", help="release, coco, frames or polygons, where the data do not tell")
    add(
        "--images", default="", help="folder of the images, or the raster; images/ beside the data by default"
    )
    add_label_arguments(parser)
    add("--model", default="ros-sam-tiny", help="a model's name, or a checkpoint")
    add("--device", default="cpu", help="cpu, cuda or mps")
    add("--prompts", nargs="+", default=list(KINDS), help="box, box+20%%, click, 3clicks, …")
    add("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="what stands beside the model")
    add(
        "--most-clicks", type=int, default=20, help="clicks to 80, 85 and 90 %% IoU stop here; 0: not counted"
    )
    add("--count-share", type=float, default=1.0, help="share of the images on which clicks are counted")
    add("--aside", type=float, help="only the share of images that training sets aside")
    add(
        "--without", type=Path, help="leave out the objects that `training.leakage --json` wrote to this file"
    )
    add("--limit", type=int, default=0, help="only so many images, spread over the set")
    add("--reduce", type=int, default=1, help="reduce the images by area averaging first")
    add("--output", type=Path, help="folder for report.json, report.md and overlays.png")
    add("--json", type=Path, help="write all figures here")
    add("--seed", type=int, default=0)
    return parser


def make_methods(segmenter: Segmenter, peers: Sequence[str]) -> list[Method]:
    """Return the model and its peers; one that cannot be had is named and left out."""
    methods: list[Method] = [PipelineMethod(segmenter)]
    if "whole-frame" in peers:
        methods.append(whole_frames(segmenter))
    if "grabcut" in peers:
        try:
            methods.append(GrabCut())
        except PeerUnavailable as error:
            log.warning("GrabCut is left out: %s", error)
    if "filled-box" in peers:
        methods.append(FilledBox())
    return methods


def run(options: argparse.Namespace) -> None:
    """Evaluate as the command line says.

    Raises:
        RosSamError: The model or the data cannot be read, an option is wrong, or a result cannot be written.
    """
    kinds = tuple(PromptKind.parse(text) for text in options.prompts)
    if options.most_clicks < 0 or not 0 <= options.count_share <= 1:
        raise ConfigInvalid("--most-clicks must be 0 or more, --count-share a share, 0 to 1")
    spec = guess_spec(options.data, **spec_fields(options))
    make_folders(options.output, options.json)
    without = read_left_out(options.without) if options.without else {}
    scenes, told = open_scenes(
        spec, aside=options.aside, limit=options.limit, reduce=options.reduce, without=without
    )
    log.info("%s", told)
    segmenter = Segmenter.from_pretrained(options.model, options.device, cache=CacheOptions(disk_mb=0))
    methods = make_methods(segmenter, options.peers)
    counted = tuple(m.name for m in methods[:1])
    plan = Plan(
        kinds, options.most_clicks, counted, options.count_share, keep=methods[0].name, seed=options.seed
    )
    measured = measure(methods, scenes, plan, progress=_Progress())
    settings = {
        name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()
    }
    settings |= {
        "model": segmenter.name,
        "weights": segmenter.weights,
        "images": len(scenes),
        "objects": sum(len(scene.objects) for scene in scenes),
    }
    figures = report(measured, settings)
    table = as_markdown(figures, options.most_clicks)
    sys.stdout.write(table)
    if options.json:
        write_text(options.json, json.dumps(figures, indent=1))
    if options.output:
        write_text(options.output / "report.json", json.dumps(figures, indent=1))
        write_text(options.output / "report.md", table)
        write_sheet(options.output / "overlays.png", contact_sheet(measured.columns[0], scenes))
        log.info("written to %s", options.output)


def make_folders(output: Path | None, figures: Path | None) -> None:
    """Make the folders of the results, which come after hours of work.

    Args:
        output: Folder of all results.
        figures: File of the figures.

    Raises:
        OutputFailed: One cannot be made or written to, or the place of the figures is a folder.
    """
    if figures and figures.is_dir():
        raise OutputFailed(f"--json {figures} is a folder; name a file")
    for folder in filter(None, (output, figures and figures.parent)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            raise OutputFailed(
                f"results cannot be written to {folder}: {error}; name another place"
            ) from error


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a picture in one step.

    Raises:
        OutputFailed: It cannot be written.
    """
    picture = io.BytesIO()
    sheet.save(picture, "PNG")
    try:
        write_bytes(path, picture.getvalue())
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error}; the figures are written") from error


class _Progress:
    """Say now and then how far it is and how long it will take."""

    def __init__(self) -> None:
        self.start = self.told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.told > 10 or done == total:
            self.told = now
            left = (now - self.start) / done * (total - done)
            log.info("image %d of %d, %.0f s left", done, total, left)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        run(options)
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
