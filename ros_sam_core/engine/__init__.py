"""The HTTP service that the QGIS plugin drives, `python -m ros_sam_core.engine`; see docs/engine-api.md."""

API_VERSION = 1
