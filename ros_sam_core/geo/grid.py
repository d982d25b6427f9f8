"""Grid: where the pixels of an array lie on Earth."""

from dataclasses import dataclass, field
from operator import index

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS
from shapely.geometry import Polygon

from ros_sam_core.errors import CrsTransformFailed, GridInvalid
from ros_sam_core.geo.crs import metres_per_unit, parse_crs, to_degrees


@dataclass(frozen=True)
class Grid:
    """Place of an array of pixels: its shape, the affine transform from pixel to map, and the map's CRS.

    Pixel coordinates are continuous, x right and y down, with (0, 0) at the outer corner of the top left
    pixel and (0.5, 0.5) at its centre, as GDAL has them. Any invertible transform is right: north-up,
    south-up, rotated, sheared, in metres, feet or degrees.

    Args:
        shape: rows, columns.
        transform: pixel to map, GDAL's convention.
        crs: of the map coordinates; None if nothing is known of the place on Earth. With the identity as
            transform the map coordinates are then the pixel coordinates.

    Raises:
        GridInvalid: if the shape is empty or the transform cannot be inverted.
        CrsUnknown: if pyproj does not know the CRS.
    """

    shape: tuple[int, int]
    transform: Affine = field(default_factory=Affine.identity)
    crs: CRS | None = None

    def __post_init__(self) -> None:
        try:
            rows, columns = (index(n) for n in self.shape)
        except (TypeError, ValueError) as error:
            raise GridInvalid(f"grid shape {self.shape!r} is not (rows, columns)") from error
        if rows < 1 or columns < 1:
            raise GridInvalid(f"grid shape {self.shape!r} holds no pixel")
        transform = Affine(*self.transform[:6])
        if not np.isfinite(transform[:6]).all() or transform.determinant == 0.0:
            raise GridInvalid(f"transform {tuple(transform[:6])} cannot be inverted; check the geotransform")
        object.__setattr__(self, "shape", (rows, columns))
        object.__setattr__(self, "transform", transform)
        object.__setattr__(self, "crs", None if self.crs is None else parse_crs(self.crs))

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Columns, rows."""
        return self.shape[1], self.shape[0]

    def pixel_to_map(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Return the map coordinates, float64 ``[N, 2]``, of pixel coordinates ``[N, 2]``."""
        a, b, c, d, e, f = self.transform[:6]
        x, y = np.asarray(xy, dtype=np.float64).reshape(-1, 2).T
        return np.column_stack([(a * x + b * y) + c, (d * x + e * y) + f])

    def map_to_pixel(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Return the pixel coordinates, float64 ``[N, 2]``, of map coordinates ``[N, 2]`` in the grid's CRS.

        The origin is subtracted before the linear part is inverted, so that large eastings and northings cost
        no precision beyond their own.
        """
        a, b, c, d, e, f = self.transform[:6]
        x, y = np.asarray(xy, dtype=np.float64).reshape(-1, 2).T
        dx, dy, det = x - c, y - f, a * e - b * d
        return np.column_stack([(e * dx - b * dy) / det, (a * dy - d * dx) / det])

    def window(self, x0: int, y0: int, width: int, height: int) -> "Grid":
        """Return the grid of a part, in pixels of this one; it may reach beyond the edge."""
        a, b, _, d, e, _ = self.transform[:6]
        ((c, f),) = self.pixel_to_map([(x0, y0)])
        return Grid((height, width), Affine(a, b, c, d, e, f), self.crs)

    def zoom(self, shape: tuple[int, int]) -> "Grid":
        """Return the grid of the same ground in another shape (rows, columns)."""
        a, b, c, d, e, f = self.transform[:6]
        x, y = self.width / shape[1], self.height / shape[0]
        return Grid(shape, Affine(a * x, b * y, c, d * x, e * y, f), self.crs)

    def contains_pixels(self, xy: ArrayLike) -> NDArray[np.bool_]:
        """Say which of the pixel coordinates ``[N, 2]`` lie in a pixel of the grid: bool ``[N]``."""
        x, y = np.asarray(xy, dtype=np.float64).reshape(-1, 2).T
        return (x >= 0) & (y >= 0) & (x < self.width) & (y < self.height)

    @property
    def corners(self) -> NDArray[np.float64]:
        """Map coordinates ``[4, 2]`` of the outer corners: top left, top right, bottom right, bottom left."""
        w, h = self.width, self.height
        return self.pixel_to_map([(0, 0), (w, 0), (w, h), (0, h)])

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Map bounds of the four corners: xmin, ymin, xmax, ymax."""
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def footprint(self) -> Polygon:
        """Outline of the grid in map coordinates."""
        return Polygon(self.corners)

    @property
    def gsd_m(self) -> float | None:
        """Ground sample distance: geometric mean of the two sides of the centre pixel, in metres.

        Measured on the ellipsoid, so that degrees and Web Mercator (whose metres are not metres) are right.
        An engineering CRS counts in its own unit of length. None without a CRS, or where the centre has no
        place on Earth.
        """
        if self.crs is None:
            return None
        x, y = self.width / 2, self.height / 2
        cross = self.pixel_to_map([(x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5)])
        try:
            lonlat = to_degrees(cross, self.crs)
        except CrsTransformFailed:
            return None
        geod = self.crs.get_geod()
        if lonlat is None or geod is None:
            sides = np.hypot(*(cross[1::2] - cross[::2]).T) * metres_per_unit(self.crs)
        else:
            _, _, sides = geod.inv(*lonlat[::2].T, *lonlat[1::2].T)
        gsd = float(np.sqrt(np.prod(sides)))
        return gsd if np.isfinite(gsd) and gsd > 0 else None
