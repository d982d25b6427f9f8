"""QGIS's proxy settings for pip."""

from __future__ import annotations

from urllib.parse import quote

from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsSettings


def proxy_environment() -> dict[str, str]:
    """Return the environment variables that send pip through QGIS's proxy; none where QGIS uses none.

    Names and passwords travel in the environment, which no process list shows.
    """
    settings = QgsSettings()
    if not settings.value("proxy/proxyEnabled", False, type=bool):
        return {}
    kind = str(settings.value("proxy/proxyType", ""))
    host = str(settings.value("proxy/proxyHost", "") or "")
    if kind not in ("HttpProxy", "HttpCachingProxy", "Socks5Proxy") or not host:
        return {}
    scheme = "socks5h" if kind == "Socks5Proxy" else "http"
    port = str(settings.value("proxy/proxyPort", "") or "")
    address = f"{scheme}://{_credentials(settings)}{host}{':' + port if port else ''}"
    excluded = settings.value("proxy/noProxyUrls", []) or settings.value("proxy/proxyExcludedUrls", "") or []
    listed = excluded.split("|") if isinstance(excluded, str) else [str(one) for one in excluded]
    without = ",".join(["localhost", "127.0.0.1", *[_host(one) for one in listed if one]])
    return {
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
        "http_proxy": address,
        "https_proxy": address,
        "NO_PROXY": without,
        "no_proxy": without,
    }


def _credentials(settings: QgsSettings) -> str:
    user = str(settings.value("proxy/proxyUser", "") or "")
    password = str(settings.value("proxy/proxyPassword", "") or "")
    authcfg = str(settings.value("proxy/authcfg", "") or "")
    config = QgsAuthMethodConfig()
    if authcfg and QgsApplication.authManager().loadAuthenticationConfig(authcfg, config, True):
        user, password = config.config("username"), config.config("password")
    if not user:
        return ""
    return f"{quote(user, safe='')}:{quote(password, safe='')}@"


def _host(address: str) -> str:
    return address.split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]
