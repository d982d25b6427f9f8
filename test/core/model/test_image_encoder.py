"""The fast encoder computes what segment_anything's encoder computes, forwards and backwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sam_models import sams_encoder
from torch import Tensor

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.model import attention, blockwise
from ros_sam_core.model.attention import Attention, from_windows, to_windows
from ros_sam_core.model.block import Block
from ros_sam_core.model.config import sam_config
from ros_sam_core.model.image_encoder import VIT_SIZES, SamEncoder, VitSize, build_sam_encoder
from ros_sam_core.model.layouts import split_qkv
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.sam_modules import ImageEncoderViT

SMALL = VitSize(width=48, heads=3, global_blocks=(1, 3))
SIDE_PX = 288  # 18 tokens: windows of 14 that are filled up


@pytest.fixture(scope="module")
def pair() -> tuple[ImageEncoderViT, SamEncoder]:
    theirs = sams_encoder(SMALL, SIDE_PX)
    ours = SamEncoder(SMALL, SIDE_PX)
    ours.load_state_dict(split_qkv(theirs.state_dict()))
    return theirs.eval(), ours.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[attention.BIAS_BYTES_CPU, 1], ids=["one-step", "piece-by-piece"])
def bias_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """All tokens in one step; or few: without gradients a row of queries, and five tokens a linear layer."""
    monkeypatch.setattr(attention, "BIAS_BYTES_CPU", request.param)
    if request.param == 1:
        monkeypatch.setattr(blockwise, "QUERIES", 1)
        monkeypatch.setattr(blockwise, "ROWS", 5)
    return request.param


@pytest.mark.usefixtures("bias_bytes")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_equals_segment_anything(pair, images: Tensor, mode) -> None:
    theirs, ours = pair
    kept = {}
    hook = theirs.blocks[1].register_forward_hook(lambda _module, _in, out: kept.update(early=out))
    with mode():
        expected = theirs(images)
        embedding, (early,) = ours(images)
    hook.remove()
    torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(early, kept["early"].permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("bias_bytes")
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_equal_segment_anythings(pair, images: Tensor, recompute: bool) -> None:
    theirs, ours = pair
    direction = torch.randn(2, 256, 18, 18, generator=torch.Generator().manual_seed(2))
    for encoder in pair:
        encoder.zero_grad()
    (theirs(images) * direction).sum().backward()
    ours.train()
    ours.gradient_checkpointing = recompute
    (ours(images)[0] * direction).sum().backward()
    ours.gradient_checkpointing = False
    ours.eval()
    expected = split_qkv({name: p.grad for name, p in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        scale = expected[name].abs().max()
        difference = (parameter.grad - expected[name]).abs().max()
        assert difference <= 1e-4 * scale + 1e-5, name


def test_the_image_is_left_as_it_was(pair, images: Tensor) -> None:
    before = images.clone()
    with torch.inference_mode():
        first, second = pair[1](images)[0], pair[1](images)[0]
    assert torch.equal(images, before)
    assert torch.equal(first, second)


def test_recomputing_keeps_less_for_the_backward_pass(images: Tensor) -> None:
    encoder = SamEncoder(SMALL, SIDE_PX).train()

    def kept_bytes() -> int:
        seen: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            encoder(images)[0].sum()
        return sum(seen.values())

    everything = kept_bytes()
    encoder.gradient_checkpointing = True
    assert kept_bytes() < 0.5 * everything


def test_a_frozen_encoder_still_passes_gradient_to_the_image(pair) -> None:
    _, ours = pair
    image = torch.randn(1, 3, SIDE_PX, SIDE_PX, requires_grad=True)
    ours.requires_grad_(False)
    ours(image)[0].square().sum().backward()
    ours.requires_grad_(True)
    assert image.grad is not None
    assert image.grad.abs().max() > 0


def test_bfloat16_is_near(pair, images: Tensor) -> None:
    _, ours = pair
    with torch.no_grad():
        exact = ours(images)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            near = ours(images)[0]
    assert (near.float() - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_a_wholly_half_precision_encoder_takes_float32_images(images: Tensor) -> None:
    encoder = SamEncoder(SMALL, SIDE_PX).bfloat16()
    with torch.no_grad():
        embedding, (early,) = encoder(images)
    assert embedding.dtype == early.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("arch", "millions", "early"), [("vit_b", 89.7, 2), ("vit_l", 308.3, 5), ("vit_h", 637.0, 7)]
)
def test_sizes_are_sams(arch, millions: float, early: int) -> None:
    with torch.device("meta"):
        encoder = build_sam_encoder(sam_config(arch))
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert VIT_SIZES[arch].early_block == early
    windowless = [i for i, block in enumerate(encoder.blocks) if block.attn.window_size == 0]
    assert tuple(windowless) == VIT_SIZES[arch].global_blocks


@pytest.mark.parametrize("size", [(14, 14), (16, 16), (13, 31), (28, 5)])
def test_windows_come_back(size: tuple[int, int]) -> None:
    x = torch.randn(2, *size, 3)
    windows = to_windows(x, 14, torch.full((1, 3), 7.0))
    assert windows.shape[1:] == (14, 14, 3)
    assert (windows == 7).all(dim=-1).sum() == windows.shape[0] * 196 - 2 * size[0] * size[1]
    assert torch.equal(from_windows(windows, torch.Size(size)), x)


def test_plain_block_attends_to_all_tokens() -> None:
    block = Block(32, 4)
    x = torch.randn(1, 6, 5, 32)
    changed = x.clone()
    changed[0, 5, 4, 0] += 1  # one channel: the norm takes away what all have in common
    assert ((block(changed) - block(x)).abs().amax(dim=-1) > 0).all()


def test_relative_positions_need_a_size() -> None:
    with pytest.raises(InvalidParameter, match="input_size"):
        Attention(32, 4, use_rel_pos=True)


def test_an_encoder_in_bfloat16_gives_float32_embeddings_that_are_near(images: Tensor) -> None:
    torch.manual_seed(3)
    model = RosSam(sam_config("vit_b"))
    model.image_encoder = SamEncoder(SMALL, SIDE_PX).eval()
    model.config = replace(model.config, input_px=SIDE_PX)
    with torch.inference_mode():
        exact = model.encode(images)
        near = model.use_encoder_dtype(torch.bfloat16).encode(images)
    assert next(model.image_encoder.parameters()).dtype == torch.bfloat16
    assert {near.final.dtype, near.early[0].dtype} == {torch.float32}
    torch.testing.assert_close(near.final, exact.final, atol=0.1, rtol=0.05)
