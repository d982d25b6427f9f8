"""COCO's run-length encoded masks, plain and compressed (https://cocodataset.org/#format-data).

Runs go down the columns and start with background. pycocotools decodes the same (the tests compare), but
gives memory that was never written where the runs are too few for the mask; here that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode_rle(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """Decode a mask; see `decode_columns`, which is faster for small objects.

    Returns:
        bool [rows, columns].
    """
    part, first, (height, width) = decode_columns(rle)
    mask = np.zeros((height, width), bool)
    mask[:, first : first + part.shape[1]] = part
    return mask


def decode_columns(rle: dict[str, Any]) -> tuple[NDArray[np.bool_], int, tuple[int, int]]:
    """Decode the columns of a mask that hold the object.

    Args:
        rle: `size` [rows, columns], and `counts`: a list of runs, or the compressed text.

    Returns:
        bool [rows, those columns], the first one's number, and rows and columns of the whole mask.

    Raises:
        ValueError: It is no run-length encoding, or its runs do not fill its size.
    """
    try:
        height, width = (int(n) for n in rle["size"])
        counts = rle["counts"]
        runs = _runs(counts) if isinstance(counts, str | bytes) else np.asarray(counts, np.int64).ravel()
    except (KeyError, TypeError, OverflowError, ValueError) as error:
        raise ValueError(f"no run-length encoding: {error}") from error
    if height < 1 or width < 1 or (runs < 0).any():
        raise ValueError(f"run-length encoding of size {height} x {width} with a negative run or no pixel")
    total = int(runs.sum())
    if total != height * width:
        raise ValueError(f"the runs hold {total} pixels, but size is {height} x {width}")
    ends = np.cumsum(runs)
    filled = np.flatnonzero((np.arange(len(runs)) % 2 == 1) & (runs > 0))
    if not len(filled):
        return np.zeros((height, 0), bool), 0, (height, width)
    first = int(ends[filled[0]] - runs[filled[0]]) // height
    last = int(ends[filled[-1]] - 1) // height + 1
    cut = np.diff(ends.clip(first * height, last * height), prepend=first * height)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, cut)
    return values.reshape(last - first, height).T, first, (height, width)


def encode_rle(mask: NDArray[Any]) -> dict[str, Any]:
    """Encode a mask [rows, columns], object where it is not 0, with compressed `counts` as text."""
    flat = np.asarray(mask).T.ravel() != 0
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]]))
    if flat.size and flat[0]:
        runs = np.concatenate([[0], runs])
    return {"size": [int(n) for n in mask.shape], "counts": _text(runs.tolist())}


def _runs(text: str | bytes) -> NDArray[np.int64]:
    """Read numbers of 5 bits a character, lowest first; each after the third is told by its change."""
    codes = text.encode("latin-1", "replace") if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for code in codes:
        if not 48 <= code < 112:
            raise ValueError(f"character {chr(code)!r} does not occur in compressed counts")
        bits = code - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("the compressed counts are cut off")
    return np.array(runs, np.int64)


def _text(runs: Sequence[int]) -> str:
    codes = []
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            codes.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(codes)
