"""Export a model to ONNX: four graphs that hold no weights of their own, beside one file of weights.

The weights are the external data of the graphs (the `external_data` of an ONNX initializer: file, offset,
length), and the file is a checkpoint of ours. So any ONNX runtime opens the folder, PyTorch reads the same
file, and other weights of the same architecture fit the same graphs: `model/onnx_backend.py` hands them over
by name.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ros_sam_core.errors import ExportFailed, LibraryMissing
from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.graphs import GRAPHS, MANIFEST, WEIGHTS, manifest_of
from ros_sam_core.model.ros_sam import PromptBatch, RosSam

if TYPE_CHECKING:
    import onnx

OPSET = 20
PREFIX = "model."
"""What a parameter's name in a graph has before its name in a checkpoint."""


class _Encoder(nn.Module):
    def __init__(self, model: RosSam) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        embedding = self.model.encode(images)
        return embedding.final, *embedding.early


class _Mask(nn.Module):
    """Logits of an earlier answer to the dense embedding of a prompt."""

    def __init__(self, model: RosSam) -> None:
        super().__init__()
        self.model = model

    def forward(self, logits: Tensor) -> Tensor:
        dense: Tensor = self.model.prompt_encoder._embed_masks(self.model.mask_prompt(logits))
        return dense


class _Decoder(nn.Module):
    """N prompts on as many embeddings, with every head."""

    def __init__(self, model: RosSam) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, final: Tensor, early0: Tensor, early1: Tensor, xy: Tensor, labels: Tensor, dense: Tensor
    ) -> Any:
        sparse, pe = _prompts(self.model, xy, labels)
        output = self.model.mask_decoder.decode(final, (early0, early1), pe, sparse, dense)
        return output.hq, output.sam, output.iou


