"""Pixels and ground: grids, rasters, prompts, polygons and files. Nothing here imports torch."""
