"""Whatever fits the engine's own schema, or does not, never makes it fail."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from engine_process import RunningEngine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from shapely.geometry import shape

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    ("/v1/frames", "post"),
    ("/v1/frames/{frame_id}/pixels", "put"),
    ("/v1/segment", "post"),
    ("/v1/reshape", "post"),
    ("/v1/preview", "post"),
    ("/v1/warm", "post"),
    ("/v1/batch", "post"),
    ("/v1/cancel", "post"),
    ("/v1/jobs/{job}", "get"),
    ("/v1/health", "get"),
    ("/v1/models", "get"),
]
"""All but the download of a model, which would fetch gigabytes, and a search, which may take hours."""


@pytest.fixture(scope="module")
def api(engine: RunningEngine) -> Any:
    """The engine's schema as it is served."""
    return schemathesis.openapi.from_url(f"{engine.url}/v1/openapi.json", headers=engine.headers)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda value: value)
def test_no_request_makes_it_fail(
    api: Any, engine: RunningEngine, raster: Path, path: str, method: str, mode: GenerationMode
) -> None:
    frame = engine.frame(raster)
    operation = api[path][method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where nothing can be wrong, schemathesis says so
        requests = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=25,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=requests)
    def ask(case: Any) -> None:
        if isinstance(case.body, dict):
            # What passes the first lookup reaches the work behind it.
            if "frame" in case.body and path != "/v1/frames":
                case.body["frame"] = frame
            if "source" in case.body and not case.body.get("pixels"):
                case.body["source"] = str(raster)
        case.call_and_validate(headers=engine.headers, checks=CHECKS)

    ask()


def test_everything_that_is_served_is_tried(engine: RunningEngine) -> None:
    served = {(path, method) for path, item in engine.get("openapi.json")["paths"].items() for method in item}
    own_test = {("/v1/models/{name}/download", "post"), ("/v1/everything", "post")}
    assert served - set(OPERATIONS) == own_test
    assert engine.process.poll() is None
    assert engine.get("health")["model"]["state"] == "ready"


near = st.tuples(st.floats(499_990, 500_160), st.floats(5_299_890, 5_300_010))
far = st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.floats(-200, 200))
wild_point = st.one_of(near, near, far)
wild_box = st.tuples(wild_point, wild_point).map(lambda corners: [*corners[0], *corners[1]])
systems = st.sampled_from(
    [None, None, None, "EPSG:32633", "EPSG:4326", "EPSG:3857", "EPSG:27700", "OGC:CRS84", "+proj=sinu"]
)
wild_prompt = st.fixed_dictionaries(
    {"id": st.text(max_size=5)},
    optional={
        "points": st.lists(wild_point, max_size=4),
        "labels": st.lists(st.integers(0, 1), max_size=4),
        "box": st.none() | wild_box,
        "crs": systems,
    },
)
wild_options = st.fixed_dictionaries(
    {},
    optional={
        "simplify_px": st.floats(0, 1000),
        "smooth_px": st.floats(0, 100),
        "fill_holes": st.booleans(),
        "min_area_px": st.floats(0, 1e300),
        "expand_px": st.floats(-1000, 1000),
    },
)


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(prompts=st.lists(wild_prompt, min_size=1, max_size=4), options=wild_options, out_crs=systems)
def test_no_coordinates_make_it_fail(
    engine: RunningEngine, raster: Path, prompts: list[Any], options: Any, out_crs: str | None
) -> None:
    frame = engine.frame(raster)
    body = {"frame": frame, "prompts": prompts, "options": options, "out_crs": out_crs}
    answer = engine.client.post("/v1/segment", json=body)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        told = answer.json()
        assert len(told["segments"]) + len(told["failures"]) == len(prompts)
        assert all(shape(one["geometry"]).is_valid for one in told["segments"])
    place = {"frame": frame, "point": (prompts[0].get("points") or [(0, 0)])[0], "crs": out_crs}
    assert engine.client.post("/v1/preview", json={**place, "options": options}).status_code in (200, 422)
    assert engine.client.post("/v1/warm", json={**place, "max_crops": 1}).status_code in (202, 422)


wild_search = st.fixed_dictionaries(
    {"points_per_side": st.integers(-1, 4)},
    optional={
        "pred_iou": st.floats(-0.1, 1),
        "min_size": st.floats(10, 1e300),
        "max_size": st.floats(0, 1e300),
        "nms": st.floats(0, 1),
    },
)
wild_area = st.none() | st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Polygon", "MultiPolygon", "Point", ""]),
        "coordinates": st.lists(st.lists(wild_point, max_size=5), max_size=2) | st.none() | wild_point,
    }
)


@settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(search=wild_search, area=wild_area, systems=st.tuples(systems, systems))
def test_no_search_makes_it_fail(
    engine: RunningEngine, raster: Path, search: Any, area: Any, systems: tuple[str | None, str | None]
) -> None:
    body = {"frame": engine.frame(raster), "search": search, "area": area}
    body |= {"area_crs": systems[0], "out_crs": systems[1]}
    answer = engine.client.post("/v1/everything", json=body)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        last = json.loads(answer.text.splitlines()[-1])
        assert last["event"] == "end" or last["error"]["type"] in ("AreaInvalid", "CrsTransformFailed"), last
