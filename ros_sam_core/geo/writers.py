"""Writers of segments: the output appears whole, or not at all.

Finished segments go to a staging file beside the output (see `staging`). When the writer is closed, the
output is made of them under another name, read back, and moved to its place. Until then nothing, or the old
file, is there; if that fails, the staging file stays and its name is told.

What a format cannot hold:
    GeoPackage: nothing is lost. All geometries are multipolygons.
    GeoJSON: any CRS but WGS 84, to which geometries are brought; across the antimeridian they are cut in two.
    Shapefile: texts over 254 bytes, which are cut (a warning says so); 2 GB. It is several files, which are
        replaced one after the other.
    FlatGeobuf: the order of the segments. All geometries are multipolygons.
    GeoParquet: nothing is lost.
    COCO: map coordinates, which become pixels of the image; and holes: such a polygon is cut into several.
"""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyogrio
from pyproj import CRS

from ros_sam_core.errors import (
    InvalidParameter,
    OutputExists,
    OutputFailed,
    OutputIncomplete,
    OutputNameInvalid,
    OutputUnsupported,
    RosSamError,
)
from ros_sam_core.geo.crs import crs_name, parse_crs
from ros_sam_core.geo.formats import Format, Job, format_of, layer_of, layers_of
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.journal import Journal
from ros_sam_core.geo.publish import (
    copy_database,
    failures,
    folder_beside,
    publish,
    settle,
    stamp,
    what_is_at,
)
from ros_sam_core.geo.segments import ATTRIBUTES, Segment
from ros_sam_core.geo.staging import Staging, staging_path


def open_writer(
    path: str | os.PathLike[str],
    crs: CRS | None,
    *,
    overwrite: bool = False,
    append: bool = False,
    grid: Grid | None = None,
) -> "SegmentWriter":
    """Open a writer; the suffix decides the format: .gpkg .geojson .shp .fgb .parquet .coco.json.

    Args:
        path: the output. Its folder must exist.
        crs: of the output; segments are brought to it. GeoJSON is always in WGS 84, COCO in pixels, and a
            layer that is added to keeps its own.
        overwrite: replace a file that is there, once the new one is complete.
        append: add to a GeoPackage that is there: to the layer named like the file, else to the only one with
            the columns of segments, else as a new layer. A file that is not there is made.
        grid: of the image, which COCO needs.

    Raises:
        OutputFormatUnknown: if no format belongs to the suffix.
        OutputExists: if the output is there and neither overwrite nor append is given, or another run has
            not finished it.
        OutputUnsupported: if the format cannot do what is asked: append, hold pixels (GeoJSON), go without a
            grid (COCO); or the layer to add to has other columns.
        OutputNameInvalid: if GDAL cannot write a file of this name, or the file system has no room for it.
        OutputFailed: if the folder is not there or cannot be written.
        InvalidParameter: if both overwrite and append are given.
    """
    target, kind = check_target(path, crs, append=append, grid=grid)
    if overwrite and append:
        raise InvalidParameter(f"{target}: overwrite and append exclude each other; give one")
    there = what_is_at(target)
    if there and not (overwrite or (append and there == target)):
        raise OutputExists(
            f"{there} exists; choose another name, or overwrite it (--overwrite, overwrite=True)"
        )
    staging = staging_path(target)
    if staging.exists() and not overwrite:
        raise OutputExists(
            f"{staging} exists: another run is writing {target.name}, or one was killed and left what it had "
            "finished; wait for it, move that file away, or overwrite it (--overwrite, overwrite=True)"
        )
    staging.unlink(missing_ok=True)
    crs = crs_in(kind, crs, grid)
    layer = layer_of(target)
    if append and target.exists():
        with failures(target, "read"):
            layer, crs = _layer_to_extend(target, layer, crs)
    with failures(target, "start"):
        file = Staging(staging, crs)
    return SegmentWriter(target, kind, layer, file, overwrite=overwrite, append=append, grid=grid)


