"""The way to an engine on another machine: real servers, a real proxy, certificates made for the test."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from qgis.core import QgsApplication, QgsAuthConfigSslServer, QgsSettings
from qgis.PyQt.QtNetwork import QSslCertificate
from waiting import Heard, wait_until

from ros_sam_qgis.engine.blocking import BlockingEngine
from ros_sam_qgis.engine.client import EngineClient
from ros_sam_qgis.engine.errors import EngineRefused
from ros_sam_qgis.engine.process import Address

ELSEWHERE = "engine.invalid"
"""A host that only the proxy finds."""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what was asked for."""

    def do_GET(self) -> None:
        told = {"path": self.path, "token": self.headers["Authorization"]}
        if "Ros-Sam-Client" in self.headers:
            told["client"] = self.headers["Ros-Sam-Client"]
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Proxy(http.server.BaseHTTPRequestHandler):
    """Connects to this machine whoever is asked for, for those who know the password."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_CONNECT(self) -> None:
        self.asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
        there = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])))
        self.send_response(200)
        self.end_headers()
        back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
        back.start()
        pump(self.connection, there)
        back.join(5)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def pump(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def serving(handler: type, context: ssl.SSLContext | None = None) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def echo() -> Iterator[http.server.ThreadingHTTPServer]:
    server = serving(Echo)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that QGIS is set to."""
    server, settings = serving(Proxy), QgsSettings()
    values = {"proxyEnabled": True, "proxyType": "HttpProxy", "proxyHost": "127.0.0.1"}
    values |= {"proxyPort": str(server.server_port), "proxyUser": "anna", "proxyPassword": "p@ss"}
    for name, value in values.items():
        settings.setValue(f"proxy/{name}", value)
    Proxy.asked.clear()
    yield Proxy
    settings.remove("proxy")
    server.shutdown()
    server.server_close()


def asked(address: str) -> dict[str, Any]:
    with BlockingEngine(Address(address, "secret"), lambda: False) as engine:
        return engine.get("/v1/health")


@pytest.mark.parametrize("path", ["", "/", "/ros-sam", "/ros-sam/"])
def test_an_address_may_have_a_path(echo: http.server.ThreadingHTTPServer, path: str) -> None:
    answer = asked(f"http://127.0.0.1:{echo.server_port}{path}")
    assert answer == {"path": path.rstrip("/") + "/v1/health", "token": "Bearer secret"}


def test_every_client_has_a_name_of_its_own(echo: http.server.ThreadingHTTPServer) -> None:
    clients = [EngineClient(Address(f"http://127.0.0.1:{echo.server_port}", "secret")) for _ in "ab"]
    calls = [client.get("/v1/health") for client in (*clients, clients[0])]
    heard = [Heard(call.answered) for call in calls]
    wait_until(lambda: all(heard), 10)
    first, second, again = (told.calls[0][0]["client"] for told in heard)
    assert first == again != second


def test_another_machine_is_reached_by_the_proxy_of_qgis(
    echo: http.server.ThreadingHTTPServer, proxy: type[Proxy]
) -> None:
    assert asked(f"http://{ELSEWHERE}:{echo.server_port}")["path"] == "/v1/health"
    assert proxy.asked == [(f"{ELSEWHERE}:{echo.server_port}", "Basic YW5uYTpwQHNz")]


def test_this_machine_is_not_asked_for_by_the_proxy(
    echo: http.server.ThreadingHTTPServer, proxy: type[Proxy]
) -> None:
    assert asked(f"http://127.0.0.1:{echo.server_port}")["path"] == "/v1/health"
    assert proxy.asked == []


def test_a_certificate_that_the_user_accepted_in_qgis_is_trusted(tmp_path: Path) -> None:
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not manager.setMasterPassword("pw", True):
        pytest.skip("QGIS's authentication store cannot be used here")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", key, "-out", pem], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server = serving(Echo, context)
    address = f"https://localhost:{server.server_port}"
    try:
        with pytest.raises(EngineRefused, match=r"(?i)certificate"):
            asked(address)
        accepted = QgsAuthConfigSslServer()
        accepted.setSslCertificate(QSslCertificate(pem.read_bytes()))
        accepted.setSslHostPort(f"localhost:{server.server_port}")
        assert manager.storeSslCertCustomConfig(accepted)
        assert asked(address)["path"] == "/v1/health"
    finally:
        server.shutdown()
        server.server_close()
