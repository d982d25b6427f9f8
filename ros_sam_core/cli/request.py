"""What the commands that write polygons are asked for: the fields of a request are its command's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ros_sam_core.cli import options as opt

if TYPE_CHECKING:
    from pyproj import CRS
    from shapely.geometry.base import BaseGeometry

    from ros_sam_core.geo.prompt_table import PromptTable
    from ros_sam_core.geo.vectorize import PolygonOptions
    from ros_sam_core.predict.everything.options import EverythingOptions
    from ros_sam_core.predict.scene import SceneOptions

DEFAULT_MODEL = "ros-sam-tiny"


@dataclass(frozen=True, kw_only=True)
class SceneRequest:
    """What all of them are asked for, as typed; `options` says what each means. None means the default."""

    raster: opt.Raster
    output: opt.Output
    model: opt.Model = DEFAULT_MODEL
    bands: opt.Bands = None
    stretch: opt.Stretch = None
    out_crs: opt.OutCrs = None
    simplify: opt.Simplify = None
    min_area: opt.MinArea = None
    fill_holes: opt.FillHoles = False
    device: opt.RunOn = opt.Device.cpu
    workers: opt.Workers = None
    cluster: opt.Cluster = None
    threads: opt.Threads = None
    overwrite: opt.Overwrite = False
    resume: opt.Resume = False

    def polygon_options(self) -> PolygonOptions:
        """Return how masks become polygons."""
        from ros_sam_core.geo.vectorize import PolygonOptions

        given = {"simplify_px": self.simplify, "min_area_px": self.min_area}
        return PolygonOptions(
            fill_holes=self.fill_holes, **{name: value for name, value in given.items() if value is not None}
        )

    def scene_options(self) -> SceneOptions:
        """Return how the scene is outlined."""
        from ros_sam_core.cli.given import parse_bands
        from ros_sam_core.predict.scene import SceneOptions

        return SceneOptions(
            model=self.model,
            device=self.device.value,
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
    """What `ros-sam segment` is asked for."""

    boxes: opt.BoxesFile = None
    points: opt.PointsFile = None
    box: opt.BoxList = None
    point: opt.PointList = None
    prompt_crs: opt.PromptCrs = None

    def prompts(self) -> PromptTable:
        """Read the prompts, from one source only.

        Raises:
            PromptInvalid: There is none, or there are several sources.
            RosSamError: A prompt or a file cannot be read.
        """
        from ros_sam_core.cli.given import parse_prompts
        from ros_sam_core.errors import PromptInvalid
        from ros_sam_core.geo.crs import parse_crs
        from ros_sam_core.geo.prompt_files import RASTER_CRS, read_box_table, read_point_table
        from ros_sam_core.geo.prompt_table import PromptTable

        sources = [self.boxes is not None, self.points is not None, bool(self.box or self.point)]
        if sum(sources) != 1:
            raise PromptInvalid("give prompts by one of --boxes FILE, --points FILE, or --box and --point")
        if self.boxes is not None:
            return read_box_table(self.boxes, self.prompt_crs)
        if self.points is not None:
            return read_point_table(self.points, self.prompt_crs)
        own = self.prompt_crs in (None, RASTER_CRS)
        crs = None if own else parse_crs(self.prompt_crs)
        return PromptTable.from_prompts(parse_prompts(self.box or (), self.point or (), crs))


@dataclass(frozen=True, kw_only=True)
class EverythingRequest(SceneRequest):
    """What `ros-sam everything` is asked for."""

    area: opt.AreaFile = None
    area_crs: opt.AreaCrs = None
    min_size: opt.MinSize = None
    max_size: opt.MaxSize = None
    points_per_side: opt.PointsPerSide = None
    sketch_iou: opt.SketchIou = None
    pred_iou: opt.PredIou = None
    stability: opt.Stability = None
    nms: opt.Nms = None
    nested: opt.Nested = None

    def area_of_interest(self) -> tuple[BaseGeometry, CRS | None] | None:
        """Read the area of interest, if there is one.

        Raises:
            RosSamError: It cannot be read, or holds no polygon.
        """
        from ros_sam_core.geo.prompt_files import read_area

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
