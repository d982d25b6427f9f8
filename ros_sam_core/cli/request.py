"""What the commands that write polygons were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ros_sam_core.cli.given import parse_bands, parse_prompts
from ros_sam_core.errors import PromptInvalid
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.prompt_files import RASTER_CRS, read_area, read_box_table, read_point_table
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.vectorize import PolygonOptions

if TYPE_CHECKING:
    from pyproj import CRS
    from shapely.geometry.base import BaseGeometry

    from ros_sam_core.predict.everything.options import EverythingOptions
    from ros_sam_core.predict.scene import SceneOptions


@dataclass(frozen=True, kw_only=True)
class SceneRequest:
    """What commands that write polygons were asked for alike, as typed. None means the default.

    Attributes:
        raster: Anything that GDAL opens.
        output: File of the polygons; its suffix says the format.
        model: Name of a model, or path of a checkpoint.
        bands: Such as "3,2,1".
        stretch: Such as "2-98".
        out_crs: CRS of the polygons.
        simplify_px: Largest distance by which outlines are simplified.
        min_area_px: Smallest part that is kept, in square pixels.
        fill_holes: Whether holes are filled.
        device: Where the model runs.
        overwrite: Whether an existing output is replaced.
        resume: Whether an earlier run that was cut short is gone on with.
        workers: How many processes work.
        cluster: Address of a Dask scheduler whose workers work.
        threads: Processor threads for one piece of work.
    """

    raster: str
    output: Path
    model: str = "ros-sam-tiny"
    bands: str | None = None
    stretch: str | None = None
    out_crs: str | None = None
    simplify_px: float | None = None
    min_area_px: float | None = None
    fill_holes: bool = False
    device: str = "cpu"
    overwrite: bool = False
    resume: bool = False
    workers: int | None = None
    cluster: str | None = None
    threads: int | None = None

    def polygon_options(self) -> PolygonOptions:
        """Return how masks become polygons."""
        given = {"simplify_px": self.simplify_px, "min_area_px": self.min_area_px}
        return PolygonOptions(
            fill_holes=self.fill_holes, **{name: value for name, value in given.items() if value is not None}
        )

    def scene_options(self) -> SceneOptions:
        """Return how the scene is outlined."""
        from ros_sam_core.predict.scene import SceneOptions

        return SceneOptions(
            model=self.model,
            device=self.device,
            bands=parse_bands(self.bands),
            stretch=self.stretch,
            polygons=self.polygon_options(),
            out_crs=self.out_crs,
            workers=self.workers,
            cluster=self.cluster,
            threads=self.threads,
            overwrite=self.overwrite,
            resume=self.resume,
        )


@dataclass(frozen=True, kw_only=True)
class SegmentRequest(SceneRequest):
    """What `ros-sam segment` was asked for, as typed.

    Attributes:
        boxes: Vector file of boxes.
        points: Vector file of points.
        box: "xmin ymin xmax ymax" each.
        point: "x y" or "x y label" each.
        prompt_crs: CRS of the prompts.
    """

    boxes: Path | None = None
    points: Path | None = None
    box: tuple[str, ...] = ()
    point: tuple[str, ...] = ()
    prompt_crs: str | None = None

    def prompts(self) -> PromptTable:
        """Read the prompts, from one source only.

        Raises:
            PromptInvalid: There is none, or there are several sources.
            RosSamError: A prompt or a file cannot be read.
        """
        sources = [self.boxes is not None, self.points is not None, bool(self.box or self.point)]
        if sum(sources) != 1:
            raise PromptInvalid("give prompts by one of --boxes FILE, --points FILE, or --box and --point")
        if self.boxes is not None:
            return read_box_table(self.boxes, self.prompt_crs)
        if self.points is not None:
            return read_point_table(self.points, self.prompt_crs)
        own = self.prompt_crs in (None, RASTER_CRS)
        crs = None if own else parse_crs(self.prompt_crs)
        return PromptTable.from_prompts(parse_prompts(self.box, self.point, crs))


@dataclass(frozen=True, kw_only=True)
class EverythingRequest(SceneRequest):
    """What `ros-sam everything` was asked for, as typed. None means the default.

    Attributes:
        area: Vector file of polygons.
        area_crs: CRS of the area.
        min_size: Shortest length of an object, metres.
        max_size: Longest length, metres.
        points_per_side: Points along the side of a crop.
        sketch_iou: Least score of a first look.
        pred_iou: Least score.
        stability: Least stability.
        nms: Largest overlap (IoU).
        nested: Largest share that one outline covers of another.
    """

    area: Path | None = None
    area_crs: str | None = None
    min_size: float | None = None
    max_size: float | None = None
    points_per_side: int | None = None
    sketch_iou: float | None = None
    pred_iou: float | None = None
    stability: float | None = None
    nms: float | None = None
    nested: float | None = None

    def area_of_interest(self) -> tuple[BaseGeometry, CRS | None] | None:
        """Read the area of interest, if there is one.

        Raises:
            RosSamError: It cannot be read, or holds no polygon.
        """
        return None if self.area is None else read_area(self.area, self.area_crs)

    def options(self) -> EverythingOptions:
        """Return what counts as an object.

        Raises:
            InvalidParameter: A number is out of range.
        """
        from ros_sam_core.predict.everything.options import EverythingOptions

        sizes = ("min_size", "max_size", "points_per_side")
        shares = ("sketch_iou", "pred_iou", "stability", "nms", "nested")
        given = {name: getattr(self, name) for name in (*sizes, *shares)}
        return EverythingOptions(**{name: value for name, value in given.items() if value is not None})
