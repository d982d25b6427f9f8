"""SAM's modules come without torchvision and without a trace in the way of segment_anything."""

from __future__ import annotations

import subprocess
import sys

import torch

from ros_sam_core.model import sam_modules


def in_fresh_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_leaves_segment_anything_and_torchvision_alone() -> None:
    out = in_fresh_python(
        "import sys, ros_sam_core.model.sam_modules\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('segment_anything', 'torchvision')])"
    )
    assert out.strip() == "[]"


def test_segment_anything_still_imports_as_always(tmp_path) -> None:
    """A stand-in torchvision of three empty names is enough for segment_anything's own __init__."""
    for module in ("ops", "ops/boxes", "transforms", "transforms/functional"):
        folder = tmp_path / "torchvision" / module
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "torchvision/__init__.py").touch()
    (tmp_path / "torchvision/ops/boxes/__init__.py").write_text("batched_nms = box_area = None\n")
    (tmp_path / "torchvision/transforms/functional/__init__.py").write_text("resize = to_pil_image = None\n")
    out = in_fresh_python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import ros_sam_core.model.sam_modules as ours\n"
        "import segment_anything\n"
        "print(segment_anything.modeling.Sam.__module__, callable(segment_anything.SamPredictor))"
    )
    assert out.split() == ["segment_anything.modeling.sam", "True"]


def test_modules_pickle_under_their_private_name() -> None:
    import pickle

    layer = sam_modules.LayerNorm2d(4)
    again = pickle.loads(pickle.dumps(layer))
    assert type(again) is sam_modules.LayerNorm2d
    x = torch.randn(1, 4, 2, 2)
    assert torch.equal(layer(x), again(x))


def test_the_decoder_is_sams() -> None:
    decoder = sam_modules.MaskDecoder(
        transformer_dim=32,
        transformer=sam_modules.TwoWayTransformer(depth=1, embedding_dim=32, num_heads=2, mlp_dim=64),
    )
    masks, iou = decoder(
        image_embeddings=torch.zeros(1, 32, 4, 4),
        image_pe=torch.zeros(1, 32, 4, 4),
        sparse_prompt_embeddings=torch.zeros(2, 1, 32),
        dense_prompt_embeddings=torch.zeros(2, 32, 4, 4),
        multimask_output=True,
    )
    assert masks.shape == (2, 3, 16, 16)
    assert iou.shape == (2, 3)
