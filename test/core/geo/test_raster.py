"""Windows of any raster: the right pixels, at the edge too, valid where there is data, stretched alike."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raster_files import PHOTO, PLACE, interpret, save
from rasterio.enums import Resampling

from ros_sam_core.errors import (
    BandsInvalid,
    InvalidParameter,
    StretchInvalid,
)
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import ArrayFrame, Frame, RasterFrame, Stretch

DATA = Path(__file__).parents[4] / "shared" / "data" / "rasters"

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("raster") / "photo.tif", PHOTO, photometric="RGB", **PLACE)


@pytest.fixture(params=["raster", "array"])
def frame(request: pytest.FixtureRequest, photo: Path) -> Any:
    if request.param == "array":
        return ArrayFrame(np.moveaxis(PHOTO, 0, -1), Grid((61, 83)))
    opened = RasterFrame.open(photo)
    request.addfinalizer(opened.close)
    return opened


def expected_window(x0: int, y0: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the window of the photo out of a copy with wide black margins."""
    margin = 200
    wide = np.pad(np.moveaxis(PHOTO, 0, -1), ((margin, margin), (margin, margin), (0, 0)))
    valid = np.pad(np.ones(PHOTO.shape[1:], bool), margin)
    part = np.s_[y0 + margin : y0 + margin + height, x0 + margin : x0 + margin + width]
    return wide[part], valid[part]


def shares(start: int, length: int, limit: int, count: int) -> np.ndarray:
    """Return how much of each pixel of an axis lies in each cell of a window, ``[count, limit]``."""
    edges = start + np.arange(count + 1) * length / count
    pixels = np.arange(limit)
    return np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None)


windows = st.tuples(st.integers(-90, 100), st.integers(-90, 100), st.integers(1, 100), st.integers(1, 100))
quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(window=windows)
def test_windows_are_exact_and_boundless(frame: Frame, window: tuple[int, int, int, int]) -> None:
    rgb, valid = frame.read(*window)
    expected, inside = expected_window(*window)
    assert rgb.dtype == np.uint8 and valid.dtype == bool and rgb.flags.c_contiguous
    assert np.array_equal(rgb, expected)
    assert np.array_equal(valid, inside)


@quick
@given(window=windows, shrink=st.tuples(st.floats(1, 3.99), st.floats(1, 3.99)))
def test_reduced_windows_are_means_over_the_ground_of_each_pixel(
    frame: Frame, window: tuple[int, int, int, int], shrink: tuple[float, float]
) -> None:
    x0, y0, width, height = window
    shape = math.ceil(height / shrink[0]), math.ceil(width / shrink[1])
    rgb, valid = frame.read(*window, shape)
    rows, columns = shares(y0, height, 61, shape[0]), shares(x0, width, 83, shape[1])
    weight = np.outer(rows.sum(1), columns.sum(1))
    mean = np.moveaxis(rows @ PHOTO @ columns.T, 0, -1) / np.maximum(weight, 1e-12)[..., None]
    assert np.array_equal(valid, weight > 1e-9)
    assert np.abs(rgb - mean)[valid].max(initial=0) < 0.51
    assert not rgb[~valid].any()


