"""The embedding cache: what it keeps, what goes first, and what damage does to it."""

import os

import numpy as np
import pytest

from ros_sam_core.model.backend import ArrayEmbedding
from ros_sam_core.predict.cache import CacheOptions, EmbeddingCache, embedding_key


def embedding(value: float, values: int = 100_000) -> ArrayEmbedding:
    """About 2 x 2 bytes a value: 0.4 MB."""
    return ArrayEmbedding(
        np.full((1, values), value, np.float16), (np.full((1, values), -value, np.float16),)
    )


def same(a: ArrayEmbedding, b: ArrayEmbedding) -> bool:
    pairs = zip((a.final, *a.early), (b.final, *b.early), strict=True)
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs)


def test_memory_forgets_what_was_not_used_for_longest():
    cache = EmbeddingCache(CacheOptions(memory_mb=1, disk_mb=0))
    for name in "ab":
        cache.put(name, embedding(1.0))
    assert cache.get("a") is not None
    cache.put("c", embedding(2.0))
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]


def test_nothing_is_kept_when_asked_to_keep_nothing():
    cache = EmbeddingCache(CacheOptions(memory_mb=0, disk_mb=0))
    cache.put("a", embedding(1.0))
    assert cache.get("a") is None


def test_the_disk_gives_back_the_same_bits_to_another_process(tmp_path):
    options = CacheOptions(memory_mb=0, disk_mb=10, folder=tmp_path)
    kept = embedding(0.1)
    EmbeddingCache(options).put("ab12", kept)
    found = EmbeddingCache(options).get("ab12")
    assert found is not None and same(found, kept)


def test_the_disk_stays_below_its_cap_and_the_newest_stay(tmp_path):
    options = CacheOptions(memory_mb=0, disk_mb=1, folder=tmp_path)
    cache = EmbeddingCache(options)
    for i in range(6):
        cache.put(f"{i:02d}", embedding(float(i)))
        assert sum(f.stat().st_size for f in tmp_path.rglob("*.safetensors")) <= 1_000_000
    assert cache.get("05") is not None and cache.get("00") is None


@pytest.mark.parametrize("damage", [b"", b"not a tensor", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_file_counts_as_not_there_and_goes(tmp_path, damage):
    options = CacheOptions(memory_mb=0, disk_mb=10, folder=tmp_path)
    cache = EmbeddingCache(options)
    cache.put("ab12", embedding(1.0))
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(damage)
    assert cache.get("ab12") is None and not file.exists()
    cache.put("ab12", embedding(2.0))
    assert cache.get("ab12") is not None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = EmbeddingCache(CacheOptions(memory_mb=10, disk_mb=10, folder=tmp_path / "file"))
    cache.put("ab12", embedding(1.0))
    assert cache.get("ab12") is not None


def test_the_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_SAM_CACHE", str(tmp_path))
    assert CacheOptions().place() == tmp_path / "embeddings"


def test_the_key_knows_pixels_size_and_weights():
    dark = np.zeros((4, 4, 3), np.uint8)
    spot = dark.copy()
    spot[1, 2, 0] = 1
    keys = {
        embedding_key(pixels, weights, size)
        for pixels in (dark, spot, dark[:2, :2])
        for weights in ("x", "y")
        for size in (192, 256)
    }
    assert len(keys) == 12


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="memory_mb=-1"):
        CacheOptions(memory_mb=-1)


def test_what_killed_processes_had_begun_to_write_goes_and_what_is_being_written_stays(tmp_path):
    (tmp_path / "ab").mkdir()
    abandoned, written = tmp_path / "ab" / ".one", tmp_path / "ab" / ".two"
    for file in (abandoned, written):
        file.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    EmbeddingCache(CacheOptions(memory_mb=0, disk_mb=10, folder=tmp_path)).put("ab12", embedding(1.0))
    left = {file.name for file in (tmp_path / "ab").iterdir()}
    assert left == {".two", "ab12.safetensors"}
