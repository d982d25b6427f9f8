"""A fingerprint changes when the pixels do, however deep the file lies that they come from."""

import gzip
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from range_server import ask, serving
from raster_files import PLACE, save

from ros_sam_core.geo.raster import RasterFrame

SIZE = 300


def write(folder: Path, value: int) -> None:
    """Write or rewrite an image, alone and in archives, in the same number of bytes."""
    image = save(folder / "a.tif", np.full((1, SIZE, SIZE), value, np.uint8), **PLACE)
    inner = folder / "inner.zip"
    for archive, part in ((inner, image), (folder / "outer.zip", inner)):
        with zipfile.ZipFile(archive, "w") as opened:
            opened.write(part, f"in/{part.name}")
    with tarfile.open(folder / "a.tar", "w") as opened_tar:
        opened_tar.add(image, "a.tif")
    (folder / "a.tif.gz").write_bytes(gzip.compress(image.read_bytes(), 0))
    (folder / "joined.bin").write_bytes(bytes(100) + image.read_bytes())


def vrt(path: Path, source: str) -> None:
    """Write a VRT that shows another raster."""
    path.write_text(
        f'<VRTDataset rasterXSize="{SIZE}" rasterYSize="{SIZE}"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )


def fingerprint(source: str) -> str:
    with RasterFrame.open(source) as frame:
        return frame.fingerprint


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    "source",
    [
        "{}/a.tif",
        "{}/1.vrt",
        "{}/3.vrt",
        "{}/zip.vrt",
        "{}/directory.vrt",
        "GTIFF_DIR:1:{}/a.tif",
        "vrt://{}/a.tif?bands=1",
        "/vsizip/{}/inner.zip/in/a.tif",
        "zip://{}/inner.zip!in/a.tif",
        "/vsizip/{{/vsizip/{{{}/outer.zip}}/in/inner.zip}}/in/a.tif",
        "/vsitar/{}/a.tar/a.tif",
        "/vsigzip/{}/a.tif.gz",
        "/vsisubfile/100_0,{}/joined.bin",
    ],
)
def test_a_fingerprint_sees_to_the_file_at_the_bottom(tmp_path: Path, source: str) -> None:
    write(tmp_path, 1)
    vrt(tmp_path / "1.vrt", f"{tmp_path}/a.tif")
    vrt(tmp_path / "2.vrt", f"{tmp_path}/1.vrt")
    vrt(tmp_path / "3.vrt", f"{tmp_path}/2.vrt")
    vrt(tmp_path / "zip.vrt", f"/vsizip/{tmp_path}/inner.zip/in/a.tif")
    vrt(tmp_path / "directory.vrt", f"GTIFF_DIR:1:{tmp_path}/a.tif")
    place = source.format(tmp_path)
    before = fingerprint(place)
    assert fingerprint(place) == before
    write(tmp_path, 2)
    assert fingerprint(place) != before


@pytest.mark.parametrize("overviews", [(), (2, 4)])
def test_a_fingerprint_looks_at_pixels_that_come_over_the_network(
    tmp_path: Path, overviews: tuple[int, ...]
) -> None:
    def put(value: int) -> None:
        image = np.full((1, 2048, 2048), value, np.uint8)
        layout = {"tiled": True, "blockxsize": 128, "blockysize": 128}
        save(tmp_path / "a.tif", image, lambda dataset: dataset.build_overviews(overviews), **layout, **PLACE)

    put(1)
    # GDAL would go on with what it has got from a file, in the same process.
    with serving(tmp_path) as address, rasterio.Env(CPL_VSIL_CURL_NON_CACHED="/vsicurl/"):
        before = fingerprint(f"{address}/a.tif")
        assert ask(address, "sent") < 600_000, "it reads a little of it only"
        assert fingerprint(f"{address}/a.tif") == before
        put(2)
        assert fingerprint(f"{address}/a.tif") != before