def check_target(
    path: str | os.PathLike[str], crs: CRS | None, *, append: bool = False, grid: Grid | None = None
) -> tuple[Path, Format]:
    """Return where an output will be and its format, once it is known that it can be written there.

    Raises:
        RosSamError: as `open_writer`, but for what is there already.
    """
    target = Path(os.path.realpath(path))
    kind = format_of(target)
    _refuse_the_name(target, kind)
    _refuse_the_impossible(kind, target, crs, append, grid)
    if not target.parent.is_dir():
        raise OutputFailed(f"{target.parent} is no folder; create it, or choose another for {target.name}")
    if not os.access(target.parent, os.W_OK):
        raise OutputFailed(f"{target.parent} cannot be written; choose another folder for {target.name}")
    try:
        os.lstat(target.with_name(f"{target.name}.part.out.arrows"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OutputNameInvalid(
            f"{target}: no file beside it can be made ({error.strerror}); give a shorter name"
        ) from error
    return target, kind


def crs_in(kind: Format, crs: CRS | None, grid: Grid | None) -> CRS | None:
    """Return the CRS that a format's geometries have, where `crs` is asked for."""
    if kind.only_epsg is not None:
        return CRS.from_epsg(kind.only_epsg)
    return grid.crs if kind.needs_grid and grid is not None else crs


class OutputWriter:
    """What writers have in common: the output is made of a staging file, and moved to its place.

    Leaving the ``with`` closes it. Left by an error (Ctrl-C too), what was written before is still made into
    a valid file, which also replaces an old one if that was asked for; if nothing was written, nothing is
    made or replaced.

    Attributes:
        path: The output.
        crs: Of its geometries.
        published: Whether it has been made and is in its place.
    """

    def __init__(
        self,
        path: Path,
        kind: Format,
        layer: str,
        staging: Staging | Journal,
        *,
        overwrite: bool,
        append: bool,
        grid: Grid | None,
    ) -> None:
        self.path = path
        self.crs = staging.crs
        self._kind, self._layer, self._grid = kind, layer, grid
        self._overwrite, self._append = overwrite, append
        self._warned = False
        self._closed = False
        self._staging = staging
        self.published = False

    @property
    def written(self) -> int:
        """Number of segments that are safe so far."""
        return self._staging.rows

    def close(self) -> None:
        """Make the output of what was written, which may be nothing, and move it to its place.

        Raises:
            OutputFailed: if that fails; the message says where the segments are.
            OutputExists: if a file has appeared there in the meantime.
        """
        if self._closed:
            return
        self._closed = True
        kept = f"; its {self.written} segments are in {self._staging.path}" if self.written else ""
        try:
            if self._has_output():
                with failures(self.path, "finish", kept), folder_beside(self.path) as folder:
                    self._make(folder)
        except BaseException:
            self._leave()
            raise
        self._settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif not self.written:
            self._closed = True
            self._leave()
        else:
            try:
                self.close()
            except RosSamError as second:
                error.add_note(str(second))

    def _has_output(self) -> bool:
        """Say whether there is anything to make the output of."""
        return bool(self.written) or not self._append

    def _leave(self) -> None:
        """Leave the staging file to those who look for it, unless it holds nothing."""
        if self.written:
            self._staging.close()
        else:
            self._staging.remove()

    def _settle(self) -> None:
        """Take the staging file away, now that the output holds everything."""
        self._staging.remove()

    def _may_replace(self, before: tuple[int, int]) -> bool:
        """Say whether a file that is there, with this stamp, may be replaced."""
        return self._overwrite or self._append

    def _before_publishing(self, out: Path) -> None:
        """Do what has to be done before the output is moved to its place."""

    def _make(self, folder: Path) -> None:
        """Write the output into a folder beside its place, then move it there."""
        out = folder / self.path.name
        settle(self.path)
        before = stamp(self.path)
        there = what_is_at(self.path)
        if there and not (self._may_replace(before) if before else self._overwrite):
            raise OutputExists(f"{there} was made by another program in the meantime")
        if before and self._append:
            copy_database(self.path, out)
        job = Job(out, self._layer, self.crs, self._staging.read(), self.written, self._grid)
        self._kind.write(job)
        self._before_publishing(out)
        publish(folder, self.path, before)
        self.published = True

    def _warn_of_long_texts(self, segments: Sequence[Segment]) -> None:
        limit = self._kind.text_bytes
        if limit is None or self._warned:
            return
        for segment in segments:
            for name in ATTRIBUTES:
                value = getattr(segment, name)
                if isinstance(value, str) and len(value.encode()) > limit:
                    self._warned = True
                    message = f"{self.path}: {self._kind.name} cuts texts at {limit} bytes, {name} among them"
                    warnings.warn(message, OutputIncomplete, stacklevel=3)
                    return


class SegmentWriter(OutputWriter):
    """Writes segments to one file; made by `open_writer`, best used with ``with``."""

    _staging: Staging

    def write(self, segments: Sequence[Segment]) -> None:
        """Add segments; when this returns, they outlive the process.

        Raises:
            OutputFailed: if the disk is full or gone; earlier segments are kept.
            CrsTransformFailed: if a segment cannot be brought to the CRS of the output.
        """
        if not segments:
            return
        self._warn_of_long_texts(segments)
        with failures(self.path, f"add to the {self.written} segments of"):
            self._staging.write(segments)


def _refuse_the_name(target: Path, kind: Format) -> None:
    """Raise `OutputNameInvalid` for names that a file of a format cannot have, or that pyogrio cuts."""
    stem, suffix = target.name[: -len(kind.suffix)], target.name[-len(kind.suffix) :]
    if not stem:
        raise OutputNameInvalid(f"{target}: the name is a suffix only; give one such as outlines{suffix}")
    if ";" in stem or re.search(r"[\x00-\x1f\ud800-\udfff]", str(target)):
        raise OutputNameInvalid(
            f"{str(target)!r}: GDAL takes no semicolon, control character or character of no encoding in the "
            "name of an output; leave it out"
        )
    if kind.suffix == ".shp" and suffix != kind.suffix:
        raise OutputNameInvalid(
            f"{target}: GDAL writes shapefiles in lower case; name it {stem}{kind.suffix}"
        )


def _refuse_the_impossible(
    kind: Format, target: Path, crs: CRS | None, append: bool, grid: Grid | None
) -> None:
    """Raise `OutputUnsupported` for what a format cannot do."""
    if append and not kind.appends:
        raise OutputUnsupported(f"{target}: nothing can be added to a {kind.name}; choose .gpkg")
    if kind.only_epsg is not None and crs is None:
        raise OutputUnsupported(
            f"{target}: {kind.name} is in EPSG:{kind.only_epsg} by definition, and the image has no "
            "georeference; choose .gpkg for pixel coordinates"
        )
    if kind.needs_grid and grid is None:
        raise OutputUnsupported(f"{target}: {kind.name} counts in pixels of one image; give its grid")


def _layer_to_extend(path: Path, name: str, crs: CRS | None) -> tuple[str, CRS | None]:
    """Return the layer of a GeoPackage that segments are added to, and its CRS."""
    missing = {}
    for layer in layers_of(path):
        there = set(pyogrio.read_info(path, layer=layer)["fields"])
        missing[layer] = [column for column in ATTRIBUTES if column not in there]
    fitting = [layer for layer, lacking in missing.items() if not lacking]
    if name not in missing and len(fitting) == 1:
        name = fitting[0]
    if name not in missing:
        return name, crs
    if missing[name]:
        raise OutputUnsupported(
            f"{path}: layer {name} has no columns {', '.join(missing[name])}; choose another file"
        )
    known = pyogrio.read_info(path, layer=name)["crs"]
    own = None if known is None else parse_crs(known)
    if (own is None) != (crs is None):
        raise OutputUnsupported(
            f"{path}: layer {name} has CRS {crs_name(own)}, the segments {crs_name(crs)}; choose another file"
        )
    return name, own
