"""The backend that computes with ONNX Runtime, without torch: small models on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults
from safetensors.numpy import load_file

from ros_sam_core.errors import CheckpointUnreadable
from ros_sam_core.model.backend import ArrayEmbedding, ArrayPrompts, Backend, Floats
from ros_sam_core.model.graphs import GRAPHS, GraphFiles, shorten

FAULTS = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NoSuchFile,
    faults.RuntimeException,
)
"""What ONNX Runtime raises; the classes have no root of their own."""
PAD, BOX_MIN, BOX_MAX = -1, 2, 3
"""Labels of tokens that are no points, as in `model/ros_sam.py`."""


class OnnxBackend(Backend):
    """Graphs of a model with the weights of a checkpoint.

    Args:
        files: Graphs, and weights that fit them.
        threads: Processor threads that compute; 0 takes one for each core.

    Raises:
        CheckpointUnreadable: The graphs or the weights are damaged, or weights are not finite.
    """

    name = "onnx"

    def __init__(self, files: GraphFiles, threads: int = 0) -> None:
        self.config = files.config
        self._check: Callable[[], None] = lambda: None
        self._running: onnxruntime.RunOptions | None = None
        weights = {name: part.astype(np.float32) for name, part in load_file(files.weights).items()}
        if broken := sorted(name for name, part in weights.items() if not np.isfinite(part).all()):
            raise CheckpointUnreadable(
                f"{files.weights} holds weights that are not finite: {shorten(broken)}; get it anew"
            )
        self._sessions = _open(files, weights, threads)
        side = files.config.embedding_px
        no_mask = weights["prompt_encoder.no_mask_embed.weight"].reshape(1, -1, 1, 1)
        self._no_mask = np.broadcast_to(no_mask, (1, no_mask.size, side, side))

    def encode(self, images: Floats) -> ArrayEmbedding:
        """Encode images one by one, which is as fast as together here; see `Backend.encode`."""
        parts = []
        for image in images:
            final, *early = self._run("encoder", {"images": image[None]})
            parts.append(ArrayEmbedding(_half(final), tuple(_half(part) for part in early)))
        return ArrayEmbedding.stack(parts)

    def decode(
        self, embedding: ArrayEmbedding, prompts: ArrayPrompts, *, multimask: bool = False
    ) -> tuple[Floats, Floats]:
        """Decode prompts; see `Backend.decode`."""
        xy, labels = tokens(prompts)
        early = {f"early{i}": part.astype(np.float32) for i, part in enumerate(embedding.early)}
        final = embedding.final.astype(np.float32)
        if prompts.masks is None:
            dense = np.repeat(self._no_mask, len(xy), axis=0)
        else:
            (dense,) = self._run("mask", {"logits": prompts.masks[:, None]})
        feeds: dict[str, NDArray[Any]] = {"final": final, **early, "xy": xy, "labels": labels, "dense": dense}
        hq, sam, iou = self._run("decoder", feeds)
        kept = slice(1, None) if multimask else slice(0, 1)
        sam, iou = sam[:, kept], iou[:, kept]
        best = iou.argmax(axis=1)
        rows = np.arange(len(best))
        sam, score = sam[rows, best], iou[rows, best].clip(0, 1)
        if self.config.head == "hq":
            return hq[:, 0], score
        return (sam if self.config.head == "sam" else sam + hq[:, 0]), score

    def sketch(self, embedding: ArrayEmbedding, prompts: ArrayPrompts) -> tuple[Floats, Floats]:
        """Decode by SAM's head alone; see `Backend.sketch`."""
        xy, labels = tokens(prompts)
        final = embedding.final.astype(np.float32)
        sam, iou = self._run("sketch", {"final": final, "xy": xy, "labels": labels})
        return sam, iou.clip(0, 1)

    def interruptible(self, check: Callable[[], None]) -> Callable[[], None]:
        """Have `check` called before each graph runs; a graph that runs is broken off by what is returned."""
        self._check = check

        def stop() -> None:
            running = self._running
            if running is not None:
                running.terminate = True

        return stop

    def _run(self, name: str, feeds: dict[str, NDArray[Any]]) -> list[Floats]:
        while True:
            options = self._running = onnxruntime.RunOptions()
            try:
                self._check()
                outputs: list[Floats] = self._sessions[name].run(None, feeds, options)
                return outputs
            except FAULTS:
                # Where it was broken off for a reason that `check` no longer sees, it is begun again.
                if not options.terminate:
                    raise
            finally:
                self._running = None


def tokens(prompts: ArrayPrompts) -> tuple[Floats, NDArray[np.int64]]:
    """Return coordinates `[N, T, 2]` and labels `[N, T]`: points, SAM's padding or box corners."""
    xy, labels = [], []
    if prompts.points is not None and prompts.labels is not None:
        xy.append(prompts.points)
        labels.append(prompts.labels)
        if prompts.boxes is None:
            xy.append(np.zeros_like(prompts.points[:, :1]))
            labels.append(np.full_like(prompts.labels[:, :1], PAD))
    if prompts.boxes is not None:
        corners = prompts.boxes.reshape(-1, 2, 2)
        xy.append(corners)
        labels.append(np.tile(np.array([BOX_MIN, BOX_MAX], np.int64), (len(corners), 1)))
    return np.concatenate(xy, 1).astype(np.float32), np.concatenate(labels, 1)


def _open(
    files: GraphFiles, weights: dict[str, Floats], threads: int
) -> dict[str, onnxruntime.InferenceSession]:
    sessions = {}
    for graph in GRAPHS:
        names = files.names[graph]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait sleep: an engine that is idle, or shares the machine, takes nothing from others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[name]) for name in names]
        options.add_external_initializers([f"model.{name}" for name in names], values)
        path = files.folder / f"{graph}.onnx"
        try:
            sessions[graph] = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        except FAULTS as error:
            raise CheckpointUnreadable(f"{path} is damaged, or does not fit its weights: {error}") from error
    return sessions


def _half(part: Floats) -> NDArray[np.float16]:
    return part.astype(np.float16)
