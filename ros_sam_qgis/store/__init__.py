"""Kept objects in files: written at once, found again, taken back, exported."""
