"""Take the user guide's pictures from runs of the QGIS desktop program: `make screenshots`.

.venv/bin/python .ci/screenshots.py [en] [zh] [dark]    (all three by default)

Pictures of the whole screen become JPEG files, those of dialogs PNG files, in docs/images/.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
RUNS = {"en": ("en", "default"), "zh": ("zh-Hans", "default"), "dark": ("en", "Night Mapping")}
WHOLE = ("hover", "outline", "box", "kept", "correct", "shape", "video", "processed")
DIALOGS = ("setup-dialog", "settings", "export", "video-dialog", "processing")
ELSEWHERE = ("shape",)
"""What is shown in another language and in another theme."""


def take(locale: str, theme: str, folder: Path) -> None:
    """Play the desktop run and have its pictures saved in a folder."""
    told = {"ROS_SAM_LOCALE": locale, "ROS_SAM_THEME": theme, "ROS_SAM_PICTURES": str(folder)}
    command = ["bash", ".ci/qgis", "-q", "test/e2e"]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **told, "ROS_SAM_NO_SKIP": "1"})


def convert(folder: Path, run: str) -> None:
    """Put the pictures of a run into the documentation."""
    ending = "" if run == "en" else f"-{run}"
    for name in WHOLE if run == "en" else ELSEWHERE:
        picture = Image.open(folder / f"{name}.png").convert("RGB")
        picture.save(IMAGES / f"qgis-{name}{ending}.jpg", quality=82, optimize=True)
    for name in DIALOGS if run == "en" else ():
        picture = Image.open(folder / f"{name}.png").convert("RGB")
        picture.quantize(128, dither=Image.Dither.NONE).save(IMAGES / f"qgis-{name}.png", optimize=True)


def main(runs: list[str]) -> None:
    """Take the pictures of some runs."""
    wanted = runs or list(RUNS)
    if (
        "zh" in wanted
        and not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=True).stdout.strip()
    ):
        raise SystemExit("no font here has Chinese; apt-get install fonts-wqy-microhei, then begin again")
    for run in wanted:
        with tempfile.TemporaryDirectory() as folder:
            take(*RUNS[run], Path(folder))
            convert(Path(folder), run)


if __name__ == "__main__":
    main(sys.argv[1:])
