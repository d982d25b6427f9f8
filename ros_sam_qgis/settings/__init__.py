"""What the user has chosen, kept in QGIS's settings."""
