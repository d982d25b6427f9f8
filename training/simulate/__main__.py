"""Make satellite video with truth: `python -m training.simulate --output DIR`.

The ground is a procedural scene (`--kind`), an image of a COCO file, whose movable objects then move
(`--coco`), or a part of a raster (`--raster`).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ros_sam_core.errors import ConfigInvalid, RosSamError
from ros_sam_core.synthetic import SceneKind
from training.configfile import build, read_table
from training.prepare import add_vertices_argument
from training.readers import read_coco
from training.scenes import DatasetError
from training.simulate.actors import Actor
from training.simulate.files import write_video
from training.simulate.ground import Ground, labelled_ground, procedural_ground, raster_ground
from training.simulate.motion import margin_px
from training.simulate.options import SimulateOptions
from training.simulate.video import SimulatedVideo

log = logging.getLogger("training.simulate")
_FIELDS = ("frames", "fps", "shape", "gsd_m", "objects", "object_px", "occluders", "start", "crs")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.simulate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder; made, and complete when it appears")
    add("--overwrite", action="store_true", help="replace the folder if it holds such a video")
    add("--seed", type=int, default=0, help="the same seed gives the same bytes")
    ground = parser.add_mutually_exclusive_group()
    ground.add_argument("--kind", choices=get_args(SceneKind), help="procedural ground (mixed by default)")
    ground.add_argument("--coco", type=Path, help="COCO instances file; images/ beside it")
    ground.add_argument("--raster", type=Path, help="raster; a georeferenced one keeps its place")
    add("--images", type=Path, help="folder of the COCO file's images")
    add_vertices_argument(parser)
    add("--image", help="name of the image in the COCO file; by default the seed chooses one")
    add("--guests", type=int, default=0, help="number of its images whose objects may join (0: drawn ones)")
    add(
        "--config",
        type=Path,
        help="TOML with fields of SimulateOptions; the options below go before it",
    )
    usual = SimulateOptions()
    add("--frames", type=int, help=f"number of frames ({usual.frames})")
    add("--fps", type=float, help=f"frames a second ({usual.fps:g})")
    shape = "of a frame ({} {}); less where the ground is small".format(*usual.shape)
    add("--shape", type=int, nargs=2, metavar=("ROWS", "COLUMNS"), help=shape)
    add("--gsd", type=float, dest="gsd_m", help="ground sample distance in metres, where nothing tells it")
    objects = "in a frame ({} {}); the ground's own are all kept".format(*usual.objects)
    add("--objects", type=int, nargs=2, metavar=("FEWEST", "MOST"), help=objects)
    sides = "longer side of drawn objects ({:g} {:g})".format(*usual.object_px)
    add("--object-px", type=float, nargs=2, metavar=("LOW", "HIGH"), help=sides)
    add("--occluders", type=int, help="bridges that hide what passes under them")
    add("--crossings", type=int, help="pairs of objects that hide a part of each other")
    add("--cloud-shadows", type=int, help="shadows of clouds")
    add("--jitter-px", type=float, help="standard deviation of each frame's own shift")
    add("--drift-px-s", type=float, nargs=2, metavar=("LOW", "HIGH"), help="drift of the camera")
    add("--roll-deg", type=float, help="slow rotation of the camera")
    add("--nominal", action="store_true", help="frames carry the georeference of a camera at rest")
    add("--noise", type=float, nargs=2, metavar=("LOW", "HIGH"), help="as a share of the full range")
    add("--blur-px", type=float, nargs=2, metavar=("LOW", "HIGH"), help="standard deviation of the optics")
    add("--flicker", type=float, help="change of brightness from frame to frame, as a share")
    add("--no-shadows", action="store_true", help="moving objects cast no shadows")
    add("--start", help="time of the first frame, ISO 8601")
    add("--crs", help="CRS of a ground that has none")
    return parser


def _check(given: argparse.Namespace) -> None:
    """Refuse what does not go together.

    Raises:
        ConfigInvalid: It does not.
    """
    for name in ("seed", "guests"):
        if getattr(given, name) < 0:
            raise ConfigInvalid(f"--{name} is {getattr(given, name)}; it must be 0 or more")
    alone = [f"--{name}" for name in ("images", "image", "guests") if getattr(given, name)]
    if alone and not given.coco:
        raise ConfigInvalid(f"{', '.join(alone)} is of a COCO file; name the file (--coco)")


def read_options(given: argparse.Namespace) -> SimulateOptions:
    """Put together the options of a configuration and of the command line.

    Raises:
        ConfigInvalid: The file or a value is wrong; all mistakes are in the message.
    """
    table: dict[str, Any] = read_table(given.config) if given.config else {}
    table |= {name: getattr(given, name) for name in _FIELDS if getattr(given, name) is not None}
    parts = {
        "motion": {"crossings": given.crossings},
        "platform": {
            "jitter_px": given.jitter_px,
            "drift_px_s": given.drift_px_s,
            "roll_deg": given.roll_deg,
            "georeference": "nominal" if given.nominal else None,
        },
        "light": {
            "cloud_shadows": given.cloud_shadows,
            "flicker": given.flicker,
            "shadows": False if given.no_shadows else None,
        },
        "sensor": {"noise": given.noise, "blur_px": given.blur_px},
    }
    for part, values in parts.items():
        told = {name: value for name, value in values.items() if value is not None}
        if told:
            table[part] = {**table.get(part, {}), **told}
    problems: list[str] = []
    options = build(SimulateOptions, table, "", problems)
    if problems:
        problems = [problem.removeprefix("the file: ") for problem in problems]
        raise ConfigInvalid(f"{len(problems)} mistake(s) in the options:\n- " + "\n- ".join(problems))
    assert isinstance(options, SimulateOptions)
    return options


def open_ground(given: argparse.Namespace, options: SimulateOptions) -> tuple[Ground, list[Actor]]:
    """Open the ground, and cut out the objects that may join its own.

    Raises:
        RosSamError: A file cannot be read.
    """
    margin = margin_px(options.platform, options.shape, options.duration_s)
    size = (options.shape[0] + 2 * margin, options.shape[1] + 2 * margin)
    if given.raster:
        return raster_ground(given.raster, size, given.seed), []
    if not given.coco:
        kind = given.kind or "mixed"
        return procedural_ground(given.seed, size, kind, object_px=options.object_px), []
    rng = np.random.default_rng([given.seed, 61])
    scenes = list(read_coco(given.coco, given.images, given.vertices))
    named = [s for s in scenes if s.name == given.image] if given.image else scenes
    grounds = (labelled_ground(named[i], given.seed) for i in rng.permutation(len(named)))
    ground = next((g for g in grounds if given.image or any(n.movable for n in g.natives)), None)
    if ground is None:
        what = (
            f"no image is called {given.image!r}" if given.image else "no image has an object that may move"
        )
        raise DatasetError(f"{given.coco}: {what}")
    others = [scenes[i] for i in rng.permutation(len(scenes))[: given.guests]]
    guests = [n.actor for scene in others for n in labelled_ground(scene).natives if n.movable]
    return ground, guests


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        _check(given)
        options = read_options(given)
        ground, guests = open_ground(given, options)
        video = SimulatedVideo(ground, options, given.seed, guests)
        if video.shape != options.shape:
            log.warning("the ground is small: frames have %d rows and %d columns", *video.shape)
        folder = write_video(video, given.output, overwrite=given.overwrite, progress=_tell)
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.error("interrupted; nothing was written")
        return 130
    log.info("%s: %d frames, %d objects", folder, len(video), len(video.players))
    return 0


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rframe {done} of {total}" + ("\n" if done == total else ""))


if __name__ == "__main__":
    sys.exit(main())
