"""A run that is killed, or that finds the disk full, goes on to the same weights; several processes agree."""

import json
import os
import re
import resource
import signal
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from labelled import write_labels
from training_runs import command, largest_difference, run, weights, write_config

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from training.configfile import load_config
from training.readers import DatasetSpec
from training.state import changes, config_json, read_state, write_state
from training.train import main
from training.tuning import build_model


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def kill_at(config, step):
    """Start a run and kill it as soon as its log tells this step."""
    log = config.with_suffix("") / "log.jsonl"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command("--config", config), env=environment, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            if log.exists() and len(log.read_text().splitlines()) >= step:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        told = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, told


def test_a_killed_run_ends_in_the_weights_of_an_unbroken_one(tmp_path):
    """Killed between checkpoints, so that steps are lost; 20 steps in all."""
    top = "log_every = 1\nsave_every = 3"
    whole, broken = (write_config(tmp_path, name, 20, top) for name in ("whole", "broken"))
    kill_at(broken, 8)
    assert not (tmp_path / "broken" / "small.safetensors").exists()
    done = run("--config", broken)
    assert done.returncode == 0 and "resumed" in done.stderr, done.stderr
    assert main(["--config", str(whole), "--threads", "1"]) == 0
    assert largest_difference(weights(tmp_path / "whole"), weights(tmp_path / "broken")) <= 1e-6


def test_a_run_killed_between_its_last_checkpoint_and_the_look_at_it_is_looked_at(tmp_path):
    labels = write_labels(tmp_path)
    config = write_config(tmp_path, "run", 2)
    changes = ["--set", f'data.coco=["{labels}"]', "--set", "data.aside=0.34"]
    assert main(["--config", str(config), *changes]) == 0
    log = tmp_path / "run" / "log.jsonl"
    *before, look = log.read_text().splitlines()
    assert "box" in json.loads(look)
    log.write_text("".join(f"{line}\n" for line in before) + '{"step": 1, "lo\n')
    for _ in range(2):
        assert main(["--config", str(config), *changes]) == 0
        lines = log.read_text().splitlines()
        assert lines[:-2] == before and lines[-1] == look


def test_two_processes_agree_with_one(tmp_path):
    """The same 4 images a step, in one go and in 2 processes x 2 parts; rates that move the weights far."""
    top = "batch = 4\nwarmup = 0\nlr = 1e-3\neps = 1e-6\nsave_every = 5\nema = 0.0\nseed = 3"
    one, two = (write_config(tmp_path, name, 5, top) for name in ("one", "two"))
    assert main(["--config", str(one)]) == 0
    done = run("--config", two, "--processes", 2, "--set", "accumulate=2")
    assert done.returncode == 0, done.stderr
    a, b = (weights(tmp_path / name) for name in ("one", "two"))
    assert largest_difference(a, b) <= 1e-4
    assert largest_difference(dict(build_model(load_config(one))[0].state_dict()), a) > 3e-3


def test_a_full_disk_is_named_and_the_last_state_kept(tmp_path):
    config = write_config(tmp_path, "full", 4)
    assert main(["--config", str(config), "--steps", "2"]) == 0
    kept = (tmp_path / "full" / "state.pt").read_bytes()

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run("--config", config, preexec_fn=small_files)
    assert done.returncode == 2
    assert "cannot write the state of step 4" in done.stderr and "Make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "full" / "state.pt").read_bytes() == kept
    assert not list((tmp_path / "full").glob("*.partial"))
    assert main(["--config", str(config)]) == 0
    assert load_checkpoint(tmp_path / "full" / "small.safetensors").metadata["steps"] == "4"


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_is_corrupt_when_it_is_drawn_ends_the_run(workers, tmp_path):
    """In a loader's process too, which takes no notice of the signals that would end it."""
    config, labels = write_config(tmp_path, "run"), write_labels(tmp_path, 2)
    for image in (tmp_path / "images").iterdir():
        image.write_bytes(image.read_bytes()[:400])
    fields = [f'sets=[{{layout="coco", path="{labels}", verify=false}}]', f"workers={workers}", "aside=0.0"]
    changes = [part for f in [*fields, "procedural_share=0.0"] for part in ("--set", f"data.{f}")]
    done = run("--config", config, *changes, timeout=180)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    told = done.stderr.splitlines()[-1]
    assert re.search(r"^[\d:]+ \S+/images/\d\.png cannot be read as an image: ", told), done.stderr


