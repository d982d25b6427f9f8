"""Take objects and their shadows out of an image, so that nothing tells where they stood.

A hole is filled with the piece of ground nearby whose surroundings are most like its own, moved there
whole, with its grain; the difference that is left along the rim is spread over the inside as a soap film
would (Perez et al., Poisson image editing, 2003), so that there is no seam.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from training.simulate.pixels import Picture

Mask = NDArray[np.bool_]
_RING_PX = 4
_TRIES = 240
_MOST_RING = 400
_DARKER = 0.72
_LEAST_OFF = 0.08


def shadow_of(rgb: Picture, mask: Mask, others: Mask) -> Mask:
    """Find the dark ground that touches an object: its shadow, as far as brightness tells.

    Args:
        rgb: float32 [h, w, 3], the object's surroundings.
        mask: The object, bool [h, w].
        others: Other objects, which are none of its shadow.

    Returns:
        bool [h, w]; all False where the ground around is about as dark.
    """
    size = np.sqrt(mask.sum())
    reach = int(np.clip(0.45 * size, 3, 24))
    near = ndimage.binary_dilation(mask, iterations=reach) & ~mask & ~others
    if not near.any():
        return np.zeros_like(mask)
    grey = rgb.mean(axis=2)
    dark = near & (grey < _DARKER * np.median(grey[near]))
    if dark.sum() > 0.5 * near.sum():
        return np.zeros_like(mask)
    regions, _ = ndimage.label(dark)
    touching = np.unique(regions[ndimage.binary_dilation(mask, iterations=2) & dark])
    return np.isin(regions, touching[touching > 0])


def heal(
    rgb: Picture, holes: Mask, rng: np.random.Generator, avoid: Mask | None = None
) -> tuple[Picture, Mask]:
    """Fill holes from the ground around them.

    Args:
        rgb: float32 [H, W, 3].
        holes: bool [H, W].
        rng: Draws the places that are tried.
        avoid: What is no ground, bool [H, W]: it is neither copied into a hole nor blended with one.

    Returns:
        The healed picture, and the holes that nothing nearby could fill, bool [H, W].
    """
    healed = rgb.copy()
    open_holes = holes.copy()
    taken = holes if avoid is None else holes | avoid
    taken = taken.copy()
    regions, count = ndimage.label(holes, np.ones((3, 3)))
    slices = ndimage.find_objects(regions)
    order = np.argsort(ndimage.sum(holes, regions, np.arange(1, count + 1))) if count else []
    for index in order:
        rows, columns = slices[index]
        top, left = max(rows.start - _RING_PX, 0), max(columns.start - _RING_PX, 0)
        window = np.s_[top : rows.stop + _RING_PX, left : columns.stop + _RING_PX]
        hole = regions[window] == index + 1
        ring = ndimage.binary_dilation(hole, iterations=_RING_PX) & ~taken[window]
        found = _best_source(healed, taken, (top, left), hole, ring, rng) if ring.any() else None
        if found is None:
            continue
        height, width = hole.shape
        source = healed[found[0] : found[0] + height, found[1] : found[1] + width].copy()
        part = healed[window]
        film = _film(part - source, hole, _alike(part - source, ring))
        part[hole] = np.clip(source[hole] + film[hole], 0, 1)
        open_holes[window] &= ~hole
        taken[window] &= ~hole
    return healed, open_holes


def _best_source(
    rgb: Picture, holes: Mask, corner: tuple[int, int], hole: Mask, ring: Mask, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return the corner of the window whose ring is most like the hole's, None where all have holes."""
    height, width = hole.shape
    room = np.array([rgb.shape[0] - height, rgb.shape[1] - width])
    reach = max(height, width)
    near = np.array(corner) + rng.uniform(-3.0, 3.0, (_TRIES, 2)) * reach
    far = rng.uniform(0, 1, (_TRIES // 3, 2)) * room
    tries = np.rint(np.concatenate([near, far])).astype(int)
    tries = tries[((tries >= 0) & (tries <= room)).all(axis=1)]
    sums = np.pad(holes.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    y, x = tries.T
    taken = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
    tries = tries[taken == 0]
    if not len(tries):
        return None
    rows, columns = np.nonzero(ring)
    if len(rows) > _MOST_RING:
        chosen = rng.permutation(len(rows))[:_MOST_RING]
        rows, columns = rows[chosen], columns[chosen]
    wanted = rgb[rows + corner[0], columns + corner[1]]
    there = rgb[tries[:, :1] + rows, tries[:, 1:] + columns]
    apart = there - wanted
    shift = apart.mean(axis=1, keepdims=True)
    cost = ((apart - shift) ** 2).mean(axis=(1, 2)) + 0.3 * (shift**2).mean(axis=(1, 2))
    best = tries[cost.argmin()]
    return int(best[0]), int(best[1])


def _alike(apart: Picture, ring: Mask) -> Mask:
    """Leave out of a rim what is no ground, as a wing tip beyond its label: it would smear into the hole."""
    off = np.abs(apart - np.median(apart[ring], axis=0)).max(axis=2)
    return ring & (off <= max(_LEAST_OFF, 4 * float(np.median(off[ring]))))


def _film(apart: Picture, hole: Mask, ring: Mask) -> Picture:
    """Spread differences along the rim over the hole: the solution of Laplace's equation inside.

    The image's edge, and other holes, pull at nothing.
    """
    film = np.where(ring[..., None], apart, 0).astype(np.float64)
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    rows, columns = np.nonzero(hole)
    size = len(rows)
    degree = np.full(size, 1e-6)
    right = np.zeros((size, apart.shape[2]))
    pairs = []
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (x >= 0) & (y < hole.shape[0]) & (x < hole.shape[1])
        y, x = np.clip(y, 0, hole.shape[0] - 1), np.clip(x, 0, hole.shape[1] - 1)
        known, same = inside & ring[y, x], inside & hole[y, x]
        degree += known | same
        right[known] += film[y[known], x[known]]
        pairs.append((np.flatnonzero(same), number[y[same], x[same]]))
    i, j = (np.concatenate(part) for part in zip(*pairs, strict=True))
    laplace = sparse.csc_matrix(
        (np.concatenate([degree, -np.ones(len(i))]), (np.r_[np.arange(size), i], np.r_[np.arange(size), j]))
    )
    film[hole] = splu(laplace).solve(right)
    return film.astype(np.float32)
