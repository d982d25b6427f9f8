"""Measure a model through the whole pipeline: `python -m training.evaluate --data val.json --model NAME`.

Prompts are boxes, boxes with noise, and clicks of which each corrects the largest mistake; polygons are
rasterised back and compared with the labels, object by object and frame by frame. Beside each number stand
the filled box, GrabCut, and the same weights with the frame shown whole.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ros_sam_core.errors import ConfigInvalid, RosSamError
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.evaluation.data import guess_spec, open_scenes
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
    add("--model", default="ros-sam-tiny", help="a model's name, or a checkpoint")
    add("--device", default="cpu", help="cpu, cuda or mps")
    add("--prompts", nargs="+", default=list(KINDS), help="box, box+20%%, click, 3clicks, …")
    add("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="what stands beside the model")
    add(
        "--most-clicks", type=int, default=20, help="clicks to 80, 85 and 90 %% IoU stop here; 0: not counted"
    )
    add("--count-share", type=float, default=1.0, help="share of the images on which clicks are counted")
    add("--aside", type=float, help="only the share of images that training sets aside")
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
        RosSamError: The model or the data cannot be read, or an option is wrong.
    """
    kinds = tuple(PromptKind.parse(text) for text in options.prompts)
    if options.most_clicks < 0 or not 0 <= options.count_share <= 1:
        raise ConfigInvalid("--most-clicks must be 0 or more, --count-share a share, 0 to 1")
    spec = guess_spec(options.data, options.layout, options.images)
    scenes, told = open_scenes(spec, aside=options.aside, limit=options.limit, reduce=options.reduce)
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
        options.json.write_text(json.dumps(figures, indent=1))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "report.json").write_text(json.dumps(figures, indent=1))
        (options.output / "report.md").write_text(table)
        contact_sheet(measured.columns[0], scenes).save(options.output / "overlays.png")
        log.info("written to %s", options.output)


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
