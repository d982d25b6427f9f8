"""Who may ask the engine, and how much at once."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import httpx
import pytest
from engine_process import RunningEngine

from ros_sam_core.engine import guard as guard_module
from ros_sam_core.engine.guard import Guard
from ros_sam_core.engine.settings import EngineSettings, Limits
from ros_sam_core.errors import EngineStartFailed


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the error's type of an answer that must be an error with a message."""
    error = answer.json()["error"]
    assert answer.headers["content-type"] == "application/json" and error["message"]
    return answer.status_code, error["type"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic {token}"}],
)
@pytest.mark.parametrize("path", ["/v1/health", "/v1/openapi.json", "/", "/v1/nothing"])
def test_nothing_is_answered_without_the_token(
    engine: RunningEngine, headers: dict[str, str], path: str
) -> None:
    sent = {name: value.format(token=engine.token) for name, value in headers.items()}
    answer = httpx.get(engine.url + path, headers=sent)
    assert refused(answer) == (401, "TokenInvalid")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_two_tokens_are_no_token(engine: RunningEngine) -> None:
    both = [("Authorization", f"Bearer {engine.token}"), ("Authorization", "Bearer x")]
    assert refused(httpx.get(f"{engine.url}/v1/health", headers=both)) == (401, "TokenInvalid")


@pytest.mark.parametrize(
    "host", ["evil.example.org", "127.0.0.1", "127.0.0.1:1", "localhost.evil.org:{port}", ""]
)
def test_a_foreign_host_is_refused(engine: RunningEngine, host: str) -> None:
    answer = engine.client.get("/v1/health", headers={"Host": host.format(port=engine.told["port"])})
    assert refused(answer) == (403, "HostRefused")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_its_own_names_are_known(engine: RunningEngine, host: str) -> None:
    answer = engine.client.get("/v1/health", headers={"Host": host.format(port=engine.told["port"])})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:{port}"])
def test_web_pages_are_refused(engine: RunningEngine, origin: str) -> None:
    answer = engine.client.get("/v1/health", headers={"Origin": origin.format(port=engine.told["port"])})
    assert refused(answer) == (403, "OriginRefused")
    preflight = engine.client.options("/v1/segment", headers={"Origin": "https://evil.example.org"})
    assert refused(preflight) == (403, "OriginRefused")
    assert "access-control-allow-origin" not in preflight.headers


def test_a_body_that_announces_too_much_is_refused_unread(engine: RunningEngine) -> None:
    head = (
        f"POST /v1/segment HTTP/1.1\r\nHost: 127.0.0.1:{engine.told['port']}\r\n"
        f"Authorization: Bearer {engine.token}\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", engine.told["port"]), timeout=30) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_body_that_does_not_say_its_length_is_cut_off(engine: RunningEngine) -> None:
    def endless() -> object:
        for _ in range(20):
            yield b" " * 1_000_000

    try:
        answer = engine.client.post(
            "/v1/segment", content=endless(), headers={"Content-Type": "application/json"}
        )
    except httpx.TransportError:
        pass  # the engine closed the connection while the client was still sending
    else:
        assert refused(answer) == (413, "RequestTooLarge")
    assert engine.get("health")["status"] == "ok"


def test_what_is_no_json_or_no_address_is_told(engine: RunningEngine) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"frame": NaN}'):
        answer = engine.client.post("/v1/segment", content=body, headers=headers)
        assert refused(answer) == (422, "RequestInvalid"), body[:10]
    assert refused(engine.client.get("/v1/nothing")) == (404, "PathUnknown")
    assert refused(engine.client.get("/v1/segment")) == (405, "MethodRefused")
    assert refused(engine.client.get("/docs")) == (404, "PathUnknown")
    assert refused(
        engine.client.post("/v1/segment", content=b"{}", headers={"Content-Type": "text/plain"})
    ) == (
        422,
        "RequestInvalid",
    )


def test_the_message_names_the_field_and_not_its_value(engine: RunningEngine) -> None:
    body = {"frame": "f", "prompts": [{"id": "a", "box": [0, 0, 1, "secret"]}], "optoins": {}}
    message = engine.post("segment", body, 422)["error"]["message"]
    assert "prompts.0.box.3" in message and "optoins" in message and "secret" not in message


def test_more_requests_than_are_taken_at_once_are_turned_away() -> None:
    async def ask() -> list[int]:
        release = asyncio.Event()

        async def slow(scope: object, receive: object, send: object) -> None:
            await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]

        guard = Guard(slow, "t" * 32, frozenset(["h"]), Limits(requests=2))
        headers = [(b"host", b"h"), (b"authorization", b"Bearer " + b"t" * 32)]
        scope = {"type": "http", "path": "/v1/health", "headers": headers}
        statuses: list[int] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b""}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(str(message["status"])))

        calls = [asyncio.create_task(guard(scope, receive, send)) for _ in range(3)]  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(*calls)
        return statuses

    assert asyncio.run(ask()) == [429, 200, 200]


def test_a_request_whose_rest_never_comes_takes_no_place_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "SILENT_S", 0.1)
    statuses: list[int] = []
    parts = [{"type": "http.request", "body": b"half of it", "more_body": True}]

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("only whole requests are passed on")

    async def receive() -> dict[str, object]:
        return parts.pop() if parts else await asyncio.Future()

    async def send(message: dict[str, object]) -> None:
        if "status" in message:
            statuses.append(message["status"])  # type: ignore[arg-type]

    guard = Guard(app, "t" * 32, frozenset({"h"}), Limits())
    headers = [(b"host", b"h"), (b"authorization", b"Bearer " + b"t" * 32), (b"content-length", b"20")]
    scope = {"type": "http", "path": "/v1/segment", "headers": headers}
    asyncio.run(asyncio.wait_for(guard(scope, receive, send), 10))  # type: ignore[arg-type]
    assert statuses == [422] and guard._answering == 0


def test_the_schema_is_served_and_says_what_is_served(engine: RunningEngine) -> None:
    schema = engine.get("openapi.json")
    assert set(schema["paths"]) == {
        "/v1/frames",
        "/v1/frames/{frame_id}/pixels",
        "/v1/segment",
        "/v1/reshape",
        "/v1/preview",
        "/v1/warm",
        "/v1/batch",
        "/v1/everything",
        "/v1/cancel",
        "/v1/jobs/{job}",
        "/v1/health",
        "/v1/models",
        "/v1/models/{name}/download",
    }
    told = json.dumps(schema)
    documented = (Path(__file__).parents[3] / "docs" / "engine-api.md").read_text()
    assert all(path.replace("/v1", "") in documented for path in schema["paths"]), told[:0]


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for wrong in (
        {"port": -1},
        {"threads": -1},
        {"tls_cert": file},
        {"tls_cert": file, "tls_key": tmp_path / "none"},
        {"host": "::"},
        {"host": "0.0.0.0", "token_file": file},
    ):
        with pytest.raises(EngineStartFailed):
            EngineSettings(**wrong)
    served = EngineSettings(
        host="0.0.0.0", token_file=file, tls_cert=file, tls_key=file, allow_hosts=("GPU.org",)
    )
    assert {"gpu.org:443", "gpu.org", "localhost"} <= served.hosts(443)
    assert "gpu.org" not in served.hosts(8443)
