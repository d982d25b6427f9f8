"""Embeddings kept between clicks, in memory and on disk, least recently used gone first."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.windows import digest_of
from ros_sam_core.model.backend import ArrayEmbedding

MEGABYTE = 1_000_000
ABANDONED_S = 3600
"""A file that is still being written after so long is of a process that was killed."""


@dataclass(frozen=True)
class CacheOptions:
    """How much is kept, and where.

    Attributes:
        memory_mb: Most megabytes in memory; 0 keeps nothing.
        disk_mb: Most megabytes on disk; 0 keeps nothing.
        folder: On disk; by default `embeddings` in `ROS_SAM_CACHE` or in the user's cache folder.
    """

    memory_mb: int = 512
    disk_mb: int = 512
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.memory_mb < 0 or self.disk_mb < 0:
            raise InvalidParameter(f"memory_mb={self.memory_mb}, disk_mb={self.disk_mb}: give 0 or more")

    def place(self) -> Path:
        """Return the folder on disk."""
        if self.folder is not None:
            return self.folder
        root = os.environ.get("ROS_SAM_CACHE")
        return (Path(root) if root else user_cache_path("ros-sam", appauthor=False)) / "embeddings"


def embedding_key(pixels: NDArray[np.uint8], weights: str, input_px: int) -> str:
    """Return the name of an embedding: which pixels `[n, n, 3]`, and which weights saw them at what size.

    Files may change without a trace, and servers tell nothing; the pixels themselves cannot be mistaken.
    """
    return digest_of(pixels.shape, pixels.tobytes(), weights, input_px)


class EmbeddingCache:
    """Embeddings by key, in half precision: one embedding is the same before and after it was kept.

    A file that is damaged or cannot be written counts as not there; the embedding is made again.
    """

    def __init__(self, options: CacheOptions) -> None:
        self.options = options
        self._kept: OrderedDict[str, ArrayEmbedding] = OrderedDict()
        self._bytes = 0
        self._folder = options.place() if options.disk_mb else None
        self._disk_bytes: int | None = None

    def __len__(self) -> int:
        """Return how many embeddings are in memory."""
        return len(self._kept)

    def __contains__(self, key: str) -> bool:
        """Say whether the embedding of a key is in memory."""
        return key in self._kept

    def get(self, key: str) -> ArrayEmbedding | None:
        """Return the embedding of a key, from memory or from disk, or None."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._read(key)
        if found is not None:
            self._remember(key, found)
        return found

    def put(self, key: str, embedding: ArrayEmbedding) -> None:
        """Keep an embedding; the oldest go where room is needed."""
        self._remember(key, embedding)
        self._write(key, embedding)

    def clear(self) -> None:
        """Forget what is in memory."""
        self._kept.clear()
        self._bytes = 0

    def _remember(self, key: str, embedding: ArrayEmbedding) -> None:
        if key in self._kept:
            self._bytes -= _size(self._kept.pop(key))
        self._kept[key] = embedding
        self._bytes += _size(embedding)
        while self._kept and self._bytes > self.options.memory_mb * MEGABYTE:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def _file(self, key: str) -> Path | None:
        return self._folder / key[:2] / f"{key}.safetensors" if self._folder else None

    def _read(self, key: str) -> ArrayEmbedding | None:
        file = self._file(key)
        if file is None:
            return None
        try:
            tensors = load_file(file)
            os.utime(file)
            final = tensors.pop("final")
            return ArrayEmbedding(final, tuple(tensors[f"early{i}"] for i in range(len(tensors))))
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError):
            with contextlib.suppress(OSError):
                file.unlink()
            return None

    def _write(self, key: str, embedding: ArrayEmbedding) -> None:
        file = self._file(key)
        if file is None:
            return
        tensors = {
            "final": embedding.final,
            **{f"early{i}": e for i, e in enumerate(embedding.early)},
        }
        data = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as partial:
                try:
                    partial.write(data)
                    partial.close()
                    os.replace(partial.name, file)
                except BaseException:
                    os.unlink(partial.name)
                    raise
            self._trim(len(data))

    def _trim(self, added: int) -> None:
        """Remove the files not used for longest, where the cap is passed, down to nine tenths of it.

        The folder is looked through once, and again only when what was added since passes the cap.
        """
        cap = self.options.disk_mb * MEGABYTE
        if self._disk_bytes is not None and self._disk_bytes + added <= cap:
            self._disk_bytes += added
            return
        self._sweep()
        files = sorted(self._stats("??/*.safetensors"))
        total = sum(size for _, size, _ in files)
        for _, size, file in files if total > cap else ():
            if total <= 0.9 * cap:
                break
            with contextlib.suppress(OSError):
                file.unlink()
            total -= size
        self._disk_bytes = total

    def _sweep(self) -> None:
        """Remove what processes that were killed had begun to write."""
        long_ago = (time.time() - ABANDONED_S) * 1e9
        for changed, _, file in self._stats("??/.*"):
            if changed < long_ago:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _stats(self, pattern: str) -> Iterator[tuple[int, int, Path]]:
        assert self._folder is not None
        for file in self._folder.glob(pattern):
            with contextlib.suppress(OSError):
                stat = file.stat()
                yield stat.st_mtime_ns, stat.st_size, file


def _size(embedding: ArrayEmbedding) -> int:
    return sum(part.nbytes for part in (embedding.final, *embedding.early))
