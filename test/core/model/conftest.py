from __future__ import annotations

import pytest
from sam_models import SMALL

from ros_sam_core.model import hq_decoder
from ros_sam_core.model.image_encoder import VIT_SIZES, VitSize


@pytest.fixture
def small_vit_b(monkeypatch: pytest.MonkeyPatch) -> VitSize:
    """Make "vit_b" three blocks of width 48; its input stays 1024 px."""
    monkeypatch.setitem(VIT_SIZES, "vit_b", SMALL)
    monkeypatch.setitem(hq_decoder.VIT_WIDTH, "vit_b", SMALL.width)
    return SMALL
