"""Satellite video with exact truth: `python -m training.simulate`, or `SimulatedVideo` from Python."""

from training.simulate.ground import Ground, labelled_ground, procedural_ground, raster_ground
from training.simulate.options import Light, Motion, Platform, Sensor, SimulateOptions
from training.simulate.video import SimulatedFrame, SimulatedObject, SimulatedVideo

__all__ = [
    "Ground",
    "Light",
    "Motion",
    "Platform",
    "Sensor",
    "SimulateOptions",
    "SimulatedFrame",
    "SimulatedObject",
    "SimulatedVideo",
    "labelled_ground",
    "procedural_ground",
    "raster_ground",
]