def test_logs_that_cannot_be_written_do_not_end_a_run(tmp_path, caplog):
    """TensorBoard's place is a file from the beginning; the log's becomes a folder in a later run."""
    config = write_config(tmp_path, "mute", 4, "log_every = 1")
    folder = tmp_path / "mute"
    folder.mkdir()
    (folder / "tensorboard").touch()
    assert main(["--config", str(config), "--steps", "2"]) == 0
    assert caplog.text.count("mute/tensorboard cannot be written (") == 1
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
    caplog.clear()
    (folder / "log.jsonl").unlink()
    (folder / "log.jsonl").mkdir()
    assert main(["--config", str(config)]) == 0
    assert caplog.text.count("mute/log.jsonl cannot be written (") == 1
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == 4


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path, caplog):
    config = write_config(tmp_path, "x")
    (tmp_path / "file").touch()
    assert main(["--config", str(config), "--output", str(tmp_path / "file" / "run")]) == 2
    assert "file/run, which cannot be made: " in caplog.text and "name another" in caplog.text
    cache = tmp_path / "file" / "scenes"
    for kind, other in (("procedural", "simulated"), ("simulated", "procedural")):
        fields = (f"cache={cache}", f"{kind}=1", f"{kind}_share=1.0", f"{other}=0", f"{other}_share=0.0")
        changes = [part for field in fields for part in ("--set", f"data.{field}")]
        assert main(["--config", str(config), *changes]) == 2
    assert caplog.text.count(f"data.cache is {cache}, which cannot be made") == 2


@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)]
)
def test_a_stopped_group_saves_and_the_same_command_goes_on(number, processes, tmp_path):
    """Ctrl-C in a terminal and a batch system's SIGTERM reach the data loader's process too."""
    config = write_config(tmp_path, "stopped", 200, "log_every = 1\nsave_every = 1000")
    log = tmp_path / "stopped" / "log.jsonl"
    asked = command("--config", config, "--set", "data.workers=1", "--processes", processes)
    with subprocess.Popen(asked, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (log.exists() and log.read_text()):
            time.sleep(0.01)
        os.killpg(process.pid, number)
        told = process.communicate()[1].decode()
    assert process.returncode == 130 and "the same command goes on" in told and "Traceback" not in told, told
    step = torch.load(tmp_path / "stopped" / "state.pt", weights_only=True)["step"]
    assert step == json.loads(log.read_text().splitlines()[-1])["step"] < 200
    assert main(["--config", str(config), "--set", "data.workers=1", "--steps", str(step + 1)]) == 0


def test_another_configuration_cannot_go_on(tmp_path, caplog):
    config = write_config(tmp_path, "run", 2)
    assert main(["--config", str(config)]) == 0
    assert main(["--config", str(config), "--set", "seed=5", "--set", "batch=4"]) == 2
    assert "seed was 0 and is 5; batch was 2 and is 4" in caplog.text


def changed(config, **values):
    """Return a configuration with fields replaced; `data__aside` is the aside of its data."""
    for name, value in values.items():
        part, _, leaf = name.rpartition("__")
        new = {part: replace(getattr(config, part), **{leaf: value})} if part else {leaf: value}
        config = replace(config, **new)
    return config


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("lr", 1.0, "lr was 0.0005 and is 1.0"),
        ("ema", 0.5, "ema was 0.999 and is 0.5"),
        ("precision", "bf16", "precision was 'no' and is 'bf16'"),
        ("loss__hq", 0.5, "loss.hq was 1.0 and is 0.5"),
        ("jitter__near", (1.0, 2.0), "jitter.near was [1.4, 3.0] and is [1.0, 2.0]"),
        ("frames__pad", 0, "frames.pad was 144 and is 0"),
        ("data__procedural", 3, "data.procedural was 2 and is 3"),
        ("data__classes", ("ship",), "data.classes was [] and is ['ship']"),
    ],
)
def test_what_shapes_the_weights_cannot_change(field, value, told, tmp_path):
    config = load_config(write_config(tmp_path))
    write_state(tmp_path / "state.pt", {"step": 1, "config": config_json(config)})
    assert read_state(tmp_path / "state.pt", config)
    with pytest.raises(ConfigInvalid, match=re.escape(f"another configuration: {told}. Choose")):
        read_state(tmp_path / "state.pt", changed(config, **{field: value}))


def test_what_does_not_shape_the_weights_may_change(tmp_path):
    """Where it writes, how long it goes on, how it fits into memory, what it tells."""
    config = load_config(write_config(tmp_path))
    stored = DatasetSpec("release", "data")
    config = changed(config, data__sets=(stored,))
    told = json.loads(config_json(config))
    other = changed(config, data__workers=3, data__cache="x", data__sets=(replace(stored, in_memory=True),))
    top = {"output": "x", "steps": 9, "epochs": 2.0, "accumulate": 2, "export": "both", "not_finite": "skip"}
    assert not changes(told, replace(other, **top, save_every=1, validate_every=1, log_every=1))
    other = changed(config, data__sets=(replace(stored, path="other"),))
    assert changes(told, other) == ["data.sets[0].path was 'data' and is 'other'"]
    del told["jitter"]["photometric"]  # written before there was this field
    assert not changes(told, config)


def test_a_state_whose_parameters_are_grouped_otherwise_is_named(tmp_path, caplog):
    config = str(write_config(tmp_path, steps=2))
    assert main(["--config", config]) == 0
    path = tmp_path / "run" / "state.pt"
    state = torch.load(path, weights_only=True)
    state["optimizers"][0]["param_groups"].pop()
    torch.save(state, path)
    assert main(["--config", config, "--steps", "4"]) == 2
    assert f"{path} is of another version of this program" in caplog.text
