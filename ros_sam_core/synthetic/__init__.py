"""Procedural satellite-like scenes with exact outlines, for training, the demo and tests."""

from ros_sam_core.synthetic.coverage import coverage, rings_of
from ros_sam_core.synthetic.scene import Instance, SceneKind, SyntheticScene, make_scene, make_stage

__all__ = ["Instance", "SceneKind", "SyntheticScene", "coverage", "make_scene", "make_stage", "rings_of"]