@quick
@given(
    window=st.tuples(*[st.integers(*ends) for ends in ((-2000, 2500), (-900, 900), (1, 5000), (1, 3000))]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_strongly_reduced_windows_are_means_too(
    slope: RasterFrame, window: tuple[int, int, int, int], shape: tuple[int, int]
) -> None:
    x0, y0, width, height = window
    shape = min(height, shape[0]), min(width, shape[1])
    rgb, valid = slope.read(*window, shape)
    rows, columns = shares(y0, height, 1200, shape[0]), shares(x0, width, 3000, shape[1])
    assert np.array_equal(valid, np.outer(rows.sum(1), columns.sum(1)) > 1e-9)
    x = columns @ (np.arange(3000) + 0.5) / np.maximum(columns.sum(1), 1e-9)
    y = rows @ (np.arange(1200) + 0.5) / np.maximum(rows.sum(1), 1e-9)
    error = np.abs(rgb[..., 0] - (0.05 * x[None] + 0.08 * y[:, None]))
    assert error[valid].max(initial=0) < 1.1


@pytest.fixture(scope="module")
def slope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RasterFrame]:
    """Open an image whose value is 0.05 x + 0.08 y."""
    rows, columns = np.mgrid[:1200, :3000] + 0.5
    ramp = np.rint(0.05 * columns + 0.08 * rows).astype(np.uint8)[None]
    with RasterFrame.open(save(tmp_path_factory.mktemp("slope") / "a.tif", ramp, tiled=True)) as opened:
        yield opened


def test_enlarged_windows_do_not_shift(frame: Frame) -> None:
    rgb, valid = frame.read(10, 10, 20, 15, (60, 80))
    assert rgb.shape == (60, 80, 3) and valid.all()
    back = rgb.reshape(15, 4, 20, 4, 3).mean((1, 3))
    original = frame.read(10, 10, 20, 15)[0].astype(float)
    errors = {
        (dx, dy): np.abs(np.roll(back, (dy, dx), (0, 1)) - original).mean()
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    }
    assert min(errors, key=lambda shift: errors[shift]) == (0, 0)


def test_enlarged_windows_keep_the_edge() -> None:
    frame = ArrayFrame(np.full((8, 8, 3), 200, np.uint8), Grid((8, 8)))
    rgb, valid = frame.read(-4, 0, 8, 8, (16, 16))
    assert valid[:, 8:].all() and not valid[:, :8].any()
    assert (rgb[:, 8:] == 200).all() and not rgb[:, :8].any()


@pytest.mark.parametrize("window", [(0, 0, 0, 5), (0, 0, 5, -1), (0, 0, 5, 5, (0, 5))])
def test_a_window_without_pixels_is_refused(frame: Frame, window: Any) -> None:
    with pytest.raises(InvalidParameter):
        frame.read(*window)


def test_large_reduced_reads_go_through_overviews(tmp_path: Path) -> None:
    ground = np.full((3, 2048, 2048), 10, np.uint8)
    path = save(tmp_path / "large.tif", ground, photometric="RGB", tiled=True, compress="deflate")
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    with rasterio.open(path, "r+", overview_level=0) as overview:
        overview.write(np.full((3, 1024, 1024), 90, np.uint8))
    with RasterFrame.open(path) as frame:
        assert (frame.read(0, 0, 2048, 2048, (64, 64))[0] == 90).all()
        assert (frame.read(0, 0, 2048, 2048)[0] == 10).all()


# Which pixels hold data


def test_nodata_of_one_band_is_not_nodata_of_the_pixel(tmp_path: Path) -> None:
    bands = np.array([[[0, 0, 9]], [[0, 5, 9]], [[0, 5, 9]]], np.uint8)
    with RasterFrame.open(save(tmp_path / "a.tif", bands, nodata=0)) as frame:
        rgb, valid = frame.read(0, 0, 3, 1)
    assert valid[0].tolist() == [False, True, True]
    assert rgb[0].tolist() == [[0, 0, 0], [0, 5, 5], [9, 9, 9]]


def test_alpha_says_what_is_valid(tmp_path: Path) -> None:
    bands = np.full((4, 2, 4), 50, np.uint8)
    bands[3] = [[0, 1, 128, 255], [0, 0, 255, 255]]
    with RasterFrame.open(save(tmp_path / "a.tif", bands, photometric="RGB", alpha="YES")) as frame:
        assert frame.bands == (1, 2, 3)
        rgb, valid = frame.read(0, 0, 4, 2)
        reduced, any_valid = frame.read(0, 0, 4, 2, (1, 2))
    assert valid.tolist() == [[False, True, True, True], [False, False, True, True]]
    assert rgb[..., 0].tolist() == [[0, 50, 50, 50], [0, 0, 50, 50]]
    assert any_valid.all() and (reduced == 50).all(), "what is not valid does not darken the mean"


def test_an_internal_mask_says_what_is_valid(tmp_path: Path) -> None:
    mask = np.array([[255, 0], [0, 255]], np.uint8)
    path = save(
        tmp_path / "a.tif", np.full((3, 2, 2), 50, np.uint8), lambda dataset: dataset.write_mask(mask)
    )
    with RasterFrame.open(path) as frame:
        assert np.array_equal(frame.read(0, 0, 2, 2)[1], mask > 0)


@pytest.mark.parametrize("nodata", [None, np.nan, -9999.0])
def test_nan_is_no_data(tmp_path: Path, nodata: float | None) -> None:
    band = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    band[0, 2, 3] = np.nan
    with RasterFrame.open(save(tmp_path / "a.tif", band, nodata=nodata)) as frame:
        rgb, valid = frame.read(0, 0, 8, 8)
        assert frame.read(0, 0, 8, 8, (4, 4))[0].dtype == np.uint8
    assert np.argwhere(~valid).tolist() == [[2, 3]]
    assert rgb[2, 3].tolist() == [0, 0, 0]
    assert rgb[7, 7].tolist() == [255, 255, 255]


def test_nothing_but_nodata_is_no_error(tmp_path: Path) -> None:
    with RasterFrame.open(save(tmp_path / "a.tif", np.zeros((1, 4, 4), np.uint16), nodata=0)) as frame:
        rgb, valid = frame.read(0, 0, 4, 4)
    assert not rgb.any() and not valid.any()


# Bands, types, stretch


@pytest.mark.parametrize(
    ("count", "kinds", "wanted", "bands"),
    [
        (1, None, None, (1, 1, 1)),
        (2, None, None, (1, 1, 1)),
        (2, ("gray", "alpha"), None, (1, 1, 1)),
        (3, None, None, (1, 2, 3)),
        (3, ("blue", "green", "red"), None, (3, 2, 1)),
        (4, ("blue", "green", "red", "undefined"), None, (3, 2, 1)),
        (4, ("alpha", "gray", "undefined", "undefined"), None, (2, 3, 4)),
        (8, None, None, (1, 2, 3)),
        (8, None, (8, 4, 2), (8, 4, 2)),
        (8, None, (5,), (5, 5, 5)),
        (3, None, (1, 1, 2), (1, 1, 2)),
    ],
)
def test_bands_are_chosen(
    tmp_path: Path, count: int, kinds: Any, wanted: Any, bands: tuple[int, ...]
) -> None:
    values = np.arange(1, count + 1, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    kinds = kinds or ("gray", *["undefined"] * (count - 1))
    path = save(tmp_path / "a.tif", values, interpret(*kinds), photometric="MINISBLACK")
    with RasterFrame.open(path, bands=wanted) as frame:
        assert frame.bands == bands
        assert frame.read(0, 0, 1, 1)[0][0, 0].tolist() == list(bands)


@pytest.mark.parametrize("wanted", [(0,), (4, 1, 1), (1, 2), (), (1, 2, 3, 1)])
def test_bands_that_are_not_there(photo: Path, wanted: tuple[int, ...]) -> None:
    with pytest.raises(BandsInvalid, match="band"):
        RasterFrame.open(photo, bands=wanted)


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    colours = {0: (0, 0, 0, 0), 1: (200, 100, 0, 255), 2: (10, 20, 30, 255)}
    path = save(
        tmp_path / "a.tif",
        np.array([[[0, 1, 2, 2]]], np.uint8),
        lambda dataset: dataset.write_colormap(1, colours),
        photometric="PALETTE",
    )
    with RasterFrame.open(path) as frame:
        rgb, valid = frame.read(0, 0, 4, 1)
        assert frame.read(2, 0, 2, 1, (1, 1))[0].tolist() == [[[10, 20, 30]]]
    assert rgb[0].tolist() == [[0, 0, 0], [200, 100, 0], [10, 20, 30], [10, 20, 30]]
    assert valid[0, 1:].all()


def test_complex_integers_are_magnitudes(tmp_path: Path) -> None:
    values = np.array([[[3 + 4j, 0, 6 + 8j, -30 - 40j]]], np.complex64)
    with RasterFrame.open(save(tmp_path / "sar.tif", values, dtype="complex_int16"), stretch="0,51") as frame:
        assert frame.read(0, 0, 4, 1)[0][0, :, 0].tolist() == [25, 0, 50, 250]
        assert frame.read(2, 0, 2, 1, (1, 1))[0][0, 0, 0] == 150


def test_bands_may_have_types_of_their_own(tmp_path: Path) -> None:
    ramp = np.linspace(0, 250, 200 * 300).reshape(1, 200, 300)
    kinds = {"Byte": ramp.astype(np.uint8), "UInt16": (ramp * 40).astype(np.uint16), "Float32": ramp / 1000}
    bands = ""
    for number, (kind, band) in enumerate(kinds.items(), start=1):
        save(tmp_path / f"{kind}.tif", band.astype(np.float32) if kind == "Float32" else band)
        bands += (
            f'<VRTRasterBand dataType="{kind}" band="{number}"><SimpleSource><SourceFilename '
            f'relativeToVRT="1">{kind}.tif</SourceFilename></SimpleSource></VRTRasterBand>'
        )
    path = tmp_path / "mixed.vrt"
    path.write_text(f'<VRTDataset rasterXSize="300" rasterYSize="200">{bands}</VRTDataset>')
    with RasterFrame.open(path) as frame:
        assert frame.stretch.high == pytest.approx((245, 9800, 0.245), rel=0.01)
        whole, valid = frame.read(0, 0, 300, 200)
        assert valid.all() and np.ptp(whole.astype(int), axis=2).max() <= 2, "the same in every band"
        assert np.abs(frame.read(0, 0, 300, 200, (20, 30))[0][10, 15].astype(int) - whole[105, 155]).max() < 3
    with RasterFrame.open(path, bands=[2]) as frame:
        assert np.array_equal(frame.read(0, 0, 300, 200)[0][..., 0], whole[..., 1])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64", "complex64"])
def test_other_types_are_stretched_once_for_the_raster(tmp_path: Path, dtype: str) -> None:
    ramp = np.linspace(0, 4000, 200 * 300).reshape(1, 200, 300)
    bands = np.concatenate([ramp, ramp * 2, ramp[:, ::-1]]).astype(dtype)
    with RasterFrame.open(save(tmp_path / "a.tif", bands)) as frame:
        assert frame.stretch.low == pytest.approx((80, 160, 80), abs=5)
        assert frame.stretch.high == pytest.approx((3920, 7840, 3920), abs=5)
        whole = frame.read(0, 0, 300, 200)[0]
        part = frame.read(100, 50, 7, 9)[0]
        expected = np.clip(
            (np.abs(bands[:, 60, 110]) - frame.stretch.low)
            / np.subtract(frame.stretch.high, frame.stretch.low),
            0,
            1,
        )
    assert np.array_equal(part, whole[50:59, 100:107]), "an object looks the same in every window"
    assert np.abs(whole[60, 110] - 255 * expected).max() <= 0.51


def test_a_given_stretch_is_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.array([[[0, 500, 1000, 2000]]], np.uint16))
    for stretch in ("0,1000", Stretch((0, 0, 0), (1000, 1000, 1000))):
        with RasterFrame.open(path, stretch=stretch) as frame:
            assert frame.read(0, 0, 4, 1)[0][0, :, 0].tolist() == [0, 128, 255, 255]
    with RasterFrame.open(path, stretch="none") as frame:
        assert frame.read(0, 0, 4, 1)[0][0, :, 0].tolist() == [0, 255, 255, 255]
    with pytest.raises(StretchInvalid, match="sharper"):
        RasterFrame.open(path, stretch="sharper")


def test_bytes_are_stretched_when_asked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.linspace(100, 120, 64).astype(np.uint8).reshape(1, 8, 8))
    with RasterFrame.open(path) as frame:
        assert frame.stretch == Stretch()
    with RasterFrame.open(path, stretch="0-100") as frame:
        assert (frame.stretch.low[0], frame.stretch.high[0]) == (100, 120)


