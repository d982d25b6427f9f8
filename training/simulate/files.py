"""Write a simulated video: georeferenced frames, masks, and the truth in the formats that tools read."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from ros_sam_core.errors import OutputExists, OutputFailed
from training.coco_writer import annotation_of
from training.simulate.options import MOVABLE
from training.simulate.preview import contact_sheet, spread
from training.simulate.video import SimulatedFrame, SimulatedObject, SimulatedVideo

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]


def write_video(
    video: SimulatedVideo,
    folder: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Path:
    """Write a video and its truth into a folder, which appears when all of it is there.

    `images/000000.tif` … are the frames, with their time in `TIFFTAG_DATETIME` and ACQUISITIONDATETIME;
    `masks/000000.tif` … the track of each pixel, 0 for none; `classes.json` the class of each track.
    `truth.gpkg` holds the layers `objects` (what is seen of each object in each frame), `outlines` (all of
    it) and `tracks` (the way of its middle), in the frames' CRS at the true place on the ground. `coco.json`
    is a COCO file with `videos` and a track an annotation; `mot.txt` has MOT Challenge's columns (frame from
    1, track, left, top, width, height, 1, class, share seen; pixels from 1, as there). Boxes are the tight
    boxes of the masks. An object that is hidden in a frame is in none of them for that frame. `video.json`
    says how it was made, `preview.png` shows it.

    Args:
        video: The video.
        folder: Made; its parent must exist.
        overwrite: Replace a folder that is there, once the new one is complete.
        progress: Told frames done and in all.
        cancel: Asked before each frame; when it says yes nothing is left behind.

    Returns:
        The folder.

    Raises:
        OutputExists: The folder is there and `overwrite` is not given, or it holds something else.
        OutputFailed: The disk does not take it.
        InterruptedError: `cancel` said yes.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not overwrite:
        raise OutputExists(f"{folder} exists; choose another name, or overwrite it (--overwrite)")
    if folder.exists() and not ((folder / "video.json").is_file() or _is_empty(folder)):
        raise OutputExists(f"{folder} is not a video made here and stays; delete it, or choose another name")
    if not folder.parent.is_dir():
        raise OutputFailed(f"{folder.parent} is no folder; create it, or choose another place")
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(video, partial, progress, cancel)
        if folder.exists():
            old = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)
    except (OSError, RasterioError) as error:
        if isinstance(error, InterruptedError):
            raise
        raise OutputFailed(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _write(video: SimulatedVideo, folder: Path, progress: Progress | None, cancel: Cancel | None) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    truth = _Truth(video)
    for frame in video:
        if cancel is not None and cancel():
            raise InterruptedError("cancelled")
        name = f"{frame.number:06d}.tif"
        _write_raster(folder / "images" / name, np.moveaxis(frame.rgb, -1, 0), frame)
        _write_raster(folder / "masks" / name, frame.labels[None].astype(np.uint16), frame)
        truth.add(frame)
        if progress is not None:
            progress(frame.number + 1, len(video))
    truth.write(folder)
    classes = {str(player.track): player.actor.class_name for player in video.players}
    (folder / "classes.json").write_text(json.dumps(classes, indent=1))
    told = {"ground": video.ground.name, "seed": video.seed, "gsd_m": video.gsd_m}
    told["options"] = dataclasses.asdict(video.options)
    (folder / "video.json").write_text(json.dumps(told, indent=1))
    contact_sheet([video.frame(n) for n in spread(len(video), 3)]).save(folder / "preview.png")


def _write_raster(path: Path, bands: NDArray[Any], frame: SimulatedFrame) -> None:
    crs = frame.grid.crs
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=bands.shape[0],
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype,
        transform=frame.grid.transform,
        crs=None if crs is None else crs.to_wkt(),
        compress="deflate",
        photometric="rgb" if bands.shape[0] == 3 else "minisblack",
    ) as target:
        target.write(bands)
        target.update_tags(
            TIFFTAG_DATETIME=frame.time.replace("-", ":").replace("T", " ")[:19], time=frame.time
        )
        target.update_tags(ns="IMAGERY", ACQUISITIONDATETIME=frame.time.rstrip("Z").replace("T", " "))


