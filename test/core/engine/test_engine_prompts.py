"""Prompts to polygons over HTTP: the same as the core gives when it is called directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from cli_files import UTM, picture
from engine_process import RunningEngine
from pyproj import CRS, Transformer
from shapely.geometry import shape

from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.segmenter import Segmenter

EXTENT = (500_000, 5_299_900, 500_150, 5_300_000)
"""Of the rasters, in UTM."""
ALL = {"min_area_px": 0, "simplify_px": 0}
"""Options that keep whatever nonsense the quick model outlines."""


def same(told: dict[str, Any], geometry: shapely.Geometry, tolerance: float = 1e-3) -> bool:
    """Say whether two outlines are one, to a thousandth of their size."""
    found = shape(told["geometry"])
    return bool(found.is_valid and found.symmetric_difference(geometry).area <= tolerance * geometry.area)


def prompts_in(crs: str, inside: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """Return a click, clicks of both signs and a box, around places given in UTM, in another CRS."""
    move = Transformer.from_crs(UTM, crs, always_xy=True).transform
    (a, b, c) = [move(*xy) for xy in inside]
    low, high = move(inside[2][0] - 8, inside[2][1] - 6), move(inside[2][0] + 8, inside[2][1] + 6)
    return [
        {"id": "click", "points": [a], "crs": crs},
        {"id": "clicks", "points": [b, a], "labels": [1, 0], "crs": crs},
        {"id": "box", "box": [*low, *high], "crs": crs},
        {"id": "both", "box": [*low, *high], "points": [c], "labels": [1], "crs": crs},
    ]


def directly(given: dict[str, Any]) -> Prompt:
    """Return the core's prompt."""
    return Prompt(**{"points": (), "labels": (), "box": None, "crs": None, **given})


PLACES = {
    "north-up": (UTM, Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000)),
    "south-up": (UTM, Affine(0.5, 0, 500_000, 0, 0.5, 5_299_900)),
    "rotated": (UTM, Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_299_950)),
    "degrees": ("EPSG:4326", Affine(6e-6, 0, 15.0, 0, -4.5e-6, 47.85)),
}


@pytest.mark.parametrize("prompt_crs", ["EPSG:3857", "EPSG:4326", None])
@pytest.mark.parametrize("place", PLACES)
def test_polygons_are_those_of_the_core(
    engine: RunningEngine, segmenter: Segmenter, tmp_path: Path, place: str, prompt_crs: str | None
) -> None:
    crs, transform = PLACES[place]
    path = tmp_path / "scene.tif"
    bands = picture()
    layout = {"driver": "GTiff", "count": 3, "height": 200, "width": 300, "dtype": "uint8"}
    with rasterio.open(path, "w", crs=crs, transform=transform, **layout) as file:
        file.write(bands)
    to_utm = Transformer.from_crs(crs, UTM, always_xy=True).transform
    inside = [to_utm(*(transform @ xy)) for xy in [(80, 26), (130, 76), (180, 126)]]
    given = prompts_in(prompt_crs or crs, inside)
    out = None if prompt_crs is None else prompt_crs
    body = {"frame": engine.frame(path), "prompts": given, "options": ALL, "out_crs": out}
    answer = engine.post("segment", body)
    with RasterFrame.open(path) as frame:
        table = segmenter.segment(
            frame, [directly(one) for one in given], options=PolygonOptions(**ALL), out_crs=out
        )
    assert answer["crs"] == (out or crs)
    assert [one["prompt_id"] for one in answer["failures"]] == [i for i, _ in table.attrs["failures"]]
    assert len(answer["segments"]) == len(table) >= 3
    for told, (_, row) in zip(answer["segments"], table.iterrows(), strict=True):
        assert same(told, row.geometry)
        properties = told["properties"]
        assert told["id"] == properties["prompt_id"] == row.prompt_id
        assert properties["source"] == str(path) and properties["frame"] == "scene"
        assert properties["area_m2"] == pytest.approx(row.area_m2, rel=1e-3)
        assert properties["score"] == pytest.approx(row.score, abs=1e-3)
        assert (properties["model"], properties["weights"]) == ("quick", segmenter.weights)
        assert (properties["prompt"], properties["prompt_xy"]) == (row.prompt, row.prompt_xy)


