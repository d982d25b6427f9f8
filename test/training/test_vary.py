"""One change at a time: each row trains what it says, results are kept, the same command goes on."""

import json
from pathlib import Path

import pytest
import torch
from labelled import write_labels
from safetensors.torch import save_file
from training_runs import CONFIGS, SMALL

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from training.configfile import build_config
from training.state import config_json
from training.vary import as_markdown, figures, jobs, load_study, main, run_config, table_of

MODEL = SMALL[SMALL.index("[model.tiny]") :].split("\n", 1)[1]
TEXT = """
output = "{output}"
[train]
steps = 2
batch = 2
precision = "no"
validate_every = 100
[train.data]
coco = ["{labels}"]
aside = 0.34
workers = 0
[train.loss]
num_points = 64
rounds = 1
[train.model]
input_px = 64
[train.model.tiny]
{model}
[[rows]]
key = "plain"
title = "as it is"
[[rows]]
key = "exact"
title = "exact boxes"
change.box_noise = 0.0
change.loss = {{ foreground_weight = 2.0 }}
[[rows]]
key = "twice"
title = "trained twice"
after = "plain"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "vary.toml"
    path.write_text(TEXT.format(output=tmp_path / "out", labels=write_labels(tmp_path), model=MODEL))
    return path


def leave_result(study, row, *lines, steps=2):
    """Write what a training of a row leaves: its configuration, its result, and these lines of its log."""
    values = run_config(study, row, 0)
    folder = Path(values["output"])
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config_json(build_config(values, row.key)))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_file({"x": torch.zeros(1)}, folder / "result.safetensors", metadata={"steps": str(steps)})
    return folder


def test_a_row_changes_what_it_says_and_nothing_else(config):
    study = load_study(config)
    plain, exact = (build_config(run_config(study, row, 3), row.key) for row in study.rows[:2])
    assert (plain.box_noise, exact.box_noise) == (0.2, 0.0)
    assert exact.loss.foreground_weight == 2.0 and exact.loss.num_points == plain.loss.num_points == 64
    assert plain.seed == exact.seed == 3 and plain.output != exact.output
    assert plain.data == exact.data and plain.model == exact.model and plain.jitter == exact.jitter


def test_a_row_may_learn_from_another_row_s_result_and_be_moved_with_it(config, tmp_path):
    config.write_text(
        config.read_text().replace('after = "plain"', 'teacher = "plain"\nchange.distil = { share = 0.25 }')
    )
    study = load_study(config)
    for row in study.rows:
        leave_result(study, row, {"step": 2, "box": 0.5, "click": 0.4})
    twice = build_config(run_config(study, study.rows[2], 0), "twice")
    assert twice.distil.teacher == str(tmp_path / "out" / "plain" / "seed0" / "result.safetensors")
    assert twice.distil.share == 0.25
    assert not twice.base and not build_config(run_config(study, study.rows[0], 0), "plain").distil.teacher
    (tmp_path / "out").rename(tmp_path / "moved")
    assert main(["--config", str(config), "--output", str(tmp_path / "moved"), "--table"]) == 0
    config.write_text(config.read_text().replace('teacher = "plain"', 'teacher = "exact"'))
    assert main(["--config", str(config), "--output", str(tmp_path / "moved"), "--table"]) == 2


@pytest.mark.slow
def test_rows_are_trained_measured_and_kept(config, tmp_path, capsys):
    arguments = ["--config", str(config), "--threads", "1"]
    assert main([*arguments, "--budget-minutes", "0"]) == 130
    assert capsys.readouterr().out.count("not finished") == 3 * 4
    assert main(arguments) == 0
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [line["seeds"] for line in table] == [1, 1, 1]
    log = (tmp_path / "out" / "exact" / "seed0" / "log.jsonl").read_text().splitlines()
    measured = [json.loads(line) for line in log if '"box"' in line][-1]
    assert table[1]["box"]["mean"] == measured["box"]
    assert table[1]["box"]["gain"] == pytest.approx(table[1]["box"]["mean"] - table[0]["box"]["mean"])
    twice = load_checkpoint(tmp_path / "out" / "twice" / "seed0" / "result.safetensors")
    assert twice.metadata["base"].endswith("plain/seed0/result.safetensors")
    before = (tmp_path / "out" / "plain" / "seed0" / "result.safetensors").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (tmp_path / "out" / "plain" / "seed0" / "result.safetensors").stat().st_mtime_ns == before
    assert "| exact boxes | 1 |" in as_markdown(table_of(load_study(config)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('key = "exact"', 'key = "plain"', "row plain: another row has the same key"),
        ('after = "plain"', 'after = "later"', "row twice: after is 'later', which is no row before it"),
        ('after = "plain"', 'teacher = "later"', "row twice: teacher is 'later', which is no row before it"),
        ("change.box_noise = 0.0", "change.box_noise = -1.0", "row exact: box_noise is -1.0"),
        ("change.box_noise = 0.0", "change.box_nose = 0.0", "row exact: box_nose is no field"),
        ("aside = 0.34", "aside = 0.0", "rows are measured on images set aside"),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(config, old, new, told, tmp_path):
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(ConfigInvalid, match=told):
        load_study(config)
    assert main(["--config", str(config)]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "after", "taught"),
    [("vary-quick", ["pretrained"], []), ("vary-teacher", [], ["half", "most"])],
)
def test_the_studies_that_ship_are_valid(name, after, taught, tmp_path, monkeypatch):
    """On any machine: its labels are made up where the configuration looks for them."""
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)
    labels = Path("../shared/data/vhr10/train.json")
    labels.parent.mkdir(parents=True)
    labels.touch()
    study = load_study(CONFIGS / f"{name}.toml")
    assert [row.key for row in study.rows if row.after] == after
    configs = {row.key: build_config(run_config(study, row, 0), row.key).distil for row in study.rows}
    assert [key for key, distil in configs.items() if distil.teacher] == taught
    assert len({configs[key].share for key in taught}) == len(taught)


def test_a_result_that_was_not_looked_at_is_not_done(config, tmp_path):
    """Killed between the last checkpoint and the look at it, or the log was given up on a full disk."""
    study = load_study(config)
    plain, exact, twice = study.rows
    leave_result(study, plain, {"step": 1, "box": 0.9}, {"step": 2, "loss": 1.0}, steps=2)
    leave_result(study, exact, {"step": 2, "box": 0.4}, {"step": 1, "box": 0.9}, {"step": 2, "box": 0.5})
    (leave_result(study, twice) / "log.jsonl").unlink()
    assert [figures(study, row, 0) for row in study.rows] == [None, {"box": 0.5}, None]
    assert [job.name for job in jobs(study)] == ["row plain, seed 0", "row twice, seed 0"]
    lines = table_of(study)
    assert [line["seeds"] for line in lines] == [0, 1, 0] and lines[1]["box"]["gain"] is None


def test_a_figure_that_the_first_row_lacks_has_no_gain(config):
    study = load_study(config)
    leave_result(study, study.rows[0], {"step": 2, "box": 0.5})
    leave_result(study, study.rows[1], {"step": 2, "box": 0.6, "box_movers": 0.4})
    line = table_of(study)[1]
    assert line["box"]["gain"] == pytest.approx(0.1) and line["box_movers"]["gain"] is None


def test_rows_that_were_trained_otherwise_are_named_and_no_table_is_made(config, tmp_path, caplog):
    study = load_study(config)
    for row in study.rows:
        leave_result(study, row, {"step": 2, "box": 0.5, "click": 0.4})
    assert main(["--config", str(config)]) == 0
    table = tmp_path / "out" / "table.json"
    table.unlink()
    text = config.read_text()
    config.write_text(text.replace("steps = 2", "steps = 3").replace("box_noise = 0.0", "box_noise = 0.1"))
    for only_table in ([], ["--table"]):
        caplog.clear()
        assert main(["--config", str(config), *only_table]) == 2
        assert "row plain, seed 0: steps was 2 and is 3 (in " in caplog.text
        assert "row exact, seed 0: steps was 2 and is 3; box_noise was 0.0 and is 0.1 (in " in caplog.text
        assert "Choose another output folder (--output), or delete" in caplog.text
    assert not table.exists()
    config.write_text(text.replace("validate_every = 100", "validate_every = 1"))
    assert main(["--config", str(config)]) == 0 and table.exists()
    (tmp_path / "out").rename(tmp_path / "moved")
    assert main(["--config", str(config), "--output", str(tmp_path / "moved"), "--table"]) == 0
