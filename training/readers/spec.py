"""What a labelled data set is and how it is laid out: documented fields, validated at construction."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ros_sam_core.errors import ConfigInvalid

LAYOUTS = ("release", "coco", "frames", "polygons")
VERTICES = ("auto", "centres", "corners")


@dataclass(frozen=True)
class DatasetSpec:
    """A labelled data set. `docs/training-data.md` shows each layout.

    Attributes:
        layout: "release": ROS-SAM's own, a folder with img, boxes and onehotmask; "coco": COCO instances, one
            JSON file; "frames": a folder of frames and one of label rasters of whole numbers; "polygons": a
            vector layer over a raster, or over georeferenced frames.
        path: The folder (release), the JSON file (coco), the folder of label rasters (frames), or the vector
            file (polygons).
        images: Folder of the images (coco, frames), raster or folder of rasters (polygons). Empty: `images/`
            beside the file or folder of labels.
        on_error: "stop" at the first thing that is wrong, or "skip" it and say so.
        in_memory: Keep the pixels in memory; for small data sets, where that is faster.
        verify: Decode every image once when the data set is opened, so that a corrupt one is found before
            the training starts. Without it, it stops the training when it is drawn.
        keep_empty: Keep images without an object; crops without an object are part of the paper's training.
        class_names: Classes that there are; any other is a fault. Empty: any.
        leave_out: Classes to leave out, such as those without masks.
        class_name: Class of every object where the labels say none.
        classes: Class table (frames): .json or .csv of value and name; see `training.readers.frames`.
        values: What a label raster's numbers are (frames): "instance": one object each; "class": its class,
            objects are connected pixels.
        divisor: Where more than 0, an instance's class is its number divided by this, rounded down (frames).
        ignore: Numbers that are neither object nor background (frames).
        vertices: What polygons' vertices are (coco): "centres" of the object's outermost pixels, as in NWPU
            VHR-10, or "corners": continuous coordinates, (0, 0) at the image's outer corner, as COCO's own
            tools take them. "auto": by the areas and boxes that the file states, which the summary says;
            "corners" where it states none.
        video: Regular expression whose first group, in an image's name, is the video that it belongs to, for
            layouts that do not say it.
        layer: Layer of the vector file (polygons).
        crs: CRS of the vector file, in place of its own (polygons).
        class_field: Attribute with the class (polygons).
        frame_field: Attribute with the frame, that is the raster's name without suffix, or the last number
            in it (polygons). Without it, or where no row has it, a polygon belongs to every raster under it.
        track_field: Attribute with the number of the track (polygons).
        bands: One or three bands of rasters, counted from 1; empty: red, green and blue.
        stretch: Stretch of rasters to 8 bit, such as "2-98"; empty: none for 8-bit pixels.
        chip_px: Rasters larger than this are taken in chips of this side (polygons).
        overlap_px: How far chips overlap, so that objects are whole in one of them (polygons).

    Raises:
        ConfigInvalid: A field is out of range.
    """

    layout: str
    path: str
    images: str = ""
    on_error: str = "stop"
    in_memory: bool = False
    verify: bool = True
    keep_empty: bool = True
    class_names: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    class_name: str = "object"
    classes: str = ""
    values: str = "instance"
    divisor: int = 0
    ignore: tuple[int, ...] = ()
    vertices: str = "auto"
    video: str = ""
    layer: str = ""
    crs: str = ""
    class_field: str = "class"
    frame_field: str = "frame"
    track_field: str = "track"
    bands: tuple[int, ...] = ()
    stretch: str = ""
    chip_px: int = 2048
    overlap_px: int = 256

    def __post_init__(self) -> None:
        for name, allowed in (
            ("layout", LAYOUTS),
            ("on_error", ("stop", "skip")),
            ("values", ("instance", "class")),
            ("vertices", VERTICES),
        ):
            if getattr(self, name) not in allowed:
                known = ", ".join(map(repr, allowed))
                raise ConfigInvalid(f"{name} is {getattr(self, name)!r}; use one of {known}")
        if not self.path:
            raise ConfigInvalid("path is empty; name the labels' file or folder")
        if self.chip_px < 64 or not 0 <= self.overlap_px < self.chip_px:
            raise ConfigInvalid(
                f"chip_px is {self.chip_px} and overlap_px {self.overlap_px}; chips are 64 px or more, and "
                "overlap by less than their side"
            )
        if self.divisor < 0:
            raise ConfigInvalid(f"divisor is {self.divisor}; it must be 0 or more")
        try:
            groups = re.compile(self.video).groups
        except re.error as error:
            raise ConfigInvalid(f"video is {self.video!r}, no regular expression: {error}") from error
        if self.video and not groups:
            raise ConfigInvalid(f"video is {self.video!r}; put the video's name in a group, like '^(.+)_'")
