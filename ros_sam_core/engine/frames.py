"""The frames that clients have registered."""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ros_sam_core.engine.patches import PatchFrame
from ros_sam_core.engine.pixels import PixelLayout
from ros_sam_core.engine.settings import MEGABYTE, EngineSettings
from ros_sam_core.errors import FrameUnknown, InvalidParameter, RequestInvalid, RequestTooLarge, SourceRefused
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import Frame, RasterFrame
from ros_sam_core.geo.remote import gdal_env
from ros_sam_core.geo.stretch import Percentiles, Stretch
from ros_sam_core.geo.windows import digest_of

OPEN_RASTERS = 16
"""Rasters that are kept open; others are opened again when they are asked for."""


@dataclass(frozen=True)
class Entry:
    """A registered frame.

    Attributes:
        frame_id: Made from all that the frame is, so that it is the same after a restart.
        source: What to open, or where the client has its pixels from.
        frame: Name of the image within its source.
        time: When it was taken, ISO 8601, if known.
        grid: Of the whole image.
        stretch: To 8 bit.
        bands: Of the raster; None for uploaded pixels.
        fingerprint: Of the raster's pixels.
        patches: The uploaded pixels; None for a raster.
    """

    frame_id: str
    source: str
    frame: str
    time: str | None
    grid: Grid
    stretch: Stretch
    bands: tuple[int, ...] | None = None
    fingerprint: str = ""
    patches: PatchFrame | None = None


class FrameStore:
    """The frames that are known; safe for any thread, but for `get`, which belongs to the worker's."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._open: OrderedDict[str, RasterFrame] = OrderedDict()

    def __len__(self) -> int:
        """Return how many frames are known."""
        return len(self._entries)

    @property
    def sources(self) -> str:
        """Which rasters the engine opens, in words."""
        if not self._settings.is_shared:
            return "any"
        return "below source roots" if self._settings.source_roots else "none"

    def register_raster(
        self,
        source: str,
        bands: Sequence[int] | None = None,
        stretch: str | None = None,
        frame: str | None = None,
        time: str | None = None,
    ) -> Entry:
        """Register a raster that the engine can open; it is closed again.

        Raises:
            SourceRefused: The engine does not open it for its clients.
            RosSamError: It cannot be opened.
        """
        self._permit(source)
        with gdal_env(), RasterFrame.open(source, bands, stretch, frame, time) as opened:
            entry = Entry(
                "",
                source,
                opened.frame,
                opened.time,
                opened.grid,
                opened.stretch,
                opened.bands,
                opened.fingerprint,
            )
        identity = (entry.fingerprint, entry.frame, entry.time, *_place(entry.grid))
        return self._keep(replace(entry, frame_id=_id_of(identity)))

    def register_pixels(
        self, source: str, grid: Grid, version: str, stretch: str | None, frame: str | None, time: str | None
    ) -> Entry:
        """Register an image whose pixels the client sends.

        Raises:
            StretchInvalid: The stretch is not understood.
            InvalidParameter: It would have to be measured.
        """
        parsed = Stretch.parse(stretch) if stretch is not None else Stretch()
        if isinstance(parsed, Percentiles):
            raise InvalidParameter(
                f"stretch {stretch!r}: there is no raster to measure percentiles on; give numbers 'min,max'"
            )
        identity = (source, frame, time, version, parsed.low, parsed.high, *_place(grid))
        frame_id = _id_of(identity)
        with self._lock:
            known = self._entries.get(frame_id)
        if known is not None:
            return self._keep(known)
        limits = self._settings.limits
        patches = PatchFrame(
            grid, source, frame or "", time, secrets.token_hex(16), limits.upload_mb * MEGABYTE // 4
        )
        return self._keep(Entry(frame_id, source, frame or "", time, grid, parsed, patches=patches))

    def put_pixels(self, frame_id: str, layout: PixelLayout, body: bytes) -> None:
        """Add a window of pixels.

        Raises:
            FrameUnknown: There is no such frame.
            RequestInvalid: The frame is a raster's, the window is not in it, or the body has another size.
        """
        entry = self.find(frame_id)
        if entry.patches is None:
            raise RequestInvalid(f"frame {frame_id} is read from {entry.source}; it takes no pixels")
        x0, y0, width, height = layout.window
        if x0 + width > entry.grid.width or y0 + height > entry.grid.height:
            raise RequestInvalid(
                f"the window {list(layout.window)} reaches beyond the image's {entry.grid.width} x "
                f"{entry.grid.height} pixels"
            )
        limits = self._settings.limits
        if layout.size > limits.upload_mb * MEGABYTE or width * height * 4 > limits.upload_mb * MEGABYTE:
            raise RequestTooLarge(
                f"{width} x {height} pixels are more than {limits.upload_mb} MB; send a part"
            )
        entry.patches.put(layout.patch(body, entry.stretch), limits.uploads_mb * MEGABYTE)
        self._make_room()

    def find(self, frame_id: str) -> Entry:
        """Return what is known of a frame.

        Raises:
            FrameUnknown: There is no such frame.
        """
        with self._lock:
            if frame_id not in self._entries:
                raise FrameUnknown(f"frame {frame_id} is not registered (any more); register it again")
            self._entries.move_to_end(frame_id)
            return self._entries[frame_id]

    def get(self, frame_id: str) -> Frame:
        """Return a frame to read from, opened if need be.

        Raises:
            FrameUnknown: There is no such frame, or its file has changed.
            RosSamError: It cannot be opened any more.
        """
        entry = self.find(frame_id)
        if entry.patches is not None:
            return entry.patches
        if frame_id in self._open:
            self._open.move_to_end(frame_id)
            return self._open[frame_id]
        opened = RasterFrame.open(entry.source, entry.bands, entry.stretch, entry.frame, entry.time)
        if opened.fingerprint != entry.fingerprint:
            opened.close()
            with self._lock:
                self._entries.pop(frame_id, None)
            raise FrameUnknown(f"{entry.source} has changed since it was registered; register it again")
        self._open[frame_id] = opened
        while len(self._open) > OPEN_RASTERS:
            self._open.popitem(last=False)[1].close()
        return opened

    def _keep(self, entry: Entry) -> Entry:
        with self._lock:
            self._entries[entry.frame_id] = entry
            self._entries.move_to_end(entry.frame_id)
            while len(self._entries) > self._settings.limits.frames:
                self._entries.popitem(last=False)
        return entry

    def _make_room(self) -> None:
        """Forget the uploaded images not used for longest, while all of them take too much."""
        with self._lock:
            sizes = {key: entry.patches.size for key, entry in self._entries.items() if entry.patches}
            excess = sum(sizes.values()) - self._settings.limits.uploads_mb * MEGABYTE
            for key, size in list(sizes.items())[:-1]:
                if excess <= 0:
                    break
                if size:
                    del self._entries[key]
                    excess -= size

    def _permit(self, source: str) -> None:
        """Raise SourceRefused where an engine that others share must not open a raster."""
        if not self._settings.is_shared:
            return
        path = Path(os.path.realpath(source))
        roots = [Path(os.path.realpath(root)) for root in self._settings.source_roots]
        if not (path.is_file() and any(path.is_relative_to(root) for root in roots)):
            raise SourceRefused(
                f"{source}: this engine opens no such raster for its clients; send its pixels instead"
            )


def _id_of(identity: tuple[Any, ...]) -> str:
    return f"f-{digest_of(*identity)[:32]}"


def _place(grid: Grid) -> tuple[Any, ...]:
    return grid.shape, tuple(grid.transform[:6]), grid.crs.to_wkt() if grid.crs else None
