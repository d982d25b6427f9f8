"""SAM's building blocks, taken from segment_anything without running its ``__init__``.

``segment_anything/__init__.py`` imports torchvision for its predictor and its automatic mask
generator. Neither is used here, and torchvision is a heavy dependency whose binary must match
torch's to the patch. Its ``modeling`` package needs torch alone and imports itself relatively only,
so it is loaded from its own files under a private name. ``sys.modules["segment_anything"]`` is never
touched: who has torchvision imports segment_anything beside this as always.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from segment_anything.modeling.common import LayerNorm2d, MLPBlock
    from segment_anything.modeling.image_encoder import ImageEncoderViT, PatchEmbed
    from segment_anything.modeling.mask_decoder import MLP, MaskDecoder
    from segment_anything.modeling.prompt_encoder import PromptEncoder
    from segment_anything.modeling.sam import Sam
    from segment_anything.modeling.transformer import TwoWayTransformer

__all__ = [
    "MLP",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MLPBlock",
    "MaskDecoder",
    "PatchEmbed",
    "PromptEncoder",
    "Sam",
    "TwoWayTransformer",
]

_PRIVATE_NAME = f"{__package__}._segment_anything_modeling"


def _load_modeling() -> ModuleType:
    """Load ``segment_anything.modeling`` under the private name, once a process."""
    if _PRIVATE_NAME in sys.modules:
        return sys.modules[_PRIVATE_NAME]
    parent = find_spec("segment_anything")  # locates the package; runs none of it
    if parent is None or not parent.submodule_search_locations:
        raise ModuleNotFoundError(
            "the package segment_anything is not installed; install it with "
            "`pip install segment-anything` (torchvision is not needed)",
            name="segment_anything",
        )
    folder = Path(next(iter(parent.submodule_search_locations))) / "modeling"
    spec = spec_from_file_location(
        _PRIVATE_NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None  # a path that ends in .py always has a loader
    assert spec.loader is not None
    modeling = module_from_spec(spec)
    sys.modules[_PRIVATE_NAME] = modeling  # its relative imports look their parent up here
    try:
        spec.loader.exec_module(modeling)
    except BaseException:
        del sys.modules[_PRIVATE_NAME]
        raise
    return modeling


if not TYPE_CHECKING:
    _modeling = _load_modeling()
    ImageEncoderViT = _modeling.ImageEncoderViT
    MaskDecoder = _modeling.MaskDecoder
    PromptEncoder = _modeling.PromptEncoder
    Sam = _modeling.Sam
    TwoWayTransformer = _modeling.TwoWayTransformer
    LayerNorm2d = _modeling.common.LayerNorm2d
    MLPBlock = _modeling.common.MLPBlock
    PatchEmbed = _modeling.image_encoder.PatchEmbed
    MLP = _modeling.mask_decoder.MLP
