"""The commands of `ros-sam`: what each takes, and which module does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ros_sam_core import __version__
from ros_sam_core.cli import options as opt
from ros_sam_core.cli.asking import asking
from ros_sam_core.cli.report import Report, reporting
from ros_sam_core.cli.request import DEFAULT_MODEL, EverythingRequest, SegmentRequest

app = typer.Typer(
    name="ros-sam",
    help="Outline small objects in satellite images: from points and boxes to polygons.",
    epilog="Exit codes: 0 all done; 2 bad input, nothing written; 3 some prompts failed and are named; "
    "130 interrupted, what was finished is kept; 1 a fault of ros-sam.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="Models known by name: list, download, find them.", no_args_is_help=True)
app.add_typer(models_app, name="models")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line on `argv`, by default the process's own, and exit with its code."""
    app(args=None if argv is None else list(argv), prog_name="ros-sam")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ros-sam {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
@asking(SegmentRequest)
def segment(request: SegmentRequest, report: Report) -> None:
    """Outline the objects in RASTER that boxes or points show.

    RASTER may be of any size and the prompts may be many: memory stays the same. What is finished is kept,
    however the run ends; the same command with --resume then goes on.
    """
    from ros_sam_core.cli.segment import run_segment

    run_segment(request, report)


@app.command()
@asking(EverythingRequest)
def everything(request: EverythingRequest, report: Report) -> None:
    """Find the objects in RASTER with no prompts, of any class.

    The sizes that are looked for decide how long it takes: half the shortest length takes four times as long.
    What is finished is kept, however the run ends; the same command with --resume then goes on.
    """
    from ros_sam_core.cli.everything import run_everything

    run_everything(request, report)


@app.command()
def info(
    raster: opt.Raster,
    bands: opt.Bands = None,
    stretch: opt.Stretch = None,
    as_json: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Tell how RASTER will be read: size, CRS, pixel size, bands, nodata, stretch."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.info import run_info

        run_info(raster, bands, stretch, report)


@app.command()
def demo(
    output: opt.OutputFolder = Path("demo_output"),
    model: opt.Model = DEFAULT_MODEL,
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Make up an airport, outline what is on it, and compare with the truth."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.demo import run_demo

        run_demo(output, model, seed, report)


@app.command()
def export(
    model: opt.ExportedModel,
    output: opt.ExportFolder,
    graphs_only: opt.GraphsOnly = False,
    as_json: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    """Export MODEL to ONNX: encoder, decoder and sketch graphs, and one file of weights for all."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.export import run_export

        run_export(model, output, report, graphs_only=graphs_only)


@models_app.command("list")
def models_list(as_json: opt.Json = False, verbose: opt.Verbose = False) -> None:
    """List the models that are known by name."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.models import run_list

        run_list(report)


@models_app.command("download")
def models_download(name: opt.ModelName, as_json: opt.Json = False, verbose: opt.Verbose = False) -> None:
    """Download the weights of a model into the cache and verify them."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.models import run_download

        run_download(name, report)


@models_app.command("path")
def models_path(name: opt.ModelName, as_json: opt.Json = False, verbose: opt.Verbose = False) -> None:
    """Print where the weights of a model are."""
    with reporting(as_json=as_json, verbose=verbose) as report:
        from ros_sam_core.cli.models import run_path

        run_path(name, report)
