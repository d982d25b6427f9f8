"""Training: configurations, a short real run, and going on after an interruption."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from training.config import load_config
from training.datasets import CropDataset
from training.objective import step_loss
from training.train import Run, batches, learning_rate_factor, load_scenes, main, parameter_groups

SMALL = """
output = "{output}"
steps = {steps}
batch = 2
warmup = 2
save_every = 2
validate_every = 100
precision = "no"
[data]
procedural = 2
procedural_share = 1.0
workers = 0
[loss]
num_points = 256
rounds = 2
[model]
input_px = 64
name = "small"
[model.tiny]
widths = [16, 16, 32, 32]
convs = [1, 1, 1]
blocks = 1
heads = 2
decoder_dim = 64
decoder_mlp = 64
"""


@pytest.fixture
def small(tmp_path):
    def write(steps=4, name="run"):
        path = tmp_path / f"{name}.toml"
        path.write_text(SMALL.format(output=tmp_path / name, steps=steps))
        return path

    return write


def test_a_run_ends_in_a_model_that_can_be_opened(small, tmp_path):
    assert main(["--config", str(small())]) == 0
    loaded = load_checkpoint(tmp_path / "run" / "small.safetensors")
    assert loaded.model.config.input_px == 64 and loaded.metadata["steps"] == "4"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["steps"] == 4


def test_an_interrupted_run_ends_in_the_same_weights(small, tmp_path):
    main(["--config", str(small(4, "whole"))])
    broken = small(4, "broken")
    run = Run(load_config(broken))
    _, _, procedural = load_scenes(run.config)
    dataset = CropDataset(run.config, [], procedural, 8)
    for batch in batches(run, dataset):
        run.train_step(batch)
        if run.step == 2:
            run.save()
        if run.step == 3:  # the third step is lost, as by a kill
            break
    assert main(["--config", str(broken)]) == 0
    whole, resumed = (
        load_checkpoint(tmp_path / name / "small.safetensors").model for name in ("whole", "broken")
    )
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0, msg=name)


def test_a_few_steps_on_one_batch_bring_the_loss_down(small):
    torch.manual_seed(0)
    run = Run(load_config(small(200)))
    _, _, procedural = load_scenes(run.config)
    batch = torch.utils.data.default_collate(
        [CropDataset(run.config, [], procedural, 4)[i] for i in range(4)]
    )
    losses = [run.train_step(batch)["loss"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_every_part_of_the_model_is_trained(small):
    run = Run(load_config(small(1)))
    _, _, procedural = load_scenes(run.config)
    batch = torch.utils.data.default_collate(
        [CropDataset(run.config, [], procedural, 4)[i] for i in range(4)]
    )
    step_loss(run.model, batch, run.config.loss, rounds=2).loss.backward()
    idle = [name for name, p in run.model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # The residual blocks start as identities, so what leads into their last convolution waits for it.
    assert not [n for n in idle if not any(part in n for part in (".conv1.", ".norm1.", ".norm2."))]


def test_the_rate_warms_up_stays_and_falls_to_zero(small):
    config = load_config(small(100))
    rates = [learning_rate_factor(step, config) for step in range(101)]
    assert rates[0] == 0.5 and rates[1] == rates[60] == 1.0 and rates[100] == 0.0
    assert all(a >= b for a, b in pairwise(rates[60:]))


def test_tables_and_biases_are_not_decayed(small):
    run = Run(load_config(small(1)))
    decayed, free = parameter_groups(run.model, 0.1)
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert any(p is run.model.image_encoder.pos_embed for p in free["params"])


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(
        'output = "x"\nsteps = 0\nbatch = "many"\nlearning = 3\nprecision = "fp8"\n'
        '[data]\ncoco = ["missing.json"]\nprocedural_share = 2.0\n[model]\ninput_px = 100\n'
    )
    with pytest.raises(ConfigInvalid) as raised:
        load_config(path)
    text = str(raised.value)
    for part in ("batch is 'many'", "learning is no field", "input_px is 100"):
        assert part in text


def test_wrong_values_are_told_at_once(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('output = "x"\nsteps = 0\nprecision = "fp8"\n[data]\ncoco = ["missing.json"]\n')
    with pytest.raises(ConfigInvalid) as raised:
        load_config(path)
    for part in ("3 mistake(s)", "steps is 0", "precision is 'fp8'", "missing.json does not exist"):
        assert part in str(raised.value)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("steps = = 3")
    assert main(["--config", str(path)]) == 2
    with pytest.raises(ConfigInvalid, match=r"bad\.toml cannot be read as TOML"):
        load_config(path)
