"""Models by name: where they are, and the errors that say what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ros_sam_core.errors import InvalidParameter, ModelNotDownloaded, ModelUnknown
from ros_sam_core.model.zoo import BUNDLED_FOLDER, ZOO, ZooEntry, cache_folder, download, path_of, resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROS_SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def test_the_bundled_model_comes_first() -> None:
    first = next(iter(ZOO.values()))
    assert first.name == "ros-sam-tiny"
    assert first.bundled
    assert first.path == BUNDLED_FOLDER / "ros-sam-tiny.safetensors"


def test_the_published_models_are_known_by_hash() -> None:
    public = {entry.name: entry for entry in ZOO.values() if not entry.bundled}
    assert set(public) == {
        *("sam_vit_b", "sam_vit_l", "sam_vit_h"),
        *("sam_hq_vit_b", "sam_hq_vit_l", "sam_hq_vit_h", "sam_hq_vit_tiny"),
    }
    for entry in public.values():
        assert entry.url is not None
        assert entry.url.startswith("https://")
        assert entry.known_hash is not None
        algorithm, _, digest = entry.known_hash.partition(":")
        assert len(digest) == {"sha256": 64, "md5": 32}[algorithm]
        assert int(digest, 16) > 0
        assert entry.url.endswith(f"/{entry.file}")
    assert "01ec64" in public["sam_vit_b"].file
    assert public["sam_vit_b"].known_hash.startswith("sha256:ec2df62732614e57")


def test_names_of_files_that_are_not_there_are_told(cache: Path) -> None:
    with pytest.raises(ModelNotDownloaded, match="ros-sam models download sam_vit_b") as raised:
        resolve("sam_vit_b")
    assert str(cache / "sam_vit_b_01ec64.pth") in str(raised.value)
    assert "375 MB" in str(raised.value)


def test_file_put_there_by_hand_is_found(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "sam_vit_b_01ec64.pth").write_bytes(b"weights")
    assert path_of("sam_vit_b") == resolve("sam_vit_b") == cache / "sam_vit_b_01ec64.pth"


def test_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.touch()
    assert resolve(file) == resolve(str(file)) == file
    assert resolve(tmp_path) == tmp_path


@pytest.mark.parametrize("name", ["sam_vit_x", "nowhere/model.pth"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(ModelUnknown, match=r"ros-sam-tiny, .*sam_hq_vit_tiny") as raised:
        resolve(name)
    assert name in str(raised.value)
    assert ("did you mean sam_vit_" in str(raised.value)) == (name == "sam_vit_x")


def test_bundled_model_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = ZooEntry("ours", "", "GPL-3.0-or-later", 1, "ours.safetensors")
    monkeypatch.setitem(ZOO, "ours", entry)
    monkeypatch.setattr("ros_sam_core.model.zoo.BUNDLED_FOLDER", tmp_path)
    with pytest.raises(ModelNotDownloaded, match="install ros-sam anew"):
        download("ours")
    entry.path.touch()
    assert download("ours") == tmp_path / "ours.safetensors"


def test_open_weights_have_a_name_where_they_are_and_none_where_they_were_left_out(tmp_path: Path) -> None:
    assert ZOO["ros-sam-tiny-open"].bundled and ZOO["ros-sam-tiny-open"].licence == "GPL-3.0-or-later"
    package = BUNDLED_FOLDER.parent
    without = shutil.ignore_patterns("*.safetensors", "__pycache__")
    shutil.copytree(package, tmp_path / package.name, ignore=without)  # as the plugin's zip has it
    code = (
        "from ros_sam_core.model.zoo import ZOO, resolve\n"
        "print(*[entry.name for entry in ZOO.values() if entry.bundled])\n"
        "try: resolve('ros-sam-tiny-open')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    names, told = done.stdout.splitlines()
    assert names.split() == ["ros-sam-tiny"]
    assert told.startswith("ModelNotDownloaded ros-sam-tiny-open is not part of this installation")
    assert "take ros-sam-tiny-open.safetensors from" in told


def test_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_SAM_CACHE")
    assert cache_folder().parts[-2:] == ("ros-sam", "models")


def test_address_and_hash_go_together() -> None:
    with pytest.raises(InvalidParameter, match="address"):
        ZooEntry("x", "", "MIT", 1, "x.pth", url="https://example.org/x.pth")


def test_zoo_and_config_need_no_torch_and_no_network_code() -> None:
    code = (
        "import sys, ros_sam_core, ros_sam_core.model.zoo, ros_sam_core.model.config\n"
        "print(sorted({'torch', 'requests', 'pooch', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