def test_a_large_raster_is_sampled_in_small_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ros_sam_core.geo.raster.WHOLE_READ_PX", 100)
    ramp = np.linspace(0, 10_000, 1500 * 700).reshape(1, 1500, 700).astype(np.uint16)
    with RasterFrame.open(save(tmp_path / "a.tif", ramp, tiled=True, blockxsize=64, blockysize=64)) as frame:
        assert (frame.stretch.low[0], frame.stretch.high[0]) == pytest.approx((200, 9800), abs=150)
    tall = np.linspace(0, 10_000, 20 * 5000).reshape(1, 5000, 20).astype(np.uint16)
    with RasterFrame.open(save(tmp_path / "b.tif", tall)) as frame:
        assert (frame.stretch.low[0], frame.stretch.high[0]) == pytest.approx((200, 9800), abs=200)


# Fingerprints and arrays


def test_a_fingerprint_is_that_of_the_pixels(tmp_path: Path, photo: Path) -> None:
    path = save(tmp_path / "a.tif", PHOTO)
    seen = []
    for options in ({}, {"bands": (3, 2, 1)}, {"stretch": "5,250"}):
        with (
            RasterFrame.open(path, **options) as frame,
            RasterFrame.open(path, **options, frame="x") as again,
        ):  # type: ignore[arg-type]
            assert frame.fingerprint == again.fingerprint
            seen.append(frame.fingerprint)
    save(path, PHOTO)
    os.utime(path, ns=(1, 1))
    with RasterFrame.open(path) as frame, RasterFrame.open(photo) as other:
        seen += [frame.fingerprint, other.fingerprint]
    assert len(set(seen)) == 5


