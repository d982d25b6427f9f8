"""A run that is killed, or that finds the disk full, goes on to the same weights; several processes agree."""

import json
import os
import resource
import signal
import subprocess
import time

import pytest
import torch
from training_runs import command, largest_difference, run, weights, write_config

from ros_sam_core.model.checkpoints import load_checkpoint
from training.configfile import load_config
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_group_saves_and_the_same_command_goes_on(number, tmp_path):
    """Ctrl-C in a terminal and a batch system's SIGTERM reach the data loader's process too."""
    config = write_config(tmp_path, "stopped", 200, "log_every = 1\nsave_every = 1000")
    log = tmp_path / "stopped" / "log.jsonl"
    asked = command("--config", config, "--set", "data.workers=1")
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
