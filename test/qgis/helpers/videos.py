"""Videos to open, and opened ones."""

from __future__ import annotations

from pathlib import Path

from desk import Desk
from osgeo import gdal
from qgis.core import QgsProject, QgsRasterLayer
from waiting import wait_until

from ros_sam_qgis.dock.video_dialog import FOLDER, GROUP, VideoWish
from ros_sam_qgis.video.stepping import frames_of


def wish(path: Path | str = "", kind: int = FOLDER, **changes: object) -> VideoWish:
    given = {"group": "", "reference": "", "start": None, "step_s": None, **changes}
    return VideoWish(kind, str(path), **given)


def of_group(name: str) -> dict[str, object]:
    """Return what is wished of a group of the project."""
    group = QgsProject.instance().layerTreeRoot().findGroup(name)
    return {"kind": GROUP, "group": name, "layers": tuple(node.layerId() for node in group.findLayers())}


def opened(desk: Desk, wanted: VideoWish) -> list[QgsRasterLayer]:
    desk.at.files.open_video(wanted)
    wait_until(lambda: desk.at.layer is not None and frames_of(desk.at.layer), 60, "frames")
    return frames_of(desk.at.layer)


def deep_frames(folder: Path, scenes: Path, count: int = 5) -> Path:
    """Make a video of large frames with three bands of 16 bit."""
    folder.mkdir()
    for number in range(count):
        options = {"bandList": [3, 2, 1], "width": 1024, "height": 1024}
        gdal.Translate(str(folder / f"f{number}.tif"), str(scenes / "deep.tif"), **options)
    return folder
