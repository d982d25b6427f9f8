"""What is done beside the click: ahead of it, in batches, cancelled, and never in its way."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_process import RunningEngine, wait_for
from shapely.geometry import shape

ALL = {"min_area_px": 0, "simplify_px": 0}


def clicks(count: int) -> list[dict[str, Any]]:
    """Return clicks all over the raster."""
    return [{"id": str(i), "points": [[500005 + i * 7 % 140, 5299995 - i * 3 % 90]]} for i in range(count)]


@pytest.fixture
def fresh(raster: Path, tmp_path: Path) -> Path:
    """A raster of which nothing is encoded yet."""
    return Path(shutil.copy(raster, tmp_path / "fresh.tif"))


def is_done(engine: RunningEngine, job: str) -> bool:
    return bool(engine.get(f"jobs/{job}")["state"] == "done")


def test_a_preview_waits_for_its_crops_and_never_encodes(engine: RunningEngine, fresh: Path) -> None:
    frame = engine.frame(fresh)
    place = {"frame": frame, "point": [500040, 5299987], "crs": "EPSG:32633"}
    assert engine.post("preview", {**place, "options": ALL}) == {"ready": False, "crs": None, "segment": None}
    told = engine.post("warm", {**place, "job": "warm-point"}, 202)
    assert told == {"job": "warm-point", "total": 2}
    wait_for(lambda: is_done(engine, "warm-point"))
    preview = engine.post("preview", {**place, "options": ALL, "out_crs": "EPSG:3857"})
    assert preview["ready"] and preview["crs"] == "EPSG:3857" and preview["segment"]["mask"] is None
    assert shape(preview["segment"]["geometry"]).is_valid
    assert preview["segment"]["properties"]["model"] == "quick"
    prompts = [{"id": "a", "points": [place["point"]]}]
    click = engine.post("segment", {"frame": frame, "prompts": prompts, "options": ALL})
    assert click["timing"]["encoded"] <= 1, "the crops of the first look were warm; only the second is new"
    outside = engine.post("preview", {"frame": frame, "point": [0, 0]})
    assert outside["ready"] is False


def test_what_is_on_screen_is_warm_everywhere(engine: RunningEngine, fresh: Path) -> None:
    frame = engine.frame(fresh)
    region = [500020, 5299940, 500080, 5299990]
    told = engine.post(
        "warm", {"frame": frame, "region": region, "max_crops": 500, "job": "warm-region"}, 202
    )
    wait_for(lambda: is_done(engine, "warm-region"))
    state = engine.get("jobs/warm-region")
    assert (state["kind"], state["done"], state["total"]) == ("warm", told["total"], told["total"])
    places = [(500_000 + x, 5_300_000 + y) for x in range(22, 80, 9) for y in range(-58, -10, 9)]
    ready = [engine.post("preview", {"frame": frame, "point": place})["ready"] for place in places]
    assert all(ready)
    beside = engine.post("warm", {"frame": frame, "region": [0, 0, 1, 1]}, 202)
    assert beside["total"] == 0


def test_a_new_place_to_warm_takes_the_place_of_the_old_one(engine: RunningEngine, fresh: Path) -> None:
    frame = engine.frame(fresh)
    region = [500000, 5299900, 500150, 5300000]
    engine.post("warm", {"frame": frame, "region": region, "max_crops": 1000, "job": "old"}, 202)
    engine.post("warm", {"frame": frame, "point": [500040, 5299987], "job": "new"}, 202)
    wait_for(lambda: is_done(engine, "new"))
    old = engine.get("jobs/old")
    assert old["state"] in ("cancelled", "done")


def test_warming_is_cancelled(engine: RunningEngine, fresh: Path) -> None:
    frame = engine.frame(fresh)
    region = [500000, 5299900, 500150, 5300000]
    total = engine.post("warm", {"frame": frame, "region": region, "max_crops": 1000, "job": "w"}, 202)[
        "total"
    ]
    assert engine.post("cancel", {"job": "w"}) == {"cancelled": ["w"]}
    wait_for(lambda: engine.get("jobs/w")["state"] == "cancelled")
    assert engine.get("jobs/w")["done"] < total
    assert engine.post("cancel", {"job": "w"}) == {"cancelled": []}
    assert engine.get("jobs/none", 404)["error"]["type"] == "JobUnknown"


def test_clients_that_share_an_engine_leave_each_others_work_alone(
    engine: RunningEngine, fresh: Path
) -> None:
    body = {"frame": engine.frame(fresh), "job": "mine", "crs": "EPSG:32633"}

    def ask(client: str, method: str, path: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Ros-Sam-Client": client}
        return dict(engine.client.request(method, f"/v1/{path}", headers=headers, json=more).json())

    region = [500000, 5299900, 500150, 5300000]
    ask("anna", "POST", "warm", {**body, "region": region, "max_crops": 1000})
    assert ask("ben", "GET", "jobs/mine")["error"]["type"] == "JobUnknown"
    ask("ben", "POST", "warm", {**body, "point": [500040, 5299987]})
    ask("ben", "POST", "cancel", {"job": None})
    wait_for(lambda: ask("ben", "GET", "jobs/mine")["state"] in ("done", "cancelled"))
    assert ask("anna", "GET", "jobs/mine")["state"] == "running"
    ask("anna", "POST", "warm", {**body, "job": "newer", "point": [500040, 5299987]})
    wait_for(lambda: ask("anna", "GET", "jobs/mine")["state"] == "cancelled")
    assert engine.get("jobs/mine", 404)["error"]["type"] == "JobUnknown", "no name is a client of its own"


def test_work_that_fails_before_it_runs_has_failed(engine: RunningEngine, fresh: Path) -> None:
    place = {"frame": engine.frame(fresh), "point": [500040, 5299987]}
    fresh.unlink()
    told = engine.post("warm", {**place, "job": "too-late"}, 404)["error"]
    assert told["type"] == "RasterNotFound"
    job = engine.get("jobs/too-late")
    assert (job["state"], job["error"]) == ("failed", told)
    assert engine.post("cancel", {"job": "too-late"}) == {"cancelled": []}


def test_a_batch_gives_what_single_prompts_give(engine: RunningEngine, raster: Path) -> None:
    prompts = [*clicks(9), {"id": "bad", "points": [[0, 0]]}]
    body = {"frame": engine.frame(raster), "prompts": prompts, "options": ALL, "out_crs": "EPSG:4326"}
    lines = engine.lines("batch", body)
    last = lines.pop()
    assert (last["event"], last["done"], last["total"], last["crs"]) == ("end", 10, 10, "EPSG:4326")
    assert [line["done"] for line in lines] == list(range(1, 11))
    single = engine.post("segment", body)
    told = [line["segment"] for line in lines if line["event"] == "segment"]
    failed = [line["failure"] for line in lines if line["event"] == "failure"]
    assert last["failed"] == len(failed) == len(single["failures"])
    assert [one["id"] for one in told] == [one["id"] for one in single["segments"]]
    for one, other in zip(told, single["segments"], strict=True):
        a, b = shape(one["geometry"]), shape(other["geometry"])
        assert a.symmetric_difference(b).area <= 1e-3 * b.area


def test_clicks_go_before_a_batch_and_a_batch_is_cancelled(engine: RunningEngine, raster: Path) -> None:
    frame = engine.frame(raster)
    lines: list[dict[str, Any]] = []
    body = {"frame": frame, "prompts": clicks(3000), "job": "long"}
    batch = threading.Thread(target=lambda: lines.extend(engine.lines("batch", body)))
    batch.start()
    wait_for(lambda: engine.client.get("/v1/jobs/long").status_code == 200)
    wait_for(lambda: engine.get("jobs/long")["done"] > 0)
    one = {"frame": frame, "prompts": clicks(1)}
    before = engine.get("jobs/long")["done"]
    for _ in range(5):
        engine.post("segment", one)
    assert engine.get("jobs/long")["done"] < before + 100, "clicks were answered while the batch ran"
    assert engine.post("cancel", {"job": None})["cancelled"] == ["long"]
    batch.join(30)
    assert lines[-1]["event"] == "error" and lines[-1]["error"]["type"] == "Cancelled"
    assert 0 < lines[-1]["done"] < 3000
    assert engine.get("jobs/long")["state"] == "cancelled"


def test_a_client_that_hangs_up_cancels_its_batch(engine: RunningEngine, raster: Path) -> None:
    body = {"frame": engine.frame(raster), "prompts": clicks(3000), "job": "left"}
    with engine.client.stream("POST", "/v1/batch", json=body) as answer:
        next(answer.iter_lines())
    wait_for(lambda: engine.get("jobs/left")["state"] == "cancelled")
    assert engine.get("jobs/left")["done"] < 3000
    assert engine.get("health")["queue"] == 0


def test_a_client_that_hangs_up_cancels_its_click(engine: RunningEngine, fresh: Path) -> None:
    body = {"frame": engine.frame(fresh), "prompts": clicks(64), "job": "left-click"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{engine.url}/v1/segment", json=body, headers=engine.headers, timeout=httpx.Timeout(5, read=0.02)
        )
    wait_for(lambda: engine.get("health")["queue"] == 0)
    assert engine.get("jobs/left-click")["state"] == "cancelled"


def test_a_click_is_cancelled_by_its_name(engine: RunningEngine, fresh: Path) -> None:
    answers: list[dict[str, Any]] = []
    body = {"frame": engine.frame(fresh), "prompts": clicks(64), "job": "named"}

    def ask() -> None:
        with httpx.Client(base_url=engine.url, headers=engine.headers, timeout=60) as client:
            answers.append(client.post("/v1/segment", json=body).json())

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 30
    while asking.is_alive() and time.monotonic() < deadline:
        if engine.post("cancel", {"job": "named"})["cancelled"]:
            break
    asking.join(30)
    assert answers[0]["error"]["type"] == "Cancelled"


def test_models_are_listed_and_an_unknown_one_is_not_downloaded(engine: RunningEngine) -> None:
    models = {model["name"]: model for model in engine.get("models")["models"]}
    assert (
        models["sam_vit_b"]["address"].startswith("https://")
        and models["sam_vit_b"]["licence"] == "Apache-2.0"
    )
    assert models["ros-sam-tiny"]["address"] is None
    assert engine.post("models/none/download", {}, 404)["error"]["type"] == "ModelUnknown"
