"""Coordinate reference systems: read from text, transform, true distances. All in x, y order."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from ros_sam_core.errors import CrsTransformFailed, CrsUnknown, CrsWithoutMap

CYLINDRICAL = (
    "Mercator",
    "Popular Visualisation Pseudo Mercator",
    "Equidistant Cylindrical",
    "Lambert Cylindrical Equal Area",
    "Miller Cylindrical",
    "Gall Stereographic",
)
"""So begin the names of projections in which x is longitude times a factor."""
ROUNDING_DEG = 1e-9
"""So far beyond a pole a latitude is taken for the pole."""


def parse_crs(value: Any) -> CRS:
    """Return the CRS that a text, code, WKT or object of another library means.

    Args:
        value: anything that pyproj understands, such as ``"EPSG:32633"``, ``4326``, WKT or a rasterio CRS.

    Raises:
        CrsUnknown: if pyproj does not know it.
    """
    try:
        return CRS.from_user_input(value)
    except CRSError as error:
        raise CrsUnknown(
            f"{value!r} is no known CRS ({error}); give a code such as EPSG:4326, or WKT"
        ) from error


def parse_map_crs(value: Any) -> CRS:
    """Return the CRS that is meant, in which polygons can be.

    Args:
        value: as for `parse_crs`.

    Raises:
        CrsUnknown: if pyproj does not know it.
        CrsWithoutMap: if it is vertical, geocentric, or of another kind without x and y on a map.
    """
    crs = parse_crs(value)
    if not (crs.is_geographic or crs.is_projected or crs.is_engineering):
        raise CrsWithoutMap(
            f"polygons cannot be in {crs_name(crs)}, a {crs.type_name}; give a geographic or projected one, "
            "such as EPSG:4326"
        )
    return crs


def crs_name(crs: CRS | None) -> str:
    """Name a CRS shortly for people: its code, else its name."""
    if crs is None:
        return "none"
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else str(crs.name)


@lru_cache(maxsize=64)
def _transformer(source: CRS, target: CRS) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def transform_xy(xy: ArrayLike, source: CRS, target: CRS) -> NDArray[np.float64]:
    """Transform coordinates between two CRS, always x (east, longitude) before y.

    Args:
        xy: ``[N, 2]`` coordinates in `source`, in its units.
        source: CRS of `xy`.
        target: CRS of the result.

    Returns:
        float64 ``[N, 2]`` coordinates in `target`, in its units.

    Raises:
        CrsTransformFailed: if no operation joins the two, or a coordinate lies where there is no result.
    """
    points = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    if source == target or len(points) == 0:
        return points.copy()
    what = f"from {crs_name(source)} to {crs_name(target)}"
    try:
        x, y = _transformer(source, target).transform(points[:, 0], points[:, 1])
    except ProjError as error:
        raise CrsTransformFailed(f"cannot transform {what}: {error}; check both CRS") from error
    result = np.column_stack([x, y])
    bad = ~np.isfinite(result).all(axis=1)
    if bad.any():
        first = points[int(np.argmax(bad))]
        raise CrsTransformFailed(
            f"({first[0]:.12g}, {first[1]:.12g}) has no place when transformed {what}; "
            "check the coordinates, their order (x y) and their CRS"
        )
    return result


@lru_cache(maxsize=64)
def full_turn(crs: CRS | None) -> float | None:
    """Return by how much x grows on the way around the Earth, where x is longitude in some unit, else None.

    That is so in a geographic CRS (360 for degrees) and in a cylindrical projection such as Mercator's, in
    which coordinates jump by so much at the meridian at which the map is cut.
    """
    if crs is None:
        return None
    if crs.is_geographic:
        return float(2 * np.pi / crs.axis_info[0].unit_conversion_factor)
    conversion = crs.coordinate_operation if crs.is_projected and not crs.is_bound else None
    base = crs.geodetic_crs
    if conversion is None or base is None or not conversion.method_name.startswith(CYLINDRICAL):
        return None
    degree = np.radians(1) / base.axis_info[0].unit_conversion_factor
    x = transform_xy(np.array([(0, 0), (1, 0), (90, 0), (91, 0)]) * degree, base.to_2d(), crs)[:, 0]
    return float(360 * np.abs(x[1::2] - x[::2]).min())  # the map may be cut within one of the two


def to_degrees(xy: ArrayLike, crs: CRS) -> NDArray[np.float64] | None:
    """Return geodetic longitude and latitude in degrees on the ellipsoid of the CRS itself (no datum shift).

    Longitude counts from the CRS's own prime meridian, which no distance depends on.

    Args:
        xy: ``[N, 2]`` coordinates in `crs`.
        crs: any CRS.

    Returns:
        float64 ``[N, 2]`` degrees, or None if the CRS has no geographic base (an engineering CRS).

    Raises:
        CrsTransformFailed: if a coordinate lies outside what the CRS can describe.
    """
    base = crs.geodetic_crs
    if base is None or crs.is_engineering or not base.is_geographic:
        return None
    flat = base.to_2d()
    unit = float(np.degrees(flat.axis_info[0].unit_conversion_factor))
    degrees = transform_xy(xy, crs, flat) * unit
    north = np.abs(degrees[:, 1])
    if (north > 90 + ROUNDING_DEG).any():
        x, y = np.asarray(xy, dtype=np.float64).reshape(-1, 2)[int(np.argmax(north))]
        raise CrsTransformFailed(
            f"({x:.12g}, {y:.12g}) in {crs_name(crs)} lies beyond the poles; check the georeference"
        )
    degrees[:, 1] = degrees[:, 1].clip(-90, 90)
    return degrees


def metres_per_unit(crs: CRS) -> float:
    """Return the length in metres of the unit of a projected or engineering CRS."""
    return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0
