"""Everything mode over real HTTP: progress, objects, clicks in between, cancelling, bad requests."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_process import RunningEngine, wait_for
from shapely.geometry import mapping, shape
from yards import Places, box_at, iou, on_map, write_yard

PLACES: Places = ((60, 80), (200, 60))
SEARCH = {"min_size": 22.5, "max_size": 50}


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_yard(tmp_path_factory.mktemp("yard") / "yard.tif", 160, 300, PLACES)


@pytest.fixture(scope="module")
def bundled() -> Iterator[RunningEngine]:
    with RunningEngine() as running:
        yield running.ready()


def test_objects_come_as_they_are_settled(bundled: RunningEngine, yard: Path) -> None:
    frame = bundled.frame(yard)
    lines = bundled.lines("everything", {"frame": frame, "search": SEARCH, "job": "all"})
    assert lines[0] == {"event": "progress", "done": 0, "total": 1}
    segments = [line["segment"] for line in lines if line["event"] == "segment"]
    found = len(segments)
    assert lines[-1] == {"event": "end", "done": 1, "total": 1, "found": found, "crs": "EPSG:32633"}
    assert [one["id"] for one in segments] == [str(number + 1) for number in range(found)]
    assert len(PLACES) <= found <= len(PLACES) + 1  # a patch of the ground may be taken for an object
    for place in PLACES:
        assert sum(iou(shape(one["geometry"]), on_map(box_at(*place))) > 0.75 for one in segments) == 1
    assert {one["properties"]["prompt"] for one in segments} == {"grid"}
    assert bundled.get("jobs/all")["state"] == "done" and bundled.get("jobs/all")["kind"] == "everything"
    area = {"area": mapping(on_map(box_at(200, 60)).buffer(5)), "area_crs": "EPSG:32633"}
    some = bundled.lines("everything", {"frame": frame, "search": SEARCH, **area})
    assert some[-1]["found"] == 1


def test_a_search_is_cancelled_and_clicks_go_first(
    engine: RunningEngine, raster: Path, tmp_path: Path
) -> None:
    frame = engine.frame(Path(shutil.copy(raster, tmp_path / "fresh.tif")))
    body = {"frame": frame, "search": {"min_size": 4, "points_per_side": 64}, "job": "long"}
    lines: list[dict[str, Any]] = []

    def search() -> None:
        with engine.client.stream("POST", "/v1/everything", json=body) as answer:
            lines.extend(json.loads(line) for line in answer.iter_lines())

    thread = threading.Thread(target=search)
    thread.start()
    wait_for(lambda: engine.client.get("/v1/jobs/long").status_code == 200)
    click = engine.post("segment", {"frame": frame, "prompts": [{"id": "a", "points": [[500040, 5299987]]}]})
    assert click["timing"] and engine.get("jobs/long")["state"] == "running"
    assert engine.post("cancel", {"job": "long"}) == {"cancelled": ["long"]}
    thread.join(30)
    assert lines[-1]["event"] == "error" and lines[-1]["error"]["type"] == "Cancelled"
    assert engine.get("jobs/long")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"search": {"pred_iou": 2}}, "RequestInvalid"),
        ({"search": {"min_size": 9, "max_size": 3}}, "InvalidParameter"),
        ({"area": {"type": "Point", "coordinates": [1, 1]}}, "AreaInvalid"),
        ({"area": {"type": "Polygon", "coordinates": "x"}}, "AreaInvalid"),
        ({"frame": "f-none"}, "FrameUnknown"),
        ({"out_crs": "nonsense"}, "CrsUnknown"),
    ],
)
def test_bad_requests_are_named(
    engine: RunningEngine, raster: Path, changes: dict[str, Any], kind: str
) -> None:
    body = {"frame": engine.frame(raster), **changes}
    answer = engine.client.post("/v1/everything", json=body)
    assert answer.status_code in (404, 422) and answer.json()["error"]["type"] == kind


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}}, "AreaInvalid"),
        ({"model": "nobody"}, "ModelUnknown"),
        ({"search": {"min_size": 0.001}}, "InvalidParameter"),
    ],
)
def test_what_shows_later_ends_the_stream(
    engine: RunningEngine, raster: Path, changes: dict[str, Any], kind: str
) -> None:
    (last,) = engine.lines("everything", {"frame": engine.frame(raster), **changes})
    assert last["event"] == "error" and last["error"]["type"] == kind
