"""PatchFrame: an image of which only windows are known, uploaded by a client that can read it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.errors import InvalidParameter, PixelsMissing
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.windows import Rgb, Valid, digest_of

Window = tuple[int, int, int, int]
"""x0, y0, width, height in pixels of the image."""
MARGIN_PX = 256
"""A missing window is asked for with its surroundings, in tiles of this size."""


@dataclass(frozen=True)
class Patch:
    """A window of native pixels.

    Attributes:
        window: Where it is.
        rgb: uint8 `[h, w, 3]`, 0 where not valid.
        valid: bool `[h, w]`.
    """

    window: Window
    rgb: Rgb
    valid: Valid

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.rgb.nbytes + self.valid.nbytes


class PatchFrame:
    """An image that reads like a raster where its pixels were uploaded; see `Frame`.

    Args:
        grid: Of the whole image.
        source: Where the client has it from.
        frame: Name of the image within its source.
        time: When it was taken, ISO 8601.
        key: The first fingerprint; never the same for two images, since embeddings outlive the process.
        largest_read: Most pixels that one window may hold.
    """

    def __init__(
        self, grid: Grid, source: str, frame: str, time: str | None, key: str, largest_read: int
    ) -> None:
        self.grid, self.source, self.frame, self.time = grid, source, frame, time
        self.fingerprint = key
        self._largest_read = largest_read
        self._lock = threading.Lock()
        self._patches: tuple[Patch, ...] = ()

    @property
    def size(self) -> int:
        """Bytes that its pixels take."""
        return sum(patch.size for patch in self._patches)

    def put(self, patch: Patch, most_bytes: int) -> None:
        """Add pixels; where some were there, the new ones count, and the fingerprint changes if they differ.

        The oldest patches go while all of them take more than `most_bytes`.
        """
        with self._lock:
            kept = [old for old in self._patches if _shared(old.window, patch.window) != old.window]
            if any(_differ(old, patch) for old in self._patches):
                self.fingerprint = digest_of(self.fingerprint, patch.rgb.tobytes(), patch.valid.tobytes())
            kept.append(patch)
            while len(kept) > 1 and sum(one.size for one in kept) > most_bytes:
                kept.pop(0)
            self._patches = tuple(kept)

    def read(
        self, x0: int, y0: int, width: int, height: int, out_shape: tuple[int, int] | None = None
    ) -> tuple[Rgb, Valid]:
        """Read a window; see `Frame.read`.

        Raises:
            PixelsMissing: A part of the window that lies in the image was not uploaded.
            InvalidParameter: The window is larger than an upload can be.
        """
        inside = _shared((x0, y0, width, height), (0, 0, self.grid.width, self.grid.height))
        if inside is None:
            shape = out_shape or (height, width)
            return np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        if width * height > self._largest_read:
            raise InvalidParameter(
                f"an object with its surroundings of {width} x {height} px is more than can be uploaded "
                f"({self._largest_read} px); show the layer at a smaller scale"
            )
        left, top, columns, rows = inside
        rgb, valid = self._gather(inside)
        part = ArrayFrame(rgb, self.grid.window(left, top, columns, rows), valid=valid)
        return part.read(x0 - left, y0 - top, width, height, out_shape)

    def _gather(self, inside: Window) -> tuple[Rgb, Valid]:
        """Put the pixels of a window within the image together."""
        left, top, columns, rows = inside
        patches = [patch for patch in self._patches if _shared(patch.window, inside)]
        if sum(patch.valid.size for patch in patches) < columns * rows:
            raise self._missing(inside)
        rgb, valid = np.zeros((rows, columns, 3), np.uint8), np.zeros((rows, columns), bool)
        known = np.zeros((rows, columns), bool)
        for patch in patches:
            shared = _shared(patch.window, inside)
            assert shared is not None
            here, there = _slices(shared, (left, top)), _slices(shared, patch.window[:2])
            rgb[here], valid[here], known[here] = patch.rgb[there], patch.valid[there], True
        if not known.all():
            raise self._missing(inside)
        return rgb, valid

    def _missing(self, inside: Window) -> PixelsMissing:
        x0, y0, width, height = inside
        left, top = (max(0, (value // MARGIN_PX - 1) * MARGIN_PX) for value in (x0, y0))
        right = min(self.grid.width, ((x0 + width) // MARGIN_PX + 2) * MARGIN_PX)
        bottom = min(self.grid.height, ((y0 + height) // MARGIN_PX + 2) * MARGIN_PX)
        window = (left, top, right - left, bottom - top)
        return PixelsMissing(
            f"pixels of {self.source} are missing here: send columns {left} to {right}, "
            f"rows {top} to {bottom}, and ask again",
            window,
        )


def _shared(a: Window, b: Window) -> Window | None:
    """Return the window that two windows share."""
    left, top = max(a[0], b[0]), max(a[1], b[1])
    width, height = min(a[0] + a[2], b[0] + b[2]) - left, min(a[1] + a[3], b[1] + b[3]) - top
    return (left, top, width, height) if width > 0 and height > 0 else None


def _slices(window: Window, corner: tuple[int, int]) -> tuple[slice, slice]:
    x, y = window[0] - corner[0], window[1] - corner[1]
    return slice(y, y + window[3]), slice(x, x + window[2])


def _differ(old: Patch, new: Patch) -> bool:
    """Say whether two patches hold different pixels at the same place."""
    shared = _shared(old.window, new.window)
    if shared is None:
        return False
    a, b = _slices(shared, old.window[:2]), _slices(shared, new.window[:2])
    same: NDArray[np.bool_] = (old.rgb[a] == new.rgb[b]).all() & (old.valid[a] == new.valid[b]).all()
    return not bool(same)
