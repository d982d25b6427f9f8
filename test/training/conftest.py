from __future__ import annotations

import pytest
from sam_models import SMALL

from ros_sam_core.model import hq_decoder
from ros_sam_core.model.image_encoder import VIT_SIZES


@pytest.fixture
def small_vits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make SAM's ViT-B, L and H three blocks of width 48."""
    for arch in ("vit_b", "vit_l", "vit_h"):
        monkeypatch.setitem(VIT_SIZES, arch, SMALL)
        monkeypatch.setitem(hq_decoder.VIT_WIDTH, arch, SMALL.width)
