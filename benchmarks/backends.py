"""The engine on ONNX Runtime beside the engine on PyTorch: `python -m benchmarks.backends`.

Two environments are made as the plugin makes them (a venv, the engine's wheel with `[engine]` or with
`[engine,torch]`), without pip's cache. An engine of each is started again and again, and clicked on over
HTTP. The two take turns, so that both see the machine in the same moods; medians and ratios are printed.

With --environments FOLDER the environments stay there, and the next run only clicks.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.parts import Engine, write_scene

ROOT = Path(__file__).parents[1]
TORCH = ("--extra-index-url", "https://download.pytorch.org/whl/cpu", "torch==2.13.0+cpu")
DOWNLOADED = re.compile(r"^\s*Downloading \S+ \(([\d.]+) (kB|MB|GB)\)")
LOCAL = re.compile(r"^\s*Processing (\S+\.whl)")
MEGABYTES = {"kB": 1e-3, "MB": 1.0, "GB": 1e3}


@dataclass
class Seen:
    """What was measured of one environment."""

    setup: dict[str, float] = field(default_factory=dict)
    start: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def set_up(folder: Path, wheel: Path, extras: str, first: tuple[str, ...]) -> dict[str, float]:
    """Make an environment; returns seconds, and megabytes downloaded and on disk."""
    began, downloaded = time.perf_counter(), 0.0
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for wanted in (first, (f"{wheel}[{extras}]",)):
        if wanted:
            command = [str(folder / "bin/python"), "-m", "pip", "install", "--no-cache-dir", *wanted]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            downloaded += fetched_mb(told, wheel)
    took = time.perf_counter() - began
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return {"seconds": took, "download_mb": downloaded, "disk_mb": size}


def fetched_mb(told: str, wheel: Path) -> float:
    """Return the megabytes that pip says to have fetched; a mirror's local files count as well."""
    total = 0.0
    for line in told.splitlines():
        fetched, local = DOWNLOADED.match(line), LOCAL.match(line)
        if fetched:
            total += float(fetched[1]) * MEGABYTES[fetched[2]]
        elif local and Path(local[1]).name != wheel.name:
            total += Path(local[1]).stat().st_size / 1e6
    return total


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=__doc__)
    parser.add_argument("--environments", type=Path, help="where the two environments are made and stay")
    parser.add_argument("--rounds", type=int, default=4, help="starts of each engine")
    parser.add_argument("--clicks", type=int, default=6, help="places clicked in each round")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.environments or Path(scratch)
        seen = {"onnx": Seen(), "torch": Seen()}
        environments(folder, seen)
        source, places = write_scene(Path(scratch))
        for turn in range(options.rounds):
            started = time.perf_counter()
            engines = {
                name: Engine(folder / name / "bin/python", scratch, "--runtime", name) for name in seen
            }
            frames = {n: e.ask("frames", {"source": str(source)})["frame_id"] for n, e in engines.items()}
            for name, engine in engines.items():
                engine.click(frames[name], [places[-1]])  # the first work of a process is not a click's
            for x, y in places[turn * options.clicks : (turn + 1) * options.clicks]:
                for name, engine in engines.items():
                    seen[name].cold.append(engine.click(frames[name], [(x, y)]))
                    seen[name].warm.append(engine.click(frames[name], [(x, y), (x + 0.5, y + 0.5)]))
            for name, engine in engines.items():
                seen[name].start.append(engine.start_s)
                seen[name].ready.append(engine.ready_s)
                seen[name].peak.append(engine.peak_mb())
                engine.end()
            sys.stderr.write(f"round {turn + 1}: {time.perf_counter() - started:.0f} s\n")
    sys.stdout.write(table(seen))
    return 0


def environments(folder: Path, seen: dict[str, Seen]) -> None:
    """Make the environments that are not there, and read what making them took."""
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {
        "onnx": ("engine", ()),
        "torch": ("engine,torch", TORCH),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, (extras, first) in wanted.items():
            record = folder / f"{name}.json"
            if not record.exists():
                folder.mkdir(parents=True, exist_ok=True)
                wheels = list(Path(scratch).glob("*.whl")) or build(Path(scratch))
                record.write_text(json.dumps(set_up(folder / name, wheels[0], extras, first)))
            seen[name].setup = json.loads(record.read_text())


def build(folder: Path) -> list[Path]:
    """Build the engine's wheel."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    return list(folder.glob("*.whl"))


def table(seen: dict[str, Seen]) -> str:
    """Return what was measured as a Markdown table."""
    onnx, torch = seen["onnx"], seen["torch"]
    middle = statistics.median
    rows = [
        ("download, MB", onnx.setup["download_mb"], torch.setup["download_mb"]),
        ("environment on disk, MB", onnx.setup["disk_mb"], torch.setup["disk_mb"]),
        ("set-up, s", onnx.setup["seconds"], torch.setup["seconds"]),
        ("engine answers after, s", middle(onnx.start), middle(torch.start)),
        ("model is open after, s", middle(onnx.ready), middle(torch.ready)),
        ("cold click, ms", middle(onnx.cold) * 1e3, middle(torch.cold) * 1e3),
        ("second click at the same place, ms", middle(onnx.warm) * 1e3, middle(torch.warm) * 1e3),
        ("peak memory, MB", middle(onnx.peak), middle(torch.peak)),
    ]
    lines = ["| | ONNX Runtime | PyTorch (CPU) | ratio |", "| --- | ---: | ---: | ---: |"]
    for name, mine, theirs in rows:
        digits = 0 if max(mine, theirs) >= 20 else 2
        lines.append(f"| {name} | {mine:.{digits}f} | {theirs:.{digits}f} | {mine / theirs:.2f} |")
    counts = f"{len(onnx.start)} starts and {len(onnx.cold)} clicks of each, medians"
    return "\n".join([*lines, "", counts, ""])


if __name__ == "__main__":
    sys.exit(main())
