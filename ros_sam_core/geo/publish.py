"""Moving a finished file to its place so that at every moment there is a whole one, or none."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
from pyogrio.errors import DataLayerError, DataSourceError

from ros_sam_core.errors import OutputExists, OutputFailed, RosSamError

# Indexes and other companions of a shapefile that belong to its old content.
SHAPEFILE_COMPANIONS = (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".idm", ".ind", ".qmd")

DATABASE_COMPANIONS = ("-journal", "-wal", "-shm")
"""What SQLite takes for changes that are still to be made to a file of this name."""


def publish(folder: Path, target: Path, before: tuple[int, int] | None) -> None:
    """Move what a folder holds to where `target` is, over what is there.

    Everything is on the disk before anything moves. A file replaces another at once. Of the several files of
    a shapefile the one named `target` comes last, so that a new one appears whole; an old one is replaced
    piece by piece, which no file system does at once.

    Args:
        folder: holds the files, on the file system of `target`.
        target: path of the main file.
        before: what `stamp` said of it, settled, when the new content was begun.

    Raises:
        OutputExists: if the target has changed since.
        OutputFailed: if it is a GeoPackage that another program has open.
        OSError: if a file cannot be moved.
    """
    parts = sorted(folder.iterdir(), key=lambda part: part.name == target.name)
    for part in parts:
        _to_disk(part)
    settle(target)
    if stamp(target) != before:
        raise OutputExists(f"{target} was changed by another program in the meantime")
    if before:
        shutil.copymode(target, folder / target.name)
    coming = {part.name for part in parts}
    for companion in _companions_of(target):
        if companion.name not in coming:
            companion.unlink(missing_ok=True)
    for part in parts:
        os.replace(part, target.with_name(part.name))
    if os.name == "posix":
        _to_disk(target.parent)


def settle(path: Path) -> None:
    """Bring everything that belongs to a GeoPackage into its file, so that it can be copied or replaced.

    Other files, and what is not there, are left as they are.

    Raises:
        OutputFailed: if another program is writing to the file, or has changes beside it.
    """
    if path.suffix.lower() != ".gpkg" or not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        busy = False
    except sqlite3.OperationalError as error:
        busy = "locked" in str(error)
    except sqlite3.DatabaseError:
        busy = False  # No database; there is nothing to lose.
    if busy or path.with_name(path.name + "-wal").exists():
        raise OutputFailed(f"{path} is open in another program; close it there")


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite file as of one moment.

    Raises:
        sqlite3.Error: if it cannot be read, or the copy cannot be written.
    """
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def what_is_at(target: Path) -> Path | None:
    """Return a file that is where an output, or one of its companions, is to be; None if there is none."""
    places = (target, *_companions_of(target))
    return next((place for place in places if os.path.lexists(place)), None)


def _companions_of(target: Path) -> list[Path]:
    """Return the places of files that are, or would be mistaken for, parts of an output."""
    if target.suffix.lower() == ".gpkg":
        return [target.with_name(target.name + end) for end in DATABASE_COMPANIONS]
    return [target.with_suffix(s) for s in SHAPEFILE_COMPANIONS] if target.suffix.lower() == ".shp" else []


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one state of a file from another; None if there is none."""
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make a hidden folder on the same file system, and take it away."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        yield Path(folder)


@contextmanager
def failures(path: Path, doing: str, kept: str = "") -> Iterator[None]:
    """Turn what libraries raise about files into one clear error.

    Args:
        path: the output.
        doing: what was tried with it.
        kept: end of the message.
    """
    try:
        yield
    except (OutputFailed, OutputExists) as error:
        raise type(error)(f"{error}{kept}") from error
    except RosSamError:
        raise
    except (OSError, DataSourceError, DataLayerError, sqlite3.Error, pa.ArrowException) as error:
        reason = (getattr(error, "strerror", None) or str(error)).strip()[-200:]
        raise OutputFailed(
            f"cannot {doing} {path}: {reason}; check its folder's permissions and the space on its disk{kept}"
        ) from error
