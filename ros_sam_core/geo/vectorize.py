"""Logits to polygons on the ground, back to pixels, and their true size."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import features
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from skimage.filters import gaussian
from skimage.measure import find_contours

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.crs import metres_per_unit, to_degrees
from ros_sam_core.geo.grid import Grid

STEEPEST, FLATTEST = 1e3, 1e-3
"""Logits are brought between these magnitudes, so that contours keep apart by what a float can tell."""


@dataclass(frozen=True)
class PolygonOptions:
    """How a mask becomes polygons; lengths and areas are in pixels of the mask.

    Args:
        fill_holes: leave no holes.
        min_area_px: parts smaller than this are dropped, holes smaller than this are filled.
        simplify_px: how far the outline may move to lose vertices (Douglas-Peucker, topology kept); 0 keeps
            every crossing of the contour with the pixel lattice.
        smooth_px: standard deviation of a Gaussian over the logits before they are contoured. Parts narrower
            than about twice that can vanish.
        expand_px: how far the outline moves outwards, round at corners, before it is simplified; below 0
            inwards. Parts narrower than twice that then vanish.

    Raises:
        InvalidParameter: if a number is not finite, or any but `expand_px` is negative.
    """

    fill_holes: bool = False
    min_area_px: float = 4.0
    simplify_px: float = 0.05
    smooth_px: float = 0.0
    expand_px: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_area_px", "simplify_px", "smooth_px"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InvalidParameter(f"{name} = {value}: give a number of pixels, 0 or more")
        if not np.isfinite(self.expand_px):
            raise InvalidParameter(
                f"expand_px = {self.expand_px}: give a number of pixels, below 0 to shrink"
            )


class Measure(NamedTuple):
    """Size of a polygon.

    Args:
        area_m2: square metres; holes do not count.
        perim_m: metres, of holes too.
    """

    area_m2: float
    perim_m: float


def logits_to_polygon(
    logits: NDArray[np.floating[Any]], grid: Grid, options: PolygonOptions | None = None
) -> Polygon | MultiPolygon | None:
    """Return the outline where logits are 0, between pixels, as a valid polygon in the CRS of the grid.

    The logit of a pixel stands at its centre and is linear in between. An object that reaches the edge of the
    array ends exactly at that edge. Rings have the exterior anticlockwise on the map. The logits are not
    changed.

    Args:
        logits: ``[h, w]``; a pixel is object where logit > 0. NaN is not object.
        grid: of the logits, same shape.
        options: see `PolygonOptions`.

    Returns:
        One polygon, several if the object is in parts, or None if nothing is left.

    Raises:
        InvalidParameter: if the shapes differ.
    """
    options = options or PolygonOptions()
    if logits.shape != grid.shape:
        raise InvalidParameter(f"logits {logits.shape} do not fit their grid {grid.shape}")
    values = np.nan_to_num(logits.astype(np.float64), nan=-1.0).clip(-STEEPEST, STEEPEST)
    if options.smooth_px:
        values = gaussian(values, options.smooth_px, mode="nearest")  # type: ignore[no-untyped-call]
    if not (values > 0).any():
        return None
    outline = _outline(_rings(values), options)
    return tidy(shapely.transform(outline, grid.pixel_to_map))


def rasterize(geometry: BaseGeometry, grid: Grid) -> NDArray[np.bool_]:
    """Return bool ``[h, w]``: the pixels of a grid whose centres lie in a polygon of the grid's CRS."""
    in_pixels = shapely.transform(geometry, grid.map_to_pixel)
    if in_pixels.is_empty:
        return np.zeros(grid.shape, dtype=bool)
    burned = features.rasterize([in_pixels], grid.shape, transform=Affine.identity(), dtype=np.uint8)
    return np.asarray(burned, dtype=bool)


def measure(geometry: BaseGeometry, crs: CRS | None) -> Measure:
    """Return area and perimeter on the ground.

    They are those of geodesics on the ellipsoid, wherever the CRS has one: metres of a projection are not
    metres on the ground (Web Mercator's are half of one in Helsinki, UTM's up to 1.0004). In an engineering
    CRS they are planar, in metres; without CRS planar, in the units of the coordinates, that is pixels.

    Args:
        geometry: polygon or multipolygon.
        crs: of the geometry.

    Raises:
        CrsTransformFailed: if the polygon lies where the CRS describes nothing.
    """
    if crs is None:
        return Measure(float(geometry.area), float(geometry.length))
    geometry = shapely.orient_polygons(shapely.force_2d(geometry))
    degrees = to_degrees(shapely.get_coordinates(geometry), crs)
    geod = crs.get_geod()
    if degrees is None or geod is None:
        unit = metres_per_unit(crs)
        return Measure(float(geometry.area) * unit**2, float(geometry.length) * unit)
    on_ellipsoid = shapely.set_coordinates(geometry, degrees)
    area, _ = geod.geometry_area_perimeter(on_ellipsoid)
    return Measure(abs(float(area)), float(geod.geometry_length(on_ellipsoid.boundary)))


def _rings(values: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return the contours of finite values at 0 as rings in pixel coordinates, holes clockwise.

    The array grows by its own edge, so that contours go straight out, and then by a rim of background, so
    that they close; cutting the coordinates off at the edge takes both back.
    """
    height, width = values.shape
    sign = np.where(values > 0, 1.0, -1.0)
    values = sign * np.maximum(np.abs(values), FLATTEST)
    padded = np.pad(np.pad(values, 1, mode="edge"), 1, constant_values=-STEEPEST)
    contours = find_contours(padded, 0.0)  # type: ignore[no-untyped-call]
    return np.array([shapely.linearrings((yx[:, ::-1] - 1.5).clip(0, (width, height))) for yx in contours])


def _outline(rings: NDArray[np.object_], options: PolygonOptions) -> BaseGeometry:
    """Build polygons of contours: holes, small parts and needless vertices taken out as asked."""
    areas = shapely.area(shapely.polygons(rings))
    kept = (areas >= options.min_area_px) & (areas > 0)
    outer = shapely.is_ccw(rings)
    if options.fill_holes:
        outline = shapely.union_all(shapely.polygons(rings[kept & outer]))
    else:
        outline = shapely.build_area(shapely.geometrycollections(rings[kept]))
    if options.expand_px:
        outline = shapely.buffer(outline, options.expand_px)
    parts = shapely.get_parts(outline)
    large = shapely.multipolygons(parts[shapely.area(parts) >= options.min_area_px])
    return shapely.simplify(large, options.simplify_px)


def tidy(geometry: BaseGeometry) -> Polygon | MultiPolygon | None:
    """Return the areas of a geometry, valid and with exteriors anticlockwise; None if there is none."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = shapely.get_parts(geometry)
    parts = shapely.orient_polygons(parts[shapely.area(parts) > 0])
    if len(parts) == 0:
        return None
    return parts[0] if len(parts) == 1 else MultiPolygon(list(parts))