class _Sketch(nn.Module):
    """N prompts on one embedding, with SAM's head alone."""

    def __init__(self, model: RosSam) -> None:
        super().__init__()
        self.model = model

    def forward(self, final: Tensor, xy: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        sparse, pe = _prompts(self.model, xy, labels)
        dense = self.model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        shared = final.expand(xy.shape[0], -1, -1, -1)
        output = self.model.mask_decoder.sketch(shared, pe, sparse, dense)
        return output.sam, output.iou


def _prompts(model: RosSam, xy: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    encoder = model.prompt_encoder
    return encoder._embed_tokens(xy, labels), encoder.get_dense_pe()


@dataclass(frozen=True)
class _Graph:
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    varying: dict[str, dict[int, str]]
    """Axes whose length is open, of inputs and outputs."""


def export_model(
    model: RosSam, folder: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> Path:
    """Write a model's graphs, weights and manifest into a folder, which is made; what is there is replaced.

    Args:
        model: In evaluation mode, on the CPU, float32.
        folder: Where to.
        metadata: What else the file of weights should say of itself.

    Returns:
        The folder.

    Raises:
        ExportFailed: The model is of a size that is not exported, or the folder cannot be written.
        LibraryMissing: The package `onnx` is not installed.
    """
    return _write(model, Path(folder), metadata, with_weights=True)


def write_graphs(model: RosSam, folder: str | os.PathLike[str]) -> Path:
    """Write graphs alone, for every checkpoint of the same architecture; see `export_model`."""
    return _write(model, Path(folder), None, with_weights=False)


def _write(model: RosSam, folder: Path, metadata: dict[str, str] | None, with_weights: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        graphs = export_graphs(model)
        if with_weights:
            save_checkpoint(model, folder / WEIGHTS, metadata=metadata)
        places = _places(folder / WEIGHTS) if with_weights else {}
        for name, graph in graphs.items():
            _point_at(graph, places)
            _replace(folder / f"{name}.onnx", graph.SerializeToString())
        _replace(folder / MANIFEST, manifest_of(model.config, _shapes(graphs)).encode())
    except OSError as error:
        raise ExportFailed(f"cannot write {folder}: {error}; choose another folder with -o") from error
    return folder


def export_graphs(model: RosSam) -> dict[str, onnx.ModelProto]:
    """Return the graphs of a model by name, weights inside.

    Raises:
        ExportFailed: The model is of a size that is not exported.
        LibraryMissing: The package `onnx` is not installed.
    """
    if model.config.arch != "tiny":
        raise ExportFailed(
            f"the architecture {model.config.arch} is not exported; only small models (arch 'tiny') are, and "
            "SAM's sizes run with PyTorch"
        )
    try:
        import onnx
    except ImportError as error:
        raise LibraryMissing("export needs the package onnx; pip install 'ros-sam[export]'") from error
    exported = {}
    for name, graph in _graphs(model).items():
        stream = io.BytesIO()
        with _quiet(), torch.no_grad():
            # The exporter that follows torch.export folds weights into others (a checkpoint's names are lost)
            # and takes ten times as long; this one keeps every parameter under its name.
            torch.onnx.export(
                graph.module.eval(),
                tuple(graph.inputs.values()),
                stream,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=OPSET,
                do_constant_folding=False,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_axes=graph.varying,
                # Otherwise tensors that happen to be equal become one, and other weights would not fit.
                keep_initializers_as_inputs=True,
            )
        proto = onnx.load_model_from_string(stream.getvalue())
        inputs = [one for one in proto.graph.input if one.name in graph.inputs]
        del proto.graph.input[:]
        proto.graph.input.extend(inputs)
        for node in proto.graph.node:
            node.ClearField("doc_string")
        exported[name] = proto
    return exported


def _graphs(model: RosSam) -> dict[str, _Graph]:
    side = model.config.input_px
    images = torch.zeros(2, 3, side, side)
    embedding = model.encode(images)
    early = {f"early{i}": part for i, part in enumerate(embedding.early)}
    prompts = PromptBatch(boxes=torch.zeros(2, 4))
    logits = model.decode(embedding, prompts).best("hq")[0]
    dense = model.prompt_encoder.embed(prompts)[1].contiguous()
    xy, labels = torch.full((2, 3, 2), side / 3), torch.ones(2, 3, dtype=torch.int64)
    tokens = {"xy": {0: "prompts", 1: "tokens"}, "labels": {0: "prompts", 1: "tokens"}}

    def by(axis: str, *names: str) -> dict[str, dict[int, str]]:
        return {name: {0: axis} for name in names}

    graphs = {
        "encoder": _Graph(
            _Encoder(model), {"images": images}, ("final", *early), by("images", "images", "final", *early)
        ),
        "mask": _Graph(_Mask(model), {"logits": logits}, ("dense",), by("prompts", "logits", "dense")),
        "decoder": _Graph(
            _Decoder(model),
            {"final": embedding.final, **early, "xy": xy, "labels": labels, "dense": dense},
            ("hq", "sam", "iou"),
            {**by("prompts", "final", *early, "dense", "hq", "sam", "iou"), **tokens},
        ),
        "sketch": _Graph(
            _Sketch(model),
            {"final": embedding.final[:1], "xy": xy, "labels": labels},
            ("sam", "iou"),
            {**by("prompts", "sam", "iou"), **tokens},
        ),
    }
    assert tuple(graphs) == GRAPHS
    return graphs


def _shapes(graphs: dict[str, onnx.ModelProto]) -> dict[str, dict[str, list[int]]]:
    """Return the tensors of a checkpoint that each graph uses, and their shapes."""
    return {
        name: {
            one.name.removeprefix(PREFIX): list(one.dims)
            for one in graph.graph.initializer
            if one.name.startswith(PREFIX)
        }
        for name, graph in graphs.items()
    }


def _point_at(graph: onnx.ModelProto, places: dict[str, tuple[int, int]]) -> None:
    """Turn a graph's weights into references to the file of weights; offset and length where known."""
    import onnx

    for one in graph.graph.initializer:
        if not one.name.startswith(PREFIX):
            continue
        one.ClearField("raw_data")
        one.data_location = onnx.TensorProto.EXTERNAL
        offset_length = places.get(one.name.removeprefix(PREFIX))
        told = {"location": WEIGHTS}
        if offset_length is not None:
            told |= {"offset": str(offset_length[0]), "length": str(offset_length[1])}
        for key, value in told.items():
            one.external_data.add(key=key, value=value)


def _places(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and length in bytes of each tensor of a safetensors file.

    Its header is JSON, after its own length as 8 bytes, little-endian; offsets count from its end.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: (8 + size + told["data_offsets"][0], told["data_offsets"][1] - told["data_offsets"][0])
        for name, told in header.items()
    }


def _replace(path: Path, data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        unfinished = Path(scratch) / path.name
        unfinished.write_bytes(data)
        unfinished.replace(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warnings that every export gives: shapes that are constants, and the exporter's age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit._trace.TracerWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield
