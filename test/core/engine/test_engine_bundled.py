"""The bundled model through the engine: the polygon that the core gives when it is called directly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_process import RunningEngine
from shapely.geometry import shape

from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.model.zoo import BUNDLED_FOLDER
from ros_sam_core.predict.segmenter import Segmenter

pytestmark = pytest.mark.skipif(
    not (BUNDLED_FOLDER / "ros-sam-tiny.safetensors").is_file(), reason="the bundled weights are not there"
)
"""Light rectangles of 20 x 12 px, every 50 px from column 20, row 20; a pixel is 0.5 m."""
CENTRES = [(500_015.0 + 25 * i, 5_299_987.0 - 25 * j) for i in range(5) for j in range(3)]


@pytest.fixture(scope="module")
def bundled() -> Iterator[RunningEngine]:
    """An engine as the plugin starts it."""
    with RunningEngine() as engine:
        yield engine.ready()


def test_clicks_and_boxes_give_what_the_core_gives(bundled: RunningEngine, raster: Path) -> None:
    prompts = [{"id": f"p{i}", "points": [[x, y]]} for i, (x, y) in enumerate(CENTRES)]
    prompts += [{"id": f"b{i}", "box": [x - 6, y - 4, x + 6, y + 4]} for i, (x, y) in enumerate(CENTRES)]
    answer = bundled.post("segment", {"frame": bundled.frame(raster), "prompts": prompts})
    with RasterFrame.open(raster) as frame:
        table = Segmenter.from_pretrained().segment(frame, [Prompt(**one) for one in prompts])
    assert len(answer["segments"]) == len(table) == 2 * len(CENTRES)
    for told, (_, row) in zip(answer["segments"], table.iterrows(), strict=True):
        found = shape(told["geometry"])
        assert told["id"] == row.prompt_id
        assert found.symmetric_difference(row.geometry).area < 1e-3 * row.geometry.area
        assert told["properties"]["weights"] == row.weights
        assert 40 < row.area_m2 < 80  # of 60 m2


def test_a_warm_place_is_previewed_as_it_is_outlined(bundled: RunningEngine, raster: Path) -> None:
    frame = bundled.frame(raster)
    region = [500_000, 5_299_900, 500_150, 5_300_000]
    total = bundled.post("warm", {"frame": frame, "region": region, "max_crops": 40, "job": "w"}, 202)[
        "total"
    ]
    assert total == 40
    x, y = CENTRES[7]
    preview = bundled.post("preview", {"frame": frame, "point": [x, y]})
    if not preview["ready"]:  # the nearest come first; the click's own crops are there at the latest then
        bundled.post("segment", {"frame": frame, "prompts": [{"id": "a", "points": [[x, y]]}]})
        preview = bundled.post("preview", {"frame": frame, "point": [x, y]})
    bundled.post("cancel", {"job": None})
    (kept,) = bundled.post("segment", {"frame": frame, "prompts": [{"id": "a", "points": [[x, y]]}]})[
        "segments"
    ]
    seen, outlined = shape(preview["segment"]["geometry"]), shape(kept["geometry"])
    assert seen.intersection(outlined).area > 0.7 * seen.union(outlined).area