def test_a_fingerprint_sees_through_a_vrt(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", PHOTO, **PLACE)
    vrt = tmp_path / "a.vrt"
    band = '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">a.tif'
    vrt.write_text(
        f'<VRTDataset rasterXSize="83" rasterYSize="61">{band}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with RasterFrame.open(vrt) as frame:
        before = frame.fingerprint
    os.utime(tmp_path / "a.tif", ns=(1, 1))
    with RasterFrame.open(vrt) as frame:
        assert frame.fingerprint != before


def test_an_array_is_a_frame() -> None:
    rgb = np.moveaxis(PHOTO, 0, -1).copy()
    valid = rgb[..., 0] > 100
    frame = ArrayFrame(rgb, Grid((61, 83)), "canvas", "view", "2024", valid)
    assert (frame.source, frame.frame, frame.time) == ("canvas", "view", "2024")
    read, mask = frame.read(0, 0, 83, 61)
    assert np.array_equal(mask, valid) and not read[~valid].any() and np.array_equal(read[valid], rgb[valid])
    assert np.array_equal(rgb, np.moveaxis(PHOTO, 0, -1)), "the array is left as it was"
    assert frame.fingerprint == ArrayFrame(rgb, Grid((61, 83)), "other", valid=valid).fingerprint
    assert frame.fingerprint != ArrayFrame(rgb, Grid((61, 83))).fingerprint


@pytest.mark.parametrize(
    ("rgb", "grid", "valid"),
    [
        (np.zeros((4, 5, 3), np.uint8), Grid((5, 4)), None),
        (np.zeros((4, 5, 3), np.float32), Grid((4, 5)), None),
        (np.zeros((4, 5), np.uint8), Grid((4, 5)), None),
        (np.zeros((4, 5, 3), np.uint8), Grid((4, 5)), np.ones((5, 4), bool)),
    ],
)
def test_an_array_that_does_not_fit_is_refused(rgb: np.ndarray, grid: Grid, valid: Any) -> None:
    with pytest.raises(InvalidParameter, match="do not fit"):
        ArrayFrame(rgb, grid, valid=valid)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/rasters")
@pytest.mark.parametrize(
    ("name", "epsg", "gsd", "share"),
    [
        ("cogeo.tif", 3857, 0.4723, 1.0),
        ("RGB.byte.tif", 32618, 299.87, 0.66),
        ("dummy_fotomap_small.tif", 32633, 0.02, 1.0),
        ("oils.tif", 3857, 1.166, 1.0),
    ],
)
def test_real_rasters(name: str, epsg: int, gsd: float, share: float) -> None:
    with RasterFrame.open(DATA / name) as frame:
        rows, columns = frame.grid.shape
        small, valid = frame.read(0, 0, columns, rows, (rows // 4, columns // 4))
        assert frame.grid.crs is not None and frame.grid.crs.to_epsg() == epsg
        assert frame.grid.gsd_m == pytest.approx(gsd, rel=2e-3)
        assert math.isclose(valid.mean(), share, abs_tol=0.05)
        assert small[valid].std() > 10
