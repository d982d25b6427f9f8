"""Write a model of the bundled one's size with random weights, for tests of all but accuracy.

python make_model.py FILE   (in the engine's Python)
"""

from __future__ import annotations

import sys

import torch

from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.config import tiny_config
from ros_sam_core.model.ros_sam import RosSam

torch.manual_seed(0)
save_checkpoint(RosSam(tiny_config()).eval(), sys.argv[1])
