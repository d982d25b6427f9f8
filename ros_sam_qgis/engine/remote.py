"""The way to an engine on another machine, by QGIS's proxy and with the certificates that QGIS trusts."""

from __future__ import annotations

import http.client
import ssl
from base64 import b64encode
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment

from qgis.core import QgsApplication
from qgis.PyQt.QtNetwork import QSslError

from ..install.proxy import proxy_environment


def connection_to(url: str) -> http.client.HTTPConnection:
    """Return a connection that is not open yet.

    A SOCKS proxy is not gone through: Python's HTTP knows none.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    proxies = proxy_environment()
    proxy = urlsplit(proxies.get("HTTP_PROXY", ""))
    direct = proxy.scheme != "http" or bool(proxy_bypass_environment(host, {"no": proxies["NO_PROXY"]}))
    first = (host, port) if direct else (proxy.hostname or "", proxy.port or 80)
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(*first, context=_trust(f"{host}:{port}"))
    else:
        connection = http.client.HTTPConnection(*first)
    if not direct:
        connection.set_tunnel(host, port, _proxy_headers(proxy.username, proxy.password))
    return connection


def _trust(place: str) -> ssl.SSLContext:
    """Return what is trusted: the system's and QGIS's authorities, and what the user accepted of a server."""
    context, manager = ssl.create_default_context(), QgsApplication.authManager()
    trusted = bytes(manager.trustedCaCertsPemText()).decode("ascii", "ignore")
    accepted = manager.sslCertCustomConfigByHost(place)
    if not accepted.isNull():
        trusted += bytes(accepted.sslCertificate().toPem()).decode("ascii")
        ignored = accepted.sslIgnoredErrorEnums()
        context.check_hostname = QSslError.SslError.HostNameMismatch not in ignored
    if trusted.strip():
        context.load_verify_locations(cadata=trusted)
    return context


def _proxy_headers(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
