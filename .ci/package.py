"""Build the QGIS plugin's zip: its code, the engine's wheel with the bundled weights, nothing compiled.

.venv/bin/python .ci/package.py [FOLDER]    (`make package`)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = "ros_sam_qgis"
LIMIT_MB = 25
STAMP = (2024, 1, 1, 0, 0, 0)
"""Time of every file in the zip, so that the same sources give the same zip."""
KEPT = {".py", ".svg", ".png", ".qm", ".ui"}
WANTED = ("email", "homepage", "tracker", "repository")
"""What QGIS's plugin repository asks for and only a maintainer can say."""
NEEDED = (
    "weights/ros-sam-tiny.safetensors",
    "weights/graphs/graphs.json",
    "weights/graphs/encoder.onnx",
    "weights/graphs/mask.onnx",
    "weights/graphs/decoder.onnx",
    "weights/graphs/sketch.onnx",
)
"""Without these an engine that was set up from the wheel could outline nothing."""
LEFT_OUT = "ros_sam_core/weights/ros-sam-tiny-open"
"""What comes with the Python package alone: with it the zip would be larger than is allowed."""
BINARIES = {".so", ".pyd", ".dll", ".dylib", ".exe", ".pyc", ".a", ".o"}


def build_wheel(folder: Path) -> Path:
    """Build the engine's wheel, with the setuptools at hand if they are new enough."""
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # or it would be packed again
    at_hand = int(version("setuptools").split(".")[0]) >= 77
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, *(["--no-build-isolation"] if at_hand else []), str(ROOT)], check=True)
    (wheel,) = folder.glob("ros_sam-*.whl")
    slim(wheel)
    return wheel


def slim(wheel: Path) -> None:
    """Take out of a wheel, and out of its list, what the zip has no room for; stamp the rest."""
    whole = wheel.rename(wheel.with_suffix(".whole"))
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                lines = data.decode().splitlines(keepends=True)
                data = "".join(line for line in lines if not line.startswith(LEFT_OUT)).encode()
            if not info.filename.startswith(LEFT_OUT):
                stamped = zipfile.ZipInfo(info.filename, STAMP)
                stamped.external_attr, stamped.compress_type = info.external_attr, zipfile.ZIP_DEFLATED
                new.writestr(stamped, data)


def files_of(wheel: Path) -> dict[str, bytes]:
    """Return what goes into the zip, by its path there."""
    files = {f"{PLUGIN}/wheel/{wheel.name}": wheel.read_bytes()}
    for name in ("metadata.txt", "LICENSE", "CHANGELOG.md"):
        files[f"{PLUGIN}/{name}"] = (ROOT / name).read_bytes()
    for path in sorted((ROOT / PLUGIN).rglob("*")):
        if path.suffix in KEPT and "__pycache__" not in path.parts:
            files[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    return files


def check(files: dict[str, bytes], wheel: Path) -> None:
    """Refuse what QGIS's plugin repository would refuse, and an engine without its model."""
    names = [*files, *zipfile.ZipFile(wheel).namelist()]
    compiled = [name for name in names if Path(name).suffix in BINARIES]
    if compiled:
        raise SystemExit(f"compiled files in the package: {', '.join(compiled)}")
    for needed in NEEDED:
        if not any(name.endswith(needed) for name in names):
            raise SystemExit(f"the wheel lacks ros_sam_core/{needed}")


def main(folder: Path) -> Path:
    """Build the zip into a folder and return its path."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{PLUGIN}-{parser['general']['version']}.zip"
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        files = files_of(wheel)
        check(files, wheel)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zip_file:
            for name, data in sorted(files.items()):
                info = zipfile.ZipInfo(name, STAMP)
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                zip_file.writestr(info, data)
    size_mb = target.stat().st_size / 1e6
    if size_mb > LIMIT_MB:
        raise SystemExit(f"{target} has {size_mb:.1f} MB; {LIMIT_MB} MB are allowed")
    sys.stdout.write(f"{target}  {size_mb:.1f} MB, {len(files)} files\n")
    empty = [name for name in WANTED if not parser["general"].get(name, "").strip()]
    if empty:
        sys.stdout.write(f"For plugins.qgis.org a maintainer must fill in metadata.txt: {', '.join(empty)}\n")
    return target


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
