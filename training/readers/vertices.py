"""What the vertices of a COCO file's polygons are: told by the areas and the boxes that the file states."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 2000
"""Annotations that are looked at; of a file with more, the first ones."""
NEAR = 0.25
"""A stated area counts for a reading where it is this near to it, of the difference of the two readings."""
NEAR_PX = 0.1
"""The same of a stated box's width and height, in pixels."""


def guess_vertices(annotations: Iterable[dict[str, Any]]) -> str:
    """Return "centres" or "corners", whichever most polygons of a file are drawn by; see `DatasetSpec`.

    A polygon through the centres of an object's outermost pixels holds these pixels: by Pick's theorem there
    are A + P / 2 + 1 of them, A the polygon's own area and P the pixels of its outline, and its box is one
    pixel longer and wider than the vertices lie apart. Of continuous coordinates, as COCO's own tools take
    them, area and box are those of the polygon. Where a file states neither, they are taken to be that.

    Args:
        annotations: Annotations of the file; those without polygons tell nothing.
    """
    votes = [vote for a in islice(annotations, LOOKED_AT) if (vote := _vote(a)) is not None]
    return "centres" if 2 * sum(votes) > len(votes) else "corners"


def _vote(annotation: dict[str, Any]) -> bool | None:
    """Say whether an annotation's polygons run through centres; None where it does not tell."""
    try:
        rings = [np.asarray(ring, float).reshape(-1, 2) for ring in annotation["segmentation"]]
        area, box = float(annotation.get("area", np.nan)), annotation.get("bbox") or (np.nan,) * 4
        sides = np.asarray(box, float).ravel()[2:]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not rings or any(len(ring) < 3 or not np.isfinite(ring).all() for ring in rings) or len(sides) != 2:
        return None
    told = []
    bare = sum(map(_area, rings))
    rim = sum(float(np.abs(np.roll(ring, -1, 0) - ring).max(1).sum()) / 2 + 1 for ring in rings)
    if abs(area - bare - rim) <= NEAR * rim or abs(area - bare) <= NEAR * rim:
        told.append(area - bare > rim / 2)
    beyond = sides - np.ptp(np.concatenate(rings), axis=0)
    if (abs(beyond - 1) <= NEAR_PX).all() or (abs(beyond) <= NEAR_PX).all():
        told.append(bool(beyond[0] > 0.5))
    # The area of a mask that was traced is often stated as its polygon's; its box is the mask's even then.
    return any(told) if told else None


def _area(ring: NDArray[np.float64]) -> float:
    x, y = (ring - ring[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
