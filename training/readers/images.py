"""Images of data sets: opened by their header, read when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ros_sam_core.errors import RosSamError
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame, Stretch
from training.readers.ledger import Ledger
from training.readers.spec import DatasetSpec
from training.scenes import DatasetError, Scene, SceneObject, StoredPyramid, build_pyramid, object_of

PLAIN = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm")
RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
SUFFIXES = PLAIN + RASTERS
_BYTES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True)
class ImageFile:
    """A plain 8-bit image file."""

    path: str

    def read(self) -> NDArray[np.uint8]:
        """Return uint8 [H, W, 3]."""
        try:
            with Image.open(self.path) as image:
                return np.array(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DatasetError(f"{self.path} cannot be read as an image: {error}") from error


@dataclass(frozen=True)
class RasterWindow:
    """A window of a raster, stretched to 8 bit as the whole raster is.

    Attributes:
        path: The raster.
        window: x0, y0, width, height in its pixels.
        bands: Bands, counted from 1.
        stretch: Measured once, when the data set was opened.
    """

    path: str
    window: tuple[int, int, int, int]
    bands: tuple[int, ...]
    stretch: Stretch

    def read(self) -> NDArray[np.uint8]:
        """Return uint8 [H, W, 3]; 0 where there is no data."""
        try:
            with RasterFrame.open(self.path, self.bands, self.stretch) as frame:
                return frame.read(*self.window)[0]
        except RosSamError as error:
            raise DatasetError(f"{self.path} cannot be read: {error}") from error


@dataclass(frozen=True)
class OpenImage:
    """What an image's header says.

    Attributes:
        path: The file.
        pyramid: Its pixels, not read yet.
        grid: Where it is on Earth, if it says so.
        time: When it was taken, if it says so.
    """

    path: Path
    pyramid: StoredPyramid
    grid: Grid | None = None
    time: str | None = None


def open_image(path: Path, bands: Sequence[int] = (), stretch: str = "") -> OpenImage:
    """Open an image by its header.

    Args:
        path: The file.
        bands: One or three bands of a raster, counted from 1; empty: red, green and blue.
        stretch: Of a raster to 8 bit, such as "2-98"; empty: none for 8-bit pixels.

    Raises:
        DatasetError: It is missing, empty, or no image.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise DatasetError(f"{path} is an empty file")
    if path.suffix.lower() not in RASTERS:
        try:
            with Image.open(path) as image:
                width, height = image.size
                if image.mode in _BYTES:
                    return OpenImage(path, StoredPyramid(ImageFile(str(path)), (height, width)))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DatasetError(f"{path} cannot be read as an image: {error}") from error
    try:
        with RasterFrame.open(path, bands or None, stretch or None) as frame:
            window = RasterWindow(
                str(path), (0, 0, *frame.grid.size), tuple(int(b) for b in frame.bands), frame.stretch
            )
            grid = frame.grid if frame.grid.crs is not None else None
            return OpenImage(path, StoredPyramid(window, frame.grid.shape), grid, frame.time)
    except RosSamError as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}") from error


def find_images(folder: Path) -> list[Path]:
    """List the images of a folder and its folders, in order.

    Raises:
        DatasetError: It is no folder, or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; name the folder of the images")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise DatasetError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    return found


def keep_scene(scene: Scene, file: Path, spec: DatasetSpec, ledger: Ledger) -> Scene | None:
    """Look at a scene's pixels as the specification says; None where they are no good, or nothing is left."""
    if not scene.objects and not spec.keep_empty:
        return None
    if not (spec.verify or spec.in_memory):
        return scene
    try:
        rgb = scene.rgb
    except DatasetError as error:
        ledger.fault("corrupt image", file, "", str(error).removeprefix(f"{file} "))
        return None
    if rgb.shape[:2] != scene.shape:
        ledger.fault("corrupt image", file, "", f"its header says {scene.shape}, its pixels {rgb.shape[:2]}")
        return None
    if scene.objects and rgb.min() == rgb.max() and rgb.min() in (0, 255):
        ledger.fault("blank image", file, "", f"every pixel is {rgb.min()}, but it has objects")
        return None
    if not spec.in_memory:
        return scene
    return Scene(
        build_pyramid(rgb), scene.objects, scene.name, scene.video, scene.frame, scene.time, scene.grid
    )


def wanted(class_name: str, file: Path | str, item: str, spec: DatasetSpec, ledger: Ledger) -> bool:
    """Say whether objects of a class are kept; one that is not known is a fault."""
    if class_name in spec.leave_out:
        ledger.left_out[class_name] += 1
        return False
    if spec.class_names and class_name not in spec.class_names:
        known = ", ".join(spec.class_names)
        ledger.fault("unknown class", file, item, f"class {class_name!r} is not one of {known}")
        return False
    return True


def clip(
    obj: SceneObject | None, shape: tuple[int, int], file: Path | str, item: str, ledger: Ledger
) -> SceneObject | None:
    """Cut an object at its image's edge; one that is empty or lies beside the image is a fault."""
    if obj is None:
        ledger.fault("empty mask", file, item, "its mask has no pixel")
        return None
    (height, width), (rows, columns) = shape, obj.size
    if obj.x0 >= 0 and obj.y0 >= 0 and obj.x0 + columns <= width and obj.y0 + rows <= height:
        return obj
    top, left = max(obj.y0, 0), max(obj.x0, 0)
    bottom, right = min(obj.y0 + rows, height), min(obj.x0 + columns, width)
    part = None
    if bottom > top and right > left:
        mask = obj.mask[top - obj.y0 : bottom - obj.y0, left - obj.x0 : right - obj.x0]
        part = object_of(mask, obj.class_name, obj.id, obj.track, (left, top))
    if part is None:
        ledger.fault(
            "outside", file, item, f"box {numbers(obj.box)} lies outside the image of {width} x {height}"
        )
        return None
    ledger.clipped += 1
    return part


def numbers(values: Sequence[float]) -> str:
    """Return numbers as text for messages."""
    return ", ".join(f"{v:g}" for v in values)