def test_a_prompt_that_fails_does_not_concern_the_others(engine: RunningEngine, raster: Path) -> None:
    given = [
        {"id": "good", "points": [[500040, 5299987]]},
        {"id": "outside", "points": [[400000, 5299987]]},
        {"id": "flat", "box": [1, 1, 1, 5]},
        {"id": "nowhere", "points": [[0, 0]], "crs": "EPSG:99999999"},
        {"id": "labels", "points": [[500040, 5299987]], "labels": [0]},
    ]
    answer = engine.post("segment", {"frame": engine.frame(raster), "prompts": given, "options": ALL})
    assert [one["id"] for one in answer["segments"]] == ["good"]
    assert {one["prompt_id"]: one["type"] for one in answer["failures"]} == {
        "outside": "PromptOutsideRaster",
        "flat": "PromptInvalid",
        "nowhere": "CrsUnknown",
        "labels": "PromptInvalid",
    }


def test_errors_of_the_whole_request(engine: RunningEngine, raster: Path, tmp_path: Path) -> None:
    one = [{"id": "a", "points": [[500040, 5299987]]}]
    frame = engine.frame(raster)
    for body, status, kind in [
        ({"frame": "f-0", "prompts": one}, 404, "FrameUnknown"),
        ({"frame": frame, "prompts": one, "out_crs": "EPSG:99999999"}, 422, "CrsUnknown"),
        ({"frame": frame, "prompts": one, "model": "no-such-model"}, 404, "ModelUnknown"),
        ({"frame": frame, "prompts": one * 65}, 422, "RequestInvalid"),
        ({"frame": frame, "prompts": []}, 422, "RequestInvalid"),
        ({"frame": frame, "prompts": one, "options": {"simplify_px": -1}}, 422, "RequestInvalid"),
    ]:
        assert engine.post("segment", body, status)["error"]["type"] == kind
    broken = tmp_path / "broken.tif"
    broken.write_bytes(raster.read_bytes()[:200])
    for source, status, kind in [
        (tmp_path / "none.tif", 404, "RasterNotFound"),
        (broken, 422, "RasterUnreadable"),
    ]:
        assert engine.post("frames", {"source": str(source)}, status)["error"]["type"] == kind
    assert (
        engine.post("frames", {"source": str(raster), "bands": [9]}, 422)["error"]["type"] == "BandsInvalid"
    )
    assert (
        engine.post("frames", {"source": str(raster), "stretch": "?"}, 422)["error"]["type"]
        == "StretchInvalid"
    )


def test_a_frame_is_told_as_it_is(engine: RunningEngine, deep_raster: Path) -> None:
    body = {
        "source": str(deep_raster),
        "bands": [3, 2, 1],
        "stretch": "2-98",
        "frame": "7",
        "time": "2024-05-01",
    }
    told = engine.post("frames", body)
    with RasterFrame.open(deep_raster, [3, 2, 1], "2-98") as frame:
        assert told["grid"]["transform"] == list(frame.grid.transform[:6])
        assert (told["grid"]["width"], told["grid"]["height"]) == frame.grid.size
        assert told["grid"]["crs"] == UTM and CRS.from_wkt(told["grid"]["wkt"]) == frame.grid.crs
        assert told["gsd_m"] == pytest.approx(0.5, rel=1e-3)
    assert (told["frame"], told["time"], told["bands"]) == ("7", "2024-05-01", [3, 2, 1])
    again = engine.post("frames", {**body, "stretch": told["stretch"]})
    assert again["frame_id"] == told["frame_id"] and again["stretch"] == told["stretch"]


