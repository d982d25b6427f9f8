"""What reading a window of any image has in common: its shape, its edges, its resampling."""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from ros_sam_core.errors import InvalidParameter

Rgb = NDArray[np.uint8]
Valid = NDArray[np.bool_]

NATIVE_PX = 1024
"""Up to this length a window that is reduced is read pixel by pixel."""


def digest_of(*parts: object) -> str:
    """Return a hexadecimal digest of bytes and of plain values."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else json.dumps(part, default=repr).encode())
    return digest.hexdigest()


def shape_of(width: int, height: int, out_shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the shape of what is read, once it is known to hold a pixel."""
    shape = (height, width) if out_shape is None else (int(out_shape[0]), int(out_shape[1]))
    if min(width, height, *shape) < 1:
        raise InvalidParameter(
            f"window of {width} x {height} pixels into shape {shape}: there is no pixel in it"
        )
    return shape


def factor_for(length: int, count: int) -> int:
    """Return how many pixels of a window GDAL may average into one cell, before parts are made of the cells.

    One, so that the parts are exact, up to `NATIVE_PX` pixels or two to a part; never less than two cells to
    a part.

    Args:
        length: pixels of the window along an axis.
        count: parts to make of them.
    """
    return max(1, length // max(2 * count, NATIVE_PX))


def cells_of(start: int, length: int, factor: int, limit: int) -> NDArray[np.int64]:
    """Return the edges of the cells of `factor` pixels of an image that one axis of a window touches.

    Cells count from the first pixel of the image, as overviews do; those that the window's edges or the
    image's last pixels cut are shorter.

    Args:
        start: first pixel of the window, may be negative.
        length: pixels of the window.
        factor: pixels to a cell.
        limit: pixels of the image.

    Returns:
        ``[n + 1]`` pixel edges of n cells; of none if the window lies beside the image.
    """
    first, end = max(0, start), min(limit, start + length)
    if end <= first:
        return np.zeros(1, np.int64)
    between = np.arange(-(-first // factor) * factor, end, factor)
    return np.unique([first, *between, end])


def resample(
    values: NDArray[Any],
    valid: Valid,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    window: tuple[int, int, int, int],
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], Valid]:
    """Make a window out of cells: area means where it gets smaller, bilinear where larger.

    A mean is valid if any part of it is, and only that counts; an interpolated pixel if the one under it is.

    Args:
        values: ``[n, h, w]``; what is not valid may be anything, NaN too.
        valid: ``[n, h, w]``.
        cells: their edges along rows and columns, in pixels of the image, see `cells_of`.
        window: x0, y0, width, height in pixels of the image, may reach beyond the cells.
        shape: rows, columns of the result.

    Returns:
        float64 and bool ``[n, *shape]``; 0 where not valid.
    """
    x0, y0, width, height = window
    weight = valid.astype(np.float64)
    total = np.where(valid, values, 0.0)
    for axis, start, length in ((1, y0, height), (2, x0, width)):
        parts = min(shape[axis - 1], length)
        edges = np.linspace(start, start + length, parts + 1)
        weight = _sums(weight, cells[axis - 1], edges, axis)
        total = _sums(total, cells[axis - 1], edges, axis)
    kept: Valid = weight > 1e-9
    if kept.shape[1:] != shape:
        total, weight = _enlarged(total, shape), _enlarged(weight, shape)
        kept = kept[:, _pixel_under(shape[0], kept.shape[1])[:, None], _pixel_under(shape[1], kept.shape[2])]
    return np.divide(total, weight, out=np.zeros_like(total), where=kept), kept


def paste(part: NDArray[Any], top: int, left: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Return zeros ``[n, *shape]`` with a part ``[n, h, w]`` put in at a row and column."""
    whole = np.zeros((len(part), *shape), part.dtype)
    if part.size:
        whole[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return whole


def _pixel_under(count: int, old: int) -> NDArray[np.int64]:
    """Return the pixel, of `old` along an axis, under the centre of each of `count` others."""
    return (np.arange(count) * 2 + 1) * old // (2 * count)


def _sums(
    values: NDArray[np.float64], cells: NDArray[np.int64], edges: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """Return integrals along an axis between edges, of values even within each cell and 0 outside."""
    if len(cells) < 2:
        shape = [*values.shape]
        shape[axis] = len(edges) - 1
        return np.zeros(shape)
    inside = edges.clip(cells[0], cells[-1])
    cell = (np.searchsorted(cells, inside, side="right") - 1).clip(0, len(cells) - 2)
    share = (inside - cells[cell]) / np.diff(cells)[cell]
    content = np.moveaxis(values, axis, -1) * np.diff(cells)
    before = np.concatenate([np.zeros((*content.shape[:-1], 1)), content.cumsum(axis=-1)], axis=-1)
    return np.moveaxis(np.diff(before[..., cell] + share * content[..., cell]), -1, axis)


def _enlarged(values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return bands ``[n, h, w]`` in a larger shape, bilinear between the centres of pixels."""
    how = {"order": 1, "mode": "edge", "anti_aliasing": False}
    larger: NDArray[np.float64] = resize(values, (len(values), *shape), **how)  # type: ignore[no-untyped-call]
    return larger
