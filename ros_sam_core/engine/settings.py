"""How an engine is run, as one checked value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ros_sam_core.errors import EngineStartFailed

MEGABYTE = 1_000_000
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Limits:
    """What the engine takes at most.

    Attributes:
        body_mb: One request of JSON.
        batch_body_mb: One request to `/v1/batch`.
        upload_mb: One window of pixels.
        uploads_mb: All uploaded pixels together.
        segment_prompts: Prompts in one `/v1/segment`.
        batch_prompts: Prompts in one `/v1/batch`.
        requests: Requests that are answered at the same time.
        frames: Frames that are known at the same time.
        masks: Masks that are kept for `/v1/reshape`.
    """

    body_mb: int = 8
    batch_body_mb: int = 64
    upload_mb: int = 256
    uploads_mb: int = 1024
    segment_prompts: int = 64
    batch_prompts: int = 100_000
    requests: int = 64
    frames: int = 20_000
    masks: int = 512


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is run.

    Attributes:
        model: Name or path of the model that prompts use by default.
        device: "cpu", "cuda" or "mps".
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        token_file: File of the token, for an engine that no caller holds by its stdin.
        tls_cert: PEM file of the certificate; with `tls_key`.
        tls_key: PEM file of the certificate's key.
        insecure: Whether to listen beyond loopback without TLS.
        allow_hosts: Names beside loopback's by which clients may address the engine.
        source_roots: Folders below which an engine with a token file opens rasters.
        log: File of the log.
        parent_pid: Process with which the engine ends.
        threads: CPU threads of the model; 0 leaves the choice to the library that computes.
        runtime: That library: "onnx", "torch", or "auto", see `ros_sam_core.model.opening`.
        cache_mb: Embeddings kept in memory.
        disk_cache_mb: Embeddings kept on disk.
        limits: What the engine takes at most.

    Raises:
        EngineStartFailed: The settings contradict each other.
    """

    model: str = "ros-sam-tiny"
    device: str = "cpu"
    host: str = "127.0.0.1"
    port: int = 0
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    allow_hosts: tuple[str, ...] = ()
    source_roots: tuple[Path, ...] = ()
    log: Path | None = None
    parent_pid: int | None = None
    threads: int = 0
    runtime: Literal["auto", "onnx", "torch"] = "auto"
    cache_mb: int = 512
    disk_cache_mb: int = 512
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        wrong = self._what_is_wrong()
        if wrong:
            raise EngineStartFailed(wrong)

    @property
    def is_shared(self) -> bool:
        """Whether the engine serves clients that are not its caller."""
        return self.token_file is not None

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_cert is not None

    def hosts(self, port: int) -> frozenset[str]:
        """Return the values that a Host header may have."""
        standard = 443 if self.uses_tls else 80
        names = [*LOOPBACK_NAMES, *(name.lower() for name in self.allow_hosts)]
        short = names if port == standard else []
        return frozenset([*(f"{name}:{port}" for name in names), *short])

    def _what_is_wrong(self) -> str:
        if not 0 <= self.port <= 65535:
            return f"--port {self.port}: a port is a number from 0 to 65535"
        if min(self.threads, self.cache_mb, self.disk_cache_mb) < 0 or self.limits.upload_mb < 1:
            return "--threads, --cache-mb and --disk-cache-mb must be 0 or more, --max-upload-mb 1 or more"
        if (self.tls_cert is None) != (self.tls_key is None):
            return "--tls-cert and --tls-key go together; give both or neither"
        missing = [path for path in (self.tls_cert, self.tls_key) if path and not path.is_file()]
        if missing:
            return f"{missing[0]}: no such file"
        try:
            is_loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return f"--host {self.host!r} is no IP address; give 127.0.0.1, or 0.0.0.0 for every interface"
        if not is_loopback and not self.is_shared:
            return f"--host {self.host} is open to other machines; such an engine needs --token-file"
        if not is_loopback and not (self.uses_tls or self.insecure):
            return (
                f"--host {self.host} is open to other machines and nothing would be encrypted; give "
                "--tls-cert and --tls-key, or --insecure on a network that you trust"
            )
        return ""
