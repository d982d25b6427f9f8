"""The command line of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ros_sam_core import __version__
from ros_sam_core.engine.settings import EngineSettings, Limits
from ros_sam_core.errors import EngineStartFailed

app = typer.Typer(
    name="ros-sam-engine",
    help="Serve a model over HTTP, as docs/engine-api.md says. The token comes as a line of JSON on stdin, "
    "and the engine ends with it, unless there is a --token-file.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Device(StrEnum):
    """Where a model runs."""

    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Runtime(StrEnum):
    """Which library computes; "auto": ONNX Runtime where the model has graphs and runs on the CPU."""

    auto = "auto"
    onnx = "onnx"
    torch = "torch"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the engine with `argv`, by default the process's own, and exit with its code."""
    app(args=None if argv is None else list(argv), prog_name="python -m ros_sam_core.engine")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ros-sam {__version__}")
        raise typer.Exit


@app.command()
def engine(
    model: Annotated[str, typer.Option(help="Name or file of the model used by default.")] = "ros-sam-tiny",
    device: Annotated[Device, typer.Option(help="Where the model runs.")] = Device.cpu,
    log: Annotated[Path | None, typer.Option(help="File of the log; it is rotated.")] = None,
    parent_pid: Annotated[int | None, typer.Option(help="End when this process has ended.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 0,
    token_file: Annotated[Path | None, typer.Option(help="Serve until stopped, with this token.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen beyond loopback without TLS.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(help="Name that clients may use.")] = None,
    source_root: Annotated[list[Path] | None, typer.Option(help="Open rasters below this folder.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads of the model; 0: one a core.")] = 0,
    runtime: Annotated[Runtime, typer.Option(help="Which library computes.")] = Runtime.auto,
    cache_mb: Annotated[int, typer.Option(help="Embeddings kept in memory, MB.")] = 512,
    disk_cache_mb: Annotated[int, typer.Option(help="Embeddings kept on disk, MB.")] = 512,
    max_upload_mb: Annotated[int, typer.Option(help="Largest upload, MB; all together four times it.")] = 256,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Serve a model over HTTP."""
    from ros_sam_core.engine.process import announce_failure, run_engine

    try:
        settings = EngineSettings(
            model=model,
            device=device.value,
            host=host,
            port=port,
            token_file=token_file,
            tls_cert=tls_cert,
            tls_key=tls_key,
            insecure=insecure,
            allow_hosts=tuple(allow_host or ()),
            source_roots=tuple(source_root or ()),
            log=log,
            parent_pid=parent_pid,
            threads=threads,
            runtime=runtime.value,
            cache_mb=cache_mb,
            disk_cache_mb=disk_cache_mb,
            limits=Limits(upload_mb=max_upload_mb, uploads_mb=4 * max_upload_mb),
        )
    except EngineStartFailed as error:
        announce_failure(error)
        raise typer.Exit(2) from error
    raise typer.Exit(run_engine(settings))
