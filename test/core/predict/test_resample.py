"""Bicubic enlargement: the same numbers as those that the models were trained with."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ros_sam_core.predict.resample import enlarge


@pytest.mark.parametrize(("side", "size"), [(24, 192), (191, 192), (192, 192), (7, 64), (1, 16)])
def test_enlarging_is_torchs_bicubic(side: int, size: int) -> None:
    rgb = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    wanted = F.interpolate(image, (size, size), mode="bicubic", align_corners=False).clamp(0, 255)
    np.testing.assert_allclose(enlarge(rgb, size), wanted[0].numpy(), atol=2e-3)
