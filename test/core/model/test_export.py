"""ONNX: the same masks as torch, graphs that fit their weights, and a runtime that needs no torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from ros_sam_core.errors import (
    Cancelled,
    CheckpointMismatch,
    CheckpointUnreadable,
    ExportFailed,
    InvalidParameter,
)
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import PixelPrompt
from ros_sam_core.model.backend import ArrayPrompts
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.config import CropPolicy, ModelConfig, TinySize, sam_config
from ros_sam_core.model.export import export_graphs, export_model
from ros_sam_core.model.graphs import find_graphs
from ros_sam_core.model.onnx_backend import OnnxBackend, tokens
from ros_sam_core.model.opening import open_model
from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from ros_sam_core.model.torch_backend import TorchBackend
from ros_sam_core.model.zoo import ZOO
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crop import crop_around
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene

BUNDLED = [entry.name for entry in ZOO.values() if entry.bundled]
MINI = ModelConfig(
    arch="tiny",
    input_px=64,
    crop=CropPolicy(kind="scaled", scale=2, min_px=16, click_px=(32,)),
    tiny=TinySize((16, 16, 16, 32), (1, 1, 1), 1, 2, 32, 64),
    name="mini",
)


@pytest.fixture(scope="module")
def mini() -> RosSam:
    torch.manual_seed(0)
    return RosSam(MINI).eval()


@pytest.fixture(scope="module")
def export(mini: RosSam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(mini, tmp_path_factory.mktemp("export") / "mini", {"note": "kept"})


def copied(export: Path, to: Path) -> Path:
    """Copy an export, so that its weights can be others."""
    return shutil.copytree(export, to / "copy")


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_graphs_give_torchs_masks_of_bundled_weights(name: str) -> None:
    """Fails when graphs and weights do not fit; `make graphs` writes them anew."""
    onnx, reference = (
        Segmenter.from_pretrained(name, cache=CacheOptions(disk_mb=0), runtime=runtime)
        for runtime in ("onnx", "torch")
    )
    assert (onnx.name, onnx.weights) == (reference.name, reference.weights)
    scene = make_scene(5, shape=(320, 320), kind="airport", object_px=(16, 60))
    frame, policy = ArrayFrame(scene.rgb, Grid((320, 320))), onnx.predictor.model.config.crop
    requests = []
    for i, one in enumerate(scene.instances[:9]):
        centre = tuple(one.polygon.representative_point().coords[0])
        beside = (one.box[0] - 2, one.box[1] - 2)
        prompt = (
            PixelPrompt(f"{i}", box=one.box),
            PixelPrompt(f"{i}", (centre,), (1,)),
            PixelPrompt(f"{i}", (centre, beside), (1, 0), one.box),
        )[i % 3]
        requests.append((crop_around(one.box, policy, frame.grid), prompt))
    looks = zip(onnx.predictor.look(frame, requests), reference.predictor.look(frame, requests), strict=True)
    for mine, wanted in looks:
        a, b = mine.logits > 0, wanted.logits > 0
        assert (a & b).sum() / max(1, (a | b).sum()) >= 0.99
        assert mine.iou == pytest.approx(wanted.iou, abs=1e-3)
    crop, xy = requests[0][0], np.array([requests[0][1].box[:2], requests[0][1].box[2:]])
    for mine, wanted in zip(
        onnx.predictor.sketch(frame, crop, xy), reference.predictor.sketch(frame, crop, xy), strict=True
    ):
        np.testing.assert_allclose(mine, wanted, atol=0.05)


def test_tokens_are_those_of_the_model() -> None:
    rng = np.random.default_rng(0)
    xy, labels = rng.uniform(0, 64, (3, 2, 2)).astype(np.float32), np.array([[1, 0]] * 3)
    boxes = rng.uniform(0, 64, (3, 4)).astype(np.float32)
    for prompts in (ArrayPrompts(xy, labels), ArrayPrompts(boxes=boxes), ArrayPrompts(xy, labels, boxes)):
        given = (prompts.points, prompts.labels, prompts.boxes)
        points, signs, corners = (None if part is None else torch.from_numpy(part) for part in given)
        wanted = PromptBatch(points=points, labels=signs, boxes=corners).tokens()
        assert wanted is not None
        for mine, theirs in zip(tokens(prompts), wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs.numpy())


@pytest.mark.parametrize("head", ["hq", "sam"])
def test_both_heads_and_any_number_of_prompts(mini: RosSam, export: Path, head: str) -> None:
    files = find_graphs(export)
    assert files is not None
    onnx, reference = OnnxBackend(files), TorchBackend(mini)
    for backend in (onnx, reference):
        backend.config = ModelConfig(**{**vars(MINI), "head": head})
    rng = np.random.default_rng(1)
    embedding = reference.encode(rng.uniform(0, 255, (5, 3, 64, 64)).astype(np.float32))
    for count, multimask in ((1, True), (4, False)):
        prompts = ArrayPrompts(
            rng.uniform(0, 64, (5, count, 2)).astype(np.float32), np.ones((5, count), np.int64)
        )
        mine = onnx.decode(embedding, prompts, multimask=multimask)
        for a, b in zip(mine, reference.decode(embedding, prompts, multimask=multimask), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-3)


def test_any_runtime_opens_an_export_as_it_is(mini: RosSam, export: Path) -> None:
    session = onnxruntime.InferenceSession(str(export / "encoder.onnx"))
    images = np.random.default_rng(2).uniform(0, 255, (2, 3, 64, 64)).astype(np.float32)
    final = session.run(["final"], {"images": images})[0]
    with torch.inference_mode():
        np.testing.assert_allclose(final, mini.encode(torch.from_numpy(images)).final, atol=1e-3)
    assert load_checkpoint(export / "weights.safetensors").metadata == {"note": "kept"}
    for runtime in ("onnx", "torch"):
        opened = open_model(export, runtime=runtime)
        assert (opened.name, opened.backend.name) == ("mini", runtime)


def test_other_weights_of_the_architecture_fit_and_others_do_not(
    mini: RosSam, export: Path, tmp_path: Path
) -> None:
    folder = copied(export, tmp_path)
    torch.manual_seed(1)
    other = RosSam(MINI).eval()
    with torch.no_grad():  # the graphs are of a model in which many weights are equal, all 0 or all 1
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    save_checkpoint(other, folder / "weights.safetensors", torch.float16, {"longer": "header" * 50})
    files = find_graphs(folder)
    assert files is not None
    images = np.random.default_rng(3).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    wanted = open_model(folder, runtime="torch").backend.encode(images)
    np.testing.assert_allclose(OnnxBackend(files).encode(images).final, wanted.final, atol=1e-2)
    tensors = load_file(folder / "weights.safetensors")
    name = next(name for name in tensors if name.endswith("iou_token.weight"))
    tensors[name] = tensors[name][:, :-1].copy()
    save_file(tensors, folder / "weights.safetensors", {"ros_sam_config": MINI.to_json()})
    assert find_graphs(folder) is None
    with pytest.raises(InvalidParameter, match="no ONNX graphs"):
        open_model(folder, runtime="onnx")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_types_that_onnx_does_not_read_go_to_torch(
    mini: RosSam, export: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    folder = copied(export, tmp_path)
    tensors = {name: value.to(dtype) for name, value in mini.state_dict().items()}
    save_torch_file(tensors, folder / "weights.safetensors", {"ros_sam_config": MINI.to_json()})
    assert open_model(folder).backend.name == "torch"
    with pytest.raises(InvalidParameter, match="no ONNX graphs"):
        open_model(folder, runtime="onnx")


def test_what_torch_refuses_has_no_graphs(export: Path, tmp_path: Path) -> None:
    folder = copied(export, tmp_path)
    tensors = load_file(folder / "weights.safetensors") | {"more": np.zeros(1, np.float32)}
    save_file(tensors, folder / "weights.safetensors", {"ros_sam_config": MINI.to_json()})
    with pytest.raises(CheckpointMismatch, match="1 not expected: more"):
        open_model(folder)
    with pytest.raises(InvalidParameter, match="no ONNX graphs"):
        open_model(folder, runtime="onnx")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_weights_that_are_no_numbers_are_refused_by_both(
    export: Path, tmp_path: Path, runtime: Literal["onnx", "torch"], value: float
) -> None:
    folder = copied(export, tmp_path)
    tensors = load_file(folder / "weights.safetensors")
    tensors["mask_decoder.iou_token.weight"][0, 3] = value
    save_file(tensors, folder / "weights.safetensors", {"ros_sam_config": MINI.to_json()})
    with pytest.raises(CheckpointUnreadable, match=r"not finite: mask_decoder\.iou_token\.weight;"):
        open_model(folder, runtime=runtime)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_may_read_what_an_export_holds(mini: RosSam, tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    made = list(export_model(mini, tmp_path / "export").iterdir())
    assert {path.stat().st_mode for path in made} == {usual.stat().st_mode}


def test_large_models_are_not_exported() -> None:
    with torch.device("meta"):
        model = RosSam(sam_config("vit_b"))
    with pytest.raises(ExportFailed, match="vit_b is not exported"):
        export_graphs(model)


def test_what_runs_is_broken_off_at_once_and_can_be_done_again() -> None:
    files = find_graphs(ZOO["ros-sam-tiny"].path)
    assert files is not None
    backend, images = OnnxBackend(files), np.zeros((1, 3, 192, 192), np.float32)
    reason: list[Exception] = []

    def check() -> None:
        if reason:
            raise reason[0]

    def interrupt() -> None:
        while backend._running is None:
            time.sleep(0.0005)
        reason.append(Cancelled("enough"))
        stop()

    stop = backend.interruptible(check)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Cancelled, match="enough"):
        for _ in range(50):
            backend.encode(images)
    thread.join()
    reason.clear()
    assert backend.encode(images).final.shape == (1, 192, 12, 12)


WITHOUT_TORCH = """
import sys
for name in ("torch", "peft", "segment_anything"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if sys.modules.get(name, 0) is None else found(name, *a)
import json
from ros_sam_core.errors import RosSamError
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core import Segmenter, Prompt, Grid, ArrayFrame
from ros_sam_core.synthetic import make_scene
scene = make_scene(5, shape=(160, 160), kind="airport", object_px=(16, 60))
frame = ArrayFrame(scene.rgb, Grid((160, 160)))
told = []
for model in sys.argv[1:]:
    try:
        segmenter = Segmenter.from_pretrained(model, cache=CacheOptions(disk_mb=0))
        found = segmenter.segment(frame, [Prompt(id="a", box=scene.instances[0].box)])
        told.append([segmenter.predictor.model.name, len(found)])
    except RosSamError as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


def test_without_torch_the_bundled_model_works_and_others_say_what_to_do(
    tmp_path: Path, mini: RosSam
) -> None:
    save_checkpoint(mini, tmp_path / "mini.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "mini.safetensors").read_bytes()[:1000])
    senseless = {"ros_sam_config": MINI.to_json().replace('"heads": 2', '"heads": 0')}
    save_file(load_file(tmp_path / "mini.safetensors"), tmp_path / "odd.safetensors", senseless)
    models = ["ros-sam-tiny", *(str(tmp_path / f"{name}.safetensors") for name in ("mini", "cut", "odd"))]
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *models],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    bundled, needs_torch, broken, odd = json.loads(run.stdout.splitlines()[-1])
    assert bundled == ["onnx", 1]
    assert needs_torch[0] == "LibraryMissing" and "ros-sam[torch]" in needs_torch[1]
    assert broken[0] == "CheckpointUnreadable"
    assert odd[0] == "ConfigInvalid" and "heads" in odd[1]
