"""Satellite video: frames in their order, each a temporal layer."""
