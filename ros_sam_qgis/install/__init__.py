"""The engine's environment: built in the QGIS profile, repaired, described."""
