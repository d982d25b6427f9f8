"""The engine seen from QGIS: a process of its own, and HTTP to it. No model code is ever imported here."""
