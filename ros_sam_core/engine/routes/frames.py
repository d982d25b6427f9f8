"""Frames: registering rasters, and images whose pixels the client sends."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ros_sam_core.engine.answers import frame_told
from ros_sam_core.engine.pixels import Dtype, PixelLayout
from ros_sam_core.engine.routes.common import Engine, answers
from ros_sam_core.engine.schemas import LARGEST_PX, FrameRequest, FrameTold, WindowTold
from ros_sam_core.errors import RequestInvalid

router = APIRouter()
Start = Annotated[int, Query(ge=0, le=LARGEST_PX)]
Length = Annotated[int, Query(ge=1, le=LARGEST_PX)]
RAW = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


@router.post("/frames", responses=answers(FrameTold))
def register_frame(request: FrameRequest, engine: Engine) -> Any:
    """Register a raster that the engine can open, or an image whose pixels the client sends."""
    pixels = request.pixels
    if pixels is None:
        entry = engine.frames.register_raster(
            request.source, request.bands, request.stretch, request.frame, request.time
        )
    elif request.bands is not None:
        raise RequestInvalid("bands: leave it out; the client sends the bands that are to be seen")
    else:
        entry = engine.frames.register_pixels(
            request.source, pixels.grid.grid(), pixels.version, request.stretch, request.frame, request.time
        )
    return JSONResponse(frame_told(entry))


@router.put("/frames/{frame_id}/pixels", responses=answers(WindowTold), openapi_extra={"requestBody": RAW})
async def put_pixels(
    request: Request,
    engine: Engine,
    frame_id: Annotated[str, Path(max_length=80)],
    x0: Start,
    y0: Start,
    width: Length,
    height: Length,
    bands: Annotated[int, Query(ge=1, le=3)] = 3,
    dtype: Dtype = "uint8",
    layout: Annotated[str, Query(pattern="^(pixels|bands)$")] = "pixels",
    alpha: bool = False,
    nodata: Annotated[float | None, Query(allow_inf_nan=False)] = None,
) -> Any:
    """Add the native pixels of one window."""
    if bands == 2:
        raise RequestInvalid("bands: 1 or 3, and alpha=true for one more that says where data is")
    window = (x0, y0, width, height)
    how = PixelLayout(
        window,
        bands=1 if bands == 1 else 3,
        dtype=dtype,
        layout="pixels" if layout == "pixels" else "bands",
        alpha=alpha,
        nodata=nodata,
    )
    await run_in_threadpool(engine.frames.put_pixels, frame_id, how, await request.body())
    return JSONResponse({"frame_id": frame_id, "window": list(window)})
