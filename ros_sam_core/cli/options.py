"""The options of `ros-sam`, each named once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where the model runs."""

    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Raster = Annotated[str, typer.Argument(metavar="RASTER", help="Anything that GDAL opens.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="A name from `ros-sam models list`.")]

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT", help="Polygons: .gpkg, .geojson, .shp, .fgb, .parquet or .coco.json."
    ),
]
OutputFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", help="Folder of the results; replaces earlier ones."),
]
BoxesFile = Annotated[
    Path | None, typer.Option("--boxes", metavar="FILE", help="Vector file; a box around each feature.")
]
PointsFile = Annotated[
    Path | None,
    typer.Option(
        "--points",
        metavar="FILE",
        help="Vector file of points. An attribute 'object' groups them; 'label' 0 marks those beside it.",
    ),
]
BoxList = Annotated[
    list[str] | None,
    typer.Option("--box", metavar='"XMIN YMIN XMAX YMAX"', help="A box; repeat it for more objects."),
]
PointList = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar='"X Y [1|0]"',
        help="A point on the object (1) or beside it (0). All of them, and one --box, are one object.",
    ),
]
PromptCrs = Annotated[
    str | None,
    typer.Option(metavar="CRS", help="Of the prompts; 'raster' is its own. Default: their file's, or that."),
]
Model = Annotated[
    str,
    typer.Option(metavar="NAME|PATH", help="A model (`ros-sam models list`) or the path of a checkpoint."),
]
Bands = Annotated[
    str | None,
    typer.Option(metavar="R,G,B", help="Bands seen as red, green, blue, counted from 1; or one band."),
]
Stretch = Annotated[
    str | None,
    typer.Option(metavar="HOW", help='To 8 bit: percentiles "2-98", values "0,3000", or "none".'),
]
OutCrs = Annotated[
    str | None,
    typer.Option(metavar="CRS", help="Of the polygons. Default: the raster's, or the format's own."),
]
Simplify = Annotated[
    float | None, typer.Option(metavar="PX", min=0, help="Simplify outlines by at most this, in pixels.")
]
MinArea = Annotated[
    float | None, typer.Option(metavar="PX", min=0, help="Leave out parts smaller than this, in pixels.")
]
FillHoles = Annotated[bool, typer.Option("--fill-holes", help="Fill holes.")]
RunOn = Annotated[Device, typer.Option("--device", help="Where the model runs.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where an earlier run of this command was cut short.")
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Work with N processes. Default: this one, on all processors."),
]
Cluster = Annotated[
    str | None, typer.Option(metavar="tcp://HOST:PORT", help="Work on the Dask cluster of this scheduler.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Processor threads for one piece of work. Default: by the model's size."
    ),
]
AreaFile = Annotated[
    Path | None,
    typer.Option("--area", metavar="FILE", help="Vector file of polygons; only objects in them are found."),
]
AreaCrs = Annotated[
    str | None,
    typer.Option(metavar="CRS", help="Of the area; 'raster' is its own. Default: its file's."),
]
MinSize = Annotated[
    float | None,
    typer.Option(metavar="M", help="Shortest length of an object, metres (pixels without CRS). [24 px]"),
]
MaxSize = Annotated[
    float | None,
    typer.Option(metavar="M", help="Longest length of an object, metres (pixels without CRS). [400 px]"),
]
PointsPerSide = Annotated[
    int | None, typer.Option(metavar="N", help="Points along the side of a crop. Default: by the model.")
]
SketchIou = Annotated[
    float | None,
    typer.Option(metavar="0..1", help="Least score of a first look; lower finds more, and takes longer."),
]
PredIou = Annotated[float | None, typer.Option(metavar="0..1", help="Least score of an outline.")]
Stability = Annotated[
    float | None, typer.Option(metavar="0..1", help="Least stability of an outline under its threshold.")
]
Nms = Annotated[
    float | None, typer.Option(metavar="0..1", help="Outlines that overlap more (IoU) are one object.")
]
Nested = Annotated[
    float | None,
    typer.Option(metavar="0..1", help="So are those of which one covers this share of the other; 1: never."),
]
Seed = Annotated[int, typer.Option(min=0, help="Which scene is made up.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout, for machines.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log, on stderr.")]
ExportedModel = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or a checkpoint.")]
ExportFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder that takes the files.")]
GraphsOnly = Annotated[
    bool,
    typer.Option("--graphs-only", help="Write no weights: the graphs serve any of the same architecture."),
]
