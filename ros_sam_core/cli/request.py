"""What `ros-sam segment` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ros_sam_core.cli.given import parse_prompts
from ros_sam_core.errors import PromptInvalid
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.prompt_files import RASTER_CRS, read_boxes, read_points
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.vectorize import PolygonOptions


@dataclass(frozen=True)
class SegmentRequest:
    """What `ros-sam segment` was asked for, as typed. None means the default.

    Attributes:
        raster: Anything that GDAL opens.
        output: File of the polygons; its suffix says the format.
        boxes: Vector file of boxes.
        points: Vector file of points.
        box: "xmin ymin xmax ymax" each.
        point: "x y" or "x y label" each.
        prompt_crs: CRS of the prompts.
        model: Name of a model, or path of a checkpoint.
        bands: Such as "3,2,1".
        stretch: Such as "2-98".
        out_crs: CRS of the polygons.
        simplify_px: Largest distance by which outlines are simplified.
        min_area_px: Smallest part that is kept, in square pixels.
        fill_holes: Whether holes are filled.
        device: Where the model runs.
        overwrite: Whether an existing output is replaced.
    """

    raster: str
    output: Path
    boxes: Path | None = None
    points: Path | None = None
    box: tuple[str, ...] = ()
    point: tuple[str, ...] = ()
    prompt_crs: str | None = None
    model: str = "ros-sam-tiny"
    bands: str | None = None
    stretch: str | None = None
    out_crs: str | None = None
    simplify_px: float | None = None
    min_area_px: float | None = None
    fill_holes: bool = False
    device: str = "cpu"
    overwrite: bool = False

    def prompts(self) -> list[Prompt]:
        """Read the prompts, from one source only.

        Raises:
            PromptInvalid: There is none, or there are several sources.
            RosSamError: A prompt or a file cannot be read.
        """
        sources = [self.boxes is not None, self.points is not None, bool(self.box or self.point)]
        if sum(sources) != 1:
            raise PromptInvalid("give prompts by one of --boxes FILE, --points FILE, or --box and --point")
        if self.boxes is not None:
            return read_boxes(self.boxes, self.prompt_crs)
        if self.points is not None:
            return read_points(self.points, self.prompt_crs)
        own = self.prompt_crs in (None, RASTER_CRS)
        return parse_prompts(self.box, self.point, None if own else parse_crs(self.prompt_crs))

    def polygon_options(self) -> PolygonOptions:
        """Return how masks become polygons."""
        given = {"simplify_px": self.simplify_px, "min_area_px": self.min_area_px}
        return PolygonOptions(
            fill_holes=self.fill_holes, **{name: value for name, value in given.items() if value is not None}
        )
