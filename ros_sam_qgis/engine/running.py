"""The address of the engine that runs in this QGIS, for background threads; None while there is none."""

from __future__ import annotations

from .process import Address

address: Address | None = None