def test_a_raster_that_changes_is_another_frame(engine: RunningEngine, raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.tif"
    path.write_bytes(raster.read_bytes())
    before = engine.frame(path)
    body = {"frame": before, "prompts": [{"id": "a", "points": [[500040, 5299987]]}]}
    with rasterio.open(path, "r+") as file:
        file.write(255 - file.read())
    assert engine.post("segment", body, 404)["error"]["type"] == "FrameUnknown"
    assert engine.frame(path) != before


def test_reshaping_is_what_segmenting_with_these_options_is(engine: RunningEngine, raster: Path) -> None:
    prompt = {"id": "a", "box": [500030, 5299980, 500050, 5299992]}
    body = {"frame": engine.frame(raster), "prompts": [prompt]}
    (first,) = engine.post("segment", {**body, "options": ALL})["segments"]
    for options in (
        {"expand_px": 2},
        {"expand_px": -0.5},
        {"smooth_px": 1},
        {"fill_holes": True},
        {"simplify_px": 2},
    ):
        wanted = {**body, "options": {**ALL, **options}, "out_crs": "EPSG:4326"}
        reshaped = engine.post(
            "reshape", {"mask": first["mask"], "options": wanted["options"], "out_crs": "EPSG:4326"}
        )
        anew = engine.post("segment", wanted)
        assert reshaped["segment"] == next(iter(anew["segments"]), None)
        assert not reshaped["redone"] and anew["timing"]["encoded"] == 0
    larger = engine.post("reshape", {"mask": first["mask"], "options": {**ALL, "expand_px": 2}})["segment"]
    grown = shape(first["geometry"]).buffer(1.0).intersection(shapely.box(*EXTENT))  # 2 px of 0.5 m
    assert shape(larger["geometry"]).symmetric_difference(grown).area < 0.02 * grown.area


def test_options_can_leave_nothing_and_the_object_comes_back(engine: RunningEngine, raster: Path) -> None:
    body = {"frame": engine.frame(raster), "prompts": [{"id": "a", "points": [[500040, 5299987]]}]}
    answer = engine.post("segment", {**body, "options": {"min_area_px": 1e9}})
    (failure,) = answer["failures"]
    assert (answer["segments"], failure["type"]) == ([], "NothingFound")
    assert engine.post("reshape", {"mask": failure["mask"], "options": ALL})["segment"]["id"] == "a"
    still = engine.post("reshape", {"mask": failure["mask"], "options": {"min_area_px": 1e9}})
    assert still["segment"] is None and still["failure"]["type"] == "NothingFound"


def test_a_mask_that_is_gone_is_made_again(engine: RunningEngine, raster: Path) -> None:
    frame, prompt = engine.frame(raster), {"id": "a", "points": [[500040, 5299987]]}
    assert engine.post("reshape", {"mask": "m-gone"}, 404)["error"]["type"] == "MaskUnknown"
    again = engine.post("reshape", {"mask": "m-gone", "frame": frame, "prompt": prompt, "options": ALL})
    (first,) = engine.post("segment", {"frame": frame, "prompts": [prompt], "options": ALL})["segments"]
    assert again["redone"] and again["segment"] == first


def send_all(engine: RunningEngine, frame: str, raster: Path, window: tuple[int, int, int, int]) -> None:
    """Upload a window of a raster as the plugin does."""
    x0, y0, width, height = window
    with rasterio.open(raster) as file:
        bands = file.read([1, 2, 3], window=((y0, y0 + height), (x0, x0 + width)))
        dtype = file.dtypes[0]
    where = {"x0": x0, "y0": y0, "width": width, "height": height, "dtype": dtype, "layout": "bands"}
    answer = engine.client.put(f"/v1/frames/{frame}/pixels", params=where, content=bands.tobytes())
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"frame_id": frame, "window": list(window)}


def pixels_of(engine: RunningEngine, raster: Path, **more: object) -> dict[str, Any]:
    """Return the registration of a raster whose pixels the client sends."""
    told = engine.post("frames", {"source": str(raster)})
    grid = {name: told["grid"][name] for name in ("width", "height", "transform", "crs")}
    return {"source": "elsewhere", "stretch": told["stretch"], "pixels": {"grid": grid}, **more}


