"""GeoParquet, written as a stream (geopandas writes whole tables only)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from pyarrow import parquet
from pyproj import CRS

from ros_sam_core.geo.staging import plain_schema


def write_geoparquet(out: Path, batches: Iterable[pa.RecordBatch], crs: CRS | None) -> None:
    """Write GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0).

    Args:
        out: the file to write.
        batches: segments, with the columns of `staging.schema`.
        crs: of the geometries.
    """
    kinds: set[str] = set()
    bounds = []
    with parquet.ParquetWriter(out, plain_schema(), compression="zstd") as writer:
        for batch in batches:
            shapes = shapely.from_wkb(batch.column("geometry"))
            kinds |= {shape.geom_type for shape in shapes}
            bounds.append(shapely.total_bounds(shapes))
            writer.write_batch(batch.replace_schema_metadata(None).cast(plain_schema()))
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": sorted(kinds),
            "crs": None if crs is None else crs.to_json_dict(),
            "orientation": "counterclockwise",
        }
        if bounds:
            low, high = np.min(bounds, axis=0)[:2], np.max(bounds, axis=0)[2:]
            column["bbox"] = [*low.tolist(), *high.tolist()]
        # Kinds and bounds are known at the end only; Parquet's metadata is at the end too.
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
        writer.add_key_value_metadata({"geo": json.dumps(geo)})
