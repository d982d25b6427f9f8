"""Every benchmark, one after the other, each in a process of its own: `python -m benchmarks [NAME ...]`.

Each prints ours beside a peer or a baseline, as ratios, in Markdown; `docs/benchmarks.md` holds what they
printed. On two cores all of them take about half an hour; name those that you want.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

VHR10 = Path("../shared/data/vhr10/val.json")
COMMANDS: dict[str, list[str]] = {
    "encoder": [],
    "click": [],
    "scene": [],
    "everything": ["--workers", "2", "--step", "3", "--procedural", "10", "--speed", "512"],
    "training_step": ["--steps", "1"],
    "backends": [],
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 1 if any of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)}; default: all")
    names = parser.parse_args(arguments).names or list(COMMANDS)
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such benchmark; known: {', '.join(COMMANDS)}")
    failed = []
    for name in names:
        options = [
            *COMMANDS[name],
            *(["--data", str(VHR10)] if name == "everything" and VHR10.exists() else []),
        ]
        sys.stdout.write(f"\n## {name}\n\n`python -m benchmarks.{' '.join([name, *options])}`\n\n")
        sys.stdout.flush()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode:
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