@pytest.mark.parametrize("name", ["raster", "deep_raster"])
def test_uploaded_pixels_give_the_same_polygon(
    engine: RunningEngine, name: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(name)
    sent = engine.post("frames", pixels_of(engine, path))["frame_id"]
    prompts = [
        {"id": "a", "points": [[500040, 5299987]]},
        {"id": "b", "box": [500130, 5299905, 500149, 5299918]},
    ]
    body = {"prompts": prompts, "options": ALL}
    missing = engine.post("segment", {**body, "frame": sent}, 409)["error"]
    asked = 0
    while True:
        assert missing["type"] == "PixelsMissing"
        x0, y0, width, height = missing["window"]
        assert 0 <= x0 < x0 + width <= 300 and 0 <= y0 < y0 + height <= 200
        send_all(engine, sent, path, tuple(missing["window"]))
        asked += 1
        answer = engine.client.post("/v1/segment", json={**body, "frame": sent})
        if answer.status_code == 200:
            break
        missing = answer.json()["error"]
    assert asked <= 3
    read = engine.post("segment", {**body, "frame": engine.frame(path)})
    for one, other in zip(answer.json()["segments"], read["segments"], strict=True):
        assert same(one, shape(other["geometry"]))
        assert one["properties"]["source"] == "elsewhere"


def test_pixels_sent_again_and_different_count(engine: RunningEngine, raster: Path) -> None:
    frame = engine.post("frames", pixels_of(engine, raster, frame="again"))["frame_id"]
    body = {"frame": frame, "prompts": [{"id": "a", "points": [[500040, 5299987]]}], "options": ALL}
    send_all(engine, frame, raster, (0, 0, 300, 200))
    first = engine.post("segment", body)
    send_all(engine, frame, raster, (0, 0, 200, 200))
    assert engine.post("segment", body)["timing"]["encoded"] == 0
    where = {"x0": 0, "y0": 0, "width": 300, "height": 200, "layout": "bands"}
    content = (255 - picture()).tobytes()
    engine.client.put(f"/v1/frames/{frame}/pixels", params=where, content=content).raise_for_status()
    second = engine.post("segment", body)
    assert second["timing"]["encoded"] > 0 and second["segments"] != first["segments"]


def test_pixels_that_do_not_fit_are_refused(engine: RunningEngine, raster: Path) -> None:
    frame = engine.post("frames", pixels_of(engine, raster, frame="unfit"))["frame_id"]

    def put(frame: str, content: bytes, **where: object) -> tuple[int, str]:
        params = {"x0": 0, "y0": 0, "width": 10, "height": 10, **where}
        answer = engine.client.put(f"/v1/frames/{frame}/pixels", params=params, content=content)
        return answer.status_code, answer.json()["error"]["type"]

    assert put(frame, b"x" * 299) == (422, "RequestInvalid")
    assert put(frame, b"x" * 300, x0=295) == (422, "RequestInvalid")
    assert put(frame, b"x" * 200, bands=2) == (422, "RequestInvalid")
    assert put(frame, b"x" * 300, dtype="complex64") == (422, "RequestInvalid")
    assert put(frame, b"x" * 300, nodata="nan") == (422, "RequestInvalid")
    assert put(engine.frame(raster), b"x" * 300) == (422, "RequestInvalid")
    assert put("f-none", b"x" * 300) == (404, "FrameUnknown")
    percentiles = engine.post("frames", {**pixels_of(engine, raster), "stretch": "2-98"}, 422)
    assert percentiles["error"]["type"] == "InvalidParameter"


def test_a_picture_without_georeference_answers_in_pixels(engine: RunningEngine) -> None:
    grid = {"width": 300, "height": 200, "transform": [1, 0, 0, 0, 1, 0]}
    frame = engine.post("frames", {"source": "screen", "pixels": {"grid": grid}})["frame_id"]
    rgba = np.concatenate([np.moveaxis(picture(), 0, -1), np.full((200, 300, 1), 255, np.uint8)], axis=-1)
    where = {"x0": 0, "y0": 0, "width": 300, "height": 200, "alpha": True}
    engine.client.put(f"/v1/frames/{frame}/pixels", params=where, content=rgba.tobytes()).raise_for_status()
    body = {"frame": frame, "prompts": [{"id": "a", "points": [[80, 26]]}], "options": ALL}
    answer = engine.post("segment", body)
    assert answer["crs"] is None
    assert shape(answer["segments"][0]["geometry"]).within(shapely.box(0, 0, 300, 200))
    assert (
        engine.post("segment", {**body, "out_crs": "EPSG:4326"}, 422)["error"]["type"] == "CrsTransformFailed"
    )
