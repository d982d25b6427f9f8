"""LoRA's invariants: nothing changes before training, only the right weights train, merging is exact."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ros_sam_core.errors import InvalidParameter, LoraStateInvalid
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import ModelConfig, sam_config, tiny_config
from ros_sam_core.model.lora import add_lora, has_lora, merge_lora
from ros_sam_core.model.ros_sam import PromptBatch, RosSam

RANK = 3


@pytest.fixture(params=["tiny", "vit_b"])
def model(request: pytest.FixtureRequest, small_vit_b) -> RosSam:
    torch.manual_seed(0)
    small = replace(sam_config("vit_b", hq=True), input_px=256)  # 16 x 16 tokens: two windows a side
    model = RosSam(tiny_config() if request.param == "tiny" else small)
    with torch.no_grad():  # SAM's positions start at zero
        for name, parameter in model.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                nn.init.normal_(parameter, std=0.5)
    return model.eval()


def image_of(config: ModelConfig) -> Tensor:
    return (
        torch.rand(1, 3, config.input_px, config.input_px, generator=torch.Generator().manual_seed(1)) * 255
    )


def outputs(model: RosSam) -> dict[str, Tensor]:
    with torch.no_grad():
        embedding = model.encode(image_of(model.config))
        decoded = model.decode(embedding, PromptBatch(boxes=torch.tensor([[20.0, 30.0, 120.0, 90.0]])))
    assert decoded.hq is not None
    return {"embedding": embedding.final, "hq": decoded.hq, "sam": decoded.sam}


def train_a_little(model: RosSam, parameters: list[nn.Parameter]) -> None:
    """Take steps large enough to move B far from zero."""
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    model.train()
    for _ in range(2):
        final = model.encode(image_of(model.config)).final
        optimizer.zero_grad()
        (final * torch.randn(final.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
        optimizer.step()
    model.eval()


def base_name(name: str) -> str:
    """A weight's name in the model without peft."""
    return (
        name.replace("base_model.model.", "")
        .replace(".base_layer.", ".")
        .replace(".modules_to_save.default.", ".")
        .replace(".original_module.", ".")
    )


def test_adapters_change_nothing_before_training(model: RosSam) -> None:
    before = outputs(model)
    add_lora(model, RANK)
    after = outputs(model)
    for name, value in before.items():
        assert torch.equal(after[name], value), name


def test_exactly_the_methods_weights_train(model: RosSam) -> None:
    last = len(model.image_encoder.blocks) - 1
    in_last = {f"blocks.{last}.{name}" for name, _ in model.image_encoder.blocks[last].named_parameters()}
    trainable = {id(parameter) for parameter in add_lora(model, RANK)}
    names = {base_name(name) for name, p in model.image_encoder.named_parameters() if id(p) in trainable}
    adapters = {
        f"blocks.{index}.attn.{part}.lora_{matrix}.default.weight"
        for index in range(last)
        for part in "qv"
        for matrix in "AB"
    }
    assert names == in_last | adapters
    assert {id(p) for p in model.image_encoder.parameters() if p.requires_grad} == trainable
    assert all(
        p.requires_grad for p in [*model.prompt_encoder.parameters(), *model.mask_decoder.parameters()]
    )


def test_a_and_b_start_as_the_method_says(model: RosSam) -> None:
    add_lora(model, RANK)
    for name, parameter in model.image_encoder.named_parameters():
        if "lora_A" in name:
            # Kaiming-uniform with a = sqrt(5) is uniform within +-1 / sqrt(fan_in).
            bound = 1 / math.sqrt(parameter.shape[1])
            assert parameter.shape[0] == RANK
            assert 0.8 * bound < parameter.abs().max() <= bound
        if "lora_B" in name:
            assert not parameter.any()


def test_training_leaves_the_frozen_weights_alone(model: RosSam) -> None:
    last = len(model.image_encoder.blocks) - 1
    before = {name: value.clone() for name, value in model.image_encoder.state_dict().items()}
    train_a_little(model, add_lora(model, RANK))
    moved = set()
    for name, value in model.image_encoder.state_dict().items():
        if "lora_" in name or ".original_module." in name:
            continue
        if not torch.equal(value, before[base_name(name)]):
            moved.add(base_name(name))
    assert moved
    assert all(name.startswith(f"blocks.{last}.") for name in moved)
    assert {f"blocks.{last}.mlp.lin1.weight", f"blocks.{last}.attn.q.weight"} <= moved


def test_merging_is_exact(model: RosSam) -> None:
    untrained = outputs(model)
    names = set(model.state_dict())
    train_a_little(model, add_lora(model, RANK))
    adapted = outputs(model)
    merged = outputs(merge_lora(model))
    for name, value in adapted.items():
        scale = value.abs().max()
        assert (value - untrained[name]).abs().max() > 0.01 * scale, f"{name}: training moved nothing"
        assert (merged[name] - value).abs().max() <= 1e-4 * scale, name
    assert set(model.state_dict()) == names
    assert not has_lora(model)


def test_merged_weight_is_w_plus_ba(model: RosSam) -> None:
    train_a_little(model, add_lora(model, RANK))
    layer = model.image_encoder.base_model.model.blocks[0].attn.v
    a, b = layer.lora_A.default.weight.detach().clone(), layer.lora_B.default.weight.detach().clone()
    weight = layer.base_layer.weight.detach().clone()
    merge_lora(model)
    torch.testing.assert_close(model.image_encoder.blocks[0].attn.v.weight, weight + b @ a)


def test_merging_twice_is_merging_once(model: RosSam) -> None:
    train_a_little(model, add_lora(model, RANK))
    once = {name: value.clone() for name, value in merge_lora(model).state_dict().items()}
    twice = merge_lora(model).state_dict()
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_merged_model_is_saved_and_can_be_adapted_again(model: RosSam, tmp_path: Path) -> None:
    train_a_little(model, add_lora(model, RANK))
    expected = outputs(merge_lora(model))
    save_checkpoint(model, tmp_path / "tuned.safetensors")
    loaded = load_checkpoint(tmp_path / "tuned.safetensors").model
    add_lora(loaded, RANK)
    for name, value in outputs(loaded).items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)


def test_refusals(model: RosSam) -> None:
    for rank in (0, 10_000):
        with pytest.raises(InvalidParameter, match=f"rank is {rank}"):
            add_lora(model, rank)
    add_lora(model, RANK)
    with pytest.raises(LoraStateInvalid, match="already"):
        add_lora(model, RANK)


def test_peft_waits_until_lora_is_added() -> None:
    code = "import sys, ros_sam_core.model.checkpoints, ros_sam_core.model.lora; print('peft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
