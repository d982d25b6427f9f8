"""Write a model of the bundled one's size with random weights, for tests of all but accuracy.

python make_model.py FILE [NAME]   (in the engine's Python)
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch

from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.config import tiny_config
from ros_sam_core.model.ros_sam import RosSam

torch.manual_seed(0)
config = tiny_config()
named = replace(config, name=sys.argv[2]) if len(sys.argv) > 2 else config
save_checkpoint(RosSam(named).eval(), sys.argv[1])
