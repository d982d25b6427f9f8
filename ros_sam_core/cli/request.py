"""What `ros-sam segment` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ros_sam_core.cli.given import parse_bands, parse_prompts
from ros_sam_core.errors import PromptInvalid
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.prompt_files import RASTER_CRS, read_box_table, read_point_table
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.vectorize import PolygonOptions

if TYPE_CHECKING:
    from ros_sam_core.predict.scene import SceneOptions


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
        resume: Whether an earlier run that was cut short is gone on with.
        workers: How many processes work.
        cluster: Address of a Dask scheduler whose workers work.
        threads: Processor threads for one group of prompts.
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
    resume: bool = False
    workers: int | None = None
    cluster: str | None = None
    threads: int | None = None

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
