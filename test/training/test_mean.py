"""The mean of two models: one model between them."""

import torch
from training_runs import write_config

from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.ros_sam import RosSam
from training.configfile import load_config
from training.mean import main


def saved(path, config: ModelConfig, seed: int):
    torch.manual_seed(seed)
    save_checkpoint(RosSam(config), path)
    return str(path)


def test_every_weight_lies_between_its_two(tmp_path):
    config = load_config(write_config(tmp_path)).model
    a, b = (saved(tmp_path / f"{seed}.safetensors", config, seed) for seed in (1, 2))
    assert main([a, b, "--share", "0.25", "--output", str(tmp_path / "mean.safetensors")]) == 0
    first, second, mean = (load_checkpoint(p) for p in (a, b, tmp_path / "mean.safetensors"))
    assert mean.model.config == config and mean.metadata["share"] == "0.25"
    told = mean.model.state_dict()
    for name, value in second.model.state_dict().items():
        wanted = 0.75 * first.model.state_dict()[name] + 0.25 * value
        torch.testing.assert_close(told[name], wanted, atol=2e-3, rtol=2e-3, msg=name)  # half precision


def test_models_of_two_architectures_and_a_wrong_share_are_named(tmp_path, caplog):
    config = load_config(write_config(tmp_path)).model
    other = load_config(write_config(tmp_path), ["model.tiny.widths=[16, 16, 32, 64]"]).model
    a, b = saved(tmp_path / "a.safetensors", config, 1), saved(tmp_path / "b.safetensors", other, 2)
    out = tmp_path / "mean.safetensors"
    assert main([a, b, "--output", str(out)]) == 2 and "different architectures" in caplog.text
    assert main([a, a, "--share", "2", "--output", str(out)]) == 2 and "--share is 2.0" in caplog.text
    assert not out.exists()
