"""Uploaded pixels read as the raster that they come from does, wherever they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from affine import Affine
from cli_files import write_raster
from hypothesis import given, settings
from hypothesis import strategies as st

from ros_sam_core.engine.patches import PatchFrame
from ros_sam_core.engine.pixels import PixelLayout
from ros_sam_core.errors import InvalidParameter, PixelsMissing, RequestInvalid
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.stretch import Stretch

ROWS, COLUMNS = 40, 60
GRID = Grid((ROWS, COLUMNS), Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000), "EPSG:32633")


def samples(dtype: str) -> np.ndarray[Any, Any]:
    """Return three bands of noise with a hole in one and a hole in all of them."""
    rng = np.random.default_rng(1)
    bands = rng.integers(1, 200, (3, ROWS, COLUMNS)).astype(dtype)
    bands[0, 5:9, 5:30] = 0
    bands[:, 20:30, 40:55] = 0
    if np.issubdtype(bands.dtype, np.floating):
        bands[1, 12:14, 10:20] = np.nan
    return bands


def frame_of(*patches: tuple[PixelLayout, bytes], stretch: Stretch | None = None) -> PatchFrame:
    frame = PatchFrame(GRID, "elsewhere", "", None, "key", 10**6)
    for layout, body in patches:
        frame.put(layout.patch(body, stretch or Stretch()), 10**9)
    return frame


windows = st.tuples(st.integers(-30, 70), st.integers(-30, 50), st.integers(1, 50), st.integers(1, 50))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("layout", ["pixels", "bands"])
def test_it_reads_like_the_raster(tmp_path: Path, dtype: Any, layout: Literal["pixels", "bands"]) -> None:
    bands = samples(dtype)
    path = write_raster(tmp_path / "raster.tif", bands, nodata=0)
    sent = bands if layout == "bands" else np.moveaxis(bands, 0, -1)
    how = PixelLayout((0, 0, COLUMNS, ROWS), dtype=dtype, layout=layout, nodata=0)
    with RasterFrame.open(path, stretch="0,190,10,150,0,255") as raster:
        patched = frame_of((how, sent.astype(sent.dtype.newbyteorder("<")).tobytes()), stretch=raster.stretch)

        @settings(max_examples=60, deadline=None)
        @given(window=windows)
        def same(window: tuple[int, int, int, int]) -> None:
            for mine, theirs in zip(patched.read(*window), raster.read(*window), strict=True):
                np.testing.assert_array_equal(mine, theirs)

        same()


@given(window=windows, cut=st.tuples(st.integers(1, COLUMNS - 1), st.integers(1, ROWS - 1)))
def test_pieces_read_like_the_whole(window: tuple[int, int, int, int], cut: tuple[int, int]) -> None:
    bands = samples("uint8")
    whole = frame_of((PixelLayout((0, 0, COLUMNS, ROWS), layout="bands"), bands.tobytes()))
    pieces = []
    for x0, x1 in ((0, cut[0]), (cut[0], COLUMNS)):
        for y0, y1 in ((0, cut[1]), (cut[1], ROWS)):
            layout = PixelLayout((x0, y0, x1 - x0, y1 - y0), layout="bands")
            pieces.append((layout, bands[:, y0:y1, x0:x1].tobytes()))
    for mine, theirs in zip(frame_of(*pieces).read(*window), whole.read(*window), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@given(window=windows, known=st.tuples(st.integers(0, 50), st.integers(0, 30)))
def test_what_is_missing_is_asked_for_once(window: tuple[int, int, int, int], known: tuple[int, int]) -> None:
    bands = samples("uint8")
    x, y = known
    frame = frame_of(
        (PixelLayout((x, y, 10, 10), layout="bands"), bands[:, y : y + 10, x : x + 10].tobytes())
    )
    try:
        frame.read(*window)
    except PixelsMissing as missing:
        x0, y0, width, height = missing.window
        assert 0 <= x0 < x0 + width <= COLUMNS and 0 <= y0 < y0 + height <= ROWS
        body = bands[:, y0 : y0 + height, x0 : x0 + width].tobytes()
        frame.put(PixelLayout(missing.window, layout="bands").patch(body, Stretch()), 10**9)
        frame.read(*window)


def test_one_band_is_grey_and_alpha_says_where_data_is() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    alpha = np.where(grey % 2, 255, 0).astype(np.uint8)
    layout = PixelLayout((0, 0, 4, 3), bands=1, alpha=True)
    patch = layout.patch(np.stack([grey, alpha], axis=-1).tobytes(), Stretch())
    np.testing.assert_array_equal(patch.valid, grey % 2 == 1)
    np.testing.assert_array_equal(patch.rgb, np.repeat((grey * (grey % 2))[..., None], 3, axis=-1))
    with pytest.raises(RequestInvalid, match="which are 24"):
        layout.patch(b"x" * 23, Stretch())


def test_a_larger_crop_is_reduced_as_the_raster_is(tmp_path: Path) -> None:
    bands = samples("uint8")
    path = write_raster(tmp_path / "raster.tif", bands)
    patched = frame_of((PixelLayout((0, 0, COLUMNS, ROWS), layout="bands"), bands.tobytes()))
    with RasterFrame.open(path) as raster:
        mine, theirs = (frame.read(0, 0, 40, 40, (10, 10))[0].astype(int) for frame in (patched, raster))
    assert np.abs(mine - theirs).max() <= 1


def test_a_read_that_no_upload_can_serve_is_refused() -> None:
    frame = PatchFrame(Grid((10**6, 10**6)), "elsewhere", "", None, "key", 10**6)
    with pytest.raises(InvalidParameter, match="smaller scale"):
        frame.read(0, 0, 10**5, 10**5, (192, 192))
    assert not frame.read(-50, -50, 20, 20)[1].any()


def test_the_oldest_pixels_go_first() -> None:
    frame = PatchFrame(GRID, "elsewhere", "", None, "key", 10**6)
    for x in range(0, 40, 10):
        frame.put(PixelLayout((x, 0, 10, 10)).patch(b"x" * 300, Stretch()), 900)
    assert frame.size <= 900
    with pytest.raises(PixelsMissing):
        frame.read(0, 0, 10, 10)
    assert frame.read(30, 0, 10, 10)[1].all()
