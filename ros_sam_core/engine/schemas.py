"""The shapes of requests and responses, version 1 of the API; docs/engine-api.md explains them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from affine import Affine
from pydantic import BaseModel, ConfigDict, Field

from ros_sam_core.errors import CrsUnknown
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.everything.options import EverythingOptions

LARGEST_PX = 2**31 - 1


class Shape(BaseModel):
    """Base of all: no unknown fields, and no number that is not finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())


Text = Annotated[str, Field(max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Handle = Annotated[str, Field(min_length=1, max_length=80)]
Crs = Annotated[str, Field(min_length=1, max_length=65536, description="Code, WKT or PROJJSON.")]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Count = Annotated[int, Field(ge=0)]


# Requests


class GridGiven(Shape):
    """Where the pixels of an image are: x = a column + b row + c, y = d column + e row + f."""

    width: Annotated[int, Field(ge=1, le=LARGEST_PX)]
    height: Annotated[int, Field(ge=1, le=LARGEST_PX)]
    transform: Annotated[
        tuple[float, float, float, float, float, float], Field(description="a, b, c, d, e, f")
    ]
    crs: Crs | None = None

    def grid(self) -> Grid:
        """Return the grid."""
        return Grid((self.height, self.width), Affine(*self.transform), crs_of(self.crs))


class PixelsGiven(Shape):
    """An image whose pixels the client sends."""

    grid: GridGiven
    version: Text = ""


class FrameRequest(Shape):
    """A frame to be registered."""

    source: Annotated[str, Field(min_length=1, max_length=4096)]
    bands: Annotated[list[int], Field(min_length=1, max_length=3)] | None = None
    stretch: Annotated[str, Field(max_length=400)] | None = None
    frame: Text | None = None
    time: Annotated[str, Field(max_length=64)] | None = None
    pixels: PixelsGiven | None = None


class PromptGiven(Shape):
    """Clicks and a box in one CRS; null is the frame's own."""

    id: Annotated[str, Field(max_length=200)]
    points: Annotated[list[Point], Field(max_length=256)] = []
    labels: Annotated[list[Literal[0, 1]], Field(max_length=256)] = []
    box: Box | None = None
    crs: Crs | None = None

    def prompt(self) -> Prompt:
        """Return the prompt."""
        return Prompt(self.id, tuple(self.points), tuple(self.labels), self.box, crs_of(self.crs))


class OptionsGiven(Shape):
    """How masks become polygons; lengths in pixels of the frame."""

    simplify_px: Annotated[float, Field(ge=0, le=1000)] = PolygonOptions.simplify_px
    smooth_px: Annotated[float, Field(ge=0, le=100)] = PolygonOptions.smooth_px
    fill_holes: bool = PolygonOptions.fill_holes
    min_area_px: Annotated[float, Field(ge=0)] = PolygonOptions.min_area_px
    expand_px: Annotated[float, Field(ge=-1000, le=1000)] = 0.0

    def options(self) -> PolygonOptions:
        """Return the options."""
        return PolygonOptions(**self.model_dump())


class Wanted(Shape):
    """What requests for polygons have in common."""

    options: OptionsGiven = OptionsGiven()
    out_crs: Crs | None = None
    model: Text | None = None


class SegmentRequest(Wanted):
    """Prompts on a frame, to be outlined."""

    frame: Handle
    prompts: Annotated[list[PromptGiven], Field(min_length=1)]
    job: Name | None = None


class ReshapeRequest(Wanted):
    """An object at hand, with other options."""

    mask: Handle
    frame: Handle | None = None
    prompt: PromptGiven | None = None


class PreviewRequest(Wanted):
    """The place of the cursor."""

    frame: Handle
    point: Point
    crs: Crs | None = None


class WarmRequest(Shape):
    """Where clicks are to be expected."""

    frame: Handle
    point: Point | None = None
    region: Box | None = None
    crs: Crs | None = None
    model: Text | None = None
    job: Name | None = None
    max_crops: Annotated[int, Field(ge=1, le=1000)] = 64


class SearchGiven(Shape):
    """What counts as an object; lengths in metres, or in pixels where the frame has no CRS."""

    points_per_side: Annotated[int, Field(ge=1, le=128)] | None = None
    sketch_iou: Annotated[float, Field(ge=0, lt=1)] = EverythingOptions.sketch_iou
    pred_iou: Annotated[float, Field(ge=0, lt=1)] = EverythingOptions.pred_iou
    stability: Annotated[float, Field(ge=0, lt=1)] = EverythingOptions.stability
    nms: Annotated[float, Field(gt=0, le=1)] = EverythingOptions.nms
    nested: Annotated[float, Field(gt=0, le=1)] = EverythingOptions.nested
    min_size: Annotated[float, Field(gt=0)] | None = None
    max_size: Annotated[float, Field(gt=0)] | None = None

    def options(self) -> EverythingOptions:
        """Return the options."""
        return EverythingOptions(**self.model_dump())


class EverythingRequest(Wanted):
    """A frame whose objects are to be found."""

    frame: Handle
    search: SearchGiven = SearchGiven()
    area: Annotated[dict[str, Any], Field(description="A Polygon or MultiPolygon as GeoJSON.")] | None = None
    area_crs: Crs | None = None
    job: Name | None = None


class CancelRequest(Shape):
    """What to cancel; null is all that the client asked for."""

    job: Name | None = None


# Responses


class GridTold(Shape):
    """Where the pixels of an image are."""

    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]
    crs: str | None
    wkt: str | None


class FrameTold(Shape):
    """A registered frame."""

    frame_id: str
    source: str
    frame: str
    time: str | None
    grid: GridTold
    gsd_m: float | None
    bands: list[int] | None
    stretch: str


class WindowTold(Shape):
    """A window of pixels that was taken."""

    frame_id: str
    window: tuple[int, int, int, int]


class FailureTold(Shape):
    """A prompt that gave no polygon."""

    prompt_id: str
    type: str
    message: str
    mask: str | None


class SegmentTold(Shape):
    """A polygon as a GeoJSON feature, in the response's CRS."""

    type: Literal["Feature"]
    id: str
    mask: str | None
    geometry: dict[str, Any]
    properties: dict[str, Any]


class TimingTold(Shape):
    """Where the time went."""

    waited_ms: float
    worked_ms: float
    encoded: Count


class SegmentsTold(Shape):
    """The answer to `/v1/segment`."""

    crs: str | None
    segments: list[SegmentTold]
    failures: list[FailureTold]
    timing: TimingTold


class ReshapeTold(Shape):
    """The answer to `/v1/reshape`."""

    crs: str | None
    segment: SegmentTold | None
    failure: FailureTold | None
    redone: bool


class PreviewTold(Shape):
    """The answer to `/v1/preview`."""

    ready: bool
    crs: str | None
    segment: SegmentTold | None


class WarmTold(Shape):
    """The answer to `/v1/warm`."""

    job: str
    total: int


class CancelTold(Shape):
    """The answer to `/v1/cancel`."""

    cancelled: list[str]


class JobTold(Shape):
    """How far a job is."""

    job: str
    kind: Literal["segment", "preview", "warm", "batch", "reshape", "download", "everything"]
    state: Literal["waiting", "running", "done", "cancelled", "failed"]
    done: int
    total: int
    error: dict[str, Any] | None


class HealthTold(Shape):
    """How the engine is."""

    status: Literal["ok"]
    version: str
    api: int
    pid: int
    uptime_s: float
    memory_mb: float
    model: dict[str, Any]
    queue: int
    frames: int
    limits: dict[str, int]
    sources: str
    runtime: dict[str, str | None]


class ModelTold(Shape):
    """A model that can be asked for."""

    name: str
    title: str
    state: Literal["bundled", "installed", "absent"]
    size_mb: float
    licence: str
    address: str | None
    hash: str | None
    runs: bool
    loaded: bool
    default: bool


class ModelsTold(Shape):
    """The answer to `/v1/models`."""

    models: list[ModelTold]


class ErrorTold(BaseModel):
    """What went wrong; some errors have more fields."""

    model_config = ConfigDict(extra="allow")

    type: str
    message: str


class ProblemTold(Shape):
    """The body of every error."""

    error: ErrorTold


@lru_cache(maxsize=64)
def crs_of(text: str | None) -> Any:
    """Return the CRS that a text means; None is none.

    Raises:
        CrsUnknown: It is no code, no WKT and no JSON, or pyproj does not know it.
    """
    if text is None:
        return None
    # A bare name would be searched for in PROJ's whole database, which takes a third of a second.
    if not re.fullmatch(r"\s*(\w+:[\w:.]+|[A-Za-z_]+\s*\[.*|\{.*|\+.*)", text, re.DOTALL):
        raise CrsUnknown(f"{text[:80]!r} is no CRS; give a code such as EPSG:4326, WKT, PROJJSON, or null")
    try:
        return parse_crs(text)
    except RecursionError as error:
        raise CrsUnknown("the PROJJSON of a CRS is nested too deeply") from error
