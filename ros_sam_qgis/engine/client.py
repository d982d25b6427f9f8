"""HTTP to the engine, without waiting: a call is an object that is answered later, by a signal."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from qgis.core import QgsNetworkAccessManager
from qgis.PyQt.QtCore import QByteArray, QObject, QUrl, pyqtSignal
from qgis.PyQt.QtNetwork import (
    QNetworkAccessManager,
    QNetworkProxy,
    QNetworkReply,
    QNetworkRequest,
)

from ..i18n import tr
from .errors import CONNECTION_LOST, Failure
from .process import Address

STATUS = QNetworkRequest.Attribute.HttpStatusCodeAttribute


class Call(QObject):
    """One request under way.

    Signals:
        answered: the JSON of a complete answer.
        line: one line of a streamed answer, as soon as it is there.
        failed: a `Failure`.
    """

    answered = pyqtSignal(dict)
    line = pyqtSignal(dict)
    failed = pyqtSignal(object)

    def __init__(self, reply: QNetworkReply, streamed: bool, parent: QObject) -> None:
        super().__init__(parent)
        self._reply: QNetworkReply | None = reply
        self._streamed = streamed
        self._rest = b""
        if streamed:
            reply.readyRead.connect(self._read_lines)
        reply.finished.connect(self._on_finished)

    def abort(self) -> None:
        """Hang up; no signal comes any more. The engine cancels what it was doing for this call."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.finished.disconnect(self._on_finished)
            reply.abort()
            reply.deleteLater()
            self.deleteLater()

    def _read_lines(self) -> None:
        if self._reply is None or self._reply.attribute(STATUS) != 200:
            return
        *lines, self._rest = (self._rest + bytes(self._reply.readAll())).split(b"\n")
        for line in lines:
            parsed = _parse(line)
            if isinstance(parsed, dict):
                self.line.emit(parsed)

    def _on_finished(self) -> None:
        reply = self._reply
        if reply is None:
            return
        status = reply.attribute(STATUS) or 0
        if self._streamed and status == 200:
            self._read_lines()
        self._reply = None
        reply.deleteLater()
        self.deleteLater()
        answer = _parse(bytes(reply.readAll()))
        if reply.error() == QNetworkReply.NetworkError.NoError:
            if self._streamed or isinstance(answer, dict):
                self.answered.emit(answer if isinstance(answer, dict) else {})
            else:
                self.failed.emit(Failure("InternalError", tr("The engine's answer is no JSON."), status))
        elif status >= 400:
            self.failed.emit(Failure.from_answer(status, answer))
        else:
            self.failed.emit(Failure(CONNECTION_LOST, reply.errorString()))


class EngineClient(QObject):
    """Calls to one address.

    Args:
        address: of an engine. On this machine it is reached directly, on another through QGIS's proxy and
            with QGIS's certificates.
    """

    def __init__(self, address: Address, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.address = address
        self._id = uuid.uuid4().hex.encode()
        self.is_local = QUrl(address.url).host() in ("127.0.0.1", "localhost", "::1")
        if self.is_local:
            self._network = QNetworkAccessManager(self)
            self._network.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
        else:
            self._network = QgsNetworkAccessManager.instance()

    def get(self, path: str) -> Call:
        """Ask for `path`, which begins with a slash."""
        return Call(self._network.get(self._request(path)), False, self)

    def post(self, path: str, body: Mapping[str, Any], streamed: bool = False) -> Call:
        """Send JSON to `path`."""
        request = self._request(path)
        request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/json")
        data = QByteArray(json.dumps(body, separators=(",", ":")).encode())
        return Call(self._network.post(request, data), streamed, self)

    def put(self, path: str, body: bytes) -> Call:
        """Send bytes to `path`."""
        request = self._request(path)
        request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, "application/octet-stream")
        return Call(self._network.put(request, QByteArray(body)), False, self)

    def _request(self, path: str) -> QNetworkRequest:
        request = QNetworkRequest(QUrl(self.address.url + path))
        request.setRawHeader(b"Authorization", b"Bearer " + self.address.token.encode())
        request.setRawHeader(b"Ros-Sam-Client", self._id)  # so that others' clicks do not replace ours
        return request


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data) if data.strip() else None
    except ValueError:
        return None