class _Truth:
    """Collects what is true of each frame, and writes it at the end."""

    def __init__(self, video: SimulatedVideo) -> None:
        self.video = video
        self.rows: list[dict[str, Any]] = []
        self.whole: list[shapely.Geometry] = []
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.mot: list[str] = []
        names = {player.actor.class_name for player in video.players}
        self.categories = {name: i + 1 for i, name in enumerate(sorted(names | set(MOVABLE)))}

    def add(self, frame: SimulatedFrame) -> None:
        height, width = frame.grid.shape
        self.images.append(
            {
                "id": frame.number + 1,
                "video_id": 1,
                "frame_id": frame.number,
                "file_name": f"{frame.number:06d}.tif",
                "width": width,
                "height": height,
                "date_captured": frame.time,
            }
        )
        for obj in frame.objects:
            self.rows.append(
                {
                    "track": obj.track,
                    "class": obj.class_name,
                    "frame": frame.number,
                    "time": frame.time,
                    "speed_mps": obj.speed_mps,
                    "heading": obj.heading_deg,
                    "seen": obj.seen,
                    "geometry": shapely.transform(obj.visible, frame.true_grid.pixel_to_map),
                }
            )
            self.whole.append(shapely.transform(obj.outline, frame.true_grid.pixel_to_map))
            x0, y0, x1, y1 = obj.box
            self.mot.append(
                f"{frame.number + 1},{obj.track},{x0 + 1:g},{y0 + 1:g},{x1 - x0:g},{y1 - y0:g},1,"
                f"{self.categories[obj.class_name]},{obj.seen:.4f}"
            )
            self.annotations.append(self._annotation(frame, obj))

    def _annotation(self, frame: SimulatedFrame, obj: SimulatedObject) -> dict[str, Any]:
        return annotation_of(obj.pixels, frame.grid.shape) | {
            "id": len(self.annotations) + 1,
            "image_id": frame.number + 1,
            "video_id": 1,
            "category_id": self.categories[obj.class_name],
            "attributes": {
                "speed_mps": round(obj.speed_mps, 4),
                "heading": round(obj.heading_deg, 4),
                "seen": round(obj.seen, 4),
            },
        }

    def write(self, folder: Path) -> None:
        video, crs = self.video, self.video.ground_grid.crs
        name = folder.name.strip(".").removesuffix(".part")
        columns = ["track", "class", "frame", "time", "speed_mps", "heading", "seen", "geometry"]
        frame = geopandas.GeoDataFrame(self.rows, columns=columns, geometry="geometry", crs=crs)
        path = folder / "truth.gpkg"
        frame.to_file(path, layer="objects", engine="pyogrio")
        frame.set_geometry(self.whole, crs=crs).to_file(path, layer="outlines", engine="pyogrio")
        self._tracks(frame).to_file(path, layer="tracks", engine="pyogrio")
        coco = {
            "info": {"description": f"simulated video over {video.ground.name}, seed {video.seed}"},
            "videos": [{"id": 1, "name": name, "fps": video.options.fps, "length": len(video)}],
            "images": self.images,
            "annotations": self.annotations,
            "categories": [{"id": number, "name": name} for name, number in self.categories.items()],
        }
        (folder / "coco.json").write_text(json.dumps(coco))
        (folder / "mot.txt").write_text("".join(f"{line}\n" for line in self.mot))

    def _tracks(self, frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        rows = []
        for player in self.video.players:
            own = frame[frame["track"] == player.track]
            if own.empty:
                continue
            times = own["frame"].to_numpy() / self.video.options.fps
            states = [player.path.at(float(t)) for t in times]
            way = self.video.ground_grid.pixel_to_map([(s.x, s.y) for s in states])
            rows.append(
                {
                    "track": player.track,
                    "class": player.actor.class_name,
                    "first": int(own["frame"].min()),
                    "last": int(own["frame"].max()),
                    "mean_mps": float(own["speed_mps"].mean()),
                    "geometry": shapely.LineString(way if len(way) > 1 else np.repeat(way, 2, axis=0)),
                }
            )
        columns = ["track", "class", "first", "last", "mean_mps", "geometry"]
        return geopandas.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=frame.crs)
